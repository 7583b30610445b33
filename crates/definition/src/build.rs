//! From a tree to a plan.
//!
//! The shape of the tree was checked before ([`crate::shape::check`]), so a value of a wrong type is skipped here without a
//! word; what is checked here is whether the parts fit together.

mod auth;
mod connection;
mod errors;
mod hosts;
mod links;
mod method;
mod pagination;
mod placement;
mod principal;
mod resource;
pub(crate) mod schema_value;
mod variables;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use indexmap::IndexMap;
use quartermaster_expr::Template;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::diagnostics::Rule;
use crate::plan::{Plan, Resource};
use crate::report::Report;
use crate::tools::{tool_alias, tool_name, tool_prefix};
use crate::tree::Node;
use variables::Variables;

/// What every part of the builder may look at.
pub(crate) struct Context<'n> {
    /// The whole definition.
    root: &'n Node,
    /// The integration's name for people.
    label: String,
    /// The name as it stands in tool names.
    prefix: String,
    /// Names that templates may use, and which of them were used.
    variables: Variables,
}

/// Builds the plan; `None` when there were errors.
pub(crate) fn build(root: &Node, report: &mut Report<'_>) -> Option<Plan> {
    let name = root.get("name").and_then(Node::text).unwrap_or_default();
    let mut context = Context {
        root,
        label: root.get("label").and_then(Node::text).unwrap_or(name).to_owned(),
        prefix: tool_prefix(name),
        variables: Variables::of(root),
    };
    let parts = Parts::build(&mut context, report);
    links::check(root, parts.resources.as_ref(), report);
    if report.has_errors() {
        return None;
    }
    // After errors, much is unused that a correction would use.
    context.variables.warn_unused(root, report);
    parts.into_plan(root, &context)
}

/// The parts of a plan; a part is `None` when an error was noted for it.
struct Parts {
    base_url: Option<Template>,
    hosts: Vec<Template>,
    connection: connection::Connection,
    auth: Option<crate::plan::Auth>,
    principal: Option<crate::plan::Principal>,
    headers: Vec<(String, Template)>,
    rate_limits: crate::plan::RateLimitRules,
    errors: crate::plan::ErrorRules,
    resources: Option<IndexMap<String, Resource>>,
}

impl Parts {
    fn build(context: &mut Context<'_>, report: &mut Report<'_>) -> Self {
        let root = context.root;
        Self {
            base_url: hosts::base_url(context, report),
            hosts: hosts::further(context, report),
            connection: connection::build(root, report),
            auth: auth::build(context, report),
            principal: principal::build(context, report),
            headers: root.get("headers").map_or_else(Vec::new, |node| {
                placement::fixed(node, true, context, &placement::Allowed::CONNECTION, report)
            }),
            rate_limits: errors::rate_limits(root),
            errors: errors::error_rules(context, report),
            resources: resource::build(context, report),
        }
    }

    fn into_plan(self, root: &Node, context: &Context<'_>) -> Option<Plan> {
        let text = |key: &str| root.get(key).and_then(Node::text).map(str::to_owned);
        let effective = root.to_value();
        let resources = self.resources?;
        let tool_names = tool_names(&resources);
        Some(Plan {
            name: text("name")?,
            label: context.label.clone(),
            category: text("category")?,
            description: text("description"),
            tool_prefix: context.prefix.clone(),
            version: version_of(&effective),
            base_url: self.base_url?,
            hosts: self.hosts,
            connection_schema: self.connection.schema,
            connection_validator: OnceLock::new(),
            connection_fields: self.connection.fields,
            credential_fields: self.connection.credentials,
            auth: self.auth?,
            principal: self.principal,
            verify: root.at(&["connection", "verify"]).and_then(links::named_call),
            headers: self.headers,
            rate_limits: self.rate_limits,
            errors: self.errors,
            lifecycle: root.get("lifecycle").and_then(links::lifecycle),
            resources,
            effective,
            tool_names,
        })
    }
}

/// Hash of the effective definition: the first 32 hex digits of the SHA-256 of its compact JSON, keys in their order.
fn version_of(effective: &Value) -> String {
    let digest = Sha256::digest(effective.to_string().as_bytes());
    digest.iter().take(16).fold(String::with_capacity(32), |mut out, byte| {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Tools by name and alias.
fn tool_names(resources: &IndexMap<String, Resource>) -> IndexMap<String, (String, String)> {
    let mut names = IndexMap::new();
    for (resource, method) in
        resources.values().flat_map(|resource| resource.methods.values().map(move |method| (resource, method)))
    {
        for name in [&method.tool_name, &method.tool_alias] {
            names.insert(name.to_ascii_lowercase(), (resource.name.clone(), method.name.clone()));
        }
    }
    names
}

/// Names the tools. Two methods of one name are an error: which of them a hash would rename would depend on their order.
fn name_tools(resources: &mut IndexMap<String, Resource>, context: &Context<'_>, report: &mut Report<'_>) {
    let mut taken: HashMap<String, String> = HashMap::new();
    for resource in resources.values_mut() {
        let singular = resource.singular.clone();
        for method in resource.methods.values_mut() {
            method.tool_name = tool_name(&context.prefix, &method.resource, &singular, method.kind, &method.name);
            method.tool_alias = tool_alias(&method.tool_name);
            let full_name = method.full_name();
            let node = context.root.at(&["resources", &method.resource, "methods", &method.name]);
            for name in [&method.tool_name, &method.tool_alias] {
                let other = taken.entry(name.clone()).or_insert_with(|| full_name.clone());
                if let Some(node) = node.filter(|_| *other != full_name) {
                    let message = format!("the tools of `{other}` and `{full_name}` would both be called `{name}`");
                    report.error_with_help(
                        node,
                        Rule::DuplicateTool,
                        message,
                        "rename the method, the resource or its `singular`",
                    );
                    break;
                }
            }
        }
    }
}
