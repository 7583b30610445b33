//! OpenAI's strict mode: every member required, optional ones nullable, every object closed, few keywords.

use serde_json::{Map, Value, json};

use super::notes::Notes;
use super::{branches, inline, is_fancy, is_of_kind, kinds, values};

/// Most members in all objects of one schema.
const PROPERTIES_MAX: usize = 5000;

/// Most levels of objects.
const LEVELS_MAX: usize = 10;

/// Most values in all enums of one schema.
const ENUM_VALUES_MAX: usize = 1000;

/// Most characters in all names and enum values of one schema.
const NAMES_MAX_CHARS: usize = 120_000;

/// The formats that the strict mode knows.
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// The schema for the strict mode; `None` when it cannot say this: an object with members of any name, a value of any type, a
/// schema that contains itself, or one over the limits.
pub(in crate::tools) fn strict(schema: &Value) -> Option<Value> {
    let inlined = inline(schema);
    if !inlined.is_complete {
        return None;
    }
    let mut size = Size::default();
    let schema = convert(&inlined.schema, 0, &mut size)?;
    size.fits().then_some(schema)
}

#[derive(Default)]
struct Size {
    properties: usize,
    enum_values: usize,
    characters: usize,
}

impl Size {
    fn fits(&self) -> bool {
        self.properties <= PROPERTIES_MAX && self.enum_values <= ENUM_VALUES_MAX && self.characters <= NAMES_MAX_CHARS
    }
}

fn convert(schema: &Value, level: usize, size: &mut Size) -> Option<Value> {
    let members = schema.as_object()?;
    if let Some(branches) = branches(members) {
        let branches: Option<Vec<Value>> = branches.iter().map(|branch| convert(branch, level, size)).collect();
        let mut out = Map::from_iter([("anyOf".to_owned(), Value::Array(branches?))]);
        Notes::new(members).all_but(&out, &["oneOf"]).write_into(&mut out);
        return Some(Value::Object(out));
    }
    let kinds = kinds(members);
    let nullable = kinds.contains(&"null");
    let real: Vec<&str> = kinds.into_iter().filter(|kind| *kind != "null").collect();
    match real.as_slice() {
        [] if nullable => Some(json!({"type": "null"})),
        [] => None,
        [kind] => {
            let schema = one(kind, members, level, size)?;
            Some(if nullable { or_null(schema) } else { schema })
        }
        several => {
            let branches: Option<Vec<Value>> = several.iter().map(|kind| one(kind, members, level, size)).collect();
            let mut branches = branches?;
            if nullable {
                branches.push(json!({"type": "null"}));
            }
            Some(json!({"anyOf": branches}))
        }
    }
}

/// The schema for values of one type.
fn one(kind: &str, members: &Map<String, Value>, level: usize, size: &mut Size) -> Option<Value> {
    let mut out = Map::from_iter([("type".to_owned(), json!(kind))]);
    let fitting: Vec<Value> = values(members).into_iter().filter(|value| is_of_kind(value, kind)).cloned().collect();
    if !fitting.is_empty() {
        size.enum_values += fitting.len();
        size.characters += fitting.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
        out.insert("enum".into(), Value::Array(fitting));
    }
    let mut handled: Vec<&str> = vec!["enum", "const"];
    match kind {
        "string" => text(members, &mut out),
        "integer" | "number" => {
            keep(members, &mut out, &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]);
        }
        "array" => {
            let items = convert(members.get("items")?, level, size)?;
            out.insert("items".into(), items);
            keep(members, &mut out, &["minItems", "maxItems"]);
        }
        "object" => {
            object(members, &mut out, level, size)?;
            handled.extend(["properties", "required", "additionalProperties"]);
        }
        _ => {}
    }
    Notes::new(members).all_but(&out, &handled).write_into(&mut out);
    Some(Value::Object(out))
}

fn text(members: &Map<String, Value>, out: &mut Map<String, Value>) {
    if members.get("pattern").and_then(Value::as_str).is_some_and(|pattern| !is_fancy(pattern)) {
        keep(members, out, &["pattern"]);
    }
    if members.get("format").and_then(Value::as_str).is_some_and(|format| FORMATS.contains(&format)) {
        keep(members, out, &["format"]);
    }
}

fn object(members: &Map<String, Value>, out: &mut Map<String, Value>, level: usize, size: &mut Size) -> Option<()> {
    let empty = Map::new();
    let properties = members.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let open = match members.get("additionalProperties") {
        Some(Value::Bool(open)) => *open,
        Some(_) => true,
        // Nothing is said: open in principle, but whoever lists members means these.
        None => properties.is_empty(),
    };
    if open || members.contains_key("patternProperties") || level >= LEVELS_MAX {
        return None;
    }
    let required: Vec<&str> =
        members.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut converted = Map::new();
    for (name, schema) in properties {
        size.properties += 1;
        size.characters += name.len();
        let schema = convert(schema, level + 1, size)?;
        let schema = if required.contains(&name.as_str()) { schema } else { or_null(schema) };
        converted.insert(name.clone(), schema);
    }
    let names: Vec<Value> = converted.keys().map(|name| json!(name)).collect();
    out.insert("properties".into(), Value::Object(converted));
    out.insert("required".into(), Value::Array(names));
    out.insert("additionalProperties".into(), Value::Bool(false));
    Some(())
}

/// The schema with null allowed besides.
fn or_null(schema: Value) -> Value {
    let Value::Object(mut members) = schema else { return schema };
    if let Some(Value::Array(branches)) = members.get_mut("anyOf") {
        let null = json!({"type": "null"});
        if !branches.contains(&null) {
            branches.push(null);
        }
        return Value::Object(members);
    }
    match members.get_mut("type") {
        Some(Value::String(kind)) if kind != "null" => {
            let kinds = json!([kind, "null"]);
            members.insert("type".into(), kinds);
        }
        _ => return Value::Object(members),
    }
    if let Some(Value::Array(values)) = members.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    Value::Object(members)
}

fn keep(members: &Map<String, Value>, out: &mut Map<String, Value>, keywords: &[&str]) {
    for keyword in keywords {
        if let Some(value) = members.get(*keyword) {
            out.insert((*keyword).to_owned(), value.clone());
        }
    }
}
