//! The variables of the definition's conditions over one answer.

use quartermaster_egress::Response;
use quartermaster_expr::{Members, Program};
use serde_json::{Map, Value};

use super::looks_like_html;
use super::picked::{NotPicked, pick};
use crate::limits::{CONDITION_VALUES_MAX, ERROR_PARSE_MAX_BYTES, MESSAGE_MAX_CHARS};
use crate::run::{Purpose, Run};

/// Values under the names of `quartermaster_definition::plan::ERROR_VARIABLES`.
pub(super) struct Facts {
    status: Value,
    headers: Value,
    /// Of a success, only the members that are looked at.
    body: Value,
    message: Value,
    vendor_code: Value,
    method: Value,
    arguments: Value,
    /// What is looked at has more than [`CONDITION_VALUES_MAX`] values in it, so that nothing can be said of the body.
    pub(super) too_large: bool,
}

impl Facts {
    /// What `programs` need to know of `response`, and nothing else.
    pub(super) fn for_conditions<'p>(
        run: &mut Run<'_>,
        response: &Response,
        purpose: Purpose<'_>,
        programs: impl Iterator<Item = &'p Program> + Clone,
    ) -> Self {
        Self::new(run, response, purpose, programs, false)
    }

    /// What `programs` need to know of `response`, and what a problem tells of it.
    pub(super) fn for_problem<'p>(
        run: &mut Run<'_>,
        response: &Response,
        purpose: Purpose<'_>,
        programs: impl Iterator<Item = &'p Program> + Clone,
    ) -> Self {
        Self::new(run, response, purpose, programs, true)
    }

    fn new<'p>(
        run: &mut Run<'_>,
        response: &Response,
        purpose: Purpose<'_>,
        programs: impl Iterator<Item = &'p Program> + Clone,
        tells: bool,
    ) -> Self {
        let uses = |name: &str| tells || programs.clone().any(|program| program.uses(name));
        let rules = &run.call.plan.errors;
        let mut looked_at = Members::default();
        programs.clone().filter_map(|program| program.members("body")).for_each(|members| looked_at.merge(members));
        for (name, pointers) in [("message", &rules.message), ("vendor_code", &rules.code)] {
            if uses(name) {
                for pointer in pointers {
                    add(&mut looked_at, pointer);
                }
            }
        }
        // The body of a refusal is small, and a problem repeats what it can of it.
        let refusal = !response.status.is_success() && response.body.len() <= ERROR_PARSE_MAX_BYTES;
        let picked = match (refusal, looked_at.is_empty()) {
            (true, _) => serde_json::from_slice(&response.body).map_err(|_| NotPicked::Malformed),
            (false, true) => Err(NotPicked::Malformed),
            (false, false) => pick(&response.body, &looked_at, CONDITION_VALUES_MAX),
        };
        let too_large = picked == Err(NotPicked::TooMany);
        let body = picked.unwrap_or(Value::Null);
        let message = find_text(&body, &rules.message).or_else(|| plain_message(response, &body)).unwrap_or_default();
        let vendor_code = find_text(&body, &rules.code).unwrap_or_default();
        let headers = if refusal || uses("headers") { headers(response) } else { Map::new() };
        Self {
            status: Value::from(response.status.as_u16()),
            headers: Value::Object(headers),
            body,
            // Most answers have no message; their calls need not open the credentials for it.
            message: Value::String(if message.is_empty() { message } else { run.scrubber().scrub(&message) }),
            vendor_code: Value::String(vendor_code),
            method: Value::String(purpose.name()),
            arguments: Value::Object(run.call.arguments.clone()),
            too_large,
        }
    }

    /// Names and values for a condition.
    pub(super) fn variables(&self) -> [(&'static str, &Value); 7] {
        [
            ("status", &self.status),
            ("headers", &self.headers),
            ("body", &self.body),
            ("message", &self.message),
            ("vendor_code", &self.vendor_code),
            ("method", &self.method),
            ("arguments", &self.arguments),
        ]
    }

    /// The vendor's message on one line, cut for people, without secrets.
    pub(super) fn message_text(&self) -> String {
        let text = self.message.as_str().unwrap_or_default();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MESSAGE_MAX_CHARS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    /// The vendor's own code, when it gave one.
    pub(super) fn vendor_code(&self) -> Option<String> {
        self.vendor_code.as_str().filter(|code| !code.is_empty()).map(str::to_owned)
    }
}

/// Adds what stands at a JSON Pointer: up to a number, which may be a place in a list.
fn add(members: &mut Members, pointer: &str) {
    let names: Vec<String> = pointer
        .split('/')
        .skip(1)
        .take_while(|token| token.parse::<usize>().is_err())
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    members.add(names.iter().map(String::as_str));
}

/// The first scalar that is not empty at one of `pointers`, as text.
fn find_text(body: &Value, pointers: &[String]) -> Option<String> {
    pointers.iter().find_map(|pointer| match body.pointer(pointer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A body that is a plain text, or a JSON string, is its own message.
fn plain_message(response: &Response, body: &Value) -> Option<String> {
    if response.status.is_success() {
        return None;
    }
    match body {
        Value::String(text) => Some(text.clone()),
        Value::Null if !looks_like_html(response) => {
            let text = std::str::from_utf8(&response.body).ok()?.trim();
            (!text.is_empty() && text.len() <= 4 * MESSAGE_MAX_CHARS && !text.starts_with(['{', '[']))
                .then(|| text.to_owned())
        }
        _ => None,
    }
}

fn headers(response: &Response) -> Map<String, Value> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().to_owned(), Value::String(value.to_str().ok()?.to_owned())))
    };
    response.headers.iter().filter_map(text).collect()
}
