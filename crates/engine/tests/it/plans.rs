//! Plans made by hand, so that these tests do not depend on the definition language.

use std::sync::OnceLock;

use indexmap::IndexMap;
use quartermaster_definition::plan::{
    Argument, ArgumentPlace, Auth, BodyRule, ClientAuth, ClientCredentials, Comparison, Effect, ErrorRules,
    Explanation, IdRule, LocalFilter, NamedCall, PageStyle, Pagination, RateLimitRules, RateSource, Resource,
    StateRule, Transition,
};
use quartermaster_definition::{Method, MethodKind, Plan};
use quartermaster_expr::{Program, Template};
use serde_json::{Map, Value};

pub fn template(source: &str) -> Template {
    Template::parse(source).unwrap()
}

pub fn program(source: &str) -> Program {
    Program::compile(source, quartermaster_definition::plan::ERROR_VARIABLES).unwrap()
}

/// A vendor with one resource `users`: list, get, suspend, note.
pub fn plan(base_url: &str) -> Plan {
    let methods = [list(no_pages()), get(), suspend(), note()];
    let resource = Resource {
        name: "users".to_owned(),
        singular: "user".to_owned(),
        id: IdRule { at: "/id".to_owned(), ..IdRule::default() },
        state: Some(StateRule { at: "/state".to_owned(), values: vec!["ACTIVE".to_owned(), "SUSPENDED".to_owned()] }),
        record: None,
        methods: methods.into_iter().map(|method| (method.name.clone(), method)).collect(),
    };
    Plan {
        name: "acme".to_owned(),
        label: "Acme".to_owned(),
        category: "identity".to_owned(),
        description: None,
        tool_prefix: "acme".to_owned(),
        version: "0".repeat(32),
        base_url: template(base_url),
        hosts: Vec::new(),
        connection_fields: Vec::new(),
        connection_schema: Value::Null,
        connection_validator: OnceLock::new(),
        credential_fields: Vec::new(),
        auth: Auth::None,
        principal: None,
        verify: None,
        headers: vec![("user-agent".to_owned(), template("Tests/1"))],
        rate_limits: RateLimitRules {
            sources: vec![RateSource::RetryAfter, RateSource::Structured, RateSource::Trio],
            heuristics: true,
            unbudgeted: false,
            limited_when: Vec::new(),
        },
        errors: ErrorRules {
            message: vec!["/message".to_owned(), "/error/message".to_owned()],
            code: vec!["/error/status".to_owned(), "/code".to_owned()],
            failed_when: Vec::new(),
            explain: Vec::new(),
        },
        lifecycle: None,
        resources: IndexMap::from([("users".to_owned(), resource)]),
        effective: Value::Null,
        tool_names: IndexMap::new(),
    }
}

/// The same with pages.
pub fn paged(base_url: &str, pagination: Pagination) -> Plan {
    let mut plan = plan(base_url);
    let list = method_mut(&mut plan, "list");
    if matches!(pagination.style, PageStyle::CursorBody { .. } | PageStyle::Perpetual { .. }) {
        "POST".clone_into(&mut list.http_method);
        list.body = BodyRule::Json;
    }
    list.pagination = pagination;
    plan
}

pub fn method_mut<'p>(plan: &'p mut Plan, name: &str) -> &'p mut Method {
    plan.resources.get_mut("users").unwrap().methods.get_mut(name).unwrap()
}

pub fn pages(style: PageStyle) -> Pagination {
    Pagination { style, size_parameter: Some("size".to_owned()), size_default: 2, size_max: 3, has_more: None }
}

fn no_pages() -> Pagination {
    Pagination { style: PageStyle::None, size_parameter: None, size_default: 25, size_max: 100, has_more: None }
}

fn method(name: &str, kind: MethodKind, http_method: &str, path: &str) -> Method {
    Method {
        resource: "users".to_owned(),
        name: name.to_owned(),
        kind,
        gives_many: kind == MethodKind::List,
        tool_name: format!("acme_users_{name}"),
        tool_alias: format!("acme_users_{name}"),
        title: name.to_owned(),
        description: None,
        tags: Vec::new(),
        effect: Effect::Read,
        idempotent: true,
        http_method: http_method.to_owned(),
        path: template(path),
        query: Vec::new(),
        headers: Vec::new(),
        body: BodyRule::None,
        fixed_body: None,
        arguments: Vec::new(),
        takes_id: false,
        result: String::new(),
        pagination: no_pages(),
        local_filters: Vec::new(),
        transition: None,
        read_before: None,
        input_schema: Value::Null,
        output_schema: Value::Null,
        validator: OnceLock::new(),
    }
}

pub fn argument(name: &str, place: ArgumentPlace) -> Argument {
    Argument { name: name.to_owned(), schema: Value::Null, required: false, place, values: Vec::new() }
}

pub fn filter(argument: &str, at: &str, compare: Comparison) -> LocalFilter {
    LocalFilter { argument: argument.to_owned(), at: at.to_owned(), compare, fold_case: true }
}

/// An argument for whose values something else is sent.
pub fn mapped(name: &str, place: ArgumentPlace, values: &[(&str, Value)]) -> Argument {
    let values = values.iter().map(|(from, to)| (Value::from(*from), to.clone())).collect();
    Argument { values, ..argument(name, place) }
}

fn list(pagination: Pagination) -> Method {
    Method {
        result: "/results".to_owned(),
        pagination,
        local_filters: vec![
            filter("email", "/email", Comparison::Equals),
            filter("email_ends_with", "/email", Comparison::EndsWith),
            filter("name_contains", "/name", Comparison::Contains),
            filter("name_starts_with", "/name", Comparison::StartsWith),
        ],
        arguments: vec![
            mapped("state", ArgumentPlace::Query("filter".to_owned()), &[("ACTIVE", Value::from("user.isActive()"))]),
            argument("tag", ArgumentPlace::Query("tag".to_owned())),
        ],
        ..method("list", MethodKind::List, "GET", "/users")
    }
}

fn get() -> Method {
    Method {
        takes_id: true,
        arguments: vec![argument("id", ArgumentPlace::Template)],
        ..method("get", MethodKind::Get, "GET", "/users/{{ id }}")
    }
}

fn suspend() -> Method {
    Method {
        takes_id: true,
        effect: Effect::Destructive,
        arguments: vec![argument("id", ArgumentPlace::Template)],
        transition: Some(Transition {
            at: "/state".to_owned(),
            from: vec!["ACTIVE".to_owned()],
            to: "SUSPENDED".to_owned(),
            undo: None,
        }),
        read_before: Some("get".to_owned()),
        ..method("suspend", MethodKind::Custom, "POST", "/users/{{ id }}:suspend")
    }
}

/// A plain write with arguments in every place.
fn note() -> Method {
    Method {
        takes_id: true,
        effect: Effect::Write,
        body: BodyRule::Json,
        arguments: vec![
            argument("id", ArgumentPlace::Template),
            argument("text", ArgumentPlace::Body("/note/text".to_owned())),
            argument("query", ArgumentPlace::Query("q".to_owned())),
            argument("header", ArgumentPlace::Header("x-note".to_owned())),
        ],
        ..method("note", MethodKind::Custom, "POST", "/users/{{ id }}/notes")
    }
}

pub fn client_credentials(client_auth: ClientAuth) -> Auth {
    Auth::ClientCredentials(ClientCredentials {
        token_url: template("{{ base_url }}/token"),
        client_auth,
        client_id: template("{{ credentials.client_id }}"),
        client_secret: template("{{ credentials.client_secret }}"),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        scope_separator: " ".to_owned(),
        parameters: vec![("audience".to_owned(), template("urn:{{ connection.tenant }}"))],
        lifetime_seconds: 900,
    })
}

pub fn explanation(when: &str, code: Option<quartermaster_types::Code>, hint: &str) -> Explanation {
    let next = NamedCall { resource: "users".to_owned(), method: "list".to_owned(), arguments: Map::new() };
    Explanation { when: program(when), code, hint: Some(template(hint)), next: Some(next), retryable: None }
}
