//! A playbook against an integration: methods and arguments that its definition does not have.

use quartermaster_definition::MethodKind;
use quartermaster_definition::notation::{Diagnostics, Node, Report, Rule, check_value, did_you_mean};
use quartermaster_definition::plan::{Method, Plan};

use crate::load::Playbook;
use crate::model::LifecycleMethod;

impl Playbook {
    /// What this playbook calls and the integration does not have: methods, arguments, a lifecycle; empty when it can run
    /// there. Steps that name an account of their own are not looked at: that may be another integration's.
    pub fn check_against(&self, plan: &Plan) -> Diagnostics {
        let mut diagnostics = Diagnostics::new(self.source.clone());
        let mut report = Report::new(&self.tree, &mut diagnostics);
        if let Some(steps) = self.tree.get("steps") {
            list(steps, plan, &mut report);
        }
        diagnostics.sort();
        diagnostics
    }
}

fn list(steps: &Node, plan: &Plan, report: &mut Report<'_>) {
    for step in steps.items() {
        if let Some(node) = step.get("call") {
            if node.get("account").is_some() {
                continue;
            }
            let target = if node.text().is_some() { Some(node) } else { node.get("method") };
            call(target, node.get("with"), false, plan, report);
            if let Some(confirm) = node.get("confirm") {
                call(confirm.get("method"), confirm.get("with"), false, plan, report);
            }
        } else if let Some(node) = step.get("find").filter(|node| node.get("account").is_none()) {
            call(node.get("list"), node.get("where"), true, plan, report);
        } else if let Some(steps) = step.at(&["for_each", "steps"]) {
            list(steps, plan, report);
        }
    }
}

/// One call: its method, and its arguments by name and, where they are fixed, by value.
fn call(target: Option<&Node>, with: Option<&Node>, is_find: bool, plan: &Plan, report: &mut Report<'_>) {
    let Some((target, name)) = target.and_then(|target| Some((target, target.text()?))) else { return };
    let Some(method) = method(target, name, plan, report) else { return };
    if is_find && !method.gives_many {
        let message = format!("`{name}` gives one record; only a list can be looked through");
        report.error(target, Rule::WrongValue, message);
        return;
    }
    let email = plan.lifecycle.as_ref().filter(|_| is_find && name.starts_with("lifecycle."));
    let given = with.map_or(&[][..], Node::entries);
    for (key, value) in given {
        let argument = match email {
            Some(lifecycle) if key.text == "email" => lifecycle.find_by_email.as_str(),
            _ => key.text.as_str(),
        };
        let Some(argument) = method.arguments.iter().find(|known| known.name == argument) else {
            let help = did_you_mean(&key.text, method.arguments.iter().map(|argument| argument.name.as_str()));
            let message = format!("`{}` of {} takes no argument `{}`", method.full_name(), plan.label, key.text);
            report.error_at_key(key, value, Rule::UnknownArgument, message, help);
            continue;
        };
        if is_fixed(value) {
            for error in check_value(&argument.schema, &value.to_value(), "member") {
                report.error(value, Rule::WrongValue, error.detail);
            }
        }
    }
    for argument in method.arguments.iter().filter(|argument| argument.required) {
        if !given.iter().any(|(key, _)| key.text == argument.name) {
            let message = format!(
                "`{}` of {} needs `{}`, which is not given here",
                method.full_name(),
                plan.label,
                argument.name
            );
            report.error_with_help(target, Rule::MissingArgument, message, "give it under `with`");
        }
    }
}

fn method<'p>(target: &Node, name: &str, plan: &'p Plan, report: &mut Report<'_>) -> Option<&'p Method> {
    let lifecycle = LifecycleMethod::ALL.iter().find(|(known, _)| *known == name);
    if let Some((_, which)) = lifecycle {
        let Some(lifecycle) = &plan.lifecycle else {
            let message = format!("the definition of {} has no `lifecycle`, so there is no `{name}`", plan.label);
            report.error(target, Rule::UnknownMethod, message);
            return None;
        };
        let found = match which {
            LifecycleMethod::List => {
                let resource = plan.resources.get(&lifecycle.resource)?;
                resource.methods.values().find(|method| method.kind == MethodKind::List)
            }
            LifecycleMethod::Get => plan.method(&lifecycle.resource, "get"),
            LifecycleMethod::Suspend => plan.method(&lifecycle.resource, &lifecycle.suspend),
            LifecycleMethod::Reactivate => {
                lifecycle.reactivate.as_ref().and_then(|method| plan.method(&lifecycle.resource, method))
            }
        };
        if found.is_none() {
            report.error(target, Rule::UnknownMethod, format!("the lifecycle of {} has no `{name}`", plan.label));
        }
        return found;
    }
    let found = name.split_once('.').and_then(|(resource, method)| plan.method(resource, method));
    if found.is_none() {
        let known: Vec<String> = plan.methods().map(Method::full_name).collect();
        let help = did_you_mean(name, known.iter().map(String::as_str));
        let message = format!("{} has no method `{name}`", plan.label);
        report.error_within(target, 0..name.len(), Rule::UnknownMethod, message, help);
    }
    found
}

/// Whether nothing in a value is computed.
fn is_fixed(node: &Node) -> bool {
    if let [(key, _)] = node.entries()
        && key.text == "cel"
    {
        return false;
    }
    !node.text().is_some_and(|text| text.contains("{{"))
        && node.items().iter().all(is_fixed)
        && node.entries().iter().all(|(_, value)| is_fixed(value))
}
