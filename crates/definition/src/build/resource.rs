//! Resources: ids, states, records.

use indexmap::IndexMap;
use regex::RegexBuilder;

use super::links::named_call;
use super::{Context, connection, method, name_tools};
use crate::diagnostics::Rule;
use crate::plan::{ID_AT_DEFAULT, IdRule, Resource, StateRule};
use crate::report::Report;
use crate::shape::snake_case;
use crate::tree::{Key, Node};

pub(super) fn build(context: &mut Context<'_>, report: &mut Report<'_>) -> Option<IndexMap<String, Resource>> {
    let node = context.root.get("resources")?;
    if node.entries().is_empty() {
        report.error(node, Rule::WrongValue, "a definition needs one resource or more");
    }
    let mut resources = IndexMap::new();
    for (key, node) in node.entries() {
        resources.insert(key.text.clone(), resource(key, node, context, report));
    }
    name_tools(&mut resources, context, report);
    Some(resources)
}

fn resource(key: &Key, node: &Node, context: &Context<'_>, report: &mut Report<'_>) -> Resource {
    let singular = match node.get("singular") {
        Some(singular) => {
            let text = singular.text().unwrap_or_default();
            if let Err(message) = snake_case(text) {
                report.error(singular, Rule::BadName, message);
            }
            text.to_owned()
        }
        None => singular_of(&key.text),
    };
    let mut resource = Resource {
        name: key.text.clone(),
        singular,
        id: id_rule(node.get("id"), report),
        state: node.get("state").and_then(state_rule),
        record: node.get("record").map(Node::to_value),
        methods: IndexMap::new(),
    };
    let methods = node.get("methods");
    if let Some(methods) = methods
        && methods.entries().is_empty()
    {
        report.error(methods, Rule::WrongValue, "a resource needs one method or more");
    }
    for (name, method_node) in methods.map_or(&[][..], Node::entries) {
        let method = method::build(name, method_node, &resource, node, context, report);
        resource.methods.insert(name.text.clone(), method);
    }
    resource
}

/// `policies` → `policy`, `addresses` → `address`, `users` → `user`.
fn singular_of(plural: &str) -> String {
    if let Some(stem) = plural.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "xes", "ches", "shes"] {
        if plural.ends_with(ending) {
            return plural[..plural.len() - 2].to_owned();
        }
    }
    match plural.strip_suffix('s') {
        Some(stem) if !stem.is_empty() && !stem.ends_with('s') => stem.to_owned(),
        _ => plural.to_owned(),
    }
}

fn id_rule(node: Option<&Node>, report: &mut Report<'_>) -> IdRule {
    let Some(node) = node else { return IdRule::default() };
    connection::check_pattern(node, report);
    let pattern = node.get("pattern").and_then(Node::text).and_then(|pattern| {
        let anchored = if connection::is_anchored(pattern) { pattern.to_owned() } else { format!("^(?:{pattern})$") };
        RegexBuilder::new(&anchored).size_limit(crate::shape::PATTERN_SIZE_MAX).build().ok()
    });
    IdRule {
        at: node.get("at").and_then(Node::text).unwrap_or(ID_AT_DEFAULT).to_owned(),
        pattern,
        description: node.get("description").and_then(Node::text).map(str::to_owned),
        find: node.get("find").and_then(named_call),
    }
}

fn state_rule(node: &Node) -> Option<StateRule> {
    let values = node.get("values")?.items().iter().filter_map(Node::text).map(str::to_owned).collect();
    Some(StateRule { at: node.get("at")?.text()?.to_owned(), values })
}

#[cfg(test)]
mod tests {
    use super::singular_of;

    #[test]
    fn singulars_are_guessed() {
        for (plural, singular) in [
            ("users", "user"),
            ("policies", "policy"),
            ("addresses", "address"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("status", "statu"),
            ("access", "access"),
            ("staff", "staff"),
            ("s", "s"),
        ] {
            assert_eq!(singular_of(plural), singular, "{plural}");
        }
    }
}
