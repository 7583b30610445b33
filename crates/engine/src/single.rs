//! Calls that return one value, and changes of state.

use std::borrow::Cow;

use bytes::Bytes;
use quartermaster_definition::Method;
use quartermaster_definition::plan::{ArgumentPlace, Transition};
use quartermaster_egress::Response;
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use crate::call::SingleAnswer;
use crate::run::{Purpose, Run};
use crate::{errors, json};

/// Runs the call: at once, or with the record read first where a change of state is declared.
pub(crate) async fn call(run: &mut Run<'_>) -> Result<SingleAnswer, Problem> {
    let call = run.call;
    let method = call.method;
    let read = method.read_before.as_ref().and_then(|name| call.plan.method(&method.resource, name));
    run.before.clone_from(&call.before);
    match (&method.transition, read) {
        (Some(transition), read) => change(run, transition, read).await,
        (None, Some(read)) => {
            if run.before.is_none() {
                run.before = Some(record(run, read).await?);
            }
            let body = send(run, method, call.arguments).await?;
            Ok(answer(run, body, None))
        }
        (None, None) => {
            let body = send(run, method, call.arguments).await?;
            Ok(answer(run, body, None))
        }
    }
}

/// Brings the record into the transition's state: nothing is sent when it is there already, and what was sent is checked.
async fn change(run: &mut Run<'_>, transition: &Transition, read: Option<&Method>) -> Result<SingleAnswer, Problem> {
    let call = run.call;
    let before = match (run.before.take(), read) {
        (None, Some(read)) => Some(record(run, read).await?),
        (known, _) => known,
    };
    if let Some(before) = before {
        let there = state(&before, &transition.at).as_deref() == Some(transition.to.as_str());
        run.before = Some(before.clone());
        if there {
            return Ok(answer(run, before, Some(false)));
        }
    }
    let body = match send(run, call.method, call.arguments).await {
        Ok(body) => body,
        Err(problem) => return already(run, transition, read, problem).await,
    };
    run.is_accepted = true;
    match (state(&body, &transition.at), read) {
        (Some(state), _) if state == transition.to => Ok(answer(run, body, Some(true))),
        (None, None) => Ok(answer(run, body, None)),
        // No record in the answer, or one that may have been made before the change took effect: the record itself decides.
        (_, Some(read)) => confirm(run, transition, read).await,
        (Some(state), None) => Err(unchanged(run, transition, &state)),
    }
}

/// Reads the record after a change that the upstream accepted.
async fn confirm(run: &mut Run<'_>, transition: &Transition, read: &Method) -> Result<SingleAnswer, Problem> {
    let after = match record(run, read).await {
        Ok(after) => after,
        Err(problem) => {
            let detail =
                format!("the change was accepted, but reading the record back failed: {}", problem.body().detail);
            return Err(Problem::upstream(problem.code(), detail)
                .with_hint("The change most likely happened. Read the record before doing anything else.")
                .with_retry(false, problem.body().retry_after_seconds));
        }
    };
    match state(&after, &transition.at) {
        Some(state) if state == transition.to => Ok(answer(run, after, Some(true))),
        found => Err(unchanged(run, transition, found.as_deref().unwrap_or("unknown"))),
    }
}

/// An error that means "already in that state" is a success without a change, once a read confirms it.
async fn already(
    run: &mut Run<'_>,
    transition: &Transition,
    read: Option<&Method>,
    problem: Problem,
) -> Result<SingleAnswer, Problem> {
    let Some(read) = read.filter(|_| matches!(problem.code(), Code::AlreadyInState | Code::Conflict)) else {
        return Err(problem);
    };
    let limits = run.limits.clone();
    match record(run, read).await {
        Ok(record) if state(&record, &transition.at).as_deref() == Some(transition.to.as_str()) => {
            Ok(answer(run, record, Some(false)))
        }
        _ => {
            run.limits = limits;
            Err(problem)
        }
    }
}

/// The upstream said yes, and the record says no.
fn unchanged(run: &Run<'_>, transition: &Transition, found: &str) -> Problem {
    let target = errors::target(run, Purpose::of(run.call.method));
    let found: String = found.chars().take(64).collect();
    let detail =
        format!("{} accepted {target}, but the record's state is {found}, not {}", run.call.plan.label, transition.to);
    Problem::upstream(Code::UpstreamInvalid, detail)
        .with_hint("Read the record again in a moment; the change may take time, or the vendor may not do it.")
}

/// Reads the record with the arguments that the read takes.
async fn record(run: &mut Run<'_>, read: &Method) -> Result<Bytes, Problem> {
    let takes = |name: &str| {
        let sent = |place: &ArgumentPlace| !matches!(place, ArgumentPlace::ListOption | ArgumentPlace::LocalFilter);
        read.arguments.iter().any(|argument| argument.name == name && sent(&argument.place))
    };
    let arguments: Map<String, Value> = run
        .call
        .arguments
        .iter()
        .filter(|(name, _)| takes(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    send(run, read, &arguments).await
}

/// Sends the request of `method` and gives the result's raw JSON; `null` for an empty body.
async fn send(run: &mut Run<'_>, method: &Method, arguments: &Map<String, Value>) -> Result<Bytes, Problem> {
    let purpose = Purpose::of(method);
    let draft = run.draft(method, arguments)?;
    let response = run.send(&draft, purpose).await?;
    if let Some(problem) = errors::failed(run, &response, purpose) {
        return Err(problem);
    }
    match result(&response, &method.result) {
        Ok(body) => Ok(body),
        Err(what) => Err(errors::unusable(run, &response, purpose, &what)),
    }
}

/// The result within an answer. The error completes "answered with …".
fn result(response: &Response, pointer: &str) -> Result<Bytes, String> {
    let body = response.body.slice_ref(response.body.trim_ascii());
    if body.is_empty() {
        return Ok(Bytes::from_static(b"null"));
    }
    let found = json::find_one(&body, pointer).map_err(|error| format!("something that is not JSON ({error})"))?;
    found.map(|found| body.slice_ref(found)).ok_or_else(|| format!("no value at {pointer}"))
}

/// The answer of a call that worked.
fn answer(run: &mut Run<'_>, body: Bytes, changed: Option<bool>) -> SingleAnswer {
    let id_at =
        run.call.plan.resources.get(&run.call.method.resource).map_or("/id", |resource| resource.id.at.as_str());
    let id = json::find_one(&body, id_at).ok().flatten().and_then(|raw| id_bytes(&body, raw));
    SingleAnswer {
        id,
        body,
        changed,
        before: run.before.take(),
        rate_limits: std::mem::take(&mut run.limits),
        upstream_calls: run.calls,
    }
}

/// The text of an id as a slice of the body; copied only when it holds escapes.
fn id_bytes(body: &Bytes, raw: &[u8]) -> Option<Bytes> {
    Some(match json::text(raw)? {
        Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    })
}

/// The state that a record is in.
fn state(record: &Bytes, at: &str) -> Option<String> {
    let raw = json::find_one(record, at).ok().flatten()?;
    json::text(raw).map(Cow::into_owned)
}
