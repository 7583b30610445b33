//! Runs.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_gateway::limits::{RUN_EVENTS_KEEP_ALIVE, RUN_EVENTS_LAST_MAX};
use quartermaster_gateway::runs::machine::name_of;
use quartermaster_gateway::runs::{DeltaWatch, NewRun, RunEvents, RunFilter};
use quartermaster_gateway::{Actor, Gateway};
use quartermaster_store_model::RunState;
use quartermaster_types::{AccountId, Code, FieldError, Problem, RunId};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::accounts::page;
use super::{empty, fixed, json, put};
use crate::app::App;
use crate::extract::{Caller, JsonBody, Members, PathParts, Query, RUN_BODY_MAX_VALUES};
use crate::failure::Failure;
use crate::schema;

/// Start a run
///
/// It is checked whole and stored; a worker goes on with it at once. It works with the rights that the token has at each call.
#[utoipa::path(post, path = "/run", tag = "runs",
    request_body = schema::NewRun,
    responses(
        (status = 201, description = "The run, queued.", body = schema::Run,
            headers(("location" = String, description = "Its path."))),
        (status = 404, description = "`not_found`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn start_run(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    body.values_at_most(RUN_BODY_MAX_VALUES)?;
    // A list of a hundred thousand people takes a while to be read.
    let run = apart(move || new_run(body.members()?)).await?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.start_run(&caller.actor, caller.request_id, run).await?) };
    let view = app.to_the_end(work).await?;
    let mut response = json(StatusCode::CREATED, &view)?;
    put(&mut response, LOCATION, &format!("/run/{}", view.summary.id));
    Ok(response)
}

fn new_run(mut members: Members<'_>) -> Result<NewRun, Failure> {
    if let Some(agent) = members.object("agent") {
        return new_agent(members, agent);
    }
    let definition = members.required_text("playbook");
    let account = members.required_text("integrated_account_id");
    let account: AccountId = account.parse().unwrap_or_else(|_| {
        if !account.is_empty() {
            members.wrong("integrated_account_id", "Must be the UUID of an integrated account.");
        }
        AccountId(uuid::Uuid::nil())
    });
    let input = members.object("input").unwrap_or_default();
    let patience_seconds = members.whole_number("patience_seconds");
    members.finish()?;
    Ok(NewRun { kind: "playbook".to_owned(), definition, account, input, patience_seconds })
}

/// The goal is what is run, the first account is the run's own; the rest is the machine's business.
fn new_agent(mut members: Members<'_>, mut agent: Map<String, Value>) -> Result<NewRun, Failure> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, detail: &str| {
        errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
    };
    let goal = match agent.shift_remove("goal") {
        Some(Value::String(goal)) => goal,
        _ => {
            wrong("/agent/goal", "Is required: what is to be reached, as a text.");
            String::new()
        }
    };
    let accounts = match agent.shift_remove("accounts") {
        Some(Value::Array(accounts)) => accounts,
        _ => Vec::new(),
    };
    let mut ids = accounts.iter().map(|id| id.as_str().and_then(|id| id.parse::<AccountId>().ok()));
    let account = ids.next().flatten().filter(|_| ids.all(|id| id.is_some()));
    let account = account.unwrap_or_else(|| {
        wrong("/agent/accounts", "Must be an array of the UUIDs of integrated accounts, at least one.");
        AccountId(uuid::Uuid::nil())
    });
    if accounts.len() > 1 {
        agent.insert("accounts".to_owned(), Value::from(accounts[1..].to_vec()));
    }
    let patience_seconds = members.whole_number("patience_seconds");
    members.finish()?;
    if !errors.is_empty() {
        return Err(Failure::invalid("The body is not as this route takes it.", errors));
    }
    Ok(NewRun { kind: "agent".to_owned(), definition: goal, account, input: agent, patience_seconds })
}

/// List runs
///
/// Newest first: all of the environment for admins and auditors whose token is not narrowed, for others those that the token
/// started.
#[utoipa::path(get, path = "/run", tag = "runs", params(schema::PageParameters, schema::RunParameters),
    responses((status = 200, description = "One page.", body = schema::RunPage)))]
pub(super) async fn list_runs(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    let state = query.parsed::<StateName>("state", &StateName::expected());
    let filter = RunFilter { state: state.map(|state| state.0), name: query.text("name") };
    query.finish()?;
    json(StatusCode::OK, &app.gateway().list_runs(&caller.actor, &page, &filter).await?)
}

struct StateName(RunState);

impl StateName {
    fn expected() -> String {
        let names: Vec<String> = RunState::ALL.iter().map(|state| format!("`{}`", state.as_str())).collect();
        format!("one of {}", names.join(", "))
    }
}

impl std::str::FromStr for StateName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        RunState::from_name(text).map(Self).ok_or(())
    }
}

/// Read a run
///
/// With its steps in the order in which they were begun, and what came of it.
#[utoipa::path(get, path = "/run/{id}", tag = "runs", params(schema::RunPath),
    responses((status = 200, description = "The run.", body = schema::Run), (status = 404, description = "`not_found`")))]
pub(super) async fn get_run(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<RunId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    json(StatusCode::OK, &app.gateway().get_run(&caller.actor, id).await?)
}

/// Stop a run
///
/// It makes no further call; one that is under way comes to its end. Stopping twice is stopping once, and one that has ended
/// stays as it is.
#[utoipa::path(post, path = "/run/{id}/cancel", tag = "runs", params(schema::RunPath),
    responses((status = 200, description = "The run.", body = schema::RunSummary), (status = 404, description = "`not_found`")))]
pub(super) async fn cancel_run(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<RunId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.cancel_run(&caller.actor, caller.request_id, id).await?) };
    json(StatusCode::OK, &app.to_the_end(work).await?)
}

/// Read the report of a run
///
/// The whole of what came of it, with every row of its table; `GET /run/{id}` shows at most 1,000 of them.
#[utoipa::path(get, path = "/run/{id}/report", tag = "runs", params(schema::RunPath),
    responses(
        (status = 200, description = "The run with what came of it.", body = schema::RunReport),
        (status = 404, description = "`not_found`")))]
pub(super) async fn get_run_report(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<RunId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let report = app.gateway().get_run_report(&caller.actor, id).await?;
    apart(move || json(StatusCode::OK, &report)).await
}

/// Does what may take long for a large run on a thread of its own.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Problem::gateway(Code::Unavailable, "The gateway is shutting down.").into()),
    }
}

/// Export a run
///
/// What was run, with what, the whole journal and what came of it: enough to replay it. `format=html`: a page for people that
/// needs no other file.
#[utoipa::path(get, path = "/run/{id}/export", tag = "runs", params(schema::RunPath, schema::ExportParameters),
    responses(
        (status = 200, description = "The run.", body = schema::RunExport),
        (status = 404, description = "`not_found`")))]
pub(super) async fn export_run(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<RunId>,
    uri: Uri,
) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let format = query.text("format");
    query.finish()?;
    let as_page = match format.as_deref() {
        None | Some("json") => false,
        Some("html") => true,
        Some(_) => {
            let detail = "Must be `json` or `html`.".to_owned();
            let error = FieldError { pointer: "/format".to_owned(), detail };
            return Err(Failure::invalid("The query is not as this route takes it.", vec![error]));
        }
    };
    let export = app.gateway().export_run(&caller.actor, id).await?;
    apart(move || {
        if !as_page {
            return json(StatusCode::OK, &export);
        }
        let mut response = fixed("text/html; charset=utf-8", export.html()?);
        let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
        put(&mut response, http::header::CONTENT_SECURITY_POLICY, policy);
        Ok(response)
    })
    .await
}

/// Watch a run
///
/// Server-sent events: one for each entry of the journal, named as the entry is (`begun`, `finished`, `asked`, `answered`, `failed`, `woken`), its
/// number as the id; after the last one `end` with the run. What a model says at this moment comes as `delta` without an id:
/// best effort, not kept, and only from the process that asks it. `last-event-id` goes on after the event that was seen last; 204
/// means that there is nothing more. A stream lasts five minutes at most; come back then.
#[utoipa::path(get, path = "/run/{id}/events", tag = "runs", params(schema::RunPath, schema::LastEventId),
    responses(
        (status = 200, description = "Events.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The run has ended, and its end was seen."),
        (status = 404, description = "`not_found`")))]
pub(super) async fn watch_run(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<RunId>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let after = last_event_id(&headers)?;
    // Before the answer begins: who may not see the run is told so, and who has seen its end too.
    let run = app.gateway().get_run_summary(&caller.actor, id).await?;
    if run.state.is_end() && after > run.entries {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let watch = Watch {
        deltas: app.gateway().watch_deltas(id),
        gateway: app.gateway().clone(),
        caller,
        id,
        after,
        until: Instant::now() + RUN_EVENTS_LAST_MAX,
    };
    let events = stream::unfold(Some(watch), |watch| async move { watch?.next().await });
    let mut response = Response::new(Body::from_stream(events));
    put(&mut response, CONTENT_TYPE, "text/event-stream");
    put(&mut response, CACHE_CONTROL, "no-store");
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<u32, Failure> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| {
        let detail = "Must be the id of an event of this run, a number.".to_owned();
        let error = FieldError { pointer: "/last-event-id".to_owned(), detail };
        Failure::invalid("A header of the request is not as it should be.", vec![error])
    })
}

/// Somebody who watches a run.
struct Watch {
    gateway: Gateway,
    caller: Caller,
    id: RunId,
    after: u32,
    until: Instant,
    deltas: DeltaWatch,
}

impl Watch {
    /// The next events, and who watches on; `None` at the end of the stream.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Option<Self>)> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() || self.gateway.runs_are_stopping() {
            return None;
        }
        let actor: &std::sync::Arc<Actor> = &self.caller.actor;
        let patience: Duration = left.min(RUN_EVENTS_KEEP_ALIVE);
        let events = match self.gateway.run_events(actor, self.id, self.after, patience, &mut self.deltas).await {
            Ok(events) => events,
            Err(problem) => {
                tracing::warn!(%problem, "a run cannot be watched on");
                return None;
            }
        };
        let text = text(&events, self.after);
        if let Some(last) = events.entries.last() {
            self.after = last.number;
        }
        let on = events.end.is_none().then_some(self);
        Some((Ok(Bytes::from(text)), on))
    }
}

/// Events in the form of the stream; a comment when there are none, so that nobody takes the connection for dead.
fn text(events: &RunEvents, after: u32) -> String {
    let mut text = String::new();
    // Without a number: nobody goes on after one.
    for delta in &events.deltas {
        let data = serde_json::to_string(delta).unwrap_or_default();
        text.push_str(&format!("event: delta\ndata: {data}\n\n"));
    }
    for entry in &events.entries {
        event(&mut text, name_of(&entry.entry), entry.number, entry);
    }
    if let Some(run) = &events.end {
        event(&mut text, "end", events.entries.last().map_or(after, |entry| entry.number) + 1, run);
    }
    if text.is_empty() {
        text.push_str(": still there\n\n");
    }
    text
}

/// JSON has no line breaks of its own.
fn event(text: &mut String, name: &str, id: u32, data: &impl Serialize) {
    let data = serde_json::to_string(data).unwrap_or_default();
    text.push_str(&format!("id: {id}\nevent: {name}\ndata: {data}\n\n"));
}
