//! The audit log.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use quartermaster_gateway::AuditFilter;

use super::accounts::page;
use super::json;
use crate::app::App;
use crate::extract::{Caller, JsonBody, Query};
use crate::failure::Failure;
use crate::schema;

/// Read the audit log
///
/// Newest first: who did what, on which record, before and after, and how it ended. For admins and auditors.
#[utoipa::path(get, path = "/audit-log", tag = "audit",
    params(schema::PageParameters, schema::AuditParameters),
    responses((status = 200, description = "One page.", body = schema::AuditPage)))]
pub(super) async fn list_audit_log(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    let filter = AuditFilter {
        account_id: query.parsed("account_id", "the UUID of an integrated account"),
        action: query.text("action"),
        request_id: query.parsed("request_id", "the UUID of a request, as in `x-request-id`"),
    };
    query.finish()?;
    json(StatusCode::OK, &app.gateway().list_audit(&caller.actor, &page, &filter).await?)
}

/// Export the audit log
///
/// The lines of the exported log in their order, page by page: whoever has them all can verify the chain and its signed checkpoints
/// without the gateway. `docs/audit-log.md` has the format. `limit` counts records. For admins and auditors whose token is
/// not narrowed to accounts.
#[utoipa::path(get, path = "/audit-log/export", tag = "audit",
    params(schema::PageParameters),
    responses((status = 200, description = "One page of lines.", body = schema::AuditExportPage)))]
pub(super) async fn export_audit_log(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    query.finish()?;
    json(StatusCode::OK, &app.gateway().export_audit(&caller.actor, &page).await?)
}

/// Get the audit log's public key
///
/// The key that checkpoints of this environment's log are signed with. Keep it elsewhere: an exported log is as trustworthy as
/// the way on which its key came. For admins and auditors.
#[utoipa::path(get, path = "/audit-log/key", tag = "audit",
    responses((status = 200, description = "The key.", body = schema::AuditKey)))]
pub(super) async fn get_audit_log_key(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().audit_public_key(&caller.actor).await?)
}

/// Drop old audit records
///
/// Verifies the records from before `before` and drops them, the oldest first, at most 50,000 at once. A signed statement stays
/// in their place, from which the rest still verifies. For admins whose token is not narrowed.
#[utoipa::path(post, path = "/audit-log/prune", tag = "audit",
    request_body = schema::AuditPruneRequest,
    responses(
        (status = 200, description = "What was dropped.", body = schema::AuditPruned),
        (status = 409, description = "`conflict`: somebody else dropped a part meanwhile."),
        (status = 412, description = "`precondition_failed`: the records do not verify; none was dropped."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn prune_audit_log(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let before = members.time("before");
    if before.is_none() {
        members.wrong("before", "Must be a time, RFC 3339: records from before it are dropped.");
    }
    members.finish()?;
    let before = before.unwrap_or_default();
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.prune_audit(&caller.actor, caller.request_id, before).await?) };
    json(StatusCode::OK, &app.to_the_end(work).await?)
}
