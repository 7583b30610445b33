//! The policy of an environment.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_gateway::PolicyView;

use super::accounts::page;
use super::{empty, json, json_tagged, put};
use crate::app::App;
use crate::extract::{Caller, JsonBody, PathParts, Query, if_match, matches_etag, version_tag};
use crate::failure::Failure;
use crate::schema;

/// Read the policy
///
/// Version 0 with an empty document while there is none.
#[utoipa::path(get, path = "/policy", tag = "policy", params(schema::IfNoneMatch),
    responses(
        (status = 200, description = "The policy in force.", body = schema::Policy,
            headers(("etag" = String, description = "Its version."))),
        (status = 304, description = "Not changed since the version in `If-None-Match`.")))]
pub(super) async fn get_policy(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let view = app.gateway().get_policy(&caller.actor, None).await?;
    let etag = version_tag(view.version);
    if matches_etag(&headers, &etag) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        put(&mut response, http::header::ETAG, &etag);
        return Ok(response);
    }
    tagged(&view)
}

/// Set the policy
///
/// The document replaces the former one as a new version and is in force for every call that comes after. A document with
/// mistakes is refused with all of them, and nothing changes. `If-Match: "0"` asks that there was none.
#[utoipa::path(put, path = "/policy", tag = "policy", params(schema::IfMatch),
    request_body = schema::PolicyDocument,
    responses(
        (status = 200, description = "The policy in force.", body = schema::Policy,
            headers(("etag" = String, description = "Its version."))),
        (status = 412, description = "`precondition_failed`: it was changed since the version in `If-Match`."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn put_policy(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let expected = if_match(&headers)?;
    let document = document_of(&body)?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.put_policy(&caller.actor, caller.request_id, expected, document).await?) };
    tagged(&app.to_the_end(work).await?)
}

/// Check a policy
///
/// Every mistake with its line and column; nothing is set.
#[utoipa::path(post, path = "/policy/check", tag = "policy",
    request_body = schema::PolicyDocument,
    responses(
        (status = 200, description = "What was found.", body = schema::PolicyCheck),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn check_policy(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let document = document_of(&body)?;
    json(StatusCode::OK, &app.gateway().check_policy(&caller.actor, &document)?)
}

/// Test a policy
///
/// Cases: facts of a call in, the expected decision out. Nothing is called. Without `document` the policy in force is tested.
#[utoipa::path(post, path = "/policy/test", tag = "policy",
    request_body = schema::PolicyCases,
    responses(
        (status = 200, description = "What came of each case.", body = schema::PolicyTest),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn test_policy(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let document = members.text("document");
    let cases = members.values("cases").unwrap_or_default();
    members.finish()?;
    json(StatusCode::OK, &app.gateway().test_policy(&caller.actor, document.as_deref(), cases).await?)
}

/// List the versions of the policy
///
/// The newest first, without their documents.
#[utoipa::path(get, path = "/policy/version", tag = "policy", params(schema::PageParameters),
    responses((status = 200, description = "One page.", body = schema::PolicyVersionPage)))]
pub(super) async fn list_policy_versions(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    query.finish()?;
    json(StatusCode::OK, &app.gateway().list_policy_versions(&caller.actor, &page).await?)
}

/// Read a version of the policy
#[utoipa::path(get, path = "/policy/version/{version}", tag = "policy", params(schema::PolicyVersionPath),
    responses(
        (status = 200, description = "The version with its document.", body = schema::Policy,
            headers(("etag" = String, description = "The version."))),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_policy_version(
    State(app): State<App>,
    caller: Caller,
    PathParts(version): PathParts<i64>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    tagged(&app.gateway().get_policy(&caller.actor, Some(version)).await?)
}

/// Restore a version of the policy
///
/// Sets its document again, as a new version.
#[utoipa::path(post, path = "/policy/version/{version}/restore", tag = "policy",
    params(schema::PolicyVersionPath, schema::IfMatch),
    responses(
        (status = 200, description = "The policy in force.", body = schema::Policy,
            headers(("etag" = String, description = "Its version."))),
        (status = 404, description = "`not_found`"),
        (status = 412, description = "`precondition_failed`: it was changed since the version in `If-Match`.")))]
pub(super) async fn restore_policy(
    State(app): State<App>,
    caller: Caller,
    PathParts(version): PathParts<i64>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let expected = if_match(&headers)?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.restore_policy(&caller.actor, caller.request_id, expected, version).await?) };
    tagged(&app.to_the_end(work).await?)
}

/// Read how much of each limit has been used
///
/// Each limit under `blast_radius` of the policy in force, with those who have used most of it. For admins and auditors.
#[utoipa::path(get, path = "/policy/blast-radius", tag = "policy",
    responses((status = 200, description = "Every limit, in the order of the policy.", body = schema::BlastPage)))]
pub(super) async fn get_blast_radius(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().blast_radius(&caller.actor).await?)
}

fn document_of(body: &JsonBody) -> Result<String, Failure> {
    let mut members = body.members()?;
    let document = members.required_text("document");
    members.finish()?;
    Ok(document)
}

fn tagged(view: &PolicyView) -> Result<Response, Failure> {
    json_tagged(StatusCode::OK, view, &version_tag(view.version))
}
