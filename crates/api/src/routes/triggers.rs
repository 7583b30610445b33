//! Triggers: what starts runs by itself.

use axum::extract::State;
use axum::response::Response;
use http::header::{ETAG, IF_MATCH, LOCATION};
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_gateway::{NewTrigger, TestDelivery, TriggerChange, TriggerView};
use quartermaster_types::{TokenId, TriggerId};
use quartermaster_vault::Secrets;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value};

use super::accounts::page;
use super::{empty, json, json_secret, json_tagged, put};
use crate::app::App;
use crate::extract::{Caller, JsonBody, Members, PathParts, Query, if_match, matches_etag, version_tag};
use crate::failure::Failure;
use crate::schema;

/// List triggers
///
/// In the order of their creation. Secrets are never shown, only their names.
#[utoipa::path(get, path = "/trigger", tag = "triggers", params(schema::PageParameters),
    responses((status = 200, description = "One page.", body = schema::TriggerPage)))]
pub(super) async fn list_triggers(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    query.finish()?;
    json(StatusCode::OK, &app.gateway().list_triggers(&caller.actor, &page).await?)
}

/// A trigger with the secret that was made for it.
#[derive(Serialize)]
struct WithSecret<'a> {
    #[serde(flatten)]
    view: &'a TriggerView,
    secret: Option<&'a str>,
}

/// Make a trigger
///
/// The document is checked whole, with every mistake told at once. Its runs work with the rights of the token `token_id`, or of the
/// caller's. A webhook that needs one secret and is given none gets one: `secret` in the answer is its text, shown this once.
#[utoipa::path(post, path = "/trigger", tag = "triggers",
    request_body = schema::NewTrigger,
    responses(
        (status = 201, description = "The trigger.", body = schema::CreatedTrigger,
            headers(("location" = String, description = "Its path."), ("etag" = String, description = "Its version."))),
        (status = 409, description = "`conflict`: there is one of this name, or there are too many."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn create_trigger(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let trigger = NewTrigger {
        document: members.required_text("document"),
        token: token(&mut members),
        enabled: members.boolean("enabled").unwrap_or(true),
        secrets: members.secrets("secrets").map(Secrets::new),
    };
    members.finish()?;
    drop(body);
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.create_trigger(&caller.actor, caller.request_id, trigger).await?) };
    let made = app.to_the_end(work).await?;
    let secret = made.secret.as_ref().map(ExposeSecret::expose_secret);
    let location = format!("/trigger/{}", made.trigger.id);
    let etag = version_tag(made.trigger.version);
    let mut response = match secret {
        Some(secret) => json_secret(Some(&location), &WithSecret { view: &made.trigger, secret: Some(secret) })?,
        None => json(StatusCode::CREATED, &WithSecret { view: &made.trigger, secret: None })?,
    };
    put(&mut response, LOCATION, &location);
    put(&mut response, ETAG, &etag);
    Ok(response)
}

fn token(members: &mut Members<'_>) -> Option<TokenId> {
    let text = members.text("token_id")?;
    let id = text.parse().ok();
    if id.is_none() && !text.is_empty() {
        members.wrong("token_id", "Must be the UUID of a token.");
    }
    id
}

/// Read a trigger
#[utoipa::path(get, path = "/trigger/{id}", tag = "triggers", params(schema::TriggerPath, schema::IfNoneMatch),
    responses(
        (status = 200, description = "The trigger.", body = schema::Trigger,
            headers(("etag" = String, description = "Its version."))),
        (status = 304, description = "Not changed since the version in `If-None-Match`."),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_trigger(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TriggerId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let view = app.gateway().get_trigger(&caller.actor, id).await?;
    let etag = version_tag(view.version);
    if matches_etag(&headers, &etag) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        put(&mut response, ETAG, &etag);
        return Ok(response);
    }
    json_tagged(StatusCode::OK, &view, &etag)
}

/// Change a trigger
///
/// Members that are left out stay as they are. `secrets` are replaced as a whole, because they cannot be read; with
/// `keep_previous_secret` the secret so far goes on to verify deliveries beside the new one, until `secrets` is given again.
#[utoipa::path(patch, path = "/trigger/{id}", tag = "triggers", params(schema::TriggerPath, schema::IfMatch),
    request_body(content((schema::TriggerChange = "application/merge-patch+json"), (schema::TriggerChange = "application/json"))),
    responses(
        (status = 200, description = "The trigger after the change.", body = schema::Trigger,
            headers(("etag" = String, description = "Its version."))),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: there is one of this name."),
        (status = 412, description = "`precondition_failed`: it was changed since the version in `If-Match`."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn update_trigger(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TriggerId>,
    headers: HeaderMap,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let version = if_match(&headers)?;
    let mut members = body.members()?;
    members.refuse_null(&["document", "token_id", "enabled", "secrets", "keep_previous_secret"]);
    let change = TriggerChange {
        document: members.text("document"),
        token: token(&mut members),
        enabled: members.boolean("enabled"),
        secrets: members.secrets("secrets").map(Secrets::new),
        keep_previous_secret: members.boolean("keep_previous_secret").unwrap_or(false),
    };
    members.finish()?;
    drop(body);
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.update_trigger(&caller.actor, caller.request_id, id, version, change).await?) };
    let view = app.to_the_end(work).await?;
    json_tagged(StatusCode::OK, &view, &version_tag(view.version))
}

/// Delete a trigger
///
/// With its secrets and its list of deliveries. The runs that it started stay.
#[utoipa::path(delete, path = "/trigger/{id}", tag = "triggers", params(schema::TriggerPath),
    responses((status = 204, description = "It is gone."), (status = 404, description = "`not_found`")))]
pub(super) async fn delete_trigger(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TriggerId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    if headers.contains_key(IF_MATCH) {
        return Err(Failure::invalid("A deletion does not take `If-Match`: it is not bound to a version.", Vec::new()));
    }
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.delete_trigger(&caller.actor, caller.request_id, id).await?) };
    app.to_the_end(work).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Test a trigger
///
/// What would come of a delivery with these headers, this query and this body, step by step; for a schedule, the next times and what
/// they would start. Nothing is started or written down.
#[utoipa::path(post, path = "/trigger/{id}/test", tag = "triggers", params(schema::TriggerPath),
    request_body = schema::TestDelivery,
    responses(
        (status = 200, description = "What would come of it.", body = schema::TriggerTest),
        (status = 404, description = "`not_found`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn test_trigger(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TriggerId>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let delivery = TestDelivery {
        headers: texts(&mut members, "headers"),
        query: texts(&mut members, "query"),
        body: members.text("body").unwrap_or_default(),
        verified: members.boolean("verified").unwrap_or(false),
    };
    members.finish()?;
    json(StatusCode::OK, &app.gateway().test_trigger(&caller.actor, id, delivery).await?)
}

/// An object of texts.
fn texts(members: &mut Members<'_>, name: &'static str) -> Vec<(String, String)> {
    let given: Map<String, Value> = members.object(name).unwrap_or_default();
    let mut pairs = Vec::with_capacity(given.len());
    for (key, value) in given {
        match value {
            Value::String(text) => pairs.push((key, text)),
            _ => {
                members.wrong(name, "Must be an object of strings.");
                break;
            }
        }
    }
    pairs
}

/// List deliveries
///
/// What was delivered to a trigger, newest first, whatever came of it: the last 500.
#[utoipa::path(get, path = "/trigger/{id}/deliveries", tag = "triggers",
    params(schema::TriggerPath, schema::PageParameters),
    responses(
        (status = 200, description = "One page.", body = schema::DeliveryPage),
        (status = 404, description = "`not_found`")))]
pub(super) async fn list_deliveries(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TriggerId>,
    uri: Uri,
) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    query.finish()?;
    json(StatusCode::OK, &app.gateway().list_deliveries(&caller.actor, id, &page).await?)
}
