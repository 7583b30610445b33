//! Paths of methods.

use quartermaster_expr::Template;

use super::super::variables::Roots;
use super::super::{Context, hosts};
use crate::diagnostics::Rule;
use crate::report::Report;
use crate::tree::Node;

/// Reads a path: below the base URL, or an absolute URL on a host that the definition names.
pub(super) fn build(
    node: &Node,
    arguments: &[String],
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Template> {
    let template = context.variables.template(node, Roots::CONNECTION, arguments, report)?;
    let text = template.source();
    let path = if text.contains("://") {
        hosts::check_absolute(node, context, report);
        hosts::split(text).map_or("", |parts| parts.path)
    } else if text.starts_with('/') {
        text
    } else {
        report.error(node, Rule::BadUrl, format!("a path begins with `/`; did you mean `/{text}`?"));
        text
    };
    check_literals(node, path, report);
    Some(template)
}

/// Notes literal characters that do not belong into a path.
pub(in super::super) fn check_literals(node: &Node, path: &str, report: &mut Report<'_>) {
    let literal = without_placeholders(path);
    if let Some(character) = literal.chars().find(|&character| !in_path(character)) {
        let message = match character {
            '?' | '#' => format!("`{character}` cannot stand in a path; query parameters go under `query`"),
            _ => format!("`{}` cannot stand in a path; percent-encode it", character.escape_debug()),
        };
        report.error(node, Rule::BadUrl, message);
    }
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(dots) {
        report.error(node, Rule::BadUrl, "`.` and `..` cannot stand as a segment of a path");
    }
}

/// Characters of RFC 3986 paths, and `%` of what is encoded already.
fn in_path(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(character)
}

/// The text with every placeholder taken out.
fn without_placeholders(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        out.push_str(&rest[..open]);
        rest = rest[open..].find("}}").map_or("", |close| &rest[open + close + 2..]);
    }
    out.push_str(rest);
    out
}

/// Stands in for a path that could not be read; the plan is not made then.
pub(super) fn none() -> Template {
    #[expect(clippy::expect_used, reason = "the literal is a template")]
    Template::parse("/").expect("a slash is a template")
}
