//! The one HTTP client: SSRF-safe name resolution at connect time, pooled connections, no automatic redirects, caps on
//! time, size and decompressed size. It knows no vendor.

mod address;
mod allowed;
mod body;
mod client;
mod connect;
mod error;
mod origin;
mod pool;
mod stream;
mod tls;

use std::time::Duration;

use bytes::Bytes;

pub use allowed::AllowedUpstreams;
pub use client::Client;
pub use error::EgressError;
pub use pool::{IDLE_MAX, IDLE_PER_ORIGIN_MAX, IDLE_TIMEOUT};
pub use stream::{Stream, StreamLimits};
pub use tls::{AuthoritiesError, TlsFault, UPSTREAM_CA_MAX_BYTES, UpstreamAuthorities};

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
