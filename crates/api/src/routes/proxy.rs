//! Resources and methods as REST: `/proxy/{resource}…`.
//!
//! All query parameters but [`ACCOUNT`] and [`DRY_RUN`] are arguments of the method.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use quartermaster_gateway::{Actor, Arguments, CallRequest, Door, Target};
use quartermaster_types::AccountId;
use serde_json::{Map, Value};

use super::tools::run;
use crate::app::App;
use crate::extract::{CallHeaders, Caller, MaybeJsonBody, PathParts, Query};
use crate::failure::Failure;
use crate::schema;

/// The query parameter that names the account.
pub(super) const ACCOUNT: &str = "integrated_account_id";
/// The query parameter that asks for a rehearsal.
pub(super) const DRY_RUN: &str = "dry_run";

/// List records
///
/// Filters of the method, `limit`, `next_cursor` and `fields` are query parameters. What a bound left out is said:
/// `is_partial`, `next_cursor`, `stopped_because`.
#[utoipa::path(get, path = "/proxy/{resource}", tag = "proxy",
    params(schema::ResourcePath, schema::AccountParameter, schema::ListParameters, schema::DryRun, schema::CallHeaderParameters),
    responses((status = 200, description = "Records.", body = schema::RecordPage)))]
pub(super) async fn proxy_list(
    State(app): State<App>,
    caller: Caller,
    PathParts(resource): PathParts<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    call(&app, caller, &headers, &uri, method(resource, "list"), None, None).await
}

/// Create a record
#[utoipa::path(post, path = "/proxy/{resource}", tag = "proxy",
    params(schema::ResourcePath, schema::AccountParameter, schema::DryRun, schema::CallHeaderParameters),
    request_body = Option<schema::ProxyBody>,
    responses((status = 200, description = "What the method answers.", body = schema::CallResult)))]
pub(super) async fn proxy_create(
    State(app): State<App>,
    caller: Caller,
    PathParts(resource): PathParts<String>,
    headers: HeaderMap,
    uri: Uri,
    body: MaybeJsonBody,
) -> Result<Response, Failure> {
    call(&app, caller, &headers, &uri, method(resource, "create"), None, Some(body.object()?)).await
}

/// Read one record
#[utoipa::path(get, path = "/proxy/{resource}/{id}", tag = "proxy",
    params(schema::RecordPath, schema::AccountParameter, schema::DryRun, schema::CallHeaderParameters),
    responses((status = 200, description = "The record.", body = schema::CallResult)))]
pub(super) async fn proxy_get(
    State(app): State<App>,
    caller: Caller,
    PathParts((resource, id)): PathParts<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    call(&app, caller, &headers, &uri, method(resource, "get"), Some(id), None).await
}

/// Change a record
#[utoipa::path(patch, path = "/proxy/{resource}/{id}", tag = "proxy",
    params(schema::RecordPath, schema::AccountParameter, schema::DryRun, schema::CallHeaderParameters),
    request_body = Option<schema::ProxyBody>,
    responses((status = 200, description = "What the method answers.", body = schema::CallResult)))]
pub(super) async fn proxy_update(
    State(app): State<App>,
    caller: Caller,
    PathParts((resource, id)): PathParts<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: MaybeJsonBody,
) -> Result<Response, Failure> {
    call(&app, caller, &headers, &uri, method(resource, "update"), Some(id), Some(body.object()?)).await
}

/// Delete a record
#[utoipa::path(delete, path = "/proxy/{resource}/{id}", tag = "proxy",
    params(schema::RecordPath, schema::AccountParameter, schema::DryRun, schema::CallHeaderParameters),
    responses((status = 200, description = "What the method answers.", body = schema::CallResult)))]
pub(super) async fn proxy_delete(
    State(app): State<App>,
    caller: Caller,
    PathParts((resource, id)): PathParts<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: MaybeJsonBody,
) -> Result<Response, Failure> {
    call(&app, caller, &headers, &uri, method(resource, "delete"), Some(id), Some(body.object()?)).await
}

/// Run a custom method that takes no id
///
/// The last part of the path is the name of the method, not an id: a `POST` to a record itself does not exist.
#[utoipa::path(post, path = "/proxy/{resource}/{id}", tag = "proxy",
    params(
        ("resource" = String, Path, description = "Name of the resource."),
        ("id" = String, Path, description = "Name of the custom method."),
        schema::AccountParameter, schema::DryRun, schema::CallHeaderParameters),
    request_body = Option<schema::ProxyBody>,
    responses((status = 200, description = "What the method answers.", body = schema::CallResult)))]
pub(super) async fn proxy_custom(
    State(app): State<App>,
    caller: Caller,
    PathParts((resource, name)): PathParts<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: MaybeJsonBody,
) -> Result<Response, Failure> {
    call(&app, caller, &headers, &uri, method(resource, name), None, Some(body.object()?)).await
}

/// Run a custom method on a record
#[utoipa::path(post, path = "/proxy/{resource}/{id}/{method}", tag = "proxy",
    params(schema::RecordPath, ("method" = String, Path, description = "Name of the custom method, for instance `suspend`."),
        schema::AccountParameter, schema::DryRun, schema::CallHeaderParameters),
    request_body = Option<schema::ProxyBody>,
    responses((status = 200, description = "What the method answers.", body = schema::CallResult)))]
pub(super) async fn proxy_custom_with_id(
    State(app): State<App>,
    caller: Caller,
    PathParts((resource, id, name)): PathParts<(String, String, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: MaybeJsonBody,
) -> Result<Response, Failure> {
    call(&app, caller, &headers, &uri, method(resource, name), Some(id), Some(body.object()?)).await
}

fn method(resource: String, method: impl Into<String>) -> Target {
    Target::Method { resource, method: method.into() }
}

/// Every proxy route. `body` is `None` on routes that only read.
async fn call(
    app: &App,
    caller: Caller,
    headers: &HeaderMap,
    uri: &Uri,
    target: Target,
    id: Option<String>,
    body: Option<Map<String, Value>>,
) -> Result<Response, Failure> {
    let mut query = Query::of(uri)?;
    let account = query.parsed(ACCOUNT, "the UUID of an integrated account");
    let dry_run = query.flag(DRY_RUN);
    let arguments = query.rest()?;
    let account = account_of(account, &caller.actor)?;
    let CallHeaders { session, wait, idempotency_key, expect } = CallHeaders::of(headers)?;
    let reads = body.is_none();
    let request = CallRequest {
        request_id: caller.request_id,
        door: Door::Proxy,
        account,
        target,
        arguments: Arguments::Parts { query: arguments, body: body.unwrap_or_default(), id },
        session,
        wait,
        idempotency_key,
        takes_over: None,
        expect,
    };
    run(app, caller, request, dry_run, reads).await
}

/// The account that is meant: the parameter, or the only one that the token may use.
pub(super) fn account_of(named: Option<AccountId>, actor: &Actor) -> Result<AccountId, Failure> {
    match (named, actor.narrowing.accounts.as_deref()) {
        (Some(account), _) | (None, Some(&[account])) => Ok(account),
        (None, _) => Err(Failure::invalid(
            format!("The query parameter `{ACCOUNT}` is missing: it says on which integrated account to work."),
            vec![quartermaster_types::FieldError { pointer: format!("/{ACCOUNT}"), detail: "Is required.".to_owned() }],
        )),
    }
}
