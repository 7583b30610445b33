//! References between the parts of a definition.

mod lifecycle;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::diagnostics::Rule;
use crate::plan::{ArgumentPlace, Effect, Method, MethodKind, NamedCall, Resource};
use crate::report::{Report, did_you_mean};
use crate::tree::Node;

pub(super) use lifecycle::lifecycle;

/// Reads `users.list` or `{call: users.list, with: {…}}`.
pub(super) fn named_call(node: &Node) -> Option<NamedCall> {
    let (resource, method) = target(node)?.text()?.split_once('.')?;
    let arguments = match node.get("with").map(Node::to_value) {
        Some(Value::Object(arguments)) => arguments,
        _ => Map::new(),
    };
    Some(NamedCall { resource: resource.to_owned(), method: method.to_owned(), arguments })
}

fn target(node: &Node) -> Option<&Node> {
    if node.text().is_some() { Some(node) } else { node.get("call") }
}

/// What a call by name is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Shows that a connection works.
    Verify,
    /// Finds a record.
    Find,
    /// Is proposed to a caller, who fills in what is missing.
    Next,
}

/// Checks every reference from one part to another.
pub(super) fn check(root: &Node, resources: Option<&IndexMap<String, Resource>>, report: &mut Report<'_>) {
    let Some(resources) = resources else { return };
    match root.at(&["connection", "verify"]) {
        Some(node) => check_call(node, Purpose::Verify, resources, report),
        None => {
            let help = "name a cheap read under `connection: verify`, such as `{call: users.list, with: {limit: 1}}`";
            report.warning(
                root.get("connection").unwrap_or(root),
                Rule::NoVerify,
                "nothing shows that a connection works",
                help,
            );
        }
    }
    for node in root.at(&["errors", "explain"]).map_or(&[][..], Node::items) {
        if let Some(next) = node.get("next") {
            check_call(next, Purpose::Next, resources, report);
        }
    }
    for (key, node) in root.get("resources").map_or(&[][..], Node::entries) {
        if let Some(find) = node.at(&["id", "find"]) {
            check_call(find, Purpose::Find, resources, report);
        }
        if let Some(resource) = resources.get(&key.text) {
            check_undo(node, resource, report);
        }
    }
    if let Some(node) = root.get("lifecycle") {
        lifecycle::check(node, resources, report);
    }
}

fn check_call(node: &Node, purpose: Purpose, resources: &IndexMap<String, Resource>, report: &mut Report<'_>) {
    let Some(call) = named_call(node) else { return };
    let Some(target) = target(node) else { return };
    let Some(method) = find_method(target, &call, resources, report) else { return };
    for (key, value) in node.get("with").map_or(&[][..], Node::entries) {
        if !method.arguments.iter().any(|argument| argument.name == key.text) {
            let help = did_you_mean(&key.text, method.arguments.iter().map(|argument| argument.name.as_str()));
            let message = format!("`{}` takes no argument `{}`", method.full_name(), key.text);
            report.error_at_key(key, value, Rule::UnknownArgument, message, help);
        }
    }
    if purpose == Purpose::Next {
        return;
    }
    if method.effect != Effect::Read {
        report.error(
            target,
            Rule::WrongValue,
            format!("`{}` changes something; only a read can stand here", method.full_name()),
        );
    }
    for argument in method.arguments.iter().filter(|argument| argument.required) {
        if !call.arguments.contains_key(&argument.name) {
            let message = format!("`{}` needs `{}`, which is not given here", method.full_name(), argument.name);
            let help = match (purpose, argument.name.as_str()) {
                (Purpose::Find, "id") => "a call that finds an id cannot need one; use the list",
                _ => "give it under `with`",
            };
            report.error_with_help(node, Rule::MissingArgument, message, help);
        }
    }
    if purpose == Purpose::Find && !has_placeholder(&call.arguments) {
        let help = "write `with: {email: '{value}'}`, with the argument that finds the record";
        report.error_with_help(node, Rule::MissingArgument, "nowhere does `{value}` stand for what was given", help);
    }
    if purpose == Purpose::Verify {
        check_values(node, method, call.arguments, report);
    }
}

fn has_placeholder(arguments: &Map<String, Value>) -> bool {
    arguments.values().any(|value| value.as_str().is_some_and(|text| text.contains("{value}")))
}

/// Notes fixed arguments that the method's own schema refuses.
fn check_values(node: &Node, method: &Method, arguments: Map<String, Value>, report: &mut Report<'_>) {
    let known = |name: &String| method.arguments.iter().any(|argument| argument.name == *name);
    if !arguments.keys().all(known) {
        return;
    }
    let missing = method.arguments.iter().any(|argument| argument.required && !arguments.contains_key(&argument.name));
    if missing {
        return;
    }
    for error in method.validate(arguments).err().unwrap_or_default() {
        let name = error.pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        let target = node.get("with").and_then(|with| with.get(name)).unwrap_or(node);
        report.error(target, Rule::WrongValue, error.detail);
    }
}

fn find_method<'r>(
    target: &Node,
    call: &NamedCall,
    resources: &'r IndexMap<String, Resource>,
    report: &mut Report<'_>,
) -> Option<&'r Method> {
    let found = resources.get(&call.resource).and_then(|resource| resource.methods.get(&call.method));
    if found.is_none() {
        let known: Vec<String> =
            resources.values().flat_map(|resource| resource.methods.values().map(Method::full_name)).collect();
        let given = format!("{}.{}", call.resource, call.method);
        let help = did_you_mean(&given, known.iter().map(String::as_str));
        report.error_within(target, 0..given.len(), Rule::UnknownMethod, format!("there is no method `{given}`"), help);
    }
    found
}

fn check_undo(node: &Node, resource: &Resource, report: &mut Report<'_>) {
    for (key, method_node) in node.get("methods").map_or(&[][..], Node::entries) {
        let Some(undo_node) = method_node.get("undo") else { continue };
        let Some(name) = undo_node.text() else { continue };
        let Some(undo) = resource.methods.get(name) else {
            let help = did_you_mean(name, resource.methods.keys().map(String::as_str));
            let message = format!("the resource has no method `{name}`");
            report.error_within(undo_node, 0..name.len(), Rule::UnknownMethod, message, help);
            continue;
        };
        let Some(method) = resource.methods.get(&key.text) else { continue };
        if name == key.text {
            report.error(undo_node, Rule::UnknownMethod, "a method cannot undo itself");
        } else if undo.kind == MethodKind::List || !undo.takes_id || undo.effect == Effect::Read {
            report.error(
                undo_node,
                Rule::UnknownMethod,
                format!("`{name}` changes no single record, so it undoes nothing"),
            );
        } else if let Some(transition) = &method.transition {
            let back = undo
                .transition
                .as_ref()
                .is_some_and(|back| transition.from.is_empty() || transition.from.contains(&back.to));
            if !back {
                let message = format!("`{name}` does not lead back to a state that `{}` starts from", key.text);
                report.warning(undo_node, Rule::OneWay, message, "an undo's `to` is one of the states in `from`");
            }
        }
    }
}

/// The argument of a list that filters by a name.
fn is_filter(method: &Method, name: &str) -> bool {
    let filters = method.arguments.iter().filter(|argument| argument.place != ArgumentPlace::ListOption);
    filters.into_iter().any(|argument| argument.name == name)
}
