//! One exchange from start to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderValue, StatusCode};

use crate::allowed::AllowedUpstreams;
use crate::body;
use crate::connect::{Body, Connection, Connector, SendError};
use crate::origin::Origin;
use crate::pool::Pool;
use crate::tls::UpstreamAuthorities;
use crate::{EgressError, Limits, Request, Response};

/// Most connections that one request takes from the pool: each may turn out to be closed. Then a new one is made.
const POOLED_ATTEMPTS_MAX: usize = 3;
/// Sent when a request has no `user-agent` of its own: several vendors refuse requests without one.
const DEFAULT_USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("quartermaster/", env!("CARGO_PKG_VERSION")));

/// The client. Cheap to clone; one per process is enough.
#[derive(Clone)]
pub struct Client {
    connector: Arc<Connector>,
    pool: Pool,
}

impl Client {
    /// A client that refuses loopback, private, link-local and metadata addresses except `allowed`.
    pub fn new(allowed: AllowedUpstreams) -> Self {
        Self::trusting(allowed, UpstreamAuthorities::default())
    }

    /// The same, which trusts `authorities` beside those that the platform trusts.
    pub fn trusting(allowed: AllowedUpstreams, authorities: UpstreamAuthorities) -> Self {
        Self { connector: Arc::new(Connector::new(allowed, authorities)), pool: Pool::default() }
    }

    /// Whether somebody named the host and port of this URL as reachable whatever its address is (`--allow-upstream`).
    pub fn is_allowed(&self, url: &http::Uri) -> bool {
        Origin::of(url).is_ok_and(|origin| self.connector.allowed.contains(origin.host, origin.port))
    }

    /// Sends one request and reads the whole answer. Never follows a redirect, never retries a request that may have been
    /// sent. Runs on a tokio runtime; dropping the future closes the connection.
    pub async fn send(&self, request: Request, limits: Limits) -> Result<Response, EgressError> {
        let url = request.url;
        let origin = Origin::of(&url)?;
        let prepared = prepare(&url, request.method, request.headers, request.body);
        let sent = AtomicBool::new(false);
        let exchange = self.exchange(origin, prepared, limits, &sent);
        match tokio::time::timeout(limits.total, exchange).await {
            Ok(result) => result,
            Err(_) => Err(EgressError::Timeout {
                host: origin.host.to_owned(),
                limit_ms: u64::try_from(limits.total.as_millis()).unwrap_or(u64::MAX),
                sent: sent.load(Ordering::Relaxed),
            }),
        }
    }

    async fn exchange(
        &self,
        origin: Origin<'_>,
        request: http::Request<Body>,
        limits: Limits,
        sent: &AtomicBool,
    ) -> Result<Response, EgressError> {
        let (mut connection, answer) = self.answer(origin, request, sent, true).await?;
        let (head, incoming) = answer.into_parts();
        let body = body::read(&mut connection, incoming, limits.body_max_bytes, origin.host).await?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            drop(connection);
        } else {
            self.pool.put(origin, connection);
        }
        let mut headers = head.headers;
        let body = body::decompress(&mut headers, body, limits.decompressed_max_bytes, origin.host).await?;
        Ok(Response { status: head.status, headers, body })
    }

    /// The head of the answer, and the connection that brings the rest. A request that a closed connection gave back
    /// unsent goes over another one. `may_be_compressed`: the body is read whole, and decompressed then.
    pub(crate) async fn answer(
        &self,
        origin: Origin<'_>,
        mut request: http::Request<Body>,
        sent: &AtomicBool,
        may_be_compressed: bool,
    ) -> Result<(Connection, http::Response<hyper::body::Incoming>), EgressError> {
        let mut attempts = 0;
        loop {
            let pooled = if attempts < POOLED_ATTEMPTS_MAX { self.pool.take(origin) } else { None };
            let is_new = pooled.is_none();
            let mut connection = match pooled {
                Some(connection) => connection,
                None => self.connector.connect(origin).await?,
            };
            if connection.is_far && may_be_compressed {
                request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            }
            request.headers_mut().insert(HOST, connection.host.clone());
            sent.store(true, Ordering::Relaxed);
            match connection.send(request).await {
                Ok(answer) => return Ok((connection, answer)),
                Err(SendError::Broken(error)) => return Err(body::broken(origin.host, &error)),
                Err(SendError::NotSent(_)) if is_new => {
                    let reason = "it was closed before the request was sent".to_owned();
                    return Err(EgressError::Connect { host: origin.host.to_owned(), reason });
                }
                Err(SendError::NotSent(unsent)) => {
                    sent.store(false, Ordering::Relaxed);
                    request = *unsent;
                    attempts += 1;
                }
            }
        }
    }
}

/// The request as it goes over the wire, but for what depends on the connection.
pub(crate) fn prepare(
    url: &http::Uri,
    method: http::Method,
    mut headers: http::HeaderMap,
    body: Bytes,
) -> http::Request<Body> {
    // These are the client's own business; a wrong one would let one request pose as two.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, ACCEPT_ENCODING] {
        if headers.contains_key(&name) {
            headers.remove(&name);
        }
    }
    headers.entry(USER_AGENT).or_insert(DEFAULT_USER_AGENT);
    let mut prepared = http::Request::new(Body::new(body));
    let path = url.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    *prepared.uri_mut() = http::Uri::from(path);
    *prepared.method_mut() = method;
    *prepared.headers_mut() = headers;
    prepared
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("allowed", &self.connector.allowed).finish_non_exhaustive()
    }
}
