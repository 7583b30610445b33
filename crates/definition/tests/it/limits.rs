//! Large, deep and hostile texts.

use proptest::prelude::*;
use quartermaster_definition::{
    DEFINITION_DEPTH_MAX, DEFINITION_ENTRIES_MAX, DEFINITION_MAX_BYTES, DEFINITION_VALUES_MAX, Rule, load, load_bytes,
};

use crate::cases::BASE;

fn rules(text: &str) -> Vec<Rule> {
    load("acme.yaml", text).1.iter().map(|item| item.rule).collect()
}

#[test]
fn the_longest_text_loads_and_one_more_byte_does_not() {
    let padded = |length: usize| format!("{BASE}#{}\n", "x".repeat(length - BASE.len() - 2));
    assert!(load("acme.yaml", &padded(DEFINITION_MAX_BYTES)).0.is_some());
    assert_eq!(rules(&padded(DEFINITION_MAX_BYTES + 1)), [Rule::Limit]);
}

#[test]
fn the_most_values_are_looked_at_and_one_more_is_not() {
    // The list itself is a value, and so are the mapping and the key.
    let listed = |count: usize| format!("name: [{}]", vec!["a"; count - 3].join(","));
    assert!(!rules(&listed(DEFINITION_VALUES_MAX)).contains(&Rule::Limit));
    assert_eq!(rules(&listed(DEFINITION_VALUES_MAX + 1)), [Rule::Limit]);
}

#[test]
fn the_deepest_text_is_looked_at_and_one_level_more_is_not() {
    let nested = |depth: usize| format!("name: {}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(!rules(&nested(DEFINITION_DEPTH_MAX)).contains(&Rule::Limit));
    assert_eq!(rules(&nested(DEFINITION_DEPTH_MAX + 1)), [Rule::Limit]);
    assert!(!rules(&nested(100_000)).is_empty());
}

#[test]
fn the_longest_list_and_mapping_are_looked_at_and_one_more_entry_is_not() {
    let tags = |count: usize| {
        BASE.replace(
            "        post: /users\n",
            &format!("        post: /users\n        tags: [{}]\n", vec!["t"; count].join(", ")),
        )
    };
    assert_eq!(rules(&tags(DEFINITION_ENTRIES_MAX)), []);
    assert_eq!(rules(&tags(DEFINITION_ENTRIES_MAX + 1)), [Rule::Limit]);
    let headers = |count: usize| {
        let names: Vec<String> = (0..count).map(|index| format!("x-{index}: a")).collect();
        BASE.replace("headers: {user-agent: Quartermaster}", &format!("headers: {{{}}}", names.join(", ")))
    };
    assert_eq!(rules(&headers(DEFINITION_ENTRIES_MAX)), []);
    assert_eq!(rules(&headers(DEFINITION_ENTRIES_MAX + 1)), [Rule::Limit]);
}

#[test]
fn thousands_of_problems_are_counted_and_not_looked_up() {
    let keys: Vec<String> = (0..20_000).map(|index| format!("k{index}: 1\n")).collect();
    let (_, diagnostics) = load("acme.yaml", &keys.concat());
    assert!(diagnostics.left_out() > 19_000);
}

#[test]
fn aliases_count_as_what_they_repeat() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let references = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{references}]\n"));
    }
    assert_eq!(rules(&bomb), [Rule::Limit]);
    let mut tower = String::from("a0: &a0 [x]\n");
    for level in 1..100 {
        tower.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(rules(&tower), [Rule::Limit]);
}

#[test]
fn aliases_work_where_they_are_useful() {
    let text = BASE
        .replace("description: Lists people.", "description: &text Lists people.")
        .replace("description: Adds a person.", "description: *text");
    let definition = load("acme.yaml", &text).0.expect("an alias is no problem");
    let create =
        definition.compile().expect("it compiles").method("users", "create").map(|method| method.description.clone());
    assert_eq!(create.flatten().as_deref(), Some("Lists people."));
}

#[test]
fn a_problem_inside_a_repeated_value_is_told_once_a_place() {
    let problems: Vec<String> = (0..200).map(|index| format!("k{index}: 1\n")).collect();
    let problems = problems.concat();
    let (_, diagnostics) = load("acme.yaml", &problems);
    assert_eq!(diagnostics.iter().count(), 100);
    assert!(diagnostics.left_out() > 100, "{}", diagnostics.left_out());
    assert!(diagnostics.render(false).ends_with("more not shown\n"));
}

#[test]
fn bytes_that_are_not_utf_8_are_told_with_their_place() {
    let (definition, diagnostics) = load_bytes("acme.yaml", b"name: acme\nlabel: \xff\n");
    assert!(definition.is_none());
    let item = diagnostics.iter().next().expect("one problem");
    assert_eq!(item.location.as_ref().map(|location| (location.line, location.column)), Some((2, 8)));
    assert_eq!(
        load_bytes("acme.yaml", BASE.as_bytes()).0.map(|definition| definition.name().to_owned()),
        Some("acme".into())
    );
    assert!(load_bytes("acme.yaml", b"\xff").1.has_errors());
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_not_matter() {
    let text = format!("\u{feff}{}", BASE.replace('\n', "\r\n"));
    let (definition, diagnostics) = load("acme.yaml", &text);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert!(definition.is_some());
}

#[test]
fn an_empty_text_says_so() {
    for text in ["", "\n\n", "# nothing\n", "---\n"] {
        assert!(load("acme.yaml", text).1.has_errors(), "{text:?}");
    }
}

/// Pieces that make trouble in YAML, templates and expressions.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{{".to_owned()),
        Just("}}".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("? ".to_owned()),
        Just("\"\\x".to_owned()),
        Just("|+2\n".to_owned()),
        Just("https://{{ connection.tenant }}".to_owned()),
        Just("\u{feff}".to_owned()),
        "[\\[\\]{}:,#!%@'\"\n\t \\-]{1,3}",
        "\\PC{1,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_text_never_panics_the_loader(text in "\\PC{0,200}") {
        let _ = load("acme.yaml", &text).1.render(false);
    }

    #[test]
    fn arbitrary_bytes_never_panic_the_loader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_bytes("acme.yaml", &bytes).1.render(false);
    }

    #[test]
    fn a_damaged_definition_never_panics_the_loader(
        damages in prop::collection::vec((0..BASE.len(), 0..12_usize, fragment()), 1..4)
    ) {
        let mut text = BASE.to_owned();
        for (at, length, fragment) in damages {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &fragment);
            }
        }
        let (definition, diagnostics) = load("acme.yaml", &text);
        prop_assert_eq!(definition.is_none(), diagnostics.has_errors());
        let _ = diagnostics.render(true);
        if let Some(definition) = definition {
            prop_assert!(definition.compile().is_ok());
        }
    }
}
