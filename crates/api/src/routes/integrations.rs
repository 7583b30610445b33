//! Integrations and their override in an environment.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use serde_json::Value;

use super::json;
use crate::app::App;
use crate::extract::{Caller, JsonBody, PathParts, Query};
use crate::failure::Failure;
use crate::schema;

/// List integrations
#[utoipa::path(get, path = "/integration", tag = "integrations",
    responses((status = 200, description = "All of them, by name.", body = schema::IntegrationPage)))]
pub(super) async fn list_integrations(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().list_integrations(&caller.actor).await?)
}

/// Read an integration
#[utoipa::path(get, path = "/integration/{name}", tag = "integrations",
    params(schema::IntegrationPath),
    responses(
        (status = 200, description = "The integration.", body = schema::Integration),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_integration(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().get_integration(&caller.actor, &name).await?)
}

/// Set the override of an integration in this environment
///
/// The body is a JSON Merge Patch on the definition; it replaces the former override, and `{}` removes it. A patch with which the
/// definition does not hold is refused, and nothing changes. All tools change at once.
#[utoipa::path(put, path = "/integration/{name}/override", tag = "integrations",
    params(schema::IntegrationPath),
    request_body = schema::Override,
    responses(
        (status = 200, description = "The integration with the override.", body = schema::Integration),
        (status = 404, description = "`not_found`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn put_integration_override(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let patch = Value::Object(body.object()?);
    let gateway = app.gateway().clone();
    let work =
        async move { Ok(gateway.put_integration_override(&caller.actor, caller.request_id, &name, patch).await?) };
    json(StatusCode::OK, &app.to_the_end(work).await?)
}
