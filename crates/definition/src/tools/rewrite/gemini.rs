//! Gemini's `parameters`: a part of OpenAPI 3.0 schemas, without references, unions of types or closed objects.

use serde_json::{Map, Value, json};

use super::notes::Notes;
use super::{branches, inline, is_fancy, is_of_kind, kinds, values};
use crate::tools::names::is_plain_argument;

/// The schema as Gemini takes it. Always possible; what cannot be said stands in descriptions.
pub(in crate::tools) fn gemini(schema: &Value) -> Value {
    Value::Object(convert(&inline(schema).schema))
}

fn convert(schema: &Value) -> Map<String, Value> {
    let empty = Map::new();
    let members = schema.as_object().unwrap_or(&empty);
    if let Some(branches) = branches(members) {
        let real: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        let nullable = real.len() < branches.len();
        let own = Notes::new(members).all_but(&Map::new(), &["anyOf", "oneOf"]).description();
        let real = real.into_iter().map(|branch| described(convert(branch), own.as_deref())).collect();
        return union(members, real, nullable);
    }
    let kinds = kinds(members);
    let nullable = kinds.contains(&"null");
    let real: Vec<&str> = kinds.into_iter().filter(|kind| *kind != "null").collect();
    union(members, real.iter().map(|kind| one(kind, members)).collect(), nullable)
}

/// One of several shapes. `anyOf` stands alone, so what belongs to all is said in each.
fn union(members: &Map<String, Value>, branches: Vec<Map<String, Value>>, nullable: bool) -> Map<String, Value> {
    let mut branches: Vec<Map<String, Value>> = branches.into_iter().map(|branch| nulled(branch, nullable)).collect();
    match branches.len() {
        0 => nulled(any(members), nullable),
        1 => branches.remove(0),
        _ => Map::from_iter([("anyOf".to_owned(), branches.into_iter().map(Value::Object).collect())]),
    }
}

fn is_null(branch: &Value) -> bool {
    branch.as_object().is_some_and(|members| kinds(members) == ["null"])
}

/// A value of which nothing is known.
fn any(members: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::from_iter([("type".to_owned(), json!("string"))]);
    let mut notes = Notes::new(members).all_but(&out, &["anyOf", "oneOf"]);
    if !kinds(members).contains(&"null") {
        notes.add("any JSON value");
    }
    notes.write_into(&mut out);
    out
}

fn nulled(mut branch: Map<String, Value>, nullable: bool) -> Map<String, Value> {
    if nullable {
        match branch.get_mut("anyOf") {
            Some(Value::Array(inner)) => {
                for branch in inner.iter_mut().filter_map(Value::as_object_mut) {
                    // A branch may itself be a union, which must stay alone with its branches.
                    *branch = nulled(std::mem::take(branch), true);
                }
            }
            _ => drop(branch.insert("nullable".into(), Value::Bool(true))),
        }
    }
    branch
}

/// The branch with the words of the union in front of its own.
fn described(mut branch: Map<String, Value>, words: Option<&str>) -> Map<String, Value> {
    let Some(words) = words else { return branch };
    if let Some(Value::Array(inner)) = branch.get_mut("anyOf") {
        for branch in inner.iter_mut().filter_map(Value::as_object_mut) {
            *branch = described(std::mem::take(branch), Some(words));
        }
        return branch;
    }
    let text = match branch.get("description").and_then(Value::as_str) {
        Some(own) => format!("{words} {own}"),
        None => words.to_owned(),
    };
    branch.insert("description".into(), Value::String(text));
    branch
}

/// The schema for values of one type.
fn one(kind: &str, members: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::from_iter([("type".to_owned(), json!(kind))]);
    let mut handled: Vec<&str> = Vec::new();
    match kind {
        "string" => {
            let texts: Vec<Value> = values(members)
                .into_iter()
                .filter(|value| is_of_kind(value, "string") && *value != "")
                .cloned()
                .collect();
            if !texts.is_empty() {
                out.insert("enum".into(), Value::Array(texts));
                handled.push("const");
            }
            if members.get("pattern").and_then(Value::as_str).is_some_and(|pattern| !is_fancy(pattern)) {
                keep(members, &mut out, &["pattern"]);
            }
            keep(members, &mut out, &["minLength", "maxLength"]);
        }
        "integer" | "number" => keep(members, &mut out, &["minimum", "maximum"]),
        "array" => {
            let items =
                members.get("items").filter(|items| items.is_object()).map_or_else(|| any(&Map::new()), convert);
            out.insert("items".into(), Value::Object(items));
            keep(members, &mut out, &["minItems", "maxItems"]);
        }
        "object" => {
            object(members, &mut out);
            handled.extend(["properties", "required"]);
        }
        _ => {}
    }
    let mut notes = Notes::new(members).all_but(&out, &handled);
    if out.contains_key("enum") && values(members).iter().any(|value| **value == "") {
        notes.add("may also be empty");
    }
    for name in unsayable(members) {
        notes.add(format!("it may also have a member {name:?}"));
    }
    notes.write_into(&mut out);
    out
}

fn object(members: &Map<String, Value>, out: &mut Map<String, Value>) {
    let properties: Map<String, Value> = members
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(name, _)| is_plain_argument(name))
        .map(|(name, schema)| (name.clone(), Value::Object(convert(schema))))
        .collect();
    if properties.is_empty() {
        return;
    }
    let required: Vec<Value> = members
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|name| name.as_str().is_some_and(|name| properties.contains_key(name)))
        .cloned()
        .collect();
    out.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        out.insert("required".into(), Value::Array(required));
    }
}

/// Members whose names Gemini does not take.
fn unsayable(members: &Map<String, Value>) -> impl Iterator<Item = &String> {
    members
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| !is_plain_argument(name))
}

fn keep(members: &Map<String, Value>, out: &mut Map<String, Value>, keywords: &[&str]) {
    for keyword in keywords {
        if let Some(value) = members.get(*keyword).filter(|value| value.is_number() || value.is_string()) {
            out.insert((*keyword).to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_in_a_union_stays_alone_when_null_is_one_of_the_outer_branches() {
        let inner = json!({"anyOf": [{"type": "integer"}, {"type": ["string", "boolean"]}]});
        let schema = gemini(&json!({"oneOf": [inner, {"type": "null"}]}));
        fn check(schema: &Value) -> usize {
            match schema.get("anyOf").and_then(Value::as_array) {
                Some(branches) => {
                    assert_eq!(schema.as_object().map(Map::len), Some(1), "{schema}");
                    branches.iter().map(check).sum()
                }
                None => {
                    assert_eq!(schema["nullable"], true, "{schema}");
                    1
                }
            }
        }
        assert_eq!(check(&schema), 3);
    }
}
