//! Plans made by hand for tests.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::OnceLock;

use indexmap::IndexMap;
use quartermaster_expr::Template;
use serde_json::{Map, Value, json};

use super::{
    OutputShape, id_argument, input_schema, list_arguments, output_schema, tool_alias, tool_name, tool_prefix,
};
use crate::plan::{
    Argument, ArgumentPlace, Auth, BodyRule, Effect, ErrorRules, IdRule, Method, MethodKind, NamedCall, PageStyle,
    Pagination, Plan, RateLimitRules, Resource,
};

pub(crate) fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

pub(crate) fn argument(name: &str, schema: Value, required: bool) -> Argument {
    Argument { name: name.into(), schema, required, place: ArgumentPlace::Body(format!("/{name}")), values: Vec::new() }
}

pub(crate) fn users_id() -> IdRule {
    IdRule {
        at: "/id".into(),
        pattern: Some(regex::Regex::new("^[A-Z2-7]{26}$").unwrap()),
        description: Some("A user id is 26 characters, A-Z and 2-7.".into()),
        find: Some(NamedCall {
            resource: "users".into(),
            method: "list".into(),
            arguments: Map::from_iter([("email".into(), "{value}".into())]),
        }),
    }
}

/// A method whose arguments are these; lists get the list options, the others the id in front when `takes_id`.
pub(crate) fn method(integration: &str, name: &str, kind: MethodKind, takes_id: bool, own: Vec<Argument>) -> Method {
    let mut arguments = Vec::new();
    if takes_id {
        arguments.push(id_argument(&users_id()));
    }
    arguments.extend(own);
    if kind == MethodKind::List {
        arguments.extend(list_arguments());
    }
    let tool_name = tool_name(&tool_prefix(integration), "users", "user", kind, name);
    let shape = match kind {
        MethodKind::List => OutputShape::List { has_local_filters: false },
        _ => OutputShape::Single { has_transition: kind == MethodKind::Custom },
    };
    Method {
        resource: "users".into(),
        name: name.into(),
        kind,
        gives_many: kind == MethodKind::List,
        tool_alias: tool_alias(&tool_name),
        tool_name,
        title: format!("Users: {name}"),
        description: Some(format!("What {name} does to users.")),
        tags: vec!["directory".into()],
        effect: match kind {
            MethodKind::List | MethodKind::Get => Effect::Read,
            MethodKind::Delete => Effect::Destructive,
            _ => Effect::Write,
        },
        idempotent: true,
        http_method: "POST".into(),
        path: template("/users"),
        query: Vec::new(),
        headers: Vec::new(),
        body: BodyRule::Json,
        fixed_body: None,
        input_schema: input_schema(&arguments),
        output_schema: output_schema(shape, Some(&json!({"type": "object"}))),
        arguments,
        takes_id,
        result: String::new(),
        pagination: Pagination {
            style: PageStyle::None,
            size_parameter: None,
            size_default: 25,
            size_max: 1000,
            has_more: None,
        },
        local_filters: Vec::new(),
        transition: None,
        read_before: None,
        validator: OnceLock::new(),
    }
}

pub(crate) fn plan(integration: &str, methods: Vec<Method>) -> Plan {
    let tool_names = methods
        .iter()
        .flat_map(|method| {
            let target = (method.resource.clone(), method.name.clone());
            [(method.tool_name.clone(), target.clone()), (method.tool_alias.clone(), target)]
        })
        .collect();
    let users = Resource {
        name: "users".into(),
        singular: "user".into(),
        id: users_id(),
        state: None,
        record: None,
        methods: methods.into_iter().map(|method| (method.name.clone(), method)).collect(),
    };
    Plan {
        name: integration.into(),
        label: integration.into(),
        category: "identity".into(),
        description: None,
        tool_prefix: tool_prefix(integration),
        version: "0".repeat(32),
        base_url: template("https://example.test"),
        hosts: Vec::new(),
        connection_fields: Vec::new(),
        connection_schema: json!({}),
        connection_validator: OnceLock::new(),
        credential_fields: Vec::new(),
        auth: Auth::None,
        principal: None,
        verify: None,
        headers: Vec::new(),
        rate_limits: RateLimitRules::default(),
        errors: ErrorRules::default(),
        lifecycle: None,
        resources: IndexMap::from([("users".to_owned(), users)]),
        effective: json!({}),
        tool_names,
    }
}
