//! Approvals.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use quartermaster_gateway::{ApprovalFilter, Decision};
use quartermaster_types::{ApprovalId, ApprovalState, RunId};
use serde_json::Value;

use super::accounts::page;
use super::json;
use crate::app::App;
use crate::extract::{Caller, JsonBody, Members, PathParts, Query};
use crate::failure::Failure;
use crate::schema;

/// List approvals
///
/// Newest first: all of the environment for admins and auditors whose token is not narrowed, for others those that the token
/// asked for.
#[utoipa::path(get, path = "/approval", tag = "approvals", params(schema::PageParameters, schema::ApprovalParameters),
    responses((status = 200, description = "One page.", body = schema::ApprovalPage)))]
pub(super) async fn list_approvals(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    let state = query.parsed::<StateName>("state", &StateName::expected());
    let run_id = query.parsed::<RunId>("run_id", "the UUID of a run");
    query.finish()?;
    let filter = ApprovalFilter { state: state.map(|state| state.0), run_id };
    json(StatusCode::OK, &app.gateway().list_approvals(&caller.actor, &page, &filter).await?)
}

struct StateName(ApprovalState);

impl StateName {
    fn expected() -> String {
        let names: Vec<String> = ApprovalState::ALL.iter().map(|state| format!("`{}`", state.as_str())).collect();
        format!("one of {}", names.join(", "))
    }
}

impl std::str::FromStr for StateName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        ApprovalState::from_name(text).map(Self).ok_or(())
    }
}

/// Read an approval
///
/// With its card and the votes: for admins and auditors, for whoever may decide it, and for the token that asked.
#[utoipa::path(get, path = "/approval/{id}", tag = "approvals", params(schema::ApprovalPath),
    responses(
        (status = 200, description = "The approval.", body = schema::Approval),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_approval(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<ApprovalId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().get_approval(&caller.actor, id).await?)
}

/// Decide an approval
///
/// The token's one vote. One no denies; as many yes as `quorum` wants approve. Refused to whoever asked, to tokens with the role
/// agent, and to those that are no approvers.
#[utoipa::path(post, path = "/approval/{id}/decide", tag = "approvals", params(schema::ApprovalPath),
    request_body = schema::ApprovalDecision,
    responses(
        (status = 200, description = "The approval with the vote.", body = schema::Approval),
        (status = 404, description = "`not_found`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn decide_approval(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<ApprovalId>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let decision = decision(body.members()?)?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.decide_approval(&caller.actor, caller.request_id, id, decision).await?) };
    json(StatusCode::OK, &app.to_the_end(work).await?)
}

fn decision(mut members: Members<'_>) -> Result<Decision, Failure> {
    let said = members.required_text("decision");
    if !matches!(said.as_str(), "" | "approve" | "deny") {
        members.wrong("decision", "Must be `approve` or `deny`.");
    }
    let numbers = members.values("veto").unwrap_or_default();
    let veto: Vec<u32> =
        numbers.iter().filter_map(Value::as_u64).filter_map(|number| u32::try_from(number).ok()).collect();
    if veto.len() < numbers.len() {
        members.wrong("veto", "Must be numbers of rows.");
    }
    let reason = members.text("reason");
    members.finish()?;
    Ok(Decision { approve: said == "approve", veto, reason })
}
