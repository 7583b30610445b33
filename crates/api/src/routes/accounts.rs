//! Integrated accounts.

use axum::extract::State;
use axum::response::Response;
use http::header::{IF_MATCH, LOCATION};
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_gateway::{AccountChange, AccountView, NewAccount, PageQuery};
use quartermaster_types::AccountId;
use quartermaster_vault::Secrets;

use super::{empty, json, json_tagged, put};
use crate::app::App;
use crate::extract::{Caller, JsonBody, PathParts, Query, if_match, matches_etag, version_tag};
use crate::failure::Failure;
use crate::schema;

/// List integrated accounts
///
/// In the order of their creation. Credentials are never shown, only their names.
#[utoipa::path(get, path = "/integrated-account", tag = "accounts",
    params(schema::PageParameters, schema::AccountFilter),
    responses((status = 200, description = "One page.", body = schema::AccountPage)))]
pub(super) async fn list_accounts(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    let integration = query.text("integration");
    let tenant_id = query.text("tenant_id");
    query.finish()?;
    let gateway = app.gateway();
    let page = gateway.list_accounts(&caller.actor, &page, integration.as_deref(), tenant_id.as_deref()).await?;
    json(StatusCode::OK, &page)
}

/// Connect an account
///
/// The fields are checked, then the connection is tried against the vendor; only when the vendor accepts it is anything
/// kept. Credentials are sealed at once and never shown again.
#[utoipa::path(post, path = "/integrated-account", tag = "accounts",
    request_body = schema::NewAccount,
    responses(
        (status = 201, description = "The account.", body = schema::Account,
            headers(("location" = String, description = "Its path."), ("etag" = String, description = "Its version."))),
        (status = 409, description = "`conflict`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`account_rejected`: the vendor refused; nothing was kept.")))]
pub(super) async fn create_account(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let account = NewAccount {
        integration: members.required_text("integration"),
        tenant_id: members.required_text("tenant_id"),
        connection: members.object("connection").unwrap_or_default(),
        credentials: Secrets::new(members.secrets("credentials").unwrap_or_default()),
        override_patch: members.object("override").map(serde_json::Value::Object),
        sandbox: members.boolean("sandbox").unwrap_or(false),
    };
    members.finish()?;
    drop(body);
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.create_account(&caller.actor, caller.request_id, account).await?) };
    let view = app.to_the_end(work).await?;
    let mut response = tagged(StatusCode::CREATED, &view)?;
    put(&mut response, LOCATION, &format!("/integrated-account/{}", view.id));
    Ok(response)
}

/// What the account's vendor still takes
#[utoipa::path(get, path = "/integrated-account/{id}/budget", tag = "accounts",
    params(schema::AccountPath),
    responses(
        (status = 200, description = "What the vendor told of its rate limits, and who shares them.", body = schema::Budget),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_budget(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<AccountId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let view = app.gateway().budget(&caller.actor, id).await?;
    json(StatusCode::OK, &view)
}

/// Read an integrated account
#[utoipa::path(get, path = "/integrated-account/{id}", tag = "accounts",
    params(schema::AccountPath, schema::IfNoneMatch),
    responses(
        (status = 200, description = "The account.", body = schema::Account,
            headers(("etag" = String, description = "Its version."))),
        (status = 304, description = "Not changed since the version in `If-None-Match`."),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_account(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<AccountId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let view = app.gateway().get_account(&caller.actor, id).await?;
    let etag = version_tag(view.version);
    if matches_etag(&headers, &etag) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        put(&mut response, http::header::ETAG, &etag);
        return Ok(response);
    }
    tagged(StatusCode::OK, &view)
}

/// Change an integrated account
///
/// A JSON Merge Patch (RFC 7396): `connection` and `override` are merged, members set to `null` are removed, and
/// `"override": null` removes the whole override. `credentials` are replaced as a whole, because they cannot be read. When
/// connection, credentials or override change, the connection is tried against the vendor first.
#[utoipa::path(patch, path = "/integrated-account/{id}", tag = "accounts",
    params(schema::AccountPath, schema::IfMatch),
    request_body(content((schema::AccountChange = "application/merge-patch+json"), (schema::AccountChange = "application/json"))),
    responses(
        (status = 200, description = "The account after the change.", body = schema::Account,
            headers(("etag" = String, description = "Its version."))),
        (status = 404, description = "`not_found`"),
        (status = 412, description = "`precondition_failed`: it was changed since the version in `If-Match`."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`account_rejected`: the vendor refused; nothing was changed.")))]
pub(super) async fn update_account(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<AccountId>,
    headers: HeaderMap,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let version = if_match(&headers)?;
    let mut members = body.members()?;
    members.refuse_null(&["tenant_id", "connection", "credentials", "sandbox", "blocked"]);
    let change = AccountChange {
        tenant_id: members.text("tenant_id"),
        connection: members.object("connection").map(serde_json::Value::Object),
        credentials: members.secrets("credentials").map(Secrets::new),
        override_patch: members.nullable("override"),
        sandbox: members.boolean("sandbox"),
        blocked: members.boolean("blocked"),
    };
    members.finish()?;
    drop(body);
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.update_account(&caller.actor, caller.request_id, id, version, change).await?) };
    let view = app.to_the_end(work).await?;
    tagged(StatusCode::OK, &view)
}

/// Delete an integrated account and its credentials
#[utoipa::path(delete, path = "/integrated-account/{id}", tag = "accounts",
    params(schema::AccountPath),
    responses((status = 204, description = "It is gone."), (status = 404, description = "`not_found`")))]
pub(super) async fn delete_account(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<AccountId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    if headers.contains_key(IF_MATCH) {
        return Err(Failure::invalid("A deletion does not take `If-Match`: it is not bound to a version.", Vec::new()));
    }
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.delete_account(&caller.actor, caller.request_id, id).await?) };
    app.to_the_end(work).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn tagged(status: StatusCode, view: &AccountView) -> Result<Response, Failure> {
    json_tagged(status, view, &version_tag(view.version))
}

/// `limit` and `next_cursor`.
pub(super) fn page(query: &mut Query) -> PageQuery {
    PageQuery { limit: query.parsed("limit", "a whole number from 1 to 200"), next_cursor: query.text("next_cursor") }
}
