//! Where a request goes, taken from its URL.

use crate::EgressError;

/// Scheme and authority of a URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) is_https: bool,
    /// `host` or `host:port`, as it stands in the URL.
    pub(crate) authority: &'a str,
    /// Without brackets.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl<'a> Origin<'a> {
    /// Fails when the URL is not absolute, has another scheme than http or https, or holds a user name.
    pub(crate) fn of(url: &'a http::Uri) -> Result<Self, EgressError> {
        let is_https = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(EgressError::BadUrl),
        };
        let authority = url.authority().ok_or(EgressError::BadUrl)?;
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(EgressError::BadUrl);
        }
        let default_port = if is_https { 443 } else { 80 };
        let port = match authority.port() {
            Some(port) => port.as_str().parse().map_err(|_| EgressError::BadUrl)?,
            None => default_port,
        };
        Ok(Self { is_https, authority: authority.as_str(), host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_from_a_url() {
        let of = |url: &str| {
            let url = url.parse().unwrap();
            Origin::of(&url).map(|origin| (origin.is_https, origin.host.to_owned(), origin.port))
        };
        assert_eq!(of("http://a.example/x?y").unwrap(), (false, "a.example".to_owned(), 80));
        assert_eq!(of("https://a.example:8443").unwrap(), (true, "a.example".to_owned(), 8443));
        assert_eq!(of("https://[::1]/").unwrap(), (true, "::1".to_owned(), 443));
        for bad in ["/x", "ftp://a/", "a.example:80", "http://u:p@a.example/", "http://u@a/"] {
            assert!(matches!(of(bad), Err(EgressError::BadUrl)), "{bad}");
        }
    }
}
