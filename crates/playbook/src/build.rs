//! From a tree to a playbook: everything parsed, every name resolved, every problem noted.

mod names;
mod steps;
mod values;

use quartermaster_definition::notation::{Node, Report, Rule, duration_seconds};
use serde_json::Value;

use crate::input;
use crate::limits::{PATIENCE_DEFAULT_SECONDS, STEPS_MAX};
use crate::model::Step;
use names::Names;

/// What was built; to be used only when there was no error.
pub(crate) struct Built {
    pub(crate) input_schema: Value,
    pub(crate) patience_seconds: u64,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn build(tree: &Node, report: &mut Report<'_>) -> Built {
    let inputs = tree.get("inputs");
    check_inputs(inputs, report);
    check_step_names(tree, report);
    let names = Names::new(inputs);
    let steps = tree.get("steps").map(|list| steps::list(list, &names, report)).unwrap_or_default();
    Built {
        input_schema: input::schema(inputs),
        patience_seconds: tree.get("patience").and_then(duration_seconds).unwrap_or(PATIENCE_DEFAULT_SECONDS),
        steps,
    }
}

/// Notes inputs whose schema is none, and defaults that their own schema refuses.
fn check_inputs(inputs: Option<&Node>, report: &mut Report<'_>) {
    for (_, node) in inputs.map_or(&[][..], Node::entries) {
        let schema = input::one(node);
        if let Err(message) = quartermaster_definition::validate::check_schema(&schema) {
            // A whole `schema` was looked at with its own place already.
            if node.get("schema").is_none() {
                report.error(node, Rule::BadSchema, format!("this is not a JSON Schema: {message}"));
            }
            continue;
        }
        let Some(default) = node.get("default") else { continue };
        if node.get("required").and_then(Node::boolean) == Some(true) {
            report.error(default, Rule::ConflictingKeys, "an input that must be given needs no `default`");
        }
        for error in quartermaster_definition::notation::check_value(&schema, &default.to_value(), "member") {
            report.error(
                default,
                Rule::WrongValue,
                format!("the default is not what the input takes: {}", error.detail),
            );
        }
    }
}

/// The steps of a list and of the lists inside it, in the order of the text.
fn all_steps<'n>(list: Option<&'n Node>, into: &mut Vec<&'n Node>) {
    for step in list.map_or(&[][..], Node::items) {
        into.push(step);
        all_steps(step.at(&["for_each", "steps"]), into);
    }
}

pub(crate) fn step_names(tree: &Node) -> Vec<&str> {
    let mut steps = Vec::new();
    all_steps(tree.get("steps"), &mut steps);
    steps.into_iter().filter_map(|step| step.get("name")?.text()).collect()
}

fn check_step_names(tree: &Node, report: &mut Report<'_>) {
    let mut steps = Vec::new();
    all_steps(tree.get("steps"), &mut steps);
    if steps.len() > STEPS_MAX {
        let list = tree.get("steps").unwrap_or(tree);
        let message = format!("a playbook has at most {STEPS_MAX} steps, and this one has {}", steps.len());
        report.error(list, Rule::Limit, message);
        return;
    }
    let mut seen = std::collections::HashSet::new();
    for node in steps.into_iter().filter_map(|step| step.get("name")) {
        let Some(name) = node.text() else { continue };
        if let Err(message) = quartermaster_definition::notation::snake_case(name) {
            report.error(node, Rule::BadName, message);
        } else if !seen.insert(name) {
            let help = "every step has a name of its own, inside `for_each` as well";
            report.error_with_help(node, Rule::DuplicateKey, format!("another step is called `{name}`"), help);
        }
    }
}
