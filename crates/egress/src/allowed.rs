//! Exceptions from the rule that only public addresses are reached.

use std::collections::HashSet;

/// `HOST:PORT` pairs that may be reached although they are loopback or private (`--allow-upstream`).
///
/// A pair allows exactly what it says: `127.0.0.1:8080` does not allow `localhost:8080`, nor another port.
#[derive(Clone, Debug, Default)]
pub struct AllowedUpstreams {
    /// Host in lower case, IPv6 without brackets and in its canonical form; port.
    pairs: HashSet<(String, u16)>,
}

impl AllowedUpstreams {
    /// Parses `HOST:PORT` texts (IPv6 in brackets); every bad one is named.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut pairs = HashSet::new();
        let mut bad = Vec::new();
        for value in values {
            match parse_pair(value) {
                Some(pair) => drop(pairs.insert(pair)),
                None => bad.push(format!("{value:?}")),
            }
        }
        if bad.is_empty() {
            return Ok(Self { pairs });
        }
        Err(format!("not HOST:PORT (IPv6 in brackets): {}", bad.join(", ")))
    }

    /// Whether a host (as in a URL, without brackets) and port are allowed.
    pub(crate) fn contains(&self, host: &str, port: u16) -> bool {
        !self.pairs.is_empty() && self.pairs.contains(&(canonical(host), port))
    }
}

fn parse_pair(value: &str) -> Option<(String, u16)> {
    let (host, port) = value.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    if let Some(rest) = host.strip_prefix('[') {
        let address: std::net::Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        return Some((address.to_string(), port));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (!host.is_empty() && host.bytes().all(plain)).then(|| (canonical(host), port))
}

fn canonical(host: &str) -> String {
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_matched_exactly() {
        let allowed =
            AllowedUpstreams::parse(["127.0.0.1:8080", "Sim.Example:443", "[::1]:9", "[2001:db8:0::5]:80"]).unwrap();
        assert!(allowed.contains("127.0.0.1", 8080));
        assert!(allowed.contains("sim.example", 443));
        assert!(allowed.contains("SIM.EXAMPLE", 443));
        assert!(allowed.contains("::1", 9));
        assert!(allowed.contains("0:0::1", 9));
        assert!(allowed.contains("2001:db8::5", 80));
        for (host, port) in [
            ("127.0.0.1", 8081),
            ("127.0.0.2", 8080),
            ("localhost", 8080),
            ("sim.example", 80),
            ("a.sim.example", 443),
            ("example", 443),
            ("sim.example.", 443),
            ("::2", 9),
            ("::ffff:127.0.0.1", 8080),
            ("", 8080),
        ] {
            assert!(!allowed.contains(host, port), "{host} {port}");
        }
    }

    #[test]
    fn every_bad_pair_is_named() {
        let error = AllowedUpstreams::parse([
            "a:1",
            "",
            "b",
            "c:",
            ":5",
            "d:0",
            "e:65536",
            "::1:5",
            "[::1]",
            "[x]:1",
            "http://f:1",
            "g h:1",
            "i:-1",
        ])
        .unwrap_err();
        let named = error.split(": ").nth(1).unwrap();
        assert_eq!(
            named,
            r#""", "b", "c:", ":5", "d:0", "e:65536", "::1:5", "[::1]", "[x]:1", "http://f:1", "g h:1", "i:-1""#
        );
    }

    #[test]
    fn none_allowed_allows_none() {
        assert!(!AllowedUpstreams::default().contains("127.0.0.1", 80));
    }
}
