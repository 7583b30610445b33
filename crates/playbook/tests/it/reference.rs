//! The reference says what is so: its examples load and run, and it names every key and every limit.

use std::collections::HashSet;

use quartermaster_playbook::{self as playbook, load, schema};
use serde_json::{Value, json};

use crate::world::{World, person, playbook as loaded, said, state};

const REFERENCE: &str = include_str!("../../../../docs/playbooks.md");

/// Every fenced `yaml` block, with the line it begins on.
fn examples() -> Vec<(usize, String)> {
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
    found
}

fn example(name: &str) -> String {
    let head = format!("name: {name}\n");
    examples().into_iter().find(|(_, text)| text.starts_with(&head)).expect("there is such an example").1
}

#[test]
fn every_example_loads_without_a_warning() {
    let examples = examples();
    assert!(examples.len() >= 3);
    for (line, text) in examples {
        let (_, problems) = load(&format!("docs/playbooks.md, line {line}"), text.as_bytes());
        assert!(problems.is_empty(), "{problems}");
    }
}

#[test]
fn the_examples_do_what_they_say() {
    let people = || vec![person("U1", "a@b.c", "ACTIVE"), person("U2", "d@e.f", "SUSPENDED")];
    let run = |name: &str, input: Value| {
        let mut run = state(&loaded(&example(name)), input);
        World::new(people()).run(&mut run);
        said(&run.next())
    };
    assert_eq!(run("who_is_it", json!({"email": "A@b.c"})), "a@b.c is ACTIVE in Acme.");
    assert_eq!(run("who_is_it", json!({"email": "x@y.z"})), "Nobody in Acme has the address x@y.z.");
    let rows = json!([{"email": "a@b.c"}, {"email": "d@e.f"}, {"email": "x@y.z"}]);
    assert_eq!(run("welcome_back", json!({"rows": rows})), "1 of 3 have access again.");
    assert_eq!(run("wait_for_access", json!({"id": "U1"})), "a@b.c has access.");
    assert_eq!(
        run("wait_for_access", json!({"id": "U2"})),
        "precondition_failed: d@e.f is still SUSPENDED after 5 looks"
    );
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

#[test]
fn the_reference_tells_the_limits_as_they_are() {
    let section = REFERENCE.split("## Limits").nth(1).expect("there is a section on limits");
    let thousands = |number: usize| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    for limit in [
        format!("{} in a playbook", playbook::STEPS_MAX),
        format!("{} taken in a run", thousands(playbook::STEPS_TAKEN_MAX as usize)),
        format!("{} deep, {} rows", playbook::FOR_EACH_DEPTH_MAX, thousands(playbook::ROWS_MAX)),
        format!("{} rows at the same time", playbook::CONCURRENCY_MAX),
        format!("{} pages", thousands(playbook::PAGES_MAX as usize)),
        format!("{} KiB", playbook::RESULT_MAX_BYTES / 1024),
        format!("{} of a write", playbook::ATTEMPTS_MAX),
        format!("{} of a read", playbook::READ_ATTEMPTS_MAX),
        format!("{} waits", playbook::RATE_LIMITED_MAX),
        format!("| {} |", playbook::COLUMNS_MAX),
    ] {
        assert!(section.contains(&limit), "the limits do not say {limit:?}");
    }
}
