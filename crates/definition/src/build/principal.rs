//! Who the connection itself is among the vendor's records.

use super::Context;
use super::variables::Roots;
use crate::diagnostics::Rule;
use crate::plan::Principal;
use crate::report::Report;
use crate::tree::Node;

/// The principal, when the definition says how it is known.
pub(super) fn build(context: &mut Context<'_>, report: &mut Report<'_>) -> Option<Principal> {
    let node = context.root.at(&["connection", "principal"])?;
    let equals = context.variables.template(node.get("equals")?, Roots::CONNECTION, &[], report)?;
    let named = node.get("resource").and_then(Node::text);
    let Some(resource) = named.or_else(|| context.root.at(&["lifecycle", "resource"])?.text()) else {
        let help = "say in which resource the record is, for instance `resource: users`";
        report.error_with_help(node, Rule::MissingKey, "`resource` is missing here, and there is no `lifecycle`", help);
        return None;
    };
    if context.root.at(&["resources", resource]).is_none() {
        let message = format!("there is no resource `{resource}`");
        report.error(node.get("resource").unwrap_or(node), Rule::WrongValue, message);
    }
    Some(Principal { resource: resource.to_owned(), at: node.get("at")?.text()?.to_owned(), equals })
}
