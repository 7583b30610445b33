//! Inbound webhooks. Their callers have no API token: they are verified by what they send.

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, StatusCode};
use quartermaster_gateway::{HookAnswer, HookRequest, HookRun};
use quartermaster_types::{DeliveryId, TriggerId};
use serde::Serialize;
use serde_json::Value;

use super::{fixed, json, put};
use crate::app::App;
use crate::extract::{PathParts, Query, read_body};
use crate::failure::Failure;
use crate::schema;

/// What the sender is told. With one item its members stand at the top as well.
#[derive(Serialize)]
struct Accepted<'a> {
    delivery_id: DeliveryId,
    #[serde(flatten)]
    only: Option<&'a HookRun>,
    runs: &'a [HookRun],
}

/// Deliver to a webhook
///
/// For other systems: verified as the trigger says (HMAC, JWT, user name and password, bearer token, shared secret), filtered, mapped,
/// and answered at once; the runs go on by themselves. The same event starts one run, however often it is delivered. JSON or a
/// form. What is not verified gets 401 without a word on what was wrong, and so does a hook that does not exist; the reason stands
/// in the trigger's list of deliveries.
#[utoipa::path(post, path = "/hook/{id}", tag = "triggers",
    params(("id" = String, Path, description = "Id of the trigger.")),
    request_body(content((Value = "application/json"), (String = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The answer to the sender's question whether somebody is here.", body = Value),
        (status = 202, description = "It was taken.", body = schema::HookAnswer),
        (status = 401, description = "`unauthenticated`: it was not accepted."),
        (status = 403, description = "`permission_denied`: the hook is switched off, or has no rights any more."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`rate_limited`: it has started as many runs as it may in an hour; send it again later.")))]
pub(super) async fn receive_hook(
    State(app): State<App>,
    PathParts(id): PathParts<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let query = Query::of(&parts.uri)?.rest()?;
    let body = read_body(&parts, body).await?;
    let request_id = parts.extensions.get().copied().unwrap_or_else(|| app.gateway().request_id());
    let request = HookRequest { request_id, headers: texts(&parts.headers), query, body };
    // What is no id names no hook.
    let id: TriggerId = id.parse().unwrap_or(TriggerId(uuid::Uuid::nil()));
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.receive_hook(id, request).await?) };
    match app.to_the_end(work).await? {
        HookAnswer::Accepted { delivery_id, runs } => {
            let only = runs.first().filter(|_| runs.len() == 1);
            json(StatusCode::ACCEPTED, &Accepted { delivery_id, only, runs: &runs })
        }
        HookAnswer::Challenge(answer) => challenge(answer),
    }
}

/// The answer to a question: a text as it is, anything else as JSON. Never as something that a browser would run.
fn challenge(answer: Value) -> Result<Response, Failure> {
    let mut response = match answer {
        Value::String(text) => fixed("text/plain; charset=utf-8", text),
        other => json(StatusCode::OK, &other)?,
    };
    put(&mut response, HeaderName::from_static("x-content-type-options"), "nosniff");
    Ok(response)
}

/// Headers that are text. One that is not is no header that anything here looks at.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned);
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
        .filter(|(name, _)| *name != CONTENT_TYPE.as_str() || headers.get_all(CONTENT_TYPE).iter().count() == 1)
        .collect()
}
