//! `Idempotency-Key` on the routes that change configuration or make raw calls: one place, in front of their handlers, that
//! hands the request to the gateway's rule. (Tool and proxy calls bring their key into the pipeline themselves.)

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use quartermaster_gateway::{CallProblem, KeyedWrite, WriteAnswer, WriteKind};
use quartermaster_types::{Code, Problem};

use crate::app::App;
use crate::extract::{Caller, idempotency_key, read_body};
use crate::failure::Failure;

/// Says that an answer is the stored one of an earlier request.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What stands in front of a group of routes.
#[derive(Clone)]
pub(crate) struct Keyed {
    pub(crate) app: App,
    pub(crate) kind: WriteKind,
}

/// Runs what comes after it, once under the request's key when it has one. Reads have no use for a key.
pub(crate) async fn keyed(State(keyed): State<Keyed>, request: Request, next: Next) -> Result<Response, Failure> {
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    match idempotency_key(request.headers())? {
        None => Ok(next.run(request).await),
        Some(key) => Box::pin(once(keyed, key, request, next)).await,
    }
}

async fn once(Keyed { app, kind }: Keyed, key: String, request: Request, next: Next) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    // All of it before the key is claimed: a body that never comes must not hold a key.
    let body = read_body(&parts, body).await?;
    let write = KeyedWrite {
        request_id: caller.request_id,
        key,
        kind,
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: [value(&parts.headers, &IF_MATCH), value(&parts.headers, &CONTENT_TYPE)],
        body: body.clone(),
    };
    let request = Request::from_parts(parts, Body::from(body));
    let work = async move { whole(next.run(request).await).await };
    let WriteAnswer { answer, replayed } = app.gateway().once(&caller.actor, write, work).await?;
    let mut response = answer.map(Body::from);
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// An answer with its whole body, or the problem that a handler gave instead.
async fn whole(mut response: Response) -> Result<http::Response<Bytes>, CallProblem> {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        return Err(failure.into());
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| {
        tracing::error!(%error, "the body of an answer broke off");
        Problem::gateway(Code::Internal, "The answer could not be written.")
    })?;
    Ok(http::Response::from_parts(parts, body.to_bytes()))
}

/// The values of a header, in one text; empty without it.
fn value(headers: &HeaderMap, name: &HeaderName) -> Bytes {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    values.join(&b","[..]).into()
}
