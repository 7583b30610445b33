//! The JSON Schema of the language says the same as the loader.

use std::sync::LazyLock;

use proptest::prelude::*;
use quartermaster_definition::{Rule, load, schema};
use serde_json::{Value, json};

use crate::cases::{BASE, GROUPS, Schema};

fn value_of(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("the case is YAML")
}

fn validator() -> &'static jsonschema::Validator {
    static VALIDATOR: LazyLock<jsonschema::Validator> =
        LazyLock::new(|| jsonschema::validator_for(&schema()).expect("the schema is one"));
    &VALIDATOR
}

#[test]
fn the_schema_accepts_what_ships_and_what_the_loader_accepts() {
    let validator = validator();
    assert!(validator.is_valid(&value_of(BASE)));
    for integration in quartermaster_integrations::all() {
        let value = value_of(integration.definition);
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", integration.name);
    }
}

#[test]
fn the_schema_refuses_every_case_that_is_made_wrongly() {
    let validator = validator();
    for case in GROUPS.iter().flat_map(|(_, cases)| *cases).filter(|case| case.schema != Schema::NotAsked) {
        let accepted = validator.is_valid(&value_of(&case.text()));
        assert_eq!(accepted, case.schema == Schema::Accepts, "{}", case.title);
    }
}

#[test]
fn every_key_of_the_schema_says_what_it_is() {
    fn walk(value: &Value, pointer: &str, bare: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                if property.get("description").and_then(Value::as_str).is_none_or(|text| text.len() < 5) {
                    bare.push(format!("{pointer}/{name}"));
                }
            }
        }
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| walk(member, &format!("{pointer}/{name}"), bare));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, pointer, bare)),
            _ => {}
        }
    }
    let mut bare = Vec::new();
    walk(&schema(), "", &mut bare);
    assert!(bare.is_empty(), "without a description: {bare:?}");
}

/// All pointers of a value.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, member)| pointers(member, &format!("{at}/{}", name.replace('/', "~1")), out)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| pointers(item, &format!("{at}/{index}"), out));
        }
        _ => {}
    }
}

/// What is put in the place of a value.
fn replacement(choice: usize) -> Value {
    [
        json!(null),
        json!(true),
        json!(7),
        json!(""),
        json!("text"),
        json!("/p"),
        json!([]),
        json!({}),
        json!(["x"]),
        json!({"xyzzy": 1}),
    ][choice % 10]
        .clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whatever_is_changed_the_schema_and_the_loader_agree(place in any::<prop::sample::Index>(), choice in 0..10_usize) {
        let mut value = value_of(BASE);
        let mut places = Vec::new();
        pointers(&value, "", &mut places);
        places.retain(|pointer| !pointer.is_empty());
        let pointer = place.get(&places);
        *value.pointer_mut(pointer).expect("the place is there") = replacement(choice);
        let validator = validator();
        let schema_accepts = validator.is_valid(&value);
        let (definition, diagnostics) = load("acme.yaml", &serde_saphyr::to_string(&value).expect("values are YAML"));
        if definition.is_some() {
            prop_assert!(schema_accepts, "the loader takes {pointer} = {} and the schema does not", replacement(choice));
        }
        let shape = diagnostics.iter().any(|item| matches!(item.rule, Rule::UnknownKey | Rule::WrongType));
        if shape {
            prop_assert!(!schema_accepts, "the schema takes {pointer} = {} and the loader does not", replacement(choice));
        }
    }
}
