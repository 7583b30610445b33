//! Texts, comparisons, projection.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::*;
use super::{any_name, any_text, any_value, parsed, written};

proptest! {
    #[test]
    fn text_is_what_serde_json_reads(plain in any_text(), layout: u8) {
        let raw = written(&Value::from(plain.as_str()), layout);
        prop_assert_eq!(text(raw.as_bytes()).map(std::borrow::Cow::into_owned), Some(plain.clone()));
        prop_assert!(equals(raw.as_bytes(), &plain, false));
        prop_assert!(equals(raw.as_bytes(), &plain.to_uppercase(), true));
        prop_assert!(ends_with(raw.as_bytes(), &plain, true));
        let longer = format!("{plain}x");
        prop_assert!(!equals(raw.as_bytes(), &longer, true));
        prop_assert!(!ends_with(raw.as_bytes(), &longer, true));
    }

    #[test]
    fn unescape_never_panics(contents in "[\\\\ud8c0-9a-f\u{e4}\"]{0,24}") {
        let ours = unescape(contents.as_bytes()).map(std::borrow::Cow::into_owned);
        let judged = serde_json::from_str::<String>(&format!("\"{contents}\"")).ok();
        if !contents.contains('"') {
            prop_assert_eq!(ours, judged);
        }
    }

    #[test]
    fn kinds_are_told_from_the_first_byte(value in any_value(), layout: u8) {
        let wanted = match value {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Boolean,
            Value::Number(_) => Kind::Number,
            Value::String(_) => Kind::String,
            Value::Array(_) => Kind::Array,
            Value::Object(_) => Kind::Object,
        };
        prop_assert_eq!(kind(written(&value, layout).as_bytes()), wanted);
    }

    #[test]
    fn projection_keeps_the_named_members(
        members in prop::collection::vec((any_name(), any_value()), 0..5),
        fields in prop::collection::vec(any_name(), 0..4),
        layout: u8,
    ) {
        let object: Map<String, Value> = members.into_iter().collect();
        let text = written(&Value::Object(object.clone()), layout);
        let mut out = b"before".to_vec();
        project(text.as_bytes(), &fields, &mut out).unwrap();
        let kept: Map<String, Value> = object.into_iter().filter(|(name, _)| fields.contains(name)).collect();
        prop_assert_eq!(parsed(out.strip_prefix(b"before").unwrap()), Value::Object(kept));
    }
}

#[test]
fn case_is_folded_beyond_ascii() {
    assert!(equals("\"M\u{dc}LLER@x.de\"".as_bytes(), "m\u{fc}ller@X.DE", true));
    assert!(!equals("\"M\u{dc}LLER@x.de\"".as_bytes(), "m\u{fc}ller@X.DE", false));
    assert!(ends_with(b"\"Anna@Company.COM\"", "@company.com", true));
    assert!(!ends_with(b"\"Anna@Company.COM\"", "@company.com", false));
    assert!(equals(br#""A\u0042c""#, "abC", true));
}

#[test]
fn scalars_have_a_text_and_containers_have_none() {
    assert_eq!(text(b" 12.50 ").as_deref(), Some("12.50"));
    assert_eq!(text(b"true").as_deref(), Some("true"));
    assert!(equals(b"7", "7", false));
    for raw in ["null", "[]", "{}"] {
        assert_eq!(text(raw.as_bytes()), None);
        assert!(!equals(raw.as_bytes(), "null", true));
    }
    assert_eq!(string_contents(br#""a\"b""#), Some(br#"a\"b"#.as_slice()));
    assert_eq!(string_contents(b"5"), None);
}

#[test]
fn projection_keeps_order_and_raw_values() {
    let object = br#"{ "id" : "A", "n": 1.50 ,"x":{"id":2} , "z":[ 1 ]}"#;
    let mut out = Vec::new();
    project(object, &["z", "n", "missing", "id"], &mut out).unwrap();
    assert_eq!(out, br#"{"id":"A","n":1.50,"z":[ 1 ]}"#);
}

#[test]
fn projection_passes_other_values_and_undoes_itself_on_errors() {
    let mut out = Vec::new();
    project(b" [1, 2] ", &["a"], &mut out).unwrap();
    assert_eq!(out, b"[1, 2]");
    for broken in ["{\"a\":1", "{\"a\":1}x", "[1", "{\"a\" 1}", ""] {
        assert!(project(broken.as_bytes(), &["a"], &mut out).is_err());
        assert_eq!(out, b"[1, 2]");
    }
}

#[test]
fn of_equal_names_the_last_is_kept_wherever_it_stands() {
    for (object, wanted) in [
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#),
        (r#"{"b":2,"a":1,"a":3}"#, r#"{"b":2,"a":3}"#),
        (r#"{"a":1,"a":3}"#, r#"{"a":3}"#),
        (r#"{"a":1,"b":2,"c":5,"b":4,"a":3}"#, r#"{"c":5,"b":4,"a":3}"#),
    ] {
        let mut out = Vec::new();
        project(object.as_bytes(), &["a", "b", "c"], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
