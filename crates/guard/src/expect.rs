//! `expect`: what a record must be like right before a write, compared with a read that was made just now.
//!
//! Whoever asks for a write says whom they mean, in the members that they have seen; an id that belongs to somebody else, or
//! to somebody who has changed meanwhile, is then refused instead of written to.

use quartermaster_definition::{Method, Plan};
use quartermaster_types::{Code, NextCall, Problem};
use serde::Serialize;
use serde_json::{Map, Value};

/// The longest value that a problem shows, in characters of JSON.
const SHOWN_MAX_CHARACTERS: usize = 200;

/// What became of one member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// It is as expected.
    Same,
    /// It is the state that the call would bring the record into: nothing is sent, so nothing can go wrong.
    AlreadyThere,
    /// It is something else, or not there.
    Different,
}

/// One member that was compared.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Compared {
    /// Its name, as the caller gave it.
    pub member: String,
    /// What the caller expects.
    pub expected: Value,
    /// What the record has; null where it has nothing.
    pub found: Value,
    /// What became of it.
    pub outcome: Agreement,
}

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    /// As JSON.
    Value,
    /// As texts without regard to upper and lower case.
    FoldedText,
    /// As texts; numbers and truth values count as theirs.
    Text,
}

/// Where a member stands in the record.
struct Place {
    pointer: String,
    by: By,
    /// Whether the definition names this place, so that nothing there is the same as null.
    is_known: bool,
}

/// Compares every member of `expect` with the record. `email`, `display_name`, `state` and `id` stand where the definition
/// places them; a name with a slash in front is a JSON Pointer; every other name is a member of the top level.
///
/// E-mail addresses are the same in upper and lower case. A state that is already the one that the method leads to agrees: the
/// call is answered with `changed: false`. A member that is not there agrees with nothing, but for null where the definition
/// says that it can stand there.
pub fn compare(plan: &Plan, method: &Method, expect: &Map<String, Value>, record: &Value) -> Vec<Compared> {
    let compared = expect.iter().map(|(name, expected)| {
        let place = place(plan, method, name);
        let found = record.pointer(&place.pointer);
        let agrees = match found {
            Some(found) => same(place.by, expected, found),
            None => place.is_known && record.is_object() && expected.is_null(),
        };
        let outcome = match found {
            _ if agrees => Agreement::Same,
            Some(found) if is_there_already(method, &place.pointer, found) => Agreement::AlreadyThere,
            _ => Agreement::Different,
        };
        Compared {
            member: name.clone(),
            expected: expected.clone(),
            found: found.cloned().unwrap_or_default(),
            outcome,
        }
    });
    compared.collect()
}

/// The refusal, when a member is different; `next_calls` read the record again.
pub fn problem(compared: &[Compared], tool: &str, next_calls: Vec<NextCall>) -> Option<Problem> {
    let different: Vec<&Compared> = compared.iter().filter(|one| one.outcome == Agreement::Different).collect();
    if different.is_empty() {
        return None;
    }
    let names = different.iter().map(|one| one.member.as_str()).collect::<Vec<_>>().join(", ");
    let detail = format!("{tool} was not sent: the record is not what `expect` says ({names}).");
    let mut problem = Problem::gateway(Code::PreconditionFailed, detail).with_hint(
        "Either the id is somebody else's, or the record has changed since it was read. Read it again and see whether it is the \
         one that is meant; do not copy what was found into `expect` without that.",
    );
    problem.body_mut().next_calls = next_calls;
    Some(different.into_iter().fold(problem, |problem, one| {
        let pointer = format!("/expect/{}", one.member.replace('~', "~0").replace('/', "~1"));
        problem.with_error(pointer, format!("expected {}, found {}", shown(&one.expected), shown(&one.found)))
    }))
}

/// Where a member of this name stands in a record of the method's resource, JSON Pointer.
pub fn pointer(plan: &Plan, method: &Method, name: &str) -> String {
    place(plan, method, name).pointer
}

fn place(plan: &Plan, method: &Method, name: &str) -> Place {
    let resource = plan.resources.get(&method.resource);
    let lifecycle = plan.lifecycle.as_ref().filter(|lifecycle| lifecycle.resource == method.resource);
    let known = |pointer: Option<&String>, by: By| Place {
        is_known: pointer.is_some(),
        pointer: pointer.cloned().unwrap_or_else(|| format!("/{name}")),
        by,
    };
    let email = lifecycle.map(|lifecycle| &lifecycle.email);
    match name {
        "email" => known(email, By::FoldedText),
        "display_name" => known(lifecycle.and_then(|lifecycle| lifecycle.display_name.as_ref()), By::Value),
        "state" => known(resource.and_then(|resource| resource.state.as_ref()).map(|state| &state.at), By::Text),
        "id" => known(resource.map(|resource| &resource.id.at), By::Text),
        pointer if pointer.starts_with('/') => Place {
            by: if email.is_some_and(|email| email == pointer) { By::FoldedText } else { By::Value },
            pointer: pointer.to_owned(),
            is_known: false,
        },
        member => Place {
            pointer: format!("/{}", member.replace('~', "~0").replace('/', "~1")),
            by: By::Value,
            is_known: false,
        },
    }
}

fn same(by: By, expected: &Value, found: &Value) -> bool {
    match by {
        By::Value => expected == found,
        By::FoldedText => match (expected.as_str(), found.as_str()) {
            (Some(expected), Some(found)) => expected.to_lowercase() == found.to_lowercase(),
            _ => expected == found,
        },
        By::Text => match (text(expected), text(found)) {
            (Some(expected), Some(found)) => expected == found,
            _ => expected == found,
        },
    }
}

/// Whether the record is already in the state that the method leads to.
fn is_there_already(method: &Method, pointer: &str, found: &Value) -> bool {
    method
        .transition
        .as_ref()
        .is_some_and(|transition| transition.at == pointer && text(found).as_deref() == Some(transition.to.as_str()))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_MAX_CHARACTERS {
        return text;
    }
    text.chars().take(SHOWN_MAX_CHARACTERS).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
