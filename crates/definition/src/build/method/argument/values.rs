//! What is sent for each value of an argument.

use serde_json::Value;

use crate::diagnostics::Rule;
use crate::plan::ArgumentPlace;
use crate::report::Report;
use crate::tree::Node;

/// Reads `values`. Every value of the argument needs an entry, and every entry a value.
pub(super) fn build(
    values: &Node,
    schema: &Value,
    place: &ArgumentPlace,
    report: &mut Report<'_>,
) -> Vec<(Value, Value)> {
    let known: Vec<Value> =
        match (schema.get("enum").and_then(Value::as_array), schema.get("type").and_then(Value::as_str)) {
            (Some(known), _) => known.clone(),
            (None, Some("boolean")) => vec![Value::Bool(true), Value::Bool(false)],
            _ => {
                let help = "list the values under `enum`, so that every one of them can be sent";
                report.error_with_help(values, Rule::MissingKey, "`values` needs an argument with `enum`", help);
                return Vec::new();
            }
        };
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (key, node) in values.entries() {
        if !known.iter().any(|value| shown(value) == key.text) {
            let message = format!("`{}` is not one of the argument's values", key.text);
            report.error_at_key(key, node, Rule::WrongValue, message, None);
        }
    }
    let mut out = Vec::new();
    for value in known {
        match values.get(&shown(&value)) {
            Some(node) => out.extend(sent(node, place, report).map(|sent| (value, sent))),
            None => {
                report.error(values, Rule::MissingKey, format!("there is no entry for the value `{}`", shown(&value)));
            }
        }
    }
    out
}

/// One value as its place carries it: a body keeps numbers, truth values and null, everything else takes texts.
fn sent(node: &Node, place: &ArgumentPlace, report: &mut Report<'_>) -> Option<Value> {
    if node.text().is_some_and(|text| text.contains("{{")) {
        report.error(node, Rule::WrongValue, "a mapped value has no templates: it is sent as it stands");
        return None;
    }
    if matches!(place, ArgumentPlace::Body(_)) {
        return Some(node.to_value());
    }
    let Some(text) = node.scalar_text() else {
        report.error(node, Rule::WrongValue, "only a place in a body can carry null");
        return None;
    };
    if matches!(place, ArgumentPlace::Header(_)) && !text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        report.error(node, Rule::BadHeader, "a header value has printable ASCII characters only");
        return None;
    }
    Some(Value::String(text))
}
