//! The reference says what is so: its examples load, and it explains every rule and every key.

use std::collections::HashSet;

use quartermaster_definition::{Rule, load, schema};
use serde_json::Value;

const REFERENCE: &str = include_str!("../../../../docs/definition-language.md");

/// Every fenced `yaml` block that is a whole definition, with the line it begins on.
fn whole_definitions() -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (index, line) in REFERENCE.lines().enumerate() {
        match (&mut block, line) {
            (None, "```yaml") => block = Some((index + 2, String::new())),
            (Some(_), "```") => found.extend(block.take()),
            (Some((_, text)), line) => text.push_str(&format!("{line}\n")),
            (None, _) => {}
        }
    }
    found.retain(|(_, text)| text.starts_with("name: "));
    found
}

#[test]
fn every_whole_definition_in_the_reference_loads_without_a_warning() {
    let definitions = whole_definitions();
    assert!(definitions.len() >= 4, "only {} whole definitions were found", definitions.len());
    for (line, text) in definitions {
        let (definition, diagnostics) = load(&format!("docs/definition-language.md, line {line}"), &text);
        assert!(diagnostics.is_empty(), "{diagnostics}");
        assert!(definition.is_some_and(|definition| definition.compile().is_ok()));
    }
}

#[test]
fn the_reference_explains_every_rule_and_no_other() {
    let section = REFERENCE.split("## Problems").nth(1).expect("there is a section on problems");
    let listed: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let rules: Vec<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(listed, rules);
    for rule in Rule::ALL {
        assert!(section.contains(rule.about()), "`{}` is not explained as `{}`", rule.as_str(), rule.about());
    }
}

#[test]
fn the_reference_names_every_key() {
    fn keys(schema: &Value, out: &mut Vec<String>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            out.extend(properties.keys().cloned());
        }
        match schema {
            Value::Object(members) => members.values().for_each(|member| keys(member, out)),
            Value::Array(items) => items.iter().for_each(|item| keys(item, out)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    keys(&schema(), &mut names);
    // What stands between backticks, and in examples, word by word.
    let named: HashSet<&str> = REFERENCE
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|code| code.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_')))
        .collect();
    names.retain(|name| !named.contains(name.as_str()));
    assert!(names.is_empty(), "the reference does not name {names:?}");
}
