//! Kill switches.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use quartermaster_gateway::SwitchSubject;
use quartermaster_types::{AccountId, TokenId};

use super::{empty, json};
use crate::app::App;
use crate::extract::{Caller, JsonBody, PathParts, Query};
use crate::failure::Failure;
use crate::schema;

/// List what is switched off
///
/// For admins and auditors.
#[utoipa::path(get, path = "/switch", tag = "switches",
    responses((status = 200, description = "Everything that is switched off in the environment.", body = schema::SwitchPage)))]
pub(super) async fn list_switches(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().list_switches(&caller.actor).await?)
}

/// Switch the environment off
///
/// No call is made any more, from this moment on; configuration can still be changed. Doing it again changes the reason.
#[utoipa::path(put, path = "/switch/environment", tag = "switches", request_body = schema::SwitchOff,
    responses((status = 200, description = "It is off.", body = schema::Switch)))]
pub(super) async fn switch_environment_off(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    off(app, caller, &uri, &body, SwitchSubject::Environment).await
}

/// Switch the environment on
#[utoipa::path(delete, path = "/switch/environment", tag = "switches",
    responses((status = 204, description = "It is on."), (status = 404, description = "`not_found`: it was not off.")))]
pub(super) async fn switch_environment_on(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Failure> {
    on(app, caller, &uri, SwitchSubject::Environment).await
}

/// Switch an integrated account off
///
/// No call is made on it any more, from this moment on. Doing it again changes the reason.
#[utoipa::path(put, path = "/switch/account/{id}", tag = "switches", params(schema::AccountPath),
    request_body = schema::SwitchOff,
    responses((status = 200, description = "It is off.", body = schema::Switch),
        (status = 404, description = "`not_found`")))]
pub(super) async fn switch_account_off(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<AccountId>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    off(app, caller, &uri, &body, SwitchSubject::Account(id)).await
}

/// Switch an integrated account on
#[utoipa::path(delete, path = "/switch/account/{id}", tag = "switches", params(schema::AccountPath),
    responses((status = 204, description = "It is on."), (status = 404, description = "`not_found`: it was not off.")))]
pub(super) async fn switch_account_on(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<AccountId>,
    uri: Uri,
) -> Result<Response, Failure> {
    on(app, caller, &uri, SwitchSubject::Account(id)).await
}

/// Switch a token off
///
/// It makes no call and changes no configuration any more; it is not revoked, and can be switched on again by another token. None
/// switches itself off. Doing it again changes the reason.
#[utoipa::path(put, path = "/switch/token/{id}", tag = "switches",
    params(("id" = String, Path, format = "uuid", description = "Id of the token.")),
    request_body = schema::SwitchOff,
    responses((status = 200, description = "It is off.", body = schema::Switch),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: the token itself.")))]
pub(super) async fn switch_token_off(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TokenId>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    off(app, caller, &uri, &body, SwitchSubject::Token(id)).await
}

/// Switch a token on
#[utoipa::path(delete, path = "/switch/token/{id}", tag = "switches",
    params(("id" = String, Path, format = "uuid", description = "Id of the token.")),
    responses((status = 204, description = "It is on."), (status = 404, description = "`not_found`: it was not off.")))]
pub(super) async fn switch_token_on(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TokenId>,
    uri: Uri,
) -> Result<Response, Failure> {
    on(app, caller, &uri, SwitchSubject::Token(id)).await
}

/// Switch a tool off
///
/// It is called no more, on whichever account. `name` is the tool's name or its alias; a name that no integration here has at present is
/// taken with a warning. Doing it again changes the reason.
#[utoipa::path(put, path = "/switch/tool/{name}", tag = "switches", params(schema::ToolPath),
    request_body = schema::SwitchOff,
    responses((status = 200, description = "It is off.", body = schema::Switch)))]
pub(super) async fn switch_tool_off(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    off(app, caller, &uri, &body, SwitchSubject::Tool(name)).await
}

/// Switch a tool on
#[utoipa::path(delete, path = "/switch/tool/{name}", tag = "switches", params(schema::ToolPath),
    responses((status = 204, description = "It is on."), (status = 404, description = "`not_found`: it was not off.")))]
pub(super) async fn switch_tool_on(
    State(app): State<App>,
    caller: Caller,
    PathParts(name): PathParts<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    on(app, caller, &uri, SwitchSubject::Tool(name)).await
}

async fn off(
    app: App,
    caller: Caller,
    uri: &Uri,
    body: &JsonBody,
    subject: SwitchSubject,
) -> Result<Response, Failure> {
    Query::of(uri)?.finish()?;
    let mut members = body.members()?;
    let reason = members.required_text("reason");
    members.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.switch_off(&caller.actor, caller.request_id, subject, reason).await?) };
    json(StatusCode::OK, &app.to_the_end(work).await?)
}

async fn on(app: App, caller: Caller, uri: &Uri, subject: SwitchSubject) -> Result<Response, Failure> {
    Query::of(uri)?.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.switch_on(&caller.actor, caller.request_id, subject).await?) };
    app.to_the_end(work).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
