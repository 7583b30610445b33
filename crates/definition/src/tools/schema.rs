//! The schemas of a tool: one flat, closed object for the input, and what comes back.

use serde_json::{Map, Value, json};

use super::{argument_alias, pointer};
use crate::plan::{Argument, ArgumentPlace, ID_AT_DEFAULT, IdRule};

/// Largest `limit` that a list accepts, in records.
pub const LIST_LIMIT_MAX: u64 = 10_000;

/// Deepest nesting that is looked at when references are rewritten; deeper parts are left as they are.
const SCHEMA_DEPTH_MAX: usize = 64;

/// The `id` argument: required, with the resource's pattern and its words, and where the id stands in a record unless that is
/// where everybody looks.
pub fn id_argument(rule: &IdRule) -> Argument {
    let mut schema = Map::new();
    schema.insert("type".into(), "string".into());
    match &rule.pattern {
        Some(pattern) => schema.insert("pattern".into(), pattern.as_str().into()),
        None => schema.insert("minLength".into(), 1.into()),
    };
    let mut words = rule.description.as_deref().unwrap_or("The exact id, as a read returned it.").to_owned();
    match rule.at.as_str() {
        ID_AT_DEFAULT => {}
        "" => words.push_str(" A record is nothing but its id."),
        at => {
            words.push_str(" In a record it stands at `");
            words.push_str(at);
            words.push_str("`.");
        }
    }
    schema.insert("description".into(), words.into());
    Argument {
        name: "id".into(),
        schema: Value::Object(schema),
        required: true,
        place: ArgumentPlace::Template,
        values: Vec::new(),
    }
}

/// The options that every list takes: `limit`, `next_cursor`, `fields`. Append them after the method's own arguments.
pub fn list_arguments() -> Vec<Argument> {
    let option = |name: &str, schema: Value| Argument {
        name: name.into(),
        schema,
        required: false,
        place: ArgumentPlace::ListOption,
        values: Vec::new(),
    };
    vec![
        option(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": LIST_LIMIT_MAX,
                   "description": "At most so many records. Left out: one page of the vendor's usual size."}),
        ),
        option(
            "next_cursor",
            json!({"type": "string", "minLength": 1,
                   "description": "Where to go on: `next_cursor` of an earlier answer, unchanged."}),
        ),
        option(
            "fields",
            json!({"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1,
                   "description": "Only these top-level members of each record. Left out: whole records."}),
        ),
    ]
}

/// The argument of a local filter: an optional text.
pub fn local_filter_argument(name: &str, description: Option<&str>) -> Argument {
    let mut schema = json!({"type": "string", "minLength": 1});
    if let (Some(words), Some(members)) = (description, schema.as_object_mut()) {
        members.insert("description".into(), words.into());
    }
    Argument { name: name.into(), schema, required: false, place: ArgumentPlace::LocalFilter, values: Vec::new() }
}

/// The one schema that a model fills: an object, flat, closed, `id` first where there is one, arguments in their order.
///
/// `$defs` (and `definitions`) of an argument move to the root; one that another argument uses for something else is
/// renamed, and its references with it.
pub fn input_schema(arguments: &[Argument]) -> Value {
    let mut definitions = Map::new();
    let mut properties = Map::new();
    let (first, rest): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.name == "id");
    for argument in first.into_iter().chain(rest) {
        let base = pointer::join("#/properties", &argument.name);
        let schema = hoist_definitions(&argument.schema, &argument.name, &base, &mut definitions);
        properties.insert(argument.name.clone(), schema);
    }
    let required: Vec<&str> = properties
        .keys()
        .filter(|name| arguments.iter().any(|argument| argument.required && argument.name == **name))
        .map(String::as_str)
        .collect();
    let mut schema = json!({"type": "object", "required": required, "additionalProperties": false});
    if let Some(members) = schema.as_object_mut() {
        members.shift_insert(1, "properties".into(), Value::Object(properties));
        if !definitions.is_empty() {
            members.insert("$defs".into(), Value::Object(definitions));
        }
    }
    schema
}

/// What a method answers, apart from the record's own schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputShape {
    /// Many records.
    List {
        /// Whether the gateway may have to look at more records than it returns.
        has_local_filters: bool,
    },
    /// One record, or whatever the method returns.
    Single {
        /// Whether the method makes a change of state, so that the answer says whether anything changed.
        has_transition: bool,
    },
}

/// JSON Schema of the answer's body. `record`: the resource's record schema, where the definition gives one.
pub fn output_schema(shape: OutputShape, record: Option<&Value>) -> Value {
    let mut definitions = Map::new();
    let base = match shape {
        OutputShape::List { .. } => "#/properties/result/items",
        OutputShape::Single { .. } => "#/properties/result",
    };
    let record = record.map_or_else(|| json!({}), |schema| hoist_definitions(schema, "record", base, &mut definitions));
    let mut schema = match shape {
        OutputShape::List { has_local_filters } => list_output(record, has_local_filters),
        OutputShape::Single { has_transition } => single_output(record, has_transition),
    };
    if let (Some(members), false) = (schema.as_object_mut(), definitions.is_empty()) {
        members.insert("$defs".into(), Value::Object(definitions));
    }
    schema
}

fn list_output(mut record: Value, has_local_filters: bool) -> Value {
    // `fields` leaves members out, and clients of MCP check answers against this schema.
    if let Some(members) = record.as_object_mut() {
        members.shift_remove("required");
    }
    let mut schema = json!({
        "type": "object",
        "properties": {
            "result": {"type": "array", "items": record},
            "next_cursor": {"type": ["string", "null"], "description": "Where to go on; null at the end."},
            "prev_cursor": {"type": ["string", "null"]},
            "result_count": {"type": "integer", "minimum": 0, "description": "Number of records in `result`."},
            "is_partial": {"type": "boolean",
                "description": "True when a bound stopped the walk before the end and before `limit` was reached."},
            "stopped_because": {"type": "string", "description": "Which bound."}
        },
        "required": ["result", "next_cursor", "prev_cursor", "result_count"]
    });
    if has_local_filters && let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert(
            "scanned".into(),
            json!({"type": "integer", "minimum": 0, "description": "Records looked at to answer a filter of the gateway's own."}),
        );
    }
    schema
}

fn single_output(record: Value, has_transition: bool) -> Value {
    let mut schema = json!({"type": "object", "properties": {"result": record}, "required": ["result"]});
    if has_transition && let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert(
            "changed".into(),
            json!({"type": "boolean", "description": "False when the record was in that state already. Absent when that is not known."}),
        );
    }
    schema
}

/// `schema` without its own `$defs`, which go to `definitions`, references following. `base`: where the schema will stand.
fn hoist_definitions(schema: &Value, owner: &str, base: &str, definitions: &mut Map<String, Value>) -> Value {
    let Some(members) = schema.as_object() else { return schema.clone() };
    let mut renames: Vec<(String, String)> = Vec::new();
    let mut own: Vec<(String, Value)> = Vec::new();
    for keyword in ["$defs", "definitions"] {
        for (name, definition) in members.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            let new_name = free_name(name, owner, definition, definitions, &own);
            let plain = |text: &str| format!("/{keyword}/{}", text.replace('~', "~0").replace('/', "~1"));
            renames.push((plain(name), pointer::join("#/$defs", &new_name)));
            own.push((new_name, definition.clone()));
        }
    }
    let mut out = members.clone();
    // An `$id` would make references start from there, and no longer from the tool's schema.
    for keyword in ["$defs", "definitions", "$id", "$schema"] {
        out.shift_remove(keyword);
    }
    let mut out = Value::Object(out);
    rewrite_references(&mut out, &renames, base, 0);
    for (name, mut definition) in own {
        rewrite_references(&mut definition, &renames, base, 0);
        definitions.insert(name, definition);
    }
    out
}

/// `name`, unless something else has it already; then `{owner}_{name}`, with a number when that is taken as well.
fn free_name(
    name: &str,
    owner: &str,
    definition: &Value,
    taken: &Map<String, Value>,
    own: &[(String, Value)],
) -> String {
    let is_free = |candidate: &str| {
        taken.get(candidate).is_none_or(|other| other == definition && !refers(definition))
            && own.iter().all(|(other, _)| other != candidate)
    };
    let name = plain_name(name);
    let owned = format!("{}_{name}", plain_name(owner));
    std::iter::once(name.clone())
        .chain(std::iter::once(owned.clone()))
        .chain((2..=taken.len() + own.len() + 2).map(|number| format!("{owned}_{number}")))
        .find(|candidate| is_free(candidate))
        .unwrap_or(name)
}

/// Whether a schema holds references; one that does cannot be shared by text alone.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.contains_key("$ref") || members.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// A name that can stand in a reference as it is.
fn plain_name(name: &str) -> String {
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_plain { name.to_owned() } else { argument_alias(name) }
}

/// Makes local references point where their targets are now: the moved definitions, or the same place below `base`.
fn rewrite_references(schema: &mut Value, renames: &[(String, String)], base: &str, depth: usize) {
    if depth > SCHEMA_DEPTH_MAX {
        return;
    }
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(target) = pointer::of_reference(reference)
            {
                *reference = moved(&target, renames).unwrap_or_else(|| {
                    target.split('/').skip(1).fold(base.to_owned(), |pointer, part| {
                        pointer::join(&pointer, &part.replace("~1", "/").replace("~0", "~"))
                    })
                });
            }
            for (key, value) in members.iter_mut() {
                match (key.as_str(), value) {
                    // These hold data, not schemas: a member called `$ref` there is nobody's reference.
                    ("const" | "enum" | "default" | "examples" | "example", _) => {}
                    // These hold schemas by name, and a name may be anything.
                    ("properties" | "patternProperties" | "dependentSchemas" | "$defs", Value::Object(named)) => {
                        named.values_mut().for_each(|value| rewrite_references(value, renames, base, depth + 1));
                    }
                    (_, value) => rewrite_references(value, renames, base, depth + 1),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite_references(item, renames, base, depth + 1)),
        _ => {}
    }
}

/// The reference to a definition that was moved, with whatever follows its name.
fn moved(target: &str, renames: &[(String, String)]) -> Option<String> {
    renames.iter().find_map(|(old, new)| {
        let rest = target.strip_prefix(old.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{new}{rest}"))
    })
}

#[cfg(test)]
mod tests;
