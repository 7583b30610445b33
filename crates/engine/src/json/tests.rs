#![allow(clippy::unwrap_used, reason = "tests")]

mod helpers;
mod lists;
mod syntax;

use proptest::prelude::*;
use serde_json::Value;

/// A text with letters, signs that need escapes, and characters of two, three and four bytes.
fn any_text() -> impl Strategy<Value = String> {
    "[a-c~/\"\\\\\n\u{1}\u{e4}\u{20ac}\u{1f600} ]{0,9}"
}

/// A name from a small set, so that pointers meet it, or any text.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[abc]", 1 => any_text()]
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any_name(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The value as a text, in one of several layouts.
fn written(value: &Value, layout: u8) -> String {
    match layout % 3 {
        0 => value.to_string(),
        1 => serde_json::to_string_pretty(value).unwrap(),
        _ => escaped(value),
    }
}

/// As a text in which every character of every string is an escape, with duplicate members and odd whitespace.
fn escaped(value: &Value) -> String {
    let quoted = |text: &str| {
        let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{}\"", units.concat())
    };
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(escaped).collect();
            format!("[\t{}\r\n]", items.join(" , "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{0} :[{{\"a\":1}}],{0}: {1}", quoted(name), escaped(value)))
                .collect();
            format!(" {{ {} }} ", members.join(",\n"))
        }
        other => other.to_string(),
    }
}

/// The value with keys in any order: serde_json compares objects without it.
fn parsed(raw: &[u8]) -> Value {
    serde_json::from_slice(raw).unwrap()
}
