//! Carries the library's requests over the gateway's own HTTP client: our URL, our key, our caps, and every byte that
//! comes back scrubbed of the key before anything reads it.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use quartermaster_egress::{Client, EgressError, Limits, StreamLimits};
use quartermaster_vault::Scrubber;
use rig_core::http_client::{
    BoxedStream, Error as HttpError, HttpClientExt, LazyBody, MultipartForm, Result as HttpResult, StreamingResponse,
};
use rig_core::wasm_compat::WasmCompatSend;
use secrecy::ExposeSecret as _;

use crate::client::Patience;
use crate::limits::{ANSWER_MAX_BYTES, ERROR_BODY_MAX_BYTES, KEY_MAX_BYTES, LINE_MAX_BYTES, REQUEST_MAX_BYTES};
use crate::lines::Lines;
use crate::{Connection, KeyHeader, Wire};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Why nothing could be sent, or no answer be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The way out failed.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Plain HTTP to somewhere on the way to which anybody could read the key and the conversation.
    #[error("{host} is to be spoken to over plain http://, which is refused")]
    Plain {
        /// Host of the base URL.
        host: String,
    },
    /// The settings or the key cannot be put into a request.
    #[error("{0}")]
    Unusable(&'static str),
    /// The conversation is larger than anything that is sent.
    #[error("the request has {bytes} bytes; at most {REQUEST_MAX_BYTES} are sent")]
    RequestTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A line of a stream without an end.
    #[error("a line of the stream is longer than {LINE_MAX_BYTES} bytes")]
    LineTooLong,
}

/// One connection's way over the gateway's HTTP client.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Inner>);

struct Inner {
    egress: Client,
    url: http::Uri,
    key: Option<(HeaderName, HeaderValue)>,
    scrubber: Scrubber,
    patience: Patience,
}

impl Transport {
    pub(crate) fn new(egress: &Client, connection: &Connection, patience: Patience) -> Result<Self, Fault> {
        let url = url(connection)?;
        if url.scheme_str() == Some("http") && !egress.is_allowed(&url) {
            return Err(Fault::Plain { host: url.host().unwrap_or_default().to_owned() });
        }
        let mut scrubber = Scrubber::default();
        if let Some(key) = &connection.key {
            scrubber.add(key.expose_secret());
        }
        let key = key(connection)?;
        Ok(Self(Arc::new(Inner { egress: egress.clone(), url, key, scrubber, patience })))
    }

    /// The library's request with our own URL and key.
    fn outgoing(&self, request: Request<Bytes>) -> Result<quartermaster_egress::Request, Fault> {
        let (head, body) = request.into_parts();
        if body.len() > REQUEST_MAX_BYTES {
            return Err(Fault::RequestTooLarge { bytes: body.len() });
        }
        let mut headers = head.headers;
        for name in [AUTHORIZATION, X_API_KEY, API_KEY] {
            headers.remove(name);
        }
        if let Some((name, value)) = &self.0.key {
            headers.insert(name.clone(), value.clone());
        }
        Ok(quartermaster_egress::Request { method: head.method, url: self.0.url.clone(), headers, body })
    }

    async fn whole(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let limits = Limits {
            total: self.0.patience.total,
            body_max_bytes: ANSWER_MAX_BYTES,
            decompressed_max_bytes: ANSWER_MAX_BYTES,
        };
        let answer = self.0.egress.send(self.outgoing(request)?, limits).await?;
        let mut response = Response::new(scrubbed(&self.0.scrubber, &answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }

    async fn pieces(&self, request: Request<Bytes>) -> HttpResult<StreamingResponse> {
        let limits = StreamLimits {
            head: self.0.patience.head,
            idle: self.0.patience.silence,
            total: self.0.patience.total,
            body_max_bytes: ANSWER_MAX_BYTES,
        };
        let outgoing = self.outgoing(request).map_err(HttpError::instance)?;
        let answer = self.0.egress.open(outgoing, limits).await.map_err(wrapped)?;
        let (status, mut headers) = (answer.status, answer.headers.clone());
        if !status.is_success() {
            // What is larger than this is no error that somebody wrote for a reader.
            let body = answer.rest(ERROR_BODY_MAX_BYTES).await.unwrap_or_default();
            let body = String::from_utf8_lossy(&scrubbed(&self.0.scrubber, &body)).into_owned();
            return Err(HttpError::non_success_with_details(status, headers, body));
        }
        let body: BoxedStream = if is_json(&headers) {
            // A server that does not stream: its answer is the only event.
            let whole = answer.rest(ANSWER_MAX_BYTES).await.map_err(wrapped)?;
            Box::pin(futures_util::stream::iter([Ok(as_event(&scrubbed(&self.0.scrubber, &whole)))]))
        } else {
            lines(answer, self.0.scrubber.clone())
        };
        if is_json(&headers) || !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, EVENT_STREAM);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// The body as whole lines, scrubbed.
fn lines(answer: quartermaster_egress::Stream, scrubber: Scrubber) -> BoxedStream {
    let state = Some((answer, Lines::default(), scrubber));
    let stream = futures_util::stream::try_unfold(state, |state| async move {
        let Some((mut answer, mut lines, scrubber)) = state else { return Ok(None) };
        loop {
            let Some(piece) = answer.next().await.map_err(wrapped)? else {
                let rest = lines.rest();
                return Ok((!rest.is_empty()).then(|| (scrubbed(&scrubber, &rest), None)));
            };
            let whole = lines.push(&piece).map_err(|_| HttpError::instance(Fault::LineTooLong))?;
            if !whole.is_empty() {
                let whole = scrubbed(&scrubber, &whole);
                return Ok(Some((whole, Some((answer, lines, scrubber)))));
            }
        }
    });
    let stream: Pin<Box<dyn Stream<Item = HttpResult<Bytes>> + Send>> = Box::pin(stream);
    Box::pin(stream)
}

fn wrapped(error: EgressError) -> HttpError {
    HttpError::instance(Fault::Egress(error))
}

fn scrubbed(scrubber: &Scrubber, bytes: &Bytes) -> Bytes {
    Bytes::from(scrubber.scrub(&String::from_utf8_lossy(bytes)))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
}

/// A text as one event of a stream.
fn as_event(text: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(text);
    let mut event = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    Bytes::from(event)
}

/// The base URL with the format's path and the connection's query.
fn url(connection: &Connection) -> Result<http::Uri, Fault> {
    let settings = &connection.settings;
    let unusable = |_| Fault::Unusable("the base URL of the connection is no absolute URL");
    let mut url = url::Url::parse(&settings.base_url).map_err(unusable)?;
    let path = match settings.wire {
        Wire::OpenAi => "chat/completions",
        Wire::Anthropic => "messages",
    };
    let path = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    if !settings.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&settings.query);
    }
    url.as_str().parse().map_err(|_| Fault::Unusable("the base URL of the connection is no absolute URL"))
}

/// The header with the key, marked as secret.
fn key(connection: &Connection) -> Result<Option<(HeaderName, HeaderValue)>, Fault> {
    let Some(key) = &connection.key else { return Ok(None) };
    let key = key.expose_secret();
    if key.is_empty() || key.len() > KEY_MAX_BYTES {
        return Err(Fault::Unusable("the key of the connection is empty or longer than a key can be"));
    }
    let (name, value) = match connection.settings.key_header() {
        KeyHeader::Bearer => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
        KeyHeader::ApiKey => (API_KEY, HeaderValue::try_from(key)),
        KeyHeader::XApiKey => (X_API_KEY, HeaderValue::try_from(key)),
    };
    let mut value = value.map_err(|_| Fault::Unusable("the key of the connection has characters that no key has"))?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

impl HttpClientExt for Transport {
    fn send<T, U>(
        &self,
        request: Request<T>,
    ) -> impl Future<Output = HttpResult<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        T: Into<Bytes> + WasmCompatSend,
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        let this = self.clone();
        let request = request.map(Into::into);
        async move {
            let response = this.whole(request).await.map_err(HttpError::instance)?;
            Ok(response.map(|body| -> LazyBody<U> { Box::pin(std::future::ready(Ok(U::from(body)))) }))
        }
    }

    fn send_multipart<U>(
        &self,
        _request: Request<MultipartForm>,
    ) -> impl Future<Output = HttpResult<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        std::future::ready(Err(HttpError::instance(Fault::Unusable("no wire format here sends forms"))))
    }

    fn send_streaming<T>(
        &self,
        request: Request<T>,
    ) -> impl Future<Output = HttpResult<StreamingResponse>> + WasmCompatSend
    where
        T: Into<Bytes> + WasmCompatSend,
    {
        let request = request.map(Into::into);
        self.pieces(request)
    }
}
