//! Compares a tree with its shape and notes every difference.

use super::{Field, Group, Keys, Object, Shape, leaf, one_of};
use crate::diagnostics::Rule;
use crate::report::{Report, did_you_mean};
use crate::tree::{Data, Key, Node};

/// The most entries of one list, or of one mapping with names of one's own.
pub const ENTRIES_MAX: usize = 500;

/// Notes everything in `node` that is not as `shape` has it.
pub fn check(node: &Node, shape: &Shape, report: &mut Report<'_>) {
    match shape {
        Shape::Any => {}
        Shape::List { of, min } => check_list(node, shape, of, *min, report),
        Shape::Map { keys, of } => check_map(node, shape, *keys, of, report),
        Shape::Object(object) => check_object(node, shape, object, report),
        Shape::Either(shapes) => match shapes.iter().find(|shape| fits(node, shape)) {
            Some(shape) => check(node, shape, report),
            None => wrong_type(node, shape, report),
        },
        _ => leaf::check(node, shape, report),
    }
}

/// Notes that a value is of another type.
pub(super) fn wrong_type(node: &Node, shape: &Shape, report: &mut Report<'_>) {
    report.error(node, Rule::WrongType, format!("expected {}, found {}", shape.wanted(), node.kind()));
}

/// Whether the type (not yet the value) is one that the shape can have.
fn fits(node: &Node, shape: &Shape) -> bool {
    match (&node.data, shape) {
        (_, Shape::Any) => true,
        (Data::Null, shape) => matches!(shape, Shape::Scalar),
        (Data::Boolean(_), shape) => matches!(shape, Shape::Boolean | Shape::Scalar | Shape::ScalarTemplate),
        (Data::Number(_), shape) => matches!(
            shape,
            Shape::Integer { .. } | Shape::Number | Shape::Duration | Shape::Scalar | Shape::ScalarTemplate
        ),
        (Data::Text(_), shape) => !matches!(
            shape,
            Shape::Boolean
                | Shape::Integer { .. }
                | Shape::Number
                | Shape::Schema
                | Shape::List { .. }
                | Shape::Map { .. }
                | Shape::Object(_)
        ),
        (Data::List(_), shape) => matches!(shape, Shape::List { .. }),
        (Data::Map(_), shape) => matches!(shape, Shape::Map { .. } | Shape::Object(_) | Shape::Schema),
    }
}

/// Notes a list or mapping that is too long; its entries are not looked at then.
fn over_limit(node: &Node, entries: usize, report: &mut Report<'_>) -> bool {
    let over = entries > ENTRIES_MAX;
    if over {
        report.error(
            node,
            Rule::Limit,
            format!("at most {ENTRIES_MAX} entries may stand here, and there are {entries}"),
        );
    }
    over
}

fn check_list(node: &Node, shape: &Shape, of: &Shape, min: usize, report: &mut Report<'_>) {
    let Data::List(items) = &node.data else { return wrong_type(node, shape, report) };
    if over_limit(node, items.len(), report) {
        return;
    }
    if items.len() < min {
        report.error(node, Rule::WrongValue, format!("this list needs {min} entry or more"));
    }
    for item in items {
        check(item, of, report);
    }
}

fn check_map(node: &Node, shape: &Shape, keys: Keys, of: &Shape, report: &mut Report<'_>) {
    let Data::Map(entries) = &node.data else { return wrong_type(node, shape, report) };
    if over_limit(node, entries.len(), report) {
        return;
    }
    for (key, value) in entries {
        check_key(key, value, keys, report);
        check(value, of, report);
    }
}

fn check_key(key: &Key, value: &Node, keys: Keys, report: &mut Report<'_>) {
    match keys {
        Keys::SnakeCase => {
            if let Err(message) = leaf::snake_case(&key.text) {
                report.error_at_key(key, value, Rule::BadName, message, None);
            }
        }
        Keys::Header => {
            if let Err(message) = leaf::header_name(&key.text) {
                report.error_at_key(key, value, Rule::BadHeader, message, None);
            }
        }
        Keys::Any if key.text.is_empty() => {
            report.error_at_key(key, value, Rule::BadName, "a name must not be empty", None);
        }
        Keys::Any => {}
    }
}

fn check_object(node: &Node, shape: &Shape, object: &Object, report: &mut Report<'_>) {
    let Data::Map(entries) = &node.data else { return wrong_type(node, shape, report) };
    let names = || object.fields.iter().map(|field| field.name);
    for (key, value) in entries {
        match object.fields.iter().find(|field| field.name == key.text) {
            Some(field) => check(value, &field.shape, report),
            None => {
                let help = did_you_mean(&key.text, names());
                report.error_at_key(key, value, Rule::UnknownKey, format!("there is no key `{}` here", key.text), help);
            }
        }
    }
    for field in object.fields.iter().filter(|field| field.required && node.get(field.name).is_none()) {
        missing(node, field, report);
    }
    for group in object.groups {
        check_group(node, entries, group, report);
    }
}

fn missing(node: &Node, field: &Field, report: &mut Report<'_>) {
    report.error_with_help(
        node,
        Rule::MissingKey,
        format!("`{}` is missing here", field.name),
        format!("it is {}: {}", field.shape.wanted(), field.about),
    );
}

fn check_group(node: &Node, entries: &[(Key, Node)], group: &Group, report: &mut Report<'_>) {
    let mut present = entries.iter().filter(|(key, _)| group.names.contains(&key.text.as_str()));
    match present.next() {
        None if group.needed => {
            report.error(node, Rule::ConflictingKeys, format!("one of {} must stand here", one_of(group.names)));
        }
        None => {}
        Some((first, _)) => {
            for (key, value) in present {
                let message = format!("`{}` and `{}` exclude each other", first.text, key.text);
                let help = Some(format!("only one of {} may stand here", one_of(group.names)));
                report.error_at_key(key, value, Rule::ConflictingKeys, message, help);
            }
        }
    }
}
