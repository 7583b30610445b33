//! One exchange with the gateway.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quartermaster_egress::{AllowedUpstreams, EgressError, Limits, Request, Stream, StreamLimits, UpstreamAuthorities};
use quartermaster_types::Problem;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::ClientError;
use crate::rate::RateHeaders;

/// How long one exchange may take. Longer than the gateway's own deadline, so that its answer arrives.
const EXCHANGE_MAX: Duration = Duration::from_secs(150);

/// The largest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// A stream of events: the gateway ends one after five minutes, and says every fifteen seconds that it is still there.
const STREAM_LIMITS: StreamLimits = StreamLimits {
    head: Duration::from_secs(30),
    idle: Duration::from_secs(60),
    total: Duration::from_secs(10 * 60),
    body_max_bytes: 1024 * 1024 * 1024,
};

/// How much of a foreign answer an error shows.
const EXCERPT_MAX_CHARS: usize = 200;

/// What is escaped in one path segment or query value: everything but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of one gateway with one token. Cheap to clone. `Debug` does not show the token.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    egress: quartermaster_egress::Client,
    /// Without a slash at the end.
    base: String,
    token: Option<SecretString>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("base", &self.inner.base).finish_non_exhaustive()
    }
}

/// An answer that is what was asked for.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The body.
    pub value: T,
    /// Rate limits that came with it.
    pub rate: RateHeaders,
    /// `x-request-id`: the same in the gateway's log and audit record.
    pub request_id: Option<String>,
    /// True when the gateway gave the stored answer of an earlier call with the same idempotency key.
    pub replayed: bool,
}

impl Client {
    /// A client of the gateway at `base_url` (`http://127.0.0.1:8080`; a path prefix is kept). The user named this host, so
    /// it may be a loopback or private one, and no other such host can be reached.
    ///
    /// # Errors
    /// [`ClientError::BadRequest`] when the address is not an absolute http or https URL without credentials and query, or
    /// when the token cannot stand in a header.
    pub fn new(base_url: &str, token: Option<SecretString>) -> Result<Self, ClientError> {
        Self::trusting(base_url, token, UpstreamAuthorities::default())
    }

    /// The same, for a gateway whose certificate may come from `authorities` too, beside those that the system trusts.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn trusting(
        base_url: &str,
        token: Option<SecretString>,
        authorities: UpstreamAuthorities,
    ) -> Result<Self, ClientError> {
        let bad = |why: &str| ClientError::BadRequest(format!("not an address of a gateway: {why}"));
        let url = Url::parse(base_url).map_err(|error| bad(&format!("{base_url:?}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("it must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it must not hold a user name or password; the API token goes separately"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it must not have a query or fragment"));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(bad("it names no host"));
        };
        let allowed = AllowedUpstreams::parse([format!("{host}:{port}").as_str()]).map_err(|error| bad(&error))?;
        if let Some(token) = &token
            && bearer(token).is_none()
        {
            return Err(ClientError::BadRequest("the API token has characters that no token has".to_owned()));
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            inner: Arc::new(Inner {
                egress: quartermaster_egress::Client::trusting(allowed, authorities),
                base,
                token,
            }),
        })
    }

    /// The gateway's address, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.inner.base
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, ClientError> {
        self.send(Method::GET, path, None, HeaderMap::new()).await
    }

    /// The body as it came.
    pub(crate) async fn bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        Ok(self.exchange(Method::GET, path, None, HeaderMap::new()).await?.2)
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: HeaderMap,
    ) -> Result<Answer<T>, ClientError> {
        let (status, headers, bytes) = self.exchange(method, path, body, headers).await?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let value = serde_json::from_slice(bytes).map_err(|error| self.not_ours(status, &format!("{error}")))?;
        let replayed = headers.get("idempotent-replayed").is_some_and(|value| value == "true");
        Ok(Answer { value, rate: RateHeaders::read(&headers), request_id: request_id(&headers), replayed })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        mut headers: HeaderMap,
    ) -> Result<(StatusCode, HeaderMap, Bytes), ClientError> {
        let body = match body {
            Some(value) => {
                headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                Bytes::from(value.to_string())
            }
            None => Bytes::new(),
        };
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let limits =
            Limits { total: EXCHANGE_MAX, body_max_bytes: ANSWER_MAX_BYTES, decompressed_max_bytes: ANSWER_MAX_BYTES };
        let request = self.request(method, path, body, headers)?;
        let response = self.inner.egress.send(request, limits).await.map_err(|error| self.fault(&error))?;
        if response.status.is_success() {
            return Ok((response.status, response.headers, response.body));
        }
        Err(match serde_json::from_slice::<Problem>(&response.body) {
            Ok(problem) => ClientError::Problem { problem, rate: RateHeaders::read(&response.headers) },
            Err(_) => self.not_ours(response.status, &excerpt(&response.body)),
        })
    }

    fn request(&self, method: Method, path: &str, body: Bytes, mut headers: HeaderMap) -> Result<Request, ClientError> {
        let url = format!("{}{path}", self.inner.base);
        let url = url.parse().map_err(|_| ClientError::BadRequest(format!("{path:?} is not a path")))?;
        if let Some(value) = self.inner.token.as_ref().and_then(bearer) {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Request { method, url, headers, body })
    }

    /// A stream of events; `None` when the gateway says that there is nothing more to come.
    pub(crate) async fn open(&self, path: &str, mut headers: HeaderMap) -> Result<Option<Stream>, ClientError> {
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let request = self.request(Method::GET, path, Bytes::new(), headers)?;
        let stream = self.inner.egress.open(request, STREAM_LIMITS).await.map_err(|error| self.fault(&error))?;
        if stream.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        if stream.status.is_success() {
            return Ok(Some(stream));
        }
        let (status, headers) = (stream.status, stream.headers.clone());
        let body = stream.rest(ANSWER_MAX_BYTES).await.map_err(|error| self.fault(&error))?;
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => ClientError::Problem { problem, rate: RateHeaders::read(&headers) },
            Err(_) => self.not_ours(status, &excerpt(&body)),
        })
    }

    pub(crate) fn fault(&self, error: &EgressError) -> ClientError {
        // The texts are those of the gateway's own way out; here they speak of this program.
        let (url, reason) = (self.inner.base.clone(), error.to_string().replace("this gateway", "this program"));
        match error {
            EgressError::Broken { .. }
            | EgressError::TooLarge { .. }
            | EgressError::BadEncoding { .. }
            | EgressError::Timeout { sent: true, .. } => ClientError::NoAnswer { url, reason },
            _ => ClientError::Unreachable { url, reason },
        }
    }

    pub(crate) fn not_ours(&self, status: StatusCode, excerpt: &str) -> ClientError {
        ClientError::NotOurs { url: self.inner.base.clone(), status: status.as_u16(), excerpt: excerpt.to_owned() }
    }
}

/// One path segment or query value, escaped.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A query from names and values, `?a=b&c=d`, empty when there are none.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&format!("{name}={}", escape(&value)));
    }
    text
}

/// A header of the caller's own, refused when it cannot stand in a request.
pub(crate) fn header(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), ClientError> {
    let value = HeaderValue::from_str(value)
        .map_err(|_| ClientError::BadRequest(format!("{name} must be printable ASCII characters")))?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The start of a foreign body, printable and on one line.
fn excerpt(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(EXCERPT_MAX_CHARS)
        .collect();
    if text.trim().is_empty() { "an empty body".to_owned() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_must_be_one_of_a_gateway() {
        for (bad, why) in [
            ("127.0.0.1:8080", "not an address"),
            ("ftp://127.0.0.1", "http://"),
            ("http://user:secret@127.0.0.1", "user name"),
            ("http://127.0.0.1/?a=b", "query"),
        ] {
            let error = Client::new(bad, None).expect_err(bad).to_string();
            assert!(error.contains(why), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let client = Client::new("http://127.0.0.1:8080/gateway/", None).expect("a good address");
        assert_eq!(client.base_url(), "http://127.0.0.1:8080/gateway");
    }

    #[test]
    fn a_token_with_a_line_break_is_refused_and_never_shown() {
        let error = Client::new("http://127.0.0.1:1", Some("qmt_a\r\nx: y".to_owned().into())).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("qmt_a"));
        let client = Client::new("http://127.0.0.1:1", Some("qmt_abc".to_owned().into())).expect("fine");
        assert!(!format!("{client:?}").contains("qmt_abc"));
    }

    #[test]
    fn values_are_escaped_where_they_stand() {
        assert_eq!(escape("../a b?#%"), "..%2Fa%20b%3F%23%25");
        assert_eq!(query([("a", "x&y".to_owned()), ("b", "1".to_owned())]), "?a=x%26y&b=1");
    }

    #[test]
    fn a_foreign_body_is_shown_on_one_line_and_cut() {
        assert_eq!(excerpt(b""), "an empty body");
        assert_eq!(excerpt("<html>\n\u{1b}[31m".as_bytes()), "<html>  [31m");
        assert_eq!(excerpt(&[b'x'; 1000]).len(), EXCERPT_MAX_CHARS);
    }
}
