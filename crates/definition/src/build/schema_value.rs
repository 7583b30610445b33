//! JSON Schemas inside definitions.

use serde_json::Value;

use crate::diagnostics::Rule;
use crate::report::Report;
use crate::tree::Node;

/// The most `$ref`s in one schema.
pub(crate) const SCHEMA_REFERENCES_MAX: usize = 200;

/// Notes what is wrong with a schema that stands in the definition as it is.
pub(crate) fn check(node: &Node, report: &mut Report<'_>) {
    check_value(node, &node.to_value(), report);
}

/// Notes what is wrong with a schema that was made from `node`.
pub(crate) fn check_value(node: &Node, schema: &Value, report: &mut Report<'_>) {
    let mut references = References { root: schema, count: 0, done: Vec::new(), open: vec!["#".to_owned()] };
    if let Err(message) = references.walk(schema) {
        report.error(node, Rule::BadSchema, message);
        return;
    }
    if let Err(error) = jsonschema::validator_for(schema) {
        let at = error.instance_path().to_string();
        let target = child(node, &at).unwrap_or(node);
        report.error(target, Rule::BadSchema, format!("this is not a JSON Schema: {error}"));
    }
}

/// The node at a JSON Pointer.
fn child<'n>(node: &'n Node, pointer: &str) -> Option<&'n Node> {
    pointer.split('/').skip(1).try_fold(node, |node, step| {
        let name = step.replace("~1", "/").replace("~0", "~");
        node.get(&name).or_else(|| name.parse::<usize>().ok().and_then(|index| node.items().get(index)))
    })
}

/// Follows the references of a schema, to see that they stay inside and come to an end.
struct References<'s> {
    root: &'s Value,
    count: usize,
    /// References that were followed to their end.
    done: Vec<String>,
    /// References that the walk is inside of.
    open: Vec<String>,
}

impl<'s> References<'s> {
    fn walk(&mut self, value: &'s Value) -> Result<(), String> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.walk(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member) {
                        ("$ref", Value::String(reference)) => self.follow(reference)?,
                        ("$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef", _) => {
                            return Err(format!("`{name}` is not used here; refer to `#/$defs/…` with `$ref`"));
                        }
                        _ => self.walk(member)?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn follow(&mut self, reference: &str) -> Result<(), String> {
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(format!("`$ref: {reference}` leads outside of this schema, and nothing is fetched"));
        };
        if self.open.iter().any(|open| open == reference) {
            return Err(format!("`$ref: {reference}` refers to itself in a circle, which a tool's schema cannot"));
        }
        if self.done.iter().any(|done| done == reference) {
            return Ok(());
        }
        self.count += 1;
        if self.count > SCHEMA_REFERENCES_MAX {
            return Err(format!("a schema has at most {SCHEMA_REFERENCES_MAX} references"));
        }
        let Some(target) = self.root.pointer(pointer) else {
            return Err(format!("`$ref: {reference}` leads to nothing"));
        };
        self.open.push(reference.to_owned());
        self.walk(target)?;
        self.open.pop();
        self.done.push(reference.to_owned());
        Ok(())
    }
}
