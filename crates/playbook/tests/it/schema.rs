//! The JSON Schema of the language says the same as the loader.

use std::sync::LazyLock;

use quartermaster_playbook::{load, schema, shipped};
use serde_json::Value;

use crate::bad::CASES;

fn value_of(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("the case is YAML")
}

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&schema()).expect("the schema is one"));

#[test]
fn the_schema_accepts_what_ships() {
    for one in shipped::all() {
        let errors: Vec<String> = VALIDATOR.iter_errors(&value_of(one.text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", one.name);
    }
}

#[test]
fn what_the_schema_refuses_the_loader_refuses() {
    for (title, text) in CASES {
        let (playbook, _) = load("playbook.yaml", text.as_bytes());
        assert!(playbook.is_none(), "{title}");
        if let Ok(value) = serde_saphyr::from_str::<Value>(text) {
            let accepted = VALIDATOR.is_valid(&value);
            let by_shape = title.starts_with("shape:");
            assert_eq!(accepted, !by_shape, "{title}");
        }
    }
}

#[test]
fn every_key_of_the_schema_says_what_it_is() {
    fn walk(value: &Value, at: &str, bare: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            let without = |property: &Value| property["description"].as_str().is_none_or(|text| text.len() < 5);
            bare.extend(properties.iter().filter(|(_, one)| without(one)).map(|(name, _)| format!("{at}/{name}")));
        }
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| walk(member, &format!("{at}/{name}"), bare));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, at, bare)),
            _ => {}
        }
    }
    let mut bare = Vec::new();
    walk(&schema(), "", &mut bare);
    assert!(bare.is_empty(), "without a description: {bare:?}");
}
