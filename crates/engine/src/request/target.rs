//! Where calls may go: the host of the base URL, and the hosts that the definition names.

use http::Uri;
use percent_encoding::percent_decode_str;
use quartermaster_definition::Plan;
use quartermaster_expr::{Place, Root, Scope};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use super::render_problem;

/// The rendered base URL and the further hosts of one call.
#[derive(Debug)]
pub(crate) struct Targets {
    /// Base URL without a slash at its end.
    pub(crate) base: String,
    origin: Origin,
    hosts: Vec<String>,
}

/// Scheme, host and port of a URL, in one form.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// `None` when the URL is not absolute http(s), or names a user.
    fn of(url: &Uri) -> Option<Self> {
        let https = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = url.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host: authority.host().to_ascii_lowercase(), port })
    }
}

impl Targets {
    /// Renders the base URL and the hosts with the connection's fields.
    pub(crate) fn new(plan: &Plan, connection: &Map<String, Value>) -> Result<Self, Problem> {
        let nothing = Map::new();
        let roots = [("connection", Root::Object(connection))];
        let scope = Scope { roots: &roots, arguments: &nothing };
        let render = |template: &quartermaster_expr::Template| {
            template.render(&scope, Place::BaseUrl).map_err(|error| render_problem(&error, &nothing))
        };
        let mut base = render(&plan.base_url)?;
        while base.ends_with('/') {
            base.pop();
        }
        let bad =
            || Problem::gateway(Code::UpstreamForbidden, "the base URL of this account is not an absolute http(s) URL");
        let url: Uri = base.parse().map_err(|_| bad())?;
        if url.query().is_some() || base.contains('#') {
            return Err(bad());
        }
        let origin = Origin::of(&url).ok_or_else(bad)?;
        let hosts = plan
            .hosts
            .iter()
            .map(|host| render(host).map(|host| host.to_ascii_lowercase()))
            .collect::<Result<_, _>>()?;
        Ok(Self { base, origin, hosts })
    }

    /// Appends the absolute URL of `path` (below the base URL, or absolute itself) to `url`.
    pub(crate) fn join(&self, url: &mut String, path: &str) -> Result<(), Problem> {
        if has_dot_segment(path) {
            return Err(Problem::caller(Code::InvalidArgument, "an argument makes `.` or `..` a path segment")
                .with_hint("Take the exact id from a read; an id never holds path steps."));
        }
        if !(path.starts_with("https://") || path.starts_with("http://")) {
            url.push_str(&self.base);
            if !path.starts_with('/') && !path.is_empty() {
                url.push('/');
            }
        }
        url.push_str(path);
        Ok(())
    }

    /// Refuses a URL that is on another host than the base URL's and those that the definition names.
    pub(crate) fn check(&self, url: &str) -> Result<(), Problem> {
        // The common case without parsing: the base URL, ended by a character that ends an authority.
        if let Some(rest) = url.strip_prefix(self.base.as_str())
            && (rest.is_empty() || rest.starts_with(['/', '?']))
        {
            return Ok(());
        }
        let refused = |host: &str| {
            Problem::gateway(
                Code::UpstreamForbidden,
                format!("calls to {host} are refused: the definition does not name this host"),
            )
            .with_hint("Name the host under `hosts` in the definition if calls should reach it.")
        };
        let parsed: Uri = url.parse().map_err(|_| refused("something that is not a URL"))?;
        let origin = Origin::of(&parsed).ok_or_else(|| refused("something that is not a plain http(s) URL"))?;
        if origin == self.origin || self.hosts.iter().any(|host| self.names(host, &origin)) {
            return Ok(());
        }
        Err(refused(&format!("{}:{}", origin.host, origin.port)))
    }

    /// Whether `host` or `host:port` names `origin`. Without a port the scheme's own is meant. Plain http is only for
    /// definitions whose base URL is plain http too.
    fn names(&self, host: &str, origin: &Origin) -> bool {
        let usual = if origin.https { 443 } else { 80 };
        let (name, port) = match host.rsplit_once(':').map(|(name, port)| (name, port.parse::<u16>())) {
            Some((name, Ok(port))) => (name, port),
            _ => (host, usual),
        };
        name == origin.host && port == origin.port && (origin.https || !self.origin.https)
    }
}

/// Whether a segment of the path, percent-decoded once or twice, is `.` or `..`, or holds a hidden slash that makes one.
pub(crate) fn has_dot_segment(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if !path.contains('.') && !path.contains('%') {
        return false;
    }
    let once = percent_decode_str(path).decode_utf8_lossy();
    let twice = percent_decode_str(&once).decode_utf8_lossy();
    let dots = |text: &str| text.split(['/', '\\']).any(|segment| segment == "." || segment == "..");
    dots(path) || dots(&once) || dots(&twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(base: &str, hosts: &[&str]) -> Targets {
        Targets {
            base: base.to_owned(),
            origin: Origin::of(&base.parse().unwrap()).unwrap(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        }
    }

    #[test]
    fn only_the_base_host_and_named_hosts_are_reached() {
        let targets = targets("https://api.example.com/v1", &["files.example.com", "other.example.com:8443"]);
        for good in [
            "https://api.example.com/v1/users",
            "https://api.example.com/v1?x=1",
            "https://API.example.com:443/elsewhere",
            "https://files.example.com/a",
            "https://other.example.com:8443/a",
            "https://api.example.com/v1.evil.test@evil.test/",
        ] {
            assert!(targets.check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example.com/v1/users",
            "https://api.example.com:8443/v1",
            "https://api.example.com.evil.test/v1",
            "https://user@api.example.com/v1/users",
            "https://api.example.com@evil.test/",
            "https://other.example.com/a",
            "http://files.example.com/a",
            "ftp://api.example.com/",
            "//api.example.com/",
            "/v1/users",
        ] {
            assert_eq!(targets.check(bad).unwrap_err().code(), Code::UpstreamForbidden, "{bad}");
        }
    }

    #[test]
    fn addresses_in_brackets_are_hosts() {
        let targets = targets("http://[::1]:8080/v1", &["[::2]:9", "[::3]"]);
        for good in ["http://[::1]:8080/v1/users", "http://[::2]:9/", "http://[::3]/a"] {
            assert!(targets.check(good).is_ok(), "{good}");
        }
        for bad in ["http://[::1]/v1", "http://[::2]/", "http://[::3]:9/"] {
            assert_eq!(targets.check(bad).unwrap_err().code(), Code::UpstreamForbidden, "{bad}");
        }
    }

    #[test]
    fn dot_segments_are_seen_through_escapes() {
        for bad in ["/a/../b", "/a/%2e%2e/b", "/a/.%2E", "/./a", "/a/%252e%252e/b", "/a/..%2fb", "/a/x%5c..%5cy", "/.."]
        {
            assert!(has_dot_segment(bad), "{bad}");
        }
        for good in ["/a/b", "/a..b/c", "/v1.0/users", "/a/...", "/a/..:suspend", "/a?next=../b", "/a%20b"] {
            assert!(!has_dot_segment(good), "{good}");
        }
    }
}
