//! JSON Schema of the language, made from its shape.

use quartermaster_types::Code;
use serde_json::{Map, Value, json};

use super::leaf::NAME_MAX;
use super::{ENTRIES_MAX, Keys, Object, Shape};

/// The schema of a value of this shape. It says what a value must be made of; whether templates and expressions parse and
/// names exist, only loading tells.
pub fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Text => json!({"type": "string", "pattern": "\\S"}),
        Shape::Scalar => json!({"type": ["string", "number", "boolean", "null"]}),
        Shape::Template | Shape::Expression(_) | Shape::Pattern => json!({"type": "string"}),
        Shape::ScalarTemplate => json!({"type": ["string", "number", "boolean"]}),
        Shape::Pointer => json!({"type": "string", "pattern": "^(/([^~]|~[01])*)?$"}),
        Shape::Header => json!({"type": "string", "pattern": HEADER_PATTERN, "maxLength": NAME_MAX}),
        Shape::IntegrationName => json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "maxLength": NAME_MAX}),
        Shape::MethodName => json!({"type": "string", "pattern": "^[^.]+\\.[\\s\\S]+$"}),
        Shape::Boolean => json!({"type": "boolean"}),
        Shape::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Number => json!({"type": "number"}),
        Shape::Duration => json!({"type": ["string", "integer"], "pattern": "^[0-9]+[smhd]$", "minimum": 1}),
        Shape::Choice(names) => json!({"enum": names}),
        Shape::Code => json!({"enum": Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>()}),
        Shape::Schema => json!({"type": "object"}),
        Shape::List { of: item, min } => {
            json!({"type": "array", "items": of(item), "minItems": min, "maxItems": ENTRIES_MAX})
        }
        Shape::Map { keys, of: value } => {
            json!({"type": "object", "propertyNames": of_keys(*keys), "additionalProperties": of(value), "maxProperties": ENTRIES_MAX})
        }
        Shape::Object(object) => of_object(object),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(of).collect::<Vec<_>>()}),
    }
}

const HEADER_PATTERN: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

fn of_keys(keys: Keys) -> Value {
    match keys {
        Keys::SnakeCase => json!({"pattern": "^[a-z][a-z0-9_]*$", "maxLength": NAME_MAX}),
        Keys::Header => json!({"pattern": HEADER_PATTERN, "maxLength": NAME_MAX}),
        Keys::Any => json!({"minLength": 1}),
    }
}

fn of_object(object: &Object) -> Value {
    let mut properties = Map::new();
    for field in object.fields {
        let mut schema = of(&field.shape);
        if let Some(members) = schema.as_object_mut() {
            members.insert("description".to_owned(), field.about.into());
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<&str> = object.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let groups: Vec<Value> = object.groups.iter().map(of_group).collect();
    if let (Some(members), false) = (schema.as_object_mut(), groups.is_empty()) {
        members.insert("allOf".to_owned(), Value::Array(groups));
    }
    schema
}

/// Exactly one, or at most one, of the names.
fn of_group(group: &super::Group) -> Value {
    let one = |name: &&str| json!({"required": [name]});
    let mut choices: Vec<Value> = group.names.iter().map(one).collect();
    if !group.needed {
        choices.push(json!({"not": {"anyOf": group.names.iter().map(one).collect::<Vec<_>>()}}));
    }
    json!({"oneOf": choices})
}
