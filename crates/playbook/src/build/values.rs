//! Values, conditions, paths and names of methods.

use quartermaster_definition::notation::{Data, Node, Report, Rule, did_you_mean};
use quartermaster_expr::{Program, Template};
use quartermaster_types::Code;

use super::names::Names;
use crate::language::VARIABLES;
use crate::model::{LifecycleMethod, MethodName};
use crate::value::Expression;

/// A value with templates and `{cel: …}` in it; null where there was an error.
pub(super) fn value(node: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Expression {
    let plain = || Expression::Literal(node.to_value());
    match &node.data {
        Data::Text(text) => text_value(node, text, names, report).unwrap_or_else(plain),
        Data::List(items) => {
            let items: Vec<Expression> = items.iter().map(|item| value(item, names, report)).collect();
            if items.iter().all(is_literal) { plain() } else { Expression::List(items) }
        }
        Data::Map(entries) => {
            if let [(key, inner)] = &entries[..]
                && key.text == "cel"
                && inner.text().is_some()
            {
                return condition(Some(inner), names, report).map_or_else(plain, Expression::Cel);
            }
            let entries = named(Some(node), names, report);
            if entries.iter().all(|(_, value)| is_literal(value)) { plain() } else { Expression::Map(entries) }
        }
        Data::Null | Data::Boolean(_) | Data::Number(_) => plain(),
    }
}

fn is_literal(value: &Expression) -> bool {
    matches!(value, Expression::Literal(_))
}

fn text_value(node: &Node, text: &str, names: &Names<'_>, report: &mut Report<'_>) -> Option<Expression> {
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => {
            report.error_within(node, error.span, Rule::BadTemplate, error.message, None);
            return None;
        }
    };
    if template.as_literal().is_some() {
        return None;
    }
    names.check_template(node, &template, report);
    let alone = text.starts_with("{{") && text.ends_with("}}") && text.matches("}}").count() == 1;
    match template.paths().pop() {
        Some((path, _)) if alone => Some(Expression::Reference(path)),
        _ => Some(Expression::Text(template)),
    }
}

/// The entries of a mapping.
pub(super) fn named(node: Option<&Node>, names: &Names<'_>, report: &mut Report<'_>) -> Vec<(String, Expression)> {
    let entries = node.map_or(&[][..], Node::entries);
    entries.iter().map(|(key, node)| (key.text.clone(), value(node, names, report))).collect()
}

/// A CEL expression. Wrong ones outside of `{cel: …}` were noted when the shape was checked; the same problem is kept once.
pub(super) fn condition(node: Option<&Node>, names: &Names<'_>, report: &mut Report<'_>) -> Option<Program> {
    let node = node?;
    match Program::compile(node.text()?, VARIABLES) {
        Ok(program) => {
            names.check_program(node, &program, report);
            Some(program)
        }
        Err(error) => {
            report.error_within(node, error.span, Rule::BadExpression, error.message, None);
            None
        }
    }
}

/// A dotted path to a list.
pub(super) fn path(node: Option<&Node>, names: &Names<'_>, report: &mut Report<'_>) -> Vec<String> {
    let Some((node, text)) = node.and_then(|node| Some((node, node.text()?))) else { return Vec::new() };
    let path: Vec<String> = text.split('.').map(str::to_owned).collect();
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if path.iter().any(|name| name.is_empty() || !name.chars().all(letter)) {
        let help = "lists are not computed: make them with a step, and name its result";
        report.error_with_help(node, Rule::WrongValue, "expected a dotted path such as `steps.people.rows`", help);
        return Vec::new();
    }
    let second = path.get(1).map(String::as_str);
    names.check_path(node, &path[0], second, None, report);
    path
}

/// The name of a method.
pub(super) fn method(node: Option<&Node>, report: &mut Report<'_>) -> MethodName {
    let nothing = || MethodName::Named { resource: String::new(), method: String::new() };
    let Some((node, text)) = node.and_then(|node| Some((node, node.text()?))) else { return nothing() };
    if let Some((_, method)) = LifecycleMethod::ALL.iter().find(|(name, _)| *name == text) {
        return MethodName::Lifecycle(*method);
    }
    match text.split_once('.') {
        Some(("lifecycle", _)) => {
            let help = did_you_mean(text, LifecycleMethod::ALL.iter().map(|(name, _)| *name));
            let message = format!("a lifecycle has no method `{text}`");
            report.error_within(node, 0..text.len(), Rule::UnknownMethod, message, help);
            nothing()
        }
        Some((resource, method)) => MethodName::Named { resource: resource.to_owned(), method: method.to_owned() },
        None => nothing(),
    }
}

/// A problem code.
pub(super) fn code(node: Option<&Node>) -> Code {
    let text = node.and_then(Node::text).unwrap_or_default();
    Code::ALL.iter().copied().find(|code| code.as_str() == text).unwrap_or(Code::PreconditionFailed)
}

/// The texts of a list.
pub(super) fn texts(node: Option<&Node>) -> Vec<String> {
    node.map_or(&[][..], Node::items).iter().filter_map(|item| item.text().map(str::to_owned)).collect()
}
