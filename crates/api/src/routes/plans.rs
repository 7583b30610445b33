//! Plans, and the undo of runs.

use axum::extract::State;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_gateway::Target;
use quartermaster_gateway::planning::{ExecutePlan, NewPlan, PlannedCall, Undo};
use quartermaster_store_model::PlanState;
use quartermaster_types::{AccountId, PlanId, RunId};
use serde_json::{Map, Value};

use super::accounts::page;
use super::{json, put};
use crate::app::App;
use crate::extract::{CallHeaders, Caller, JsonBody, MaybeJsonBody, Members, PathParts, Query};
use crate::failure::Failure;
use crate::schema;

/// Make a plan
///
/// Each call is rehearsed as the guards stand now and its record is read; the plan tells what each would change, what is refused
/// and why, what can be undone, how many calls to the vendor it takes and how long. Nothing is changed. A call names its record
/// by the argument `id`, which has to be read in the same session as on the tool door, or a person by `find`: the exact e-mail
/// address, looked for in the whole directory.
#[utoipa::path(post, path = "/plan", tag = "plans", params(schema::SessionHeader),
    request_body = schema::NewPlan,
    responses(
        (status = 201, description = "The plan.", body = schema::Plan,
            headers(("location" = String, description = "Its path."))),
        (status = 404, description = "`not_found`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 424, description = "`account_needs_reauth`"),
        (status = 429, description = "`rate_limited`: the records could not be read in time"),
        (status = 503, description = "`upstream_unavailable` or `unavailable`"),
        (status = 504, description = "`upstream_timeout`")))]
pub(super) async fn make_plan(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let session = CallHeaders::of(&headers)?.session;
    let plan = new_plan(body.members()?, session)?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.make_plan(&caller.actor, caller.request_id, plan).await?) };
    let view = app.to_the_end(work).await?;
    let mut response = json(StatusCode::CREATED, &view)?;
    if let Some(id) = view.summary.id {
        put(&mut response, LOCATION, &format!("/plan/{id}"));
    }
    Ok(response)
}

fn new_plan(mut members: Members<'_>, session: Option<String>) -> Result<NewPlan, Failure> {
    let account = members.required_text("integrated_account_id");
    let account: AccountId = account.parse().unwrap_or_else(|_| {
        if !account.is_empty() {
            members.wrong("integrated_account_id", "Must be the UUID of an integrated account.");
        }
        AccountId(uuid::Uuid::nil())
    });
    let reason = members.text("reason");
    let lasts = members.seconds("expires_in_seconds");
    let calls = match members.values("calls") {
        Some(calls) => calls.into_iter().enumerate().map(|(at, call)| planned(&mut members, at, call)).collect(),
        None => {
            members.wrong("calls", "Is required: an array of calls.");
            Vec::new()
        }
    };
    members.finish()?;
    Ok(NewPlan { account, calls, reason, lasts, session })
}

/// One call of a plan; what is wrong with it is told at its place.
fn planned(members: &mut Members<'_>, at: usize, call: Value) -> PlannedCall {
    let mut wrong = |name: &str, detail: &str| {
        let place = if name.is_empty() { String::new() } else { format!("/{name}") };
        members.wrong_at(format!("/calls/{at}{place}"), detail);
    };
    let Value::Object(mut call) = call else {
        wrong("", "Must be an object.");
        return PlannedCall {
            target: Target::Tool(String::new()),
            arguments: Map::new(),
            email: None,
            expect: Map::new(),
        };
    };
    let mut text = |name: &str, wrong: &mut dyn FnMut(&str, &str)| match call.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        None | Some(Value::Null) => None,
        Some(_) => {
            wrong(name, "Must be a string that is not empty.");
            None
        }
    };
    let (tool, resource, method) = (text("tool", &mut wrong), text("resource", &mut wrong), text("method", &mut wrong));
    let target = match (tool, resource, method) {
        (Some(tool), None, None) => Target::Tool(tool),
        (None, Some(resource), Some(method)) => Target::Method { resource, method },
        _ => {
            wrong("", "Names its method by `tool`, or by `resource` and `method`.");
            Target::Tool(String::new())
        }
    };
    let mut object = |name: &str, wrong: &mut dyn FnMut(&str, &str)| match call.remove(name) {
        Some(Value::Object(object)) => object,
        None | Some(Value::Null) => Map::new(),
        Some(_) => {
            wrong(name, "Must be an object.");
            Map::new()
        }
    };
    let arguments = object("arguments", &mut wrong);
    let expect = object("expect", &mut wrong);
    let mut find = object("find", &mut wrong);
    let email = match find.remove("email") {
        Some(Value::String(email)) if !email.trim().is_empty() => Some(email),
        None if find.is_empty() => None,
        _ => {
            wrong("find", "Must be an object with `email`, an e-mail address.");
            None
        }
    };
    for name in find.keys() {
        wrong(&format!("find/{name}"), "Is not known here; people are found by `email`.");
    }
    for name in call.keys() {
        wrong(name, "Is not known here; a call has `tool`, `resource`, `method`, `arguments`, `find` and `expect`.");
    }
    PlannedCall { target, arguments, email, expect }
}

/// List plans
///
/// Newest first: all of the environment for admins and auditors whose token is not narrowed, for others those that the token
/// made. A plan whose time is over has the state `expired`, and is listed under `ready` while it was neither executed nor
/// discarded.
#[utoipa::path(get, path = "/plan", tag = "plans", params(schema::PageParameters, schema::PlanParameters),
    responses((status = 200, description = "One page.", body = schema::PlanPage)))]
pub(super) async fn list_plans(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    let state = query.parsed::<StateName>("state", "`ready`, `executed` or `discarded`");
    query.finish()?;
    let state = state.map(|state| state.0);
    json(StatusCode::OK, &app.gateway().list_plans(&caller.actor, &page, state).await?)
}

struct StateName(PlanState);

impl std::str::FromStr for StateName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        PlanState::from_name(text).map(Self).ok_or(())
    }
}

/// Read a plan
///
/// With its rows, and the hash that executing it has to name.
#[utoipa::path(get, path = "/plan/{id}", tag = "plans", params(schema::PlanPath),
    responses((status = 200, description = "The plan.", body = schema::Plan), (status = 404, description = "`not_found`")))]
pub(super) async fn get_plan(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<PlanId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().get_plan(&caller.actor, id).await?)
}

/// Execute a plan
///
/// Starts a run that does exactly what the plan says, once. Each record is compared with its before-state again right before it
/// is written, and read back afterwards. The first row that is not as it was ends the run, unless `stop_on_change` is false.
#[utoipa::path(post, path = "/plan/{id}/execute", tag = "plans", params(schema::PlanPath),
    request_body = schema::ExecutePlan,
    responses(
        (status = 201, description = "The run, queued.", body = schema::Run,
            headers(("location" = String, description = "Its path."))),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: it was executed or discarded already"),
        (status = 412, description = "`precondition_failed`: another hash, expired, or rows that cannot be done"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn execute_plan(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<PlanId>,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let order = ExecutePlan {
        hash: members.required_text("hash"),
        skip_unresolved: members.boolean("skip_unresolved").unwrap_or(false),
        stop_on_change: members.boolean("stop_on_change").unwrap_or(true),
    };
    members.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.execute_plan(&caller.actor, caller.request_id, id, order).await?) };
    let view = app.to_the_end(work).await?;
    let mut response = json(StatusCode::CREATED, &view)?;
    put(&mut response, LOCATION, &format!("/run/{}", view.summary.id));
    Ok(response)
}

/// Discard a plan
///
/// It cannot be executed any more. Discarding twice is discarding once.
#[utoipa::path(post, path = "/plan/{id}/discard", tag = "plans", params(schema::PlanPath),
    responses(
        (status = 200, description = "The plan.", body = schema::PlanSummary),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: it was executed already")))]
pub(super) async fn discard_plan(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<PlanId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.discard_plan(&caller.actor, caller.request_id, id).await?) };
    json(StatusCode::OK, &app.to_the_end(work).await?)
}

/// Undo a run
///
/// Makes a plan of the inverses of what the run really changed, last first. What cannot be undone is a row that says so; what
/// somebody changed since is left alone. Execute it like every plan. With `dry_run` it is only shown.
#[utoipa::path(post, path = "/run/{id}/undo", tag = "plans", params(schema::RunPath),
    request_body = Option<schema::Undo>,
    responses(
        (status = 200, description = "With `dry_run`: the plan, which is not kept.", body = schema::Plan),
        (status = 201, description = "The plan.", body = schema::Plan,
            headers(("location" = String, description = "Its path."))),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: the run has not ended"),
        (status = 412, description = "`precondition_failed`: the run changed nothing"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`rate_limited`: the records could not be read in time")))]
pub(super) async fn undo_run(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<RunId>,
    uri: Uri,
    body: MaybeJsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let undo = Undo { dry_run: members.boolean("dry_run").unwrap_or(false), reason: members.text("reason") };
    members.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.undo_run(&caller.actor, caller.request_id, id, undo).await?) };
    let view = app.to_the_end(work).await?;
    let status = if view.summary.id.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &view)?;
    if let Some(id) = view.summary.id {
        put(&mut response, LOCATION, &format!("/plan/{id}"));
    }
    Ok(response)
}
