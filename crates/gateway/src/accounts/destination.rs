//! Where an account's credentials go, and how: what must not change without whoever knows them.

use quartermaster_definition::Plan;
use quartermaster_expr::{Place, Root, Scope, Template};
use serde_json::{Map, Value};

/// The rendered base URL and hosts, and the definition's way of authentication.
#[derive(PartialEq)]
pub(super) struct Destination {
    /// `None` for what does not render: it reaches nothing.
    addresses: Vec<Option<String>>,
    auth: Value,
}

/// Of an account with this connection.
pub(super) fn of(plan: &Plan, connection: &Map<String, Value>) -> Destination {
    let nothing = Map::new();
    let roots = [("connection", Root::Object(connection))];
    let scope = Scope { roots: &roots, arguments: &nothing };
    let render = |template: &Template| template.render(&scope, Place::BaseUrl).ok();
    Destination {
        addresses: std::iter::once(&plan.base_url).chain(&plan.hosts).map(render).collect(),
        auth: authentication(plan),
    }
}

/// Base URL, hosts and authentication as a definition's text has them, before any connection.
pub(crate) fn declared(plan: &Plan) -> (&str, Vec<&str>, Value) {
    (plan.base_url.source(), plan.hosts.iter().map(Template::source).collect(), authentication(plan))
}

fn authentication(plan: &Plan) -> Value {
    plan.effective.pointer("/connection/auth").cloned().unwrap_or_default()
}
