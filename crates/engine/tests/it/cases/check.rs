//! Compares what came with what was expected.

use std::collections::BTreeMap;
use std::fmt::Debug;

use quartermaster_engine::{Answer, Failure, ListAnswer, Preview, SingleAnswer};
use quartermaster_types::RateLimits;
use serde_json::Value;

use super::format::{Expect, PreviewExpected, ProblemExpected, RateLimitsExpected, RequestExpected, ResultExpected};
use crate::upstream::Seen;
use crate::world::{World, ids, records};

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T, wrong: &mut Vec<String>) {
    if expected != found {
        wrong.push(format!("{what}: expected {expected:?}, found {found:?}"));
    }
}

fn same_if<T: PartialEq + Debug>(what: &str, expected: Option<&T>, found: &T, wrong: &mut Vec<String>) {
    if let Some(expected) = expected {
        same(what, expected, found, wrong);
    }
}

/// A preview.
pub fn preview(expected: &PreviewExpected, found: &Preview, wrong: &mut Vec<String>) {
    same("method", &expected.method, &found.method, wrong);
    same("url", &expected.url, &found.url, wrong);
    same("body", &expected.body, &found.body, wrong);
    for (name, value) in &expected.headers {
        let header = found.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        same(&format!("header {name}"), &Some(value), &header, wrong);
    }
}

/// Everything but the requests.
pub fn outcome(expected: &Expect, world: &World, found: &Result<Answer, Failure>, wrong: &mut Vec<String>) {
    match (found, &expected.problem) {
        (Ok(answer), None) => {
            if let Some(expected) = &expected.result {
                match answer {
                    Answer::List(answer) => list(expected, answer, wrong),
                    Answer::Single(answer) => single(expected, answer, wrong),
                }
            }
        }
        (Err(failure), Some(expected)) => problem(expected, failure, wrong),
        (Ok(answer), Some(_)) => wrong.push(format!("expected a problem, found {answer:?}")),
        (Err(failure), None) => wrong.push(format!("expected a result, found {:?}", failure.problem)),
    }
    if let Some(expected) = &expected.rate_limits {
        let limits = match found {
            Ok(Answer::List(answer)) => &answer.rate_limits,
            Ok(Answer::Single(answer)) => &answer.rate_limits,
            Err(failure) => &failure.rate_limits,
        };
        same("rate_limits", expected, &in_seconds(limits, world), wrong);
    }
}

fn in_seconds(limits: &RateLimits, world: &World) -> RateLimitsExpected {
    let now = world.clock.now();
    RateLimitsExpected {
        limit: limits.limit,
        window_seconds: limits.window_seconds,
        remaining: limits.remaining,
        reset_seconds: limits.reset_seconds(now),
        retry_after_seconds: limits.retry_after_seconds(now),
    }
}

fn list(expected: &ResultExpected, found: &ListAnswer, wrong: &mut Vec<String>) {
    same_if("records", expected.records.as_ref(), &records(found), wrong);
    same_if("ids", expected.ids.as_ref(), &ids(found), wrong);
    same_if("is_partial", expected.is_partial.as_ref(), &found.is_partial, wrong);
    if expected.scanned.is_some() {
        same("scanned", &expected.scanned, &found.scanned, wrong);
    }
    if expected.stopped_because.is_some() {
        let reason = found.stopped_because.map(|reason| serde_json::to_value(reason).unwrap());
        same("stopped_because", &expected.stopped_because.as_deref(), &reason.as_ref().and_then(Value::as_str), wrong);
    }
    match &expected.next {
        Some(Value::Bool(any)) => same("next", any, &found.next.is_some(), wrong),
        Some(position) => same("next", position, &serde_json::to_value(&found.next).unwrap(), wrong),
        None => {}
    }
    if expected.body.is_some() || expected.changed.is_some() || expected.before.is_some() || expected.id.is_some() {
        wrong.push("the outcome is a list, but a single value is expected".to_owned());
    }
}

fn single(expected: &ResultExpected, found: &SingleAnswer, wrong: &mut Vec<String>) {
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    same_if("body", expected.body.as_ref(), &json(&found.body), wrong);
    same_if("changed", expected.changed.as_ref(), &found.changed, wrong);
    same_if("before", expected.before.as_ref(), &found.before.as_deref().map(json), wrong);
    let id = found.id.as_deref().map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default();
    same_if("id", expected.id.as_ref(), &id, wrong);
    if expected.records.is_some() || expected.ids.is_some() || expected.next.is_some() {
        wrong.push("the outcome is a single value, but a list is expected".to_owned());
    }
}

fn problem(expected: &ProblemExpected, failure: &Failure, wrong: &mut Vec<String>) {
    let found = failure.problem.body();
    same_if("code", expected.code.as_ref(), &found.code.to_string(), wrong);
    let origin = serde_json::to_value(found.origin).unwrap();
    same_if("origin", expected.origin.as_deref().map(Value::from).as_ref(), &origin, wrong);
    same_if("detail", expected.detail.as_ref(), &found.detail, wrong);
    same_if("retryable", expected.retryable.as_ref(), &found.retryable, wrong);
    if expected.retry_after_seconds.is_some() {
        same("retry_after_seconds", &expected.retry_after_seconds, &found.retry_after_seconds, wrong);
    }
    let hint = found.hint.as_deref().unwrap_or_default();
    for (what, texts, text) in
        [("detail", &expected.detail_has, found.detail.as_str()), ("hint", &expected.hint_has, hint)]
    {
        wrong.extend(
            texts.iter().filter(|part| !text.contains(*part)).map(|part| format!("{what}: no {part:?} in {text:?}")),
        );
    }
    let tools: Vec<String> = found.next_calls.iter().map(|next| next.tool.clone()).collect();
    same_if("next_calls", expected.next_calls.as_ref(), &tools, wrong);
    let upstream = found.upstream.as_ref();
    if expected.upstream_status.is_some() {
        same("upstream_status", &expected.upstream_status, &upstream.map(|upstream| upstream.status), wrong);
    }
    if expected.upstream_code.is_some() {
        let code = upstream.and_then(|upstream| upstream.code.clone());
        same("upstream_code", &expected.upstream_code, &code, wrong);
    }
    if let Some(expected) = &expected.before {
        let before = failure.before.as_deref().map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap());
        same("before", &Some(expected), &before.as_ref(), wrong);
    }
}

/// The requests, all of them, in order.
pub fn requests(expected: &[RequestExpected], found: &[Seen], wrong: &mut Vec<String>) {
    if expected.len() != found.len() {
        let targets: Vec<String> = found.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
        wrong.push(format!("expected {} requests, found {}: {targets:?}", expected.len(), found.len()));
    }
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        let what = |part: &str| format!("request {}: {part}", number + 1);
        same(&what("method"), &expected.method, &found.method, wrong);
        same(&what("path"), &expected.path.as_str(), &found.path(), wrong);
        let query: BTreeMap<String, String> = found.query().into_iter().collect();
        same(&what("query"), &expected.query, &query, wrong);
        for (name, value) in &expected.headers {
            same(&what(name), &value.as_deref(), &found.header(name), wrong);
        }
        match &expected.body {
            None => same(&what("body"), &"", &found.body.as_str(), wrong),
            Some(Value::String(text)) => same(&what("body"), &text.as_str(), &found.body.as_str(), wrong),
            Some(json) => same(&what("body"), &Some(json), &serde_json::from_str(&found.body).ok().as_ref(), wrong),
        }
    }
}

/// Everything that a caller sees, as one text.
pub fn shown(outcome: &Result<Answer, Failure>) -> String {
    match outcome {
        Ok(answer) => format!("{answer:?}"),
        Err(failure) => format!("{failure:?}{}", serde_json::to_string(&failure.problem).unwrap()),
    }
}
