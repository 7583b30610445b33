//! What the language can say, and the plans that come of it.

use quartermaster_definition::plan::{
    ArgumentPlace, Auth, BodyRule, ClientAuth, Comparison, Effect, MethodKind, PageStyle, RateKind, RateSource,
};
use quartermaster_definition::{Plan, load};
use serde_json::json;

use crate::cases::BASE;

/// The plan of the base with one text replaced.
fn plan(from: &str, to: &str) -> Plan {
    assert_eq!(BASE.matches(from).count(), 1, "`{from}` must stand in the base once");
    let (definition, diagnostics) = load("acme.yaml", &BASE.replace(from, to));
    definition.unwrap_or_else(|| panic!("{diagnostics}")).compile().expect("it compiles")
}

fn style(pagination: &str) -> (PageStyle, Option<String>) {
    let whole = "pagination:\n  cursor: {send: after, read: /next}\n  size: {send: size, default: 20, max: 100}\n";
    let plan = plan(whole, &format!("pagination: {pagination}\n"));
    let list = plan.method("users", "list").expect("there is a list");
    (list.pagination.style.clone(), list.pagination.has_more.clone())
}

#[test]
fn every_page_style_can_be_said() {
    let text = str::to_owned;
    let cases = [
        ("none", PageStyle::None),
        ("{cursor: {send: c, read: /c}}", PageStyle::CursorQuery { send: text("c"), read: text("/c") }),
        ("{cursor: {send: c, read_header: X-Next}}", PageStyle::CursorHeader { send: text("c"), read: text("x-next") }),
        ("{next_url: {read: /next}}", PageStyle::NextUrl { read: text("/next") }),
        ("{link_header: {}}", PageStyle::LinkHeader),
        ("{page: {send: p}}", PageStyle::PageNumber { send: text("p"), first: 1, total_pages: None }),
        (
            "{page: {send: p, first: 0, total_pages: /pages}}",
            PageStyle::PageNumber { send: text("p"), first: 0, total_pages: Some(text("/pages")) },
        ),
        ("{offset: {send: o}}", PageStyle::Offset { send: text("o"), first: 0, total: None }),
        (
            "{offset: {send: startIndex, first: 1, total: /totalResults}}",
            PageStyle::Offset { send: text("startIndex"), first: 1, total: Some(text("/totalResults")) },
        ),
        ("{last_id: {send: starting_after}}", PageStyle::LastId { send: text("starting_after") }),
    ];
    for (pagination, expected) in cases {
        assert_eq!(style(pagination), (expected, None), "{pagination}");
    }
    assert_eq!(
        style("{last_id: {send: after}, has_more: /has_more}"),
        (PageStyle::LastId { send: text("after") }, Some(text("/has_more")))
    );
}

#[test]
fn cursors_in_the_body_make_a_body() {
    for (pagination, expected) in [
        ("{cursor: {send: /c, read: /n}}", PageStyle::CursorBody { send: "/c".into(), read: "/n".into() }),
        (
            "{perpetual: {send: /c, read: /n}, has_more: /more}",
            PageStyle::Perpetual { send: "/c".into(), read: "/n".into() },
        ),
    ] {
        let list = format!("post: /users/search\n        effect: read\n        pagination: {pagination}\n");
        let plan = plan("get: /users\n", &list);
        let list = plan.method("users", "list").expect("there is a list");
        assert_eq!((&list.pagination.style, list.body), (&expected, BodyRule::Json));
        assert_eq!((list.http_method.as_str(), list.effect), ("POST", Effect::Read));
    }
}

fn auth(auth: &str) -> Auth {
    plan("{bearer: {token: '{{ credentials.token }}'}}", auth).auth
}

#[test]
fn every_kind_of_authentication_can_be_said() {
    assert!(
        matches!(auth("{bearer: {token: '{{ credentials.token }}'}}"), Auth::Bearer { token } if token.source() == "{{ credentials.token }}")
    );
    assert!(matches!(auth("{api_key: {header: X-Key, value: 'SSWS {{ credentials.token }}'}}"),
        Auth::ApiKeyHeader { header, value } if header == "x-key" && value.source() == "SSWS {{ credentials.token }}"));
    assert!(matches!(auth("{api_key: {query: key, value: '{{ credentials.token }}'}}"),
        Auth::ApiKeyQuery { parameter, .. } if parameter == "key"));
    assert!(matches!(auth("{basic: {username: '{{ credentials.token }}'}}"),
        Auth::Basic { password, .. } if password.source().is_empty()));
    assert!(matches!(auth("none"), Auth::None));
}

#[test]
fn client_credentials_have_their_usual_values() {
    let credentials = "{client_credentials: {token_url: '{{ base_url }}/token', client_id: me, client_secret: '{{ credentials.token }}'}}";
    let Auth::ClientCredentials(usual) = auth(credentials) else { panic!("client credentials") };
    assert_eq!(
        (usual.client_auth, usual.lifetime_seconds, usual.scope_separator.as_str()),
        (ClientAuth::Basic, 3600, " ")
    );
    let credentials = "{client_credentials: {token_url: '{{ base_url }}/token', client_id: me, client_secret: '{{ credentials.token }}', \
        client_auth: json, scopes: [a, b], scope_separator: ',', parameters: {audience: 'https://x/{{ connection.region }}'}, lifetime: 15m}}";
    let Auth::ClientCredentials(own) = auth(credentials) else { panic!("client credentials") };
    assert_eq!((own.client_auth, own.lifetime_seconds, own.scope_separator.as_str()), (ClientAuth::Json, 900, ","));
    assert_eq!((own.scopes.len(), own.parameters[0].0.as_str()), (2, "audience"));
}

#[test]
fn a_token_endpoint_may_be_on_a_host_that_is_named() {
    let plan = plan(
        "  auth: {bearer: {token: '{{ credentials.token }}'}}\n  verify: {call: users.list, with: {limit: 1}}\n",
        "  auth: {client_credentials: {token_url: 'https://auth.example/token', client_id: x, client_secret: '{{ credentials.token }}'}}\n  \
         verify: users.list\nhosts: [auth.example]\n",
    );
    assert_eq!(plan.hosts[0].source(), "auth.example");
    assert!(plan.verify.is_some_and(|verify| verify.arguments.is_empty()));
}

#[test]
fn rate_limits_are_read_from_the_sources_that_are_declared() {
    let rules = plan("epoch_seconds}}}]", "epoch_seconds}, window: 1m, name: api}}, trio, structured, retry_after]")
        .rate_limits;
    assert_eq!(
        rules.sources[0],
        RateSource::Headers {
            limit: None,
            remaining: Some("x-left".into()),
            reset: Some(("x-reset".into(), RateKind::EpochSeconds)),
            retry_after: None,
            window_seconds: Some(60),
            name: Some("api".into()),
        }
    );
    assert_eq!(rules.sources[1..], [RateSource::Trio, RateSource::Structured, RateSource::RetryAfter]);
    assert!(rules.heuristics, "on unless it is switched off");
}

#[test]
fn error_rules_are_compiled() {
    let errors = plan("label: Acme\n", "label: Acme Inc\n").errors;
    let body = json!({"ok": false});
    let status = json!(200);
    assert_eq!(errors.failed_when[0].holds(&[("status", &status), ("body", &body)]), Ok(true));
    assert_eq!(errors.explain[0].next.as_ref().map(|next| next.method.as_str()), Some("list"));
    assert_eq!(errors.explain[0].hint.as_ref().map(|hint| hint.paths().len()), Some(1));
}

#[test]
fn arguments_go_where_they_are_sent() {
    let plan = plan(
        "          email: {description: Address., required: true, send: body}\n",
        "          email: {description: Address., required: true, send: body}\n\
         \x20         given_name: {description: Name., send: {body: /name/givenName}}\n\
         \x20         dry_run: {description: Try., type: boolean, send: {query: dryRun, values: {true: 'yes', false: 2}}}\n\
         \x20         role: {description: Role., enum: [admin, member], send: {body: /role/level, values: {admin: 9, member: null}}}\n\
         \x20         urgent: {description: Urgent., type: boolean, send: {header: X-Priority, values: {true: high, false: 0}}}\n\
         \x20         request_id: {description: Id., send: header}\n\
         \x20         groups: {description: Groups., type: array, items: {type: string}, send: {query: group}}\n\
         \x20         extra: {description: More., schema: {type: object, properties: {a: {type: integer}}}, send: body}\n",
    );
    let create = plan.method("users", "create").expect("there is create");
    let place = |name: &str| {
        create.arguments.iter().find(|argument| argument.name == name).map(|argument| argument.place.clone())
    };
    assert_eq!(place("email"), Some(ArgumentPlace::Body("/email".into())));
    assert_eq!(place("given_name"), Some(ArgumentPlace::Body("/name/givenName".into())));
    let values = |name: &str| {
        create.arguments.iter().find(|argument| argument.name == name).map(|argument| argument.values.clone())
    };
    assert_eq!(place("dry_run"), Some(ArgumentPlace::Query("dryRun".into())));
    assert_eq!(values("dry_run"), Some(vec![(json!(true), json!("yes")), (json!(false), json!("2"))]));
    assert_eq!(place("role"), Some(ArgumentPlace::Body("/role/level".into())));
    assert_eq!(values("role"), Some(vec![(json!("admin"), json!(9)), (json!("member"), json!(null))]));
    assert_eq!(place("urgent"), Some(ArgumentPlace::Header("x-priority".into())));
    assert_eq!(values("urgent"), Some(vec![(json!(true), json!("high")), (json!(false), json!("0"))]));
    assert_eq!(values("email"), Some(Vec::new()));
    assert_eq!(place("request_id"), Some(ArgumentPlace::Header("request-id".into())));
    assert_eq!(place("groups"), Some(ArgumentPlace::Query("group".into())));
    assert_eq!((create.body, create.kind, create.idempotent), (BodyRule::Json, MethodKind::Create, false));
    assert_eq!(create.input_schema["required"], json!(["email"]));
    assert_eq!(create.input_schema["properties"]["extra"]["properties"]["a"]["type"], json!("integer"));
    assert_eq!(create.input_schema["properties"]["extra"]["description"], json!("More."));
    let errors = create.validate(serde_json::Map::new()).expect_err("email is needed");
    assert!(errors.iter().any(|error| error.detail.contains("email") || error.pointer == "/email"), "{errors:?}");
}

#[test]
fn fixed_queries_and_headers_take_values_of_every_plain_type() {
    let plan = plan(
        "        items: /users\n",
        "        items: /users\n        query: {active: true, version: 2, of: '{{ connection.tenant }}'}\n        headers: {X-View: full}\n",
    );
    let list = plan.method("users", "list").expect("there is a list");
    let sources: Vec<(&str, &str)> =
        list.query.iter().map(|(name, template)| (name.as_str(), template.source())).collect();
    assert_eq!(sources, [("active", "true"), ("version", "2"), ("of", "{{ connection.tenant }}")]);
    assert_eq!(list.headers[0].0, "x-view");
}

#[test]
fn a_body_can_have_a_fixed_part() {
    let plan = plan(
        "          email: {description: Address., required: true, send: body}\n",
        "          email: {description: Address., required: true, send: {body: /Operations/0/value}}\n\
         \x20         next: {description: Next., send: {body: /Operations/1/value}}\n\
         \x20         active: {description: Active., type: boolean, send: body}\n\
         \x20       body: {active: false, Operations: [{op: replace}]}\n",
    );
    let create = plan.method("users", "create").expect("there is create");
    assert_eq!(create.body, BodyRule::Json);
    assert_eq!(create.fixed_body, Some(json!({"active": false, "Operations": [{"op": "replace"}]})));
    assert_eq!(plan.method("users", "list").expect("there is list").fixed_body, None);
}

#[test]
fn an_id_can_be_an_argument_that_is_sent() {
    let plan = plan(
        "      get: {get: '/users/{{ id }}', description: Reads one person.}\n",
        "      get:\n        get: /users.info\n        description: Reads one person.\n        arguments:\n          id: {send: {query: user}}\n",
    );
    let get = plan.method("users", "get").expect("there is get");
    assert!(get.takes_id && get.arguments[0].required);
    assert_eq!(get.arguments[0].place, ArgumentPlace::Query("user".into()));
    assert_eq!(get.arguments[0].schema["pattern"], json!("^[0-9]+$"), "the rule of the resource holds");
}

#[test]
fn defaults_of_methods_follow_http() {
    let plan = plan(
        "      create:\n",
        "      update: {patch: '/users/{{ id }}', description: Changes.}\n      delete: {delete: '/users/{{ id }}', description: Ends.}\n      create:\n",
    );
    let method =
        |name: &str| plan.method("users", name).map(|method| (method.effect, method.idempotent, method.takes_id));
    assert_eq!(method("get"), Some((Effect::Read, true, true)));
    assert_eq!(method("create"), Some((Effect::Write, false, false)));
    assert_eq!(method("update"), Some((Effect::Write, false, true)));
    assert_eq!(method("delete"), Some((Effect::Destructive, true, true)));
    assert_eq!(plan.method("users", "get").map(|method| method.title.as_str()), Some("Acme users: get"));
    assert_eq!(plan.method("users", "create").and_then(|method| method.read_before.clone()), None);
}

#[test]
fn a_pattern_of_ids_is_anchored() {
    let plan = plan("{pattern: '^[0-9]+$', find", "{pattern: '[0-9]+|x', find");
    let pattern = plan.resources["users"].id.pattern.as_ref().expect("there is a pattern");
    assert!(pattern.is_match("12") && pattern.is_match("x"));
    assert!(!pattern.is_match("12a") && !pattern.is_match("ax"));
}

#[test]
fn local_filters_become_arguments() {
    let plan = plan("label: Acme\n", "label: Acme Inc\n");
    let list = plan.method("users", "list").expect("there is a list");
    assert_eq!(list.local_filters[0].compare, Comparison::Contains);
    let filter = list.arguments.iter().find(|argument| argument.name == "name").map(|argument| &argument.place);
    assert_eq!(filter, Some(&ArgumentPlace::LocalFilter));
    assert!(list.output_schema["properties"].get("scanned").is_some());
}

#[test]
fn self_hosted_vendors_name_an_open_host() {
    let text = BASE
        .replace(
            "base_url: https://{{ connection.tenant }}.{{ connection.region }}.acme.example/api",
            "base_url: https://{{ connection.tenant }}/api/{{ connection.region }}\nhosts: ['{{connection.tenant}}']",
        )
        .replace(", pattern: '^[a-z0-9-]+$'}", "}");
    let (definition, diagnostics) = load("acme.yaml", &text);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert_eq!(definition.expect("it loads").compile().expect("it compiles").hosts.len(), 1);
}

#[test]
fn a_port_may_come_from_a_field_of_digits() {
    let text = BASE
        .replace(".acme.example/api", ".acme.example:{{ connection.port }}")
        .replace("    region:", "    port: {label: Port, pattern: '^[0-9]{1,5}$'}\n    region:");
    let (_, diagnostics) = load("acme.yaml", &text);
    assert!(diagnostics.is_empty(), "{diagnostics}");
}

#[test]
fn a_verb_with_items_is_paged_like_a_list() {
    let plan = plan(
        "      create:\n",
        "      search:\n\
         \x20       post: /users/search\n\
         \x20       items: /found/users\n\
         \x20       pagination: {cursor: {send: /page/after, read: /page/next}, size: {send: /page/size, default: 5, max: 10}}\n\
         \x20       description: Finds people.\n\
         \x20       arguments: {words: {description: Words., required: true, send: body}}\n\
         \x20       local_filters: {name: {at: /name, compare: contains, description: Part of the name.}}\n\
         \x20     recent: {get: /users/recent, items: '', description: Who came last.}\n\
         \x20     tail: {post: /users/tail, pagination: {link_header: {}}, description: Who comes.}\n\
         \x20     count: {post: /users/count, description: How many there are.}\n\
         \x20     create:\n",
    );
    let method = |name: &str| plan.method("users", name).expect("it is there");
    let search = method("search");
    assert_eq!((search.kind, search.gives_many, search.takes_id), (MethodKind::Custom, true, false));
    assert_eq!((search.effect, search.idempotent, search.body), (Effect::Read, true, BodyRule::Json));
    assert_eq!((search.tool_name.as_str(), search.result.as_str()), ("acme_users_search", "/found/users"));
    let cursor = PageStyle::CursorBody { send: "/page/after".into(), read: "/page/next".into() };
    assert_eq!((&search.pagination.style, search.pagination.size_parameter.as_deref()), (&cursor, Some("/page/size")));
    let names: Vec<&str> = search.arguments.iter().map(|argument| argument.name.as_str()).collect();
    assert_eq!(names, ["words", "name", "limit", "next_cursor", "fields"]);
    assert_eq!(search.input_schema["required"], json!(["words"]));
    assert_eq!(search.output_schema["properties"]["result"]["type"], "array");
    assert!(search.output_schema["properties"].get("scanned").is_some());
    assert_eq!(method("recent").pagination, method("list").pagination, "as the whole definition says");
    assert_eq!((method("tail").gives_many, &method("tail").pagination.style), (true, &PageStyle::LinkHeader));
    let count = method("count");
    assert_eq!((count.gives_many, count.effect, count.idempotent), (false, Effect::Write, false));
    assert!(count.arguments.is_empty());
}
