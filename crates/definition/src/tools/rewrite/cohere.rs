//! Cohere's parameter map: a name, a Python type, a description, required or not.

use serde_json::{Map, Value, json};

use super::notes::Notes;
use super::{branches, kinds};
use crate::tools::names::argument_alias;

/// Longest shape of a nested value in a description, in characters.
const SHAPE_MAX_CHARS: usize = 500;

/// `parameter_definitions` for a flat object schema without references.
pub(in crate::tools) fn cohere(schema: &Value) -> Value {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    Value::Object(
        properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (argument_alias(name), definition(schema, required.contains(&name.as_str()))))
            .collect(),
    )
}

fn definition(schema: &Value, required: bool) -> Value {
    let empty = Map::new();
    let members = schema.as_object().unwrap_or(&empty);
    let kind = python_type(members);
    let mut out = Map::new();
    let mut notes =
        Notes::new(members).all_but(&out, &["properties", "required", "items", "anyOf", "oneOf", "prefixItems"]);
    if let Some(shape) = shape(members) {
        notes.add(shape);
    }
    notes.write_into(&mut out);
    out.insert("type".into(), json!(kind));
    out.insert("required".into(), json!(required));
    Value::Object(out)
}

fn python_type(members: &Map<String, Value>) -> String {
    let mut kinds: Vec<String> = match branches(members) {
        Some(branches) => branches.iter().filter_map(Value::as_object).map(python_type).collect(),
        None => kinds(members)
            .into_iter()
            .filter(|kind| *kind != "null")
            .map(|kind| match kind {
                "integer" => "int".to_owned(),
                "number" => "float".to_owned(),
                "boolean" => "bool".to_owned(),
                "object" => "dict".to_owned(),
                "array" => list_type(members),
                _ => "str".to_owned(),
            })
            .collect(),
    };
    kinds.dedup();
    // One type or none that can be said: a text takes everything.
    if kinds.len() == 1 { kinds.remove(0) } else { "str".to_owned() }
}

fn list_type(members: &Map<String, Value>) -> String {
    let items = members.get("items").and_then(Value::as_object);
    match items.map(python_type).as_deref() {
        Some(item @ ("str" | "int" | "float" | "bool" | "dict")) => format!("List[{item}]"),
        _ => "list".to_owned(),
    }
}

/// What a nested value looks like, for the description: the map itself cannot say it.
fn shape(members: &Map<String, Value>) -> Option<String> {
    let nested: Map<String, Value> = ["properties", "required", "items", "prefixItems", "anyOf", "oneOf"]
        .into_iter()
        .filter_map(|keyword| Some((keyword.to_owned(), members.get(keyword)?.clone())))
        .collect();
    // `List[str]` says it already.
    let plain_items = nested.len() == 1
        && nested
            .get("items")
            .and_then(Value::as_object)
            .is_some_and(|items| items.keys().all(|key| ["type", "description", "minLength"].contains(&key.as_str())));
    if nested.is_empty() || plain_items {
        return None;
    }
    let text = Value::Object(nested).to_string();
    let text = match text.char_indices().nth(SHAPE_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    Some(format!("JSON Schema: {text}"))
}
