//! The life of a person's account.

use indexmap::IndexMap;

use super::is_filter;
use crate::diagnostics::Rule;
use crate::plan::{ArgumentPlace, Lifecycle, Resource};
use crate::report::{Report, did_you_mean};
use crate::tree::Node;

/// Reads `lifecycle`.
pub(in super::super) fn lifecycle(node: &Node) -> Option<Lifecycle> {
    let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    Some(Lifecycle {
        resource: text("resource")?,
        find_by_email: text("find_by_email")?,
        email: text("email")?,
        display_name: text("display_name"),
        suspend: text("suspend")?,
        reactivate: text("reactivate"),
        active: text("active")?,
        suspended: text("suspended")?,
    })
}

/// Checks that everything that `lifecycle` names is there.
pub(super) fn check(node: &Node, resources: &IndexMap<String, Resource>, report: &mut Report<'_>) {
    let Some(resource_node) = node.get("resource") else { return };
    let Some(name) = resource_node.text() else { return };
    let Some(resource) = resources.get(name) else {
        let help = did_you_mean(name, resources.keys().map(String::as_str));
        report.error_within(
            resource_node,
            0..name.len(),
            Rule::UnknownMethod,
            format!("there is no resource `{name}`"),
            help,
        );
        return;
    };
    for needed in ["list", "get"] {
        if !resource.methods.contains_key(needed) {
            let help = "people are found with the list and read back with `get`";
            report.error_with_help(
                resource_node,
                Rule::UnknownMethod,
                format!("`{name}` has no method `{needed}`"),
                help,
            );
        }
    }
    check_find(node, resource, report);
    check_methods(node, resource, report);
    check_states(node, resource, report);
}

fn check_find(node: &Node, resource: &Resource, report: &mut Report<'_>) {
    let (Some(find), Some(list)) = (node.get("find_by_email"), resource.methods.get("list")) else { return };
    let Some(name) = find.text() else { return };
    if !is_filter(list, name) {
        let filters = list.arguments.iter().filter(|argument| argument.place != ArgumentPlace::ListOption);
        let help = did_you_mean(name, filters.map(|argument| argument.name.as_str()));
        report.error_within(
            find,
            0..name.len(),
            Rule::UnknownArgument,
            format!("the list has no argument `{name}`"),
            help,
        );
    }
}

fn check_methods(node: &Node, resource: &Resource, report: &mut Report<'_>) {
    for (key, state_key) in [("suspend", "suspended"), ("reactivate", "active")] {
        let Some(method_node) = node.get(key) else { continue };
        let Some(name) = method_node.text() else { continue };
        let Some(method) = resource.methods.get(name) else {
            let help = did_you_mean(name, resource.methods.keys().map(String::as_str));
            let message = format!("the resource has no method `{name}`");
            report.error_within(method_node, 0..name.len(), Rule::UnknownMethod, message, help);
            continue;
        };
        let wanted = node.get(state_key).and_then(Node::text);
        let leads_there = method.transition.as_ref().is_some_and(|transition| Some(transition.to.as_str()) == wanted);
        if !method.takes_id || !leads_there {
            let message = format!("`{name}` does not bring one record to the state under `{state_key}`");
            report.error_with_help(
                method_node,
                Rule::UnknownState,
                message,
                "the method needs `{{ id }}` in its path, and that state under `to`",
            );
        }
    }
}

fn check_states(node: &Node, resource: &Resource, report: &mut Report<'_>) {
    for key in ["active", "suspended"] {
        let Some(state_node) = node.get(key) else { continue };
        let Some(text) = state_node.text() else { continue };
        let Some(rule) = &resource.state else {
            let help = "declare `state: {at: …, values: […]}` in the resource";
            report.error_with_help(state_node, Rule::UnknownState, "the resource has no `state` rule", help);
            continue;
        };
        if !rule.values.iter().any(|value| value == text) {
            let help = did_you_mean(text, rule.values.iter().map(String::as_str));
            report.error_within(
                state_node,
                0..text.len(),
                Rule::UnknownState,
                format!("the resource has no state `{text}`"),
                help,
            );
        }
    }
}
