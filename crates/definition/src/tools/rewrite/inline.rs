//! References replaced by what they point at, and `allOf` by one schema.

use serde_json::{Map, Value, json};

use crate::tools::pointer;

/// Deepest nesting after which a schema is cut off.
pub(super) const INLINE_DEPTH_MAX: usize = 32;

/// Most schemas that one tool may grow to when its references are written out.
pub(super) const INLINE_SCHEMAS_MAX: usize = 10_000;

/// Keywords whose values are data, not schemas.
const DATA: [&str; 6] = ["const", "enum", "default", "examples", "example", "required"];

/// Keywords that hold schemas by name.
const NAMED: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "$defs"];

/// A schema without references.
pub(in crate::tools) struct Inlined {
    /// The schema.
    pub(in crate::tools) schema: Value,
    /// False when something had to be cut off: a schema that contains itself, or one that grows too large.
    pub(in crate::tools) is_complete: bool,
}

/// Writes out every local reference and merges `allOf`.
pub(in crate::tools) fn inline(schema: &Value) -> Inlined {
    let mut work = Work { root: schema, open: Vec::new(), schemas: 0, is_complete: true };
    let mut schema = work.schema(schema, 0);
    if let Some(members) = schema.as_object_mut() {
        members.shift_remove("$defs");
        members.shift_remove("definitions");
    }
    Inlined { schema, is_complete: work.is_complete }
}

struct Work<'root> {
    root: &'root Value,
    /// References that are being written out now.
    open: Vec<&'root str>,
    schemas: usize,
    is_complete: bool,
}

impl<'root> Work<'root> {
    fn schema(&mut self, schema: &'root Value, depth: usize) -> Value {
        self.schemas += 1;
        if depth > INLINE_DEPTH_MAX || self.schemas > INLINE_SCHEMAS_MAX {
            return self.cut_off("Nested too deeply to be shown here.");
        }
        let Value::Object(members) = schema else {
            return match schema {
                Value::Bool(false) => json!({"not": {}}),
                _ => json!({}),
            };
        };
        let mut out = Map::new();
        for (keyword, value) in members {
            match keyword.as_str() {
                "$ref" | "allOf" | "$defs" | "definitions" => {}
                keyword if DATA.contains(&keyword) => drop(out.insert(keyword.to_owned(), value.clone())),
                keyword if NAMED.contains(&keyword) => drop(out.insert(keyword.to_owned(), self.named(value, depth))),
                keyword => drop(out.insert(keyword.to_owned(), self.keyword(value, depth))),
            }
        }
        if let Some(target) = members.get("$ref").and_then(Value::as_str) {
            let target = self.reference(target, depth);
            merge(&mut out, target);
        }
        for part in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let part = self.schema(part, depth + 1);
            merge(&mut out, part);
        }
        Value::Object(out)
    }

    fn named(&mut self, schemas: &'root Value, depth: usize) -> Value {
        let Some(members) = schemas.as_object() else { return schemas.clone() };
        Value::Object(members.iter().map(|(name, schema)| (name.clone(), self.schema(schema, depth + 1))).collect())
    }

    /// The value of a keyword that may be a schema, a list of schemas or plain data.
    fn keyword(&mut self, value: &'root Value, depth: usize) -> Value {
        match value {
            Value::Object(_) => self.schema(value, depth + 1),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                items.iter().map(|item| self.schema(item, depth + 1)).collect()
            }
            other => other.clone(),
        }
    }

    fn reference(&mut self, target: &'root str, depth: usize) -> Value {
        if self.open.contains(&target) {
            return self.cut_off("The same again as above.");
        }
        let Some(schema) = pointer::of_reference(target).and_then(|pointer| self.root.pointer(&pointer)) else {
            return self.cut_off("Not described here.");
        };
        self.open.push(target);
        let schema = self.schema(schema, depth + 1);
        self.open.pop();
        schema
    }

    fn cut_off(&mut self, words: &str) -> Value {
        self.is_complete = false;
        json!({"description": words})
    }
}

/// Adds what `other` says to `out`. Members are joined; where both say something else about one thing, the first stays.
fn merge(out: &mut Map<String, Value>, other: Value) {
    let Value::Object(other) = other else { return };
    for (keyword, value) in other {
        match (out.get_mut(&keyword), value) {
            (None, value) => drop(out.insert(keyword, value)),
            (Some(Value::Object(members)), Value::Object(more)) if keyword == "properties" => {
                for (name, schema) in more {
                    match members.get_mut(&name) {
                        Some(Value::Object(known)) => merge(known, schema),
                        Some(_) => {}
                        None => drop(members.insert(name, schema)),
                    }
                }
            }
            (Some(Value::Array(names)), Value::Array(more)) if keyword == "required" => {
                for name in more {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            (Some(_), _) => {}
        }
    }
}
