//! Schemas rewritten to what a provider accepts. What is lost on the way is said in descriptions; the gateway checks every
//! call against the full schema whatever the provider's says.

mod cohere;
mod gemini;
mod inline;
mod notes;
mod strict;

use serde_json::{Map, Value};

pub(super) use cohere::cohere;
pub(super) use gemini::gemini;
pub(super) use inline::inline;
pub(super) use strict::strict;

/// The types that a schema allows; derived from its other keywords where `type` is absent, empty when nothing tells.
fn kinds(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => return vec![kind],
        Some(Value::Array(kinds)) => return kinds.iter().filter_map(Value::as_str).collect(),
        _ => {}
    }
    if schema.contains_key("properties") || schema.contains_key("additionalProperties") {
        return vec!["object"];
    }
    if schema.contains_key("items") || schema.contains_key("prefixItems") {
        return vec!["array"];
    }
    let mut kinds: Vec<&str> = Vec::new();
    for value in values(schema) {
        let kind = kind_of(value);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() && ["pattern", "minLength", "maxLength", "format"].iter().any(|key| schema.contains_key(*key)) {
        kinds.push("string");
    }
    kinds
}

/// The values that `enum` or `const` allow.
fn values(schema: &Map<String, Value>) -> Vec<&Value> {
    match schema.get("const") {
        Some(value) => vec![value],
        None => schema.get("enum").and_then(Value::as_array).into_iter().flatten().collect(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether `value` is of this JSON Schema type.
fn is_of_kind(value: &Value, kind: &str) -> bool {
    kind_of(value) == kind || (kind == "number" && value.is_number())
}

/// The branches of `anyOf` or `oneOf`, unless they only say which members go together: that cannot be said to a provider
/// that wants one shape, and the gateway checks it anyway.
fn branches(schema: &Map<String, Value>) -> Option<&Vec<Value>> {
    let branches = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let has_shape = |branch: &Value| {
        branch.as_object().is_some_and(|members| {
            members.contains_key("anyOf") || members.contains_key("oneOf") || !kinds(members).is_empty()
        })
    };
    let describes_members = schema.contains_key("properties") || schema.contains_key("enum");
    (!describes_members && !branches.is_empty() && branches.iter().all(has_shape)).then_some(branches)
}

/// Whether a pattern needs an engine with look-around or back references, which providers do not have.
fn is_fancy(pattern: &str) -> bool {
    ["(?=", "(?!", "(?<", "\\1", "\\2", "\\k"].iter().any(|part| pattern.contains(part))
}
