//! Arguments of methods: their schemas and where they go.

mod values;

use serde_json::{Map, Value};

use crate::diagnostics::Rule;
use crate::plan::{Argument, ArgumentPlace, IdRule};
use crate::report::Report;
use crate::tools::id_argument;
use crate::tree::{Key, Node};

use super::super::variables::ROOT_NAMES;

/// The keys of an argument that are JSON Schema as they stand.
const SCHEMA_KEYS: &[&str] = &[
    "type",
    "description",
    "enum",
    "pattern",
    "format",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "examples",
];

pub(super) fn build(key: &Key, node: &Node, in_templates: &[String], id: &IdRule, report: &mut Report<'_>) -> Argument {
    if ROOT_NAMES.contains(&key.text.as_str()) {
        let help = Some("templates would take it for the value of that name".to_owned());
        report.error_at_key(key, node, Rule::BadName, format!("an argument cannot be called `{}`", key.text), help);
    }
    let schema = schema(key, node, id, report);
    if key.text != "id" && schema.get("description").is_none() {
        let message = format!("the argument `{}` has no description", key.text);
        report.warning_at_key(
            key,
            node,
            Rule::NoDescription,
            message,
            "say what it means: a model fills it in by that",
        );
    }
    let in_template = in_templates.contains(&key.text);
    let place = place(key, node, in_template, report);
    let values = node.get("send").and_then(|send| send.get("values"));
    let values = values.map_or_else(Vec::new, |values| values::build(values, &schema, &place, report));
    let required = required(key, node, in_template, report);
    Argument { name: key.text.clone(), schema, required, place, values }
}

fn required(key: &Key, node: &Node, in_template: bool, report: &mut Report<'_>) -> bool {
    let needed = in_template || key.text == "id";
    match node.get("required") {
        Some(given) if needed && given.boolean() == Some(false) => {
            report.error(given, Rule::WrongValue, "an argument that a template uses is always needed");
            true
        }
        Some(given) => given.boolean().unwrap_or(false) || needed,
        None => needed,
    }
}

fn schema(key: &Key, node: &Node, id: &IdRule, report: &mut Report<'_>) -> Value {
    if let Some(whole) = node.get("schema") {
        let mut schema = whole.to_value();
        for (other, value) in node.entries().iter().filter(|(other, _)| SCHEMA_KEYS.contains(&other.text.as_str())) {
            if other.text != "description" {
                let message = format!("`{}` and `schema` exclude each other", other.text);
                report.error_at_key(
                    other,
                    value,
                    Rule::ConflictingKeys,
                    message,
                    Some("put it into `schema`".to_owned()),
                );
            } else if let Some(members) = schema.as_object_mut() {
                members.insert("description".to_owned(), value.to_value());
            }
        }
        return schema;
    }
    let mut schema = Map::new();
    if key.text == "id"
        && let Value::Object(usual) = id_argument(id).schema
    {
        schema = usual;
    }
    if node.get("type").is_none() && !schema.contains_key("type") && enum_has_only_texts(node) {
        schema.insert("type".to_owned(), "string".into());
    }
    for name in SCHEMA_KEYS {
        if let Some(value) = node.get(name) {
            schema.insert((*name).to_owned(), value.to_value());
        }
    }
    let schema = Value::Object(schema);
    super::super::schema_value::check_value(node, &schema, report);
    schema
}

fn enum_has_only_texts(node: &Node) -> bool {
    node.get("enum").is_none_or(|values| values.items().iter().all(|value| value.text().is_some()))
}

fn place(key: &Key, node: &Node, in_template: bool, report: &mut Report<'_>) -> ArgumentPlace {
    let name = &key.text;
    let Some(send) = node.get("send") else {
        if !in_template {
            let message = format!("the argument `{name}` goes nowhere");
            let help =
                format!("use `{{{{ {name} }}}}` in the path, or say `send: query`, `send: body` or `send: header`");
            report.error_at_key(key, node, Rule::UnusedArgument, message, Some(help));
        }
        return ArgumentPlace::Template;
    };
    if in_template {
        let message = format!("the argument `{name}` is used by a template, and sent besides");
        report.error(send, Rule::DuplicatePlace, message);
    }
    match send.text() {
        Some("query") => return ArgumentPlace::Query(name.clone()),
        Some("header") => return ArgumentPlace::Header(name.replace('_', "-")),
        Some("body") => return ArgumentPlace::Body(format!("/{name}")),
        _ => {}
    }
    let text = |name: &str| send.get(name).and_then(Node::text).map(str::to_owned);
    if let Some(query) = text("query") {
        return ArgumentPlace::Query(query);
    }
    if let Some(header) = text("header") {
        return ArgumentPlace::Header(header.to_ascii_lowercase());
    }
    text("body").map_or(ArgumentPlace::Template, ArgumentPlace::Body)
}
