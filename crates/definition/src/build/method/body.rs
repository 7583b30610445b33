//! Request bodies, and places that two arguments want.

use quartermaster_expr::Template;
use serde_json::Value;

use super::super::pagination::needs_body;
use crate::diagnostics::Rule;
use crate::plan::{Argument, ArgumentPlace, BodyRule, PageStyle, Pagination};
use crate::report::Report;
use crate::tree::{Data, Node};

/// What the body is made of.
pub(super) fn rule(
    node: &Node,
    http_method: &str,
    arguments: &[Argument],
    pagination: &Pagination,
    report: &mut Report<'_>,
) -> BodyRule {
    let needed =
        needs_body(pagination) || arguments.iter().any(|argument| matches!(argument.place, ArgumentPlace::Body(_)));
    let body = node.get("body");
    let declared = match body.and_then(Node::text) {
        Some("json") => BodyRule::Json,
        Some("form") => BodyRule::Form,
        None if needed || body.is_some_and(is_fixed) => BodyRule::Json,
        Some(_) | None => BodyRule::None,
    };
    if needed && declared == BodyRule::None {
        report.error(
            node.get("body").unwrap_or(node),
            Rule::ConflictingKeys,
            "`body: none`, and an argument or cursor goes in the body",
        );
    }
    if declared != BodyRule::None && matches!(http_method, "get" | "head") {
        let message = format!("a {} request has no body", http_method.to_ascii_uppercase());
        report.error_with_help(node, Rule::ConflictingKeys, message, "send the arguments as `query`, or use `post`");
    }
    if declared == BodyRule::Form {
        for argument in arguments {
            if let ArgumentPlace::Body(pointer) = &argument.place
                && pointer[1..].contains('/')
            {
                let message = format!("`{}` goes to `{pointer}`, and a form has no levels", argument.name);
                report.error(node, Rule::ConflictingKeys, message);
            }
            if argument.values.iter().any(|(_, sent)| sent.is_null()) {
                let message = format!("`{}` sends null for a value, and a form has texts only", argument.name);
                report.error(node, Rule::ConflictingKeys, message);
            }
        }
    }
    declared
}

fn is_fixed(body: &Node) -> bool {
    matches!(body.data, Data::Map(_))
}

/// The fixed part of the body. Notes arguments and cursors that cannot be put into it, and texts that look like templates.
pub(super) fn fixed(
    node: &Node,
    arguments: &[Argument],
    pagination: &Pagination,
    report: &mut Report<'_>,
) -> Option<Value> {
    let body = node.get("body").filter(|body| is_fixed(body))?;
    refuse_templates(body, report);
    let value = body.to_value();
    for argument in arguments {
        if let ArgumentPlace::Body(pointer) = &argument.place
            && !is_reachable(&value, pointer)
        {
            let at = node.get("arguments").and_then(|arguments| arguments.get(&argument.name)).unwrap_or(node);
            let message =
                format!("`{}` goes to `{pointer}`, and the fixed `body` has another value on the way", argument.name);
            report.error(at, Rule::DuplicatePlace, message);
        }
    }
    for place in page_places(pagination) {
        if place.starts_with('/') && !is_reachable(&value, &place) {
            let message = format!("`pagination` sends to `{place}`, and the fixed `body` has another value on the way");
            report.error(body, Rule::DuplicatePlace, message);
        }
    }
    Some(value)
}

/// Texts of a fixed body are sent as they stand: a template in one would reach the vendor unread.
fn refuse_templates(node: &Node, report: &mut Report<'_>) {
    if node.text().is_some_and(|text| text.contains("{{")) {
        let help = "make it an argument with `send: {body: …}`";
        report.error_with_help(node, Rule::WrongValue, "a fixed body has no templates", help);
    }
    for (_, member) in node.entries() {
        refuse_templates(member, report);
    }
    for item in node.items() {
        refuse_templates(item, report);
    }
}

/// Whether a value can be put at `pointer`: everything on the way is an object, an array that reaches so far, or not there.
fn is_reachable(fixed: &Value, pointer: &str) -> bool {
    let mut place = fixed;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match place {
            Value::Null => return true,
            Value::Object(members) => members.get(&token),
            Value::Array(items) if token == "-" || token.parse() == Ok(items.len()) => return true,
            Value::Array(items) => match token.parse::<usize>().ok().and_then(|index| items.get(index)) {
                Some(item) => Some(item),
                None => return false,
            },
            _ => return false,
        };
        let Some(next) = next else { return true };
        place = next;
    }
    true
}

/// Notes places that two values want.
pub(super) fn check_places(
    node: &Node,
    arguments: &[Argument],
    query: &[(String, Template)],
    pagination: &Pagination,
    report: &mut Report<'_>,
) {
    let mut taken: Vec<(String, String)> =
        query.iter().map(|(name, _)| (format!("?{name}"), "`query`".to_owned())).collect();
    taken.extend(page_places(pagination).into_iter().map(|place| (place, "`pagination`".to_owned())));
    for argument in arguments {
        let place = match &argument.place {
            ArgumentPlace::Query(name) => format!("?{name}"),
            ArgumentPlace::Header(name) => format!("{name}:"),
            ArgumentPlace::Body(pointer) => pointer.clone(),
            ArgumentPlace::Template | ArgumentPlace::ListOption | ArgumentPlace::LocalFilter => continue,
        };
        let at = node.get("arguments").and_then(|arguments| arguments.get(&argument.name)).unwrap_or(node);
        if place.is_empty() {
            let help = "give the argument a place in the body, such as `/name`";
            report.error_with_help(at, Rule::BadPointer, "an argument cannot be the whole body", help);
        } else if let Some((_, other)) = taken.iter().find(|(other, _)| overlap(other, &place)) {
            let message = format!("`{}` goes to the same place as {other}", argument.name);
            report.error(at, Rule::DuplicatePlace, message);
        }
        taken.push((place, format!("`{}`", argument.name)));
    }
}

/// The same place, or one body pointer inside the other.
fn overlap(one: &str, other: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        outer.starts_with('/') && inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
    };
    one == other || inside(one, other) || inside(other, one)
}

/// Where a page is asked for: `?name` or a body pointer.
fn page_places(pagination: &Pagination) -> Vec<String> {
    let mut places = Vec::new();
    match &pagination.style {
        PageStyle::CursorQuery { send, .. }
        | PageStyle::CursorHeader { send, .. }
        | PageStyle::PageNumber { send, .. }
        | PageStyle::Offset { send, .. }
        | PageStyle::LastId { send } => places.push(format!("?{send}")),
        PageStyle::CursorBody { send, .. } | PageStyle::Perpetual { send, .. } => places.push(send.clone()),
        PageStyle::None | PageStyle::NextUrl { .. } | PageStyle::LinkHeader => {}
    }
    if let Some(size) = &pagination.size_parameter {
        places.push(if size.starts_with('/') { size.clone() } else { format!("?{size}") });
    }
    places
}
