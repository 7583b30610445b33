//! What people read when a definition is wrong.

use std::collections::HashSet;

use quartermaster_definition::diagnostics::Level;
use quartermaster_definition::{Rule, load};
use serde_json::json;

use crate::cases::{BASE, GROUPS};

#[test]
fn the_base_of_all_cases_has_no_problem() {
    let (definition, diagnostics) = load("acme.yaml", BASE);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert!(definition.is_some());
}

#[test]
fn every_case_is_told_with_its_place() {
    for (name, cases) in GROUPS {
        let mut shown = String::new();
        for case in *cases {
            let (definition, diagnostics) = load("acme.yaml", &case.text());
            assert!(!diagnostics.is_empty(), "{}: no problem was found", case.title);
            assert_eq!(definition.is_none(), diagnostics.has_errors(), "{}", case.title);
            for item in diagnostics.iter().filter(|item| item.level == Level::Error) {
                assert!(item.location.is_some(), "{}: no place", case.title);
            }
            shown.push_str(&format!("### {}\n{}\n", case.title, diagnostics.render(false)));
        }
        insta::assert_snapshot!(*name, shown);
    }
}

#[test]
fn every_rule_has_a_case() {
    let mut seen = HashSet::from([Rule::Limit]);
    for case in GROUPS.iter().flat_map(|(_, cases)| *cases) {
        seen.extend(load("acme.yaml", &case.text()).1.iter().map(|item| item.rule));
    }
    let missing: Vec<&str> = Rule::ALL.iter().filter(|rule| !seen.contains(rule)).map(|rule| rule.as_str()).collect();
    assert!(missing.is_empty(), "no case breaks {missing:?}");
}

#[test]
fn many_problems_come_at_once_in_the_order_of_the_text() {
    let text = BASE
        .replace("label: Acme\n", "lable: Acme\n")
        .replace("default: 20", "default: x")
        .replace("undo: reactivate", "undo: reactivte")
        .replace("get: /users\n", "get: users\n");
    let (definition, diagnostics) = load("acme.yaml", &text);
    assert!(definition.is_none());
    let lines: Vec<usize> =
        diagnostics.iter().filter_map(|item| item.location.as_ref().map(|location| location.line)).collect();
    assert!(lines.is_sorted() && lines.len() >= 5, "{diagnostics}");
    let rules: HashSet<Rule> = diagnostics.iter().map(|item| item.rule).collect();
    for rule in [Rule::UnknownKey, Rule::MissingKey, Rule::WrongType, Rule::UnknownMethod, Rule::BadUrl] {
        assert!(rules.contains(&rule), "{rule:?} is missing in {diagnostics}");
    }
}

#[test]
fn problems_have_a_form_for_programs() {
    let (_, diagnostics) = load("acme.yaml", &BASE.replace("base_url:", "base_ulr:"));
    let all = diagnostics.to_json();
    assert_eq!((&all["file"], &all["errors"], &all["warnings"]), (&json!("acme.yaml"), &json!(2), &json!(0)));
    assert_eq!(
        all["problems"][1],
        json!({
            "level": "error", "rule": "unknown-key", "message": "there is no key `base_ulr` here",
            "help": "did you mean `base_url`?", "pointer": "/base_ulr", "line": 12, "column": 1, "layer": null,
        })
    );
}

#[test]
fn colours_are_only_there_when_they_are_wanted() {
    let (_, diagnostics) = load("acme.yaml", &BASE.replace("base_url:", "base_ulr:"));
    assert!(diagnostics.render(true).contains("\u{1b}["));
    assert!(!diagnostics.render(false).contains('\u{1b}'));
    assert_eq!(diagnostics.to_string(), diagnostics.render(false));
}
