//! What a connection must tell.

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::diagnostics::Rule;
use crate::plan::{ConnectionField, CredentialField};
use crate::report::Report;
use crate::tree::{Key, Node};

/// The fields of a connection, and their schema.
pub(super) struct Connection {
    pub(super) fields: Vec<ConnectionField>,
    pub(super) credentials: Vec<CredentialField>,
    pub(super) schema: Value,
}

pub(super) fn build(root: &Node, report: &mut Report<'_>) -> Connection {
    let entries = |key: &str| root.at(&["connection", key]).map_or(&[][..], Node::entries);
    let fields: Vec<ConnectionField> = entries("fields").iter().map(|(key, node)| field(key, node, report)).collect();
    let credentials = entries("credentials").iter().map(|(key, node)| credential(key, node)).collect();
    Connection { schema: schema_of(&fields), fields, credentials }
}

fn field(key: &Key, node: &Node, report: &mut Report<'_>) -> ConnectionField {
    let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "string".into());
    schema.insert("title".to_owned(), text("label").unwrap_or_else(|| key.text.clone()).into());
    for name in ["description", "enum", "pattern", "format", "default"] {
        if let Some(value) = node.get(name) {
            schema.insert(name.to_owned(), value.to_value());
        }
    }
    if node.get("enum").is_none() && node.get("pattern").is_none() {
        schema.insert("minLength".to_owned(), 1.into());
    }
    check_pattern(node, report);
    check_default(node, report);
    ConnectionField {
        name: key.text.clone(),
        label: text("label").unwrap_or_else(|| key.text.clone()),
        description: text("description"),
        default: node.get("default").map(Node::to_value),
        schema: Value::Object(schema),
    }
}

/// Warns of a pattern that matches anywhere in a text.
pub(super) fn check_pattern(node: &Node, report: &mut Report<'_>) {
    if let Some(pattern) = node.get("pattern")
        && let Some(text) = pattern.text()
        && !is_anchored(text)
    {
        let message = "this pattern matches anywhere in a text";
        report.warning(pattern, Rule::LoosePattern, message, format!("write `^(?:{text})$` to match the whole text"));
    }
}

pub(super) fn is_anchored(pattern: &str) -> bool {
    pattern.starts_with('^') && pattern.ends_with('$') && !pattern.ends_with("\\$")
}

fn check_default(node: &Node, report: &mut Report<'_>) {
    let Some(default) = node.get("default") else { return };
    let Some(value) = default.text() else { return };
    if let Some(values) = node.get("enum")
        && !values.items().iter().any(|item| item.text() == Some(value))
    {
        report.error(default, Rule::WrongValue, "the default is not one of the values in `enum`");
    }
    let pattern = node.get("pattern").and_then(Node::text).and_then(|pattern| Regex::new(pattern).ok());
    if pattern.is_some_and(|pattern| !pattern.is_match(value)) {
        report.error(default, Rule::WrongValue, "the default does not match `pattern`");
    }
}

fn credential(key: &Key, node: &Node) -> CredentialField {
    let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    CredentialField {
        name: key.text.clone(),
        label: text("label").unwrap_or_else(|| key.text.clone()),
        description: text("description"),
        required: node.get("required").and_then(Node::boolean).unwrap_or(true),
    }
}

fn schema_of(fields: &[ConnectionField]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.clone(), field.schema.clone())).collect();
    let required: Vec<&str> =
        fields.iter().filter(|field| field.default.is_none()).map(|field| field.name.as_str()).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
