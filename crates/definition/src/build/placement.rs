//! Fixed headers, query parameters and token parameters: names with templates.

use quartermaster_expr::Template;

use super::Context;
use super::variables::Roots;
use crate::diagnostics::Rule;
use crate::report::Report;
use crate::tree::Node;

/// What the templates may use.
pub(super) struct Allowed<'a> {
    pub(super) roots: Roots,
    pub(super) arguments: &'a [String],
}

impl Allowed<'_> {
    /// Only the connection.
    pub(super) const CONNECTION: Self = Self { roots: Roots::CONNECTION, arguments: &[] };
}

/// Reads a mapping of names to templates. Header names become lower-case, and their literal text must be one that a header
/// can carry.
pub(super) fn fixed(
    node: &Node,
    is_headers: bool,
    context: &Context<'_>,
    allowed: &Allowed<'_>,
    report: &mut Report<'_>,
) -> Vec<(String, Template)> {
    let mut out: Vec<(String, Template)> = Vec::new();
    for (key, value) in node.entries() {
        let name = if is_headers { key.text.to_ascii_lowercase() } else { key.text.clone() };
        if out.iter().any(|(other, _)| *other == name) {
            let message = format!("`{name}` stands here twice: the case of header names does not matter");
            report.error_at_key(key, value, Rule::DuplicateKey, message, None);
        }
        let text = value.scalar_text().unwrap_or_default();
        if is_headers && !text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
            report.error(value, Rule::BadHeader, "a header value has printable ASCII characters only");
        }
        if is_headers && name == "authorization" {
            let help = Some("say it under `connection: auth`, so that it is kept secret".to_owned());
            report.error_at_key(key, value, Rule::BadHeader, "`authorization` is set by `auth`", help);
        }
        let template = match value.text() {
            Some(_) => context.variables.template(value, allowed.roots, allowed.arguments, report),
            None => Template::parse(&text).ok(),
        };
        out.extend(template.map(|template| (name, template)));
    }
    out
}
