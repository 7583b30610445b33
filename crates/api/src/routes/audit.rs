//! The audit log.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use quartermaster_gateway::AuditFilter;

use super::accounts::page;
use super::json;
use crate::app::App;
use crate::extract::{Caller, Query};
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
