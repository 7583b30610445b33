//! The one HTTP client: SSRF-safe name resolution at connect time, pooled connections, no automatic redirects, caps on
//! time, size and decompressed size. It knows no vendor.

use bytes::Bytes;
use std::time::Duration;

/// `HOST:PORT` pairs that may be reached although they are loopback or private (`--allow-upstream`).
#[derive(Clone, Debug, Default)]
pub struct AllowedUpstreams {
    _private: (),
}
impl AllowedUpstreams {
    /// Parses `HOST:PORT` texts (IPv6 in brackets); every bad one is named.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let _ = values.into_iter().count();
        todo!()
    }
}

/// Limits of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From start to last byte.
    pub total: Duration,
    /// Largest body as it comes over the wire.
    pub body_max_bytes: usize,
    /// Largest body after decompression.
    pub decompressed_max_bytes: usize,
}

/// One request. The URL is absolute; the body is whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: http::Method,
    /// Absolute URL.
    pub url: http::Uri,
    /// Headers; `host`, `content-length` and `accept-encoding` are the client's.
    pub headers: http::HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
}

/// One answer, read to the end and decompressed.
#[derive(Debug)]
pub struct Response {
    /// Status.
    pub status: http::StatusCode,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body in one piece.
    pub body: Bytes,
}

/// Why there is no answer. Texts never hold header values or query values (they may be secret).
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The address is not one that may be reached.
    #[error("{host} resolves to {address}, which is {kind}; such addresses are refused")]
    Forbidden {
        /// Host as asked.
        host: String,
        /// Address as resolved.
        address: std::net::IpAddr,
        /// `loopback`, `private`, `link-local`, `a metadata address`, …
        kind: &'static str,
    },
    /// The name does not resolve.
    #[error("{host} does not resolve")]
    Unresolved {
        /// Host as asked.
        host: String,
    },
    /// Connecting or TLS failed; nothing was sent.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host as asked.
        host: String,
        /// Why.
        reason: String,
    },
    /// The connection broke after the request may have been sent.
    #[error("the connection to {host} broke: {reason}")]
    Broken {
        /// Host as asked.
        host: String,
        /// Why.
        reason: String,
    },
    /// No full answer in time. `sent` tells whether the request may have reached the upstream.
    #[error("no full answer from {host} within {limit_ms} ms")]
    Timeout {
        /// Host as asked.
        host: String,
        /// The limit.
        limit_ms: u64,
        /// Whether the request may have been sent.
        sent: bool,
    },
    /// The body went over a cap.
    #[error("the answer of {host} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Host as asked.
        host: String,
        /// The cap.
        limit_bytes: usize,
    },
    /// The body does not decompress.
    #[error("the answer of {host} does not decompress")]
    BadEncoding {
        /// Host as asked.
        host: String,
    },
    /// The URL is not an absolute http or https URL.
    #[error("not an absolute http(s) URL")]
    BadUrl,
}

/// The client. Cheap to clone; one per process is enough.
#[derive(Clone)]
pub struct Client {
    _private: (),
}
impl Client {
    /// A client that refuses loopback, private, link-local and metadata addresses except `allowed`.
    pub fn new(allowed: AllowedUpstreams) -> Self {
        let _ = allowed;
        todo!()
    }
    /// Sends one request and reads the whole answer. Never follows a redirect, never retries a request that may have been sent.
    pub async fn send(&self, request: Request, limits: Limits) -> Result<Response, EgressError> {
        let _ = (request, limits);
        todo!()
    }
}
