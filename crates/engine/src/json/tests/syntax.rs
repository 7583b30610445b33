//! What is accepted and what is not, with serde_json as the judge.

use proptest::prelude::*;
use serde_json::Value;

use super::super::*;
use super::{any_value, escaped, parsed, written};

/// Texts that decide a case each.
const TEXTS: &[&[u8]] = &[
    b"",
    b" ",
    b"null",
    b" null ",
    b"nul",
    b"nulll",
    b"true",
    b"tru",
    b"false",
    b"falsy",
    b"0",
    b"-0",
    b"-",
    b"01",
    b"1.",
    b".1",
    b"1.5",
    b"1e5",
    b"1E+5",
    b"1e-5",
    b"1e",
    b"1e+",
    b"-1.0e0",
    b"1 2",
    b"+1",
    b"0x1",
    b"NaN",
    b"\"\"",
    b"\"",
    b"\"a",
    b"\"a\"\"",
    b"\"\\\"",
    b"\"\\n\\r\\t\\b\\f\\/\\\\\\\"\"",
    b"\"\\a\"",
    b"\"\\u00e4\"",
    b"\"\\u00E\"",
    b"\"\\u00Eg\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\ud83d\"",
    b"\"\\ud83dx\"",
    b"\"\\ude00\"",
    b"\"\\ud83d\\u0041\"",
    b"\"\\ud83d\\ud83d\"",
    b"\"\n\"",
    b"\"\x1f\"",
    b"\"\x7f\"",
    b"\"\xc3\xa4\"",
    b"\"\xc3\"",
    b"\"\xff\"",
    b"\"\xed\xa0\x80\"",
    b"\xef\xbb\xbf1",
    b"[]",
    b"[ ]",
    b"[1]",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b"[1,2]",
    b"[",
    b"]",
    b"[}",
    b"{]",
    b"{}",
    b"{ }",
    b"{\"a\"}",
    b"{\"a\":}",
    b"{\"a\":1}",
    b"{\"a\":1,}",
    b"{,}",
    b"{\"a\":1 \"b\":2}",
    b"{a:1}",
    b"{1:1}",
    b"{\"a\":1,\"a\":2}",
    b"{\"a\" : [ { } , [ ] ] }",
    b"[1]]",
    b"{}}",
    b"[1}",
    b"{\"a\":1]",
    b"// x\n1",
    b"[1]\0",
    b"\0",
    b"'a'",
    b"[\"12345678\"]",
    b"[\"1234567\\\"\"]",
    b"\"1234567\n\"",
];

fn accepted(text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_ok()
}

#[test]
fn the_same_texts_are_accepted() {
    for text in TEXTS {
        assert_eq!(validate(text).is_ok(), accepted(text), "{}", String::from_utf8_lossy(text));
        assert_eq!(find(text, &["/a", "/0", ""]).is_ok(), accepted(text), "{}", String::from_utf8_lossy(text));
        let member = [b"{\"x\":", *text, b"}"].concat();
        assert_eq!(find(&member, &["/x/a"]).is_ok(), accepted(&member), "{}", String::from_utf8_lossy(&member));
    }
}

#[test]
fn a_number_out_of_range_is_well_formed() {
    assert_eq!(validate(b"1e999"), Ok(()));
}

#[test]
fn the_place_of_a_fault_is_told() {
    assert_eq!(validate(b"[1,x]"), Err(JsonError::Malformed { at: 3 }));
    assert_eq!(validate(b"[1"), Err(JsonError::Malformed { at: 2 }));
    assert_eq!(validate(b"[\"\xff\"]"), Err(JsonError::NotUtf8 { at: 2 }));
    assert_eq!(validate(b"[]x"), Err(JsonError::Malformed { at: 2 }));
}

#[test]
fn depth_is_limited_on_every_path() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let levels = if open.len() == 6 { 2 } else { 1 };
        let nested = |depth: usize| {
            let odd = if depth % levels == 1 { ("[", "]") } else { ("", "") };
            let count = depth / levels;
            format!("{}{}1{}{}", odd.0, open.repeat(count), close.repeat(count), odd.1)
        };
        for pointers in [vec![], vec!["/a/a/a"], vec!["/0/0/0"], vec!["/a/0/a"]] {
            assert!(find(nested(DEPTH_MAX).as_bytes(), &pointers).is_ok(), "{open} {pointers:?}");
            let error = find(nested(DEPTH_MAX + 1).as_bytes(), &pointers).unwrap_err();
            assert!(matches!(error, JsonError::TooDeep { .. }), "{open} {pointers:?}: {error}");
        }
        assert!(accepted(nested(DEPTH_MAX).as_bytes()));
        assert!(!accepted(nested(DEPTH_MAX + 1).as_bytes()));
    }
    let long_path = "/0".repeat(DEPTH_MAX + 10);
    assert!(find("[".repeat(DEPTH_MAX + 10).as_bytes(), &[long_path]).is_err());
    let mut brackets = "[".repeat(100_000);
    assert!(matches!(validate(brackets.as_bytes()), Err(JsonError::TooDeep { at: DEPTH_MAX })));
    brackets.push('1');
    assert!(
        scan_list(brackets.as_bytes(), &ListQuery { items: "", id: Some("/0/0"), others: &[], item_ranges: true })
            .is_err()
    );
}

proptest! {
    #[test]
    fn written_values_are_accepted(value in any_value(), layout: u8) {
        prop_assert_eq!(validate(written(&value, layout).as_bytes()), Ok(()));
    }

    #[test]
    fn mutated_texts_are_judged_alike(
        value in any_value(),
        layout: u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..4),
    ) {
        let mut text = written(&value, layout).into_bytes();
        for (place, change, byte) in changes {
            let place = place.index(text.len().max(1));
            match change {
                0 => text.insert(place.min(text.len()), byte),
                1 if !text.is_empty() => drop(text.remove(place)),
                2 if !text.is_empty() => text[place] = byte,
                _ => text.insert(place.min(text.len()), b"{}[],:\"\\0-.eu1 tn"[usize::from(byte) % 17]),
            }
        }
        let judged = serde_json::from_slice::<Value>(&text);
        let out_of_range = judged.as_ref().is_err_and(|error| error.to_string().starts_with("number out of range"));
        let ours = validate(&text);
        prop_assert!(ours.is_ok() == judged.is_ok() || out_of_range, "{:?} against {:?}", ours, judged);
        prop_assert_eq!(find(&text, &["/a/b", "/0/a", "/b"]).is_ok(), ours.is_ok());
        let _ = scan_list(&text, &ListQuery { items: "/a", id: Some("/a"), others: &["/b"], item_ranges: true });
        let _ = project(&text, &["a"], &mut Vec::new());
    }

    #[test]
    fn pointers_find_what_serde_json_finds(
        value in any_value(),
        layout: u8,
        pointers in prop::collection::vec("(/([abc]|[0-3]|~0|~1|00|\u{e4})?){0,3}", 0..5),
    ) {
        let text = written(&value, layout);
        let found = find(text.as_bytes(), &pointers).unwrap();
        for (pointer, range) in pointers.iter().zip(&found) {
            let raw = range.as_ref().map(|range| slice(text.as_bytes(), range));
            prop_assert_eq!(raw.map(parsed), value.pointer(pointer).cloned(), "{} in {}", pointer, text);
            prop_assert_eq!(find_one(text.as_bytes(), pointer).unwrap(), raw);
        }
    }

    #[test]
    fn every_member_is_found_by_its_escaped_name(value in any_value(), layout: u8) {
        let text = written(&value, layout);
        for (name, member) in value.as_object().into_iter().flatten() {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let raw = find_one(text.as_bytes(), &pointer).unwrap().unwrap();
            prop_assert_eq!(&parsed(raw), member);
        }
    }
}

#[test]
fn the_last_of_equal_names_counts_and_takes_all_of_it() {
    let text = br#"{"a":{"b":1,"c":2},"a":{"c":3}}"#;
    assert_eq!(find(text, &["/a/b", "/a/c"]).unwrap(), [None, Some(28..29)]);
    let shadowed = br#"{"a":{"b":1},"a":5}"#;
    assert_eq!(find(shadowed, &["/a/b"]).unwrap(), [None]);
}

#[test]
fn a_pointer_that_is_none_finds_nothing() {
    let text = br#"{"a":1,"~":2}"#;
    assert_eq!(find(text, &["a", "a/b", "/~", "/a/"]).unwrap(), [None, None, Some(11..12), None]);
    assert_eq!(parsed(find_one(text, "").unwrap().unwrap()), parsed(text));
    assert!(escaped(&parsed(text)).contains("\\u0061"));
}
