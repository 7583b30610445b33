//! An answer that is read piece by piece, as it comes: for streams of events, which have no end that one could wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::body::{broken, read};
use crate::client::{Client, prepare};
use crate::connect::Connection;
use crate::origin::Origin;
use crate::{EgressError, Request};

/// Limits of an exchange whose answer is read piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Until the head of the answer is there.
    pub head: Duration,
    /// From one piece of the body to the next.
    pub idle: Duration,
    /// From start to last byte.
    pub total: Duration,
    /// Largest body.
    pub body_max_bytes: usize,
}

/// An answer whose body is still to come. Dropping it closes the connection.
pub struct Stream {
    /// Status.
    pub status: http::StatusCode,
    /// Headers.
    pub headers: http::HeaderMap,
    connection: Connection,
    body: Incoming,
    host: String,
    limits: StreamLimits,
    until: Instant,
    read: usize,
}

impl Client {
    /// Sends one request and gives the answer as soon as its head is there. Compression is not asked for. Never follows a
    /// redirect, never retries a request that may have been sent.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub async fn open(&self, request: Request, limits: StreamLimits) -> Result<Stream, EgressError> {
        let url = request.url;
        let origin = Origin::of(&url)?;
        let prepared = prepare(&url, request.method, request.headers, request.body);
        let sent = AtomicBool::new(false);
        let until = Instant::now() + limits.total;
        let answer = tokio::time::timeout(limits.head.min(limits.total), self.answer(origin, prepared, &sent, false));
        let Ok(answer) = answer.await else {
            return Err(timeout(origin.host, limits.head.min(limits.total), sent.load(Ordering::Relaxed)));
        };
        let (connection, answer) = answer?;
        let (head, body) = answer.into_parts();
        let host = origin.host.to_owned();
        Ok(Stream { status: head.status, headers: head.headers, connection, body, host, limits, until, read: 0 })
    }
}

impl Stream {
    /// The next piece of the body; `None` at its end. May be dropped and asked for again: nothing is lost.
    ///
    /// # Errors
    /// [`EgressError::Broken`], [`EgressError::Timeout`] and [`EgressError::TooLarge`]; the stream is of no use after one.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EgressError> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let patience = left.min(self.limits.idle);
            let frame = self.connection.run(self.body.frame());
            let Ok(frame) = tokio::time::timeout(patience, frame).await else {
                let limit = if left < self.limits.idle { self.limits.total } else { self.limits.idle };
                return Err(timeout(&self.host, limit, true));
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| broken(&self.host, &error))?;
            let Ok(data) = frame.into_data() else { continue };
            self.read += data.len();
            if self.read > self.limits.body_max_bytes {
                let (host, limit_bytes) = (self.host.clone(), self.limits.body_max_bytes);
                return Err(EgressError::TooLarge { host, limit_bytes });
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// The rest of the body in one piece, for an answer that turns out to be no stream.
    ///
    /// # Errors
    /// Those of [`Self::next`]; [`EgressError::TooLarge`] for more than `max_bytes`.
    pub async fn rest(mut self, max_bytes: usize) -> Result<Bytes, EgressError> {
        let left = self.until.saturating_duration_since(Instant::now()).min(self.limits.idle);
        let whole = read(&mut self.connection, self.body, max_bytes, &self.host);
        match tokio::time::timeout(left, whole).await {
            Ok(whole) => whole,
            Err(_) => Err(timeout(&self.host, left, true)),
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stream").field("status", &self.status).finish_non_exhaustive()
    }
}

fn timeout(host: &str, limit: Duration, sent: bool) -> EgressError {
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    EgressError::Timeout { host: host.to_owned(), limit_ms, sent }
}
