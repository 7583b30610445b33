//! What is started, checked against the playbook that it names.

use quartermaster_definition::notation::{Node, Report, Rule, check_value, did_you_mean};
use quartermaster_playbook::{Playbook, shipped};
use quartermaster_types::AccountId;
use serde_json::{Map, Value};

use super::mapped;
use crate::model::Run;

pub(super) fn build(tree: &Node, node: &Node, report: &mut Report<'_>) -> Option<Run> {
    let account = node.get("integrated_account_id").and_then(|node| {
        let id: Result<AccountId, _> = node.text()?.parse();
        if id.is_err() {
            report.error(node, Rule::WrongValue, "expected the id of an integrated account (a UUID)");
        }
        id.ok()
    });
    let definition = node.get("playbook").and_then(Node::text);
    if let Some(playbook) = node.get("playbook").and_then(|node| playbook(node, report)) {
        check_input(tree, node, &playbook, report);
    }
    let input = match node.get("input").map(Node::to_value) {
        Some(Value::Object(input)) => input,
        _ => Map::new(),
    };
    let patience_seconds = node.get("patience_seconds").and_then(Node::integer);
    Some(Run { kind: "playbook", definition: definition?.to_owned(), account: account?, input, patience_seconds })
}

/// The playbook of this name, or the one whose text it is. A name is one word.
fn playbook(node: &Node, report: &mut Report<'_>) -> Option<Playbook> {
    let given = node.text()?;
    let text = match shipped::find(given) {
        Some(playbook) => playbook.text,
        None if given.contains(char::is_whitespace) || given.contains(':') => given,
        None => {
            let help = did_you_mean(given, shipped::all().iter().map(|playbook| playbook.name));
            let message = format!("no playbook `{given}` ships with this program, and this is not the text of one");
            report.error_within(node, 0..given.len(), Rule::WrongValue, message, help);
            return None;
        }
    };
    let (playbook, problems) = quartermaster_playbook::load("playbook", text.as_bytes());
    if playbook.is_none() {
        let first = problems.iter().next();
        let place = first.and_then(|problem| problem.location.as_ref());
        let place = place.map(|at| format!("line {}, column {}: ", at.line, at.column)).unwrap_or_default();
        let message = first.map(|problem| problem.message.clone()).unwrap_or_default();
        let help = "`qm playbook check` shows every mistake in its line";
        report.error_with_help(node, Rule::WrongValue, format!("the playbook has mistakes: {place}{message}"), help);
    }
    playbook
}

/// Notes inputs that the playbook does not have, those that it needs and does not get, and fixed ones that it does not take.
fn check_input(tree: &Node, run: &Node, playbook: &Playbook, report: &mut Report<'_>) {
    let schema = playbook.input_schema();
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let fixed = run.get("input").map(Node::entries).unwrap_or_default();
    let by_expression = tree.get("input").map(Node::entries).unwrap_or_default();
    for (key, node) in fixed.iter().chain(by_expression) {
        if !properties.contains_key(&key.text) {
            let help = did_you_mean(&key.text, properties.keys().map(String::as_str));
            let message = format!("the playbook `{}` has no input `{}`", playbook.name(), key.text);
            report.error_at_key(key, node, Rule::UnknownArgument, message, help);
        }
    }
    for (key, node) in fixed {
        let Some(schema) = properties.get(&key.text) else { continue };
        for error in check_value(schema, &node.to_value(), "input") {
            report.error(node, Rule::WrongValue, format!("not what the input takes: {}", error.detail));
        }
    }
    let given: Vec<&str> =
        fixed.iter().map(|(key, _)| key.text.as_str()).chain(mapped(tree).map(|(name, _)| name)).collect();
    for needed in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !given.contains(&needed) {
            let message = format!("the playbook `{}` needs the input `{needed}`", playbook.name());
            let help = format!("say where it comes from: `input: {{{needed}: payload.…}}`");
            report.error_with_help(run, Rule::MissingArgument, message, help);
        }
    }
}
