//! Query parameters, which are all texts, as the values that the schema wants.

use serde_json::{Map, Number, Value};

use crate::plan::{ArgumentPlace, Method};

/// How deep references and alternatives are followed.
const DEPTH_MAX: usize = 8;

/// The work behind [`Method::arguments_from_query`].
pub(crate) fn arguments_from_query(method: &Method, pairs: &[(String, String)]) -> Map<String, Value> {
    let mut arguments = Map::with_capacity(pairs.len());
    let properties = method.input_schema.get("properties");
    for (index, (name, text)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            continue;
        }
        let repeated = pairs[index + 1..].iter().any(|(later, _)| later == name);
        let value = match properties.and_then(|properties| properties.get(name)) {
            None if repeated => pairs.iter().filter(|(other, _)| other == name).map(|(_, text)| text.clone()).collect(),
            None => Value::String(text.clone()),
            Some(schema) => {
                let root = &method.input_schema;
                let items = items_of(schema, root, 0);
                if items.is_some() || repeated {
                    let texts = pairs.iter().filter(|(other, _)| other == name).map(|(_, text)| text.as_str());
                    let convert = |text: &str| convert(text, items.unwrap_or(schema), root);
                    if items.is_some() && is_list_option(method, name) {
                        texts.flat_map(|text| text.split(',')).map(convert).collect()
                    } else {
                        texts.map(convert).collect()
                    }
                } else {
                    convert(text, schema, root)
                }
            }
        };
        arguments.insert(name.clone(), value);
    }
    arguments
}

/// `fields=id,email` is what people write; an argument of the vendor's own may hold commas and must be repeated.
fn is_list_option(method: &Method, name: &str) -> bool {
    method.arguments.iter().any(|argument| argument.name == name && argument.place == ArgumentPlace::ListOption)
}

/// The schema of the items when `schema` wants an array.
fn items_of<'a>(schema: &'a Value, root: &'a Value, depth: usize) -> Option<&'a Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    if wants(schema, "array") {
        return Some(schema.get("items").unwrap_or(&Value::Null));
    }
    inner(schema, root).find_map(|inner| items_of(inner, root, depth + 1))
}

/// The text as the type that the schema wants; the text itself where it does not read as that, so that validation says
/// what is expected.
fn convert(text: &str, schema: &Value, root: &Value) -> Value {
    converted(text, schema, root, 0).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn converted(text: &str, schema: &Value, root: &Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    if wants(schema, "integer") {
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
    }
    if wants(schema, "number") && text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Some(Value::Number(number));
        }
    }
    if wants(schema, "boolean") && (text == "true" || text == "false") {
        return Some(Value::Bool(text == "true"));
    }
    if wants(schema, "object") && text.starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array)
        && let Some(value) = values.iter().find(|value| reads_as(text, value))
    {
        return Some(value.clone());
    }
    if let Some(value) = schema.get("const").filter(|value| reads_as(text, value)) {
        return Some(value.clone());
    }
    inner(schema, root).find_map(|inner| converted(text, inner, root, depth + 1))
}

/// Whether the text is how JSON writes this value; texts are compared by nobody, they stay what they are.
fn reads_as(text: &str, value: &Value) -> bool {
    !value.is_string() && serde_json::from_str::<Value>(text).is_ok_and(|parsed| parsed == *value)
}

/// What a `$ref`, `anyOf`, `oneOf` or `allOf` leads to.
fn inner<'a>(schema: &'a Value, root: &'a Value) -> impl Iterator<Item = &'a Value> {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| target.strip_prefix('#'))
        .and_then(|target| root.pointer(target));
    let branches =
        ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array()).flatten();
    target.into_iter().chain(branches)
}

fn wants(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    }
}
