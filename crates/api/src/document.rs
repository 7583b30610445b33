//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApiBuilder};

use crate::extract::IDEMPOTENCY_KEY_MAX_BYTES;
use crate::{routes, schema};

/// The document as it is served. A test holds it to the routes.
pub const OPENAPI: &str = include_str!("../../../openapi.json");

/// Paths that need no API token.
pub const PUBLIC_PATHS: &[&str] = &["/healthz", "/openapi.json", "/problems", "/problems/{code}", "/readyz"];

/// Paths whose callers have no API token: they are verified by what they send.
pub const SIGNED_PATHS: &[&str] = &["/hook/{id}"];

/// Tags with their meaning, in the order of the document.
const TAGS: &[(&str, &str)] = &[
    ("accounts", "Integrated accounts: one tenant's connection to one integration."),
    ("tools", "Methods as a model sees them, and the door that runs them."),
    ("proxy", "Resources and methods as REST."),
    ("integrations", "Vendors, each described by a definition, and overrides of it."),
    ("models", "Connections to servers of language models, which agents are run with."),
    ("runs", "Pieces of work that the gateway does by itself, journaled step by step."),
    ("plans", "Sets of writes that are rehearsed, shown and executed exactly so, once; undo of runs."),
    ("approvals", "What a person has to say yes to before it is done."),
    ("triggers", "What starts runs by itself: webhooks of other systems, and schedules."),
    ("tokens", "API tokens."),
    ("environments", "The isolation boundary."),
    ("policy", "Which calls may not be made: rules, their tests and their versions."),
    ("switches", "What is switched off: no call that concerns it is made."),
    ("audit", "What was done."),
    ("problems", "What each problem code means."),
    ("system", "Health, metrics and this document."),
];

/// The header that makes a write happen once.
const KEY: &str = "idempotency-key";

/// Bodies that take no other members than those described.
const CLOSED: &[&str] = &[
    "AccountChange",
    "ApprovalDecision",
    "ExecutePlan",
    "FindPerson",
    "ModelChange",
    "ModelCheck",
    "NewAccount",
    "NewEnvironment",
    "NewModel",
    "NewPlan",
    "NewRun",
    "NewToken",
    "NewTrigger",
    "PlannedCall",
    "SwitchOff",
    "TestDelivery",
    "ToolCall",
    "TriggerChange",
    "Undo",
];

/// The document, made from the routes.
pub fn document() -> Value {
    let routes = routes::all().into_openapi();
    let mut components = routes.components.unwrap_or_default();
    components.schemas.insert("Problem".to_owned(), schema::Problem::schema());
    components.schemas.insert("Rehearsal".to_owned(), schema::Rehearsal::schema());
    let mut parts = Vec::new();
    <schema::Problem as utoipa::ToSchema>::schemas(&mut parts);
    components.schemas.extend(parts);
    let info = InfoBuilder::new()
        .title("Quartermaster")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The gateway between agents and SaaS APIs. Every answer has `x-request-id`; every answer that is not a success \
             is a problem (RFC 9457) with one of a closed list of codes.",
        ))
        .license(Some(utoipa::openapi::License::new("Apache-2.0")))
        .build();
    let typed = OpenApiBuilder::new()
        .info(info)
        .paths(routes.paths)
        .components(Some(ComponentsBuilder::from(components).build()))
        .build();
    let mut document = serde_json::to_value(typed).unwrap_or_default();
    document["tags"] =
        TAGS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect();
    document["security"] = json!([{"bearer": []}]);
    document["components"]["securitySchemes"] = json!({"bearer": {
        "type": "http", "scheme": "bearer", "description": "An API token, `qmt_…`.",
    }});
    let schemas = &mut document["components"]["schemas"];
    for name in CLOSED {
        schemas[*name]["additionalProperties"] = json!(false);
    }
    schemas["CreatedToken"] = json!({
        "description": "A token with its text.",
        "allOf": [{"$ref": "#/components/schemas/Token"}, schemas["CreatedToken"].take()],
    });
    schemas["Plan"] = json!({
        "description": "A plan with its rows.",
        "allOf": [{"$ref": "#/components/schemas/PlanSummary"}, schemas["Plan"].take()],
    });
    schemas["CreatedTrigger"] = json!({
        "description": "A trigger with the secret that was made for it.",
        "allOf": [{"$ref": "#/components/schemas/Trigger"}, schemas["CreatedTrigger"].take()],
    });
    schemas["Run"] = json!({
        "description": "A run with its steps.",
        "allOf": [{"$ref": "#/components/schemas/RunSummary"}, schemas["Run"].take()],
    });
    schemas["Approval"] = json!({
        "description": "An approval with its card and the votes.",
        "allOf": [{"$ref": "#/components/schemas/ApprovalSummary"}, schemas["Approval"].take()],
    });
    if let Some(paths) = document["paths"].as_object_mut() {
        *paths = std::mem::take(paths).into_iter().map(complete_path).collect();
    }
    document
}

/// Gives a path the form that OpenAPI has for it, and its operations what all of them share.
fn complete_path((path, mut item): (String, Value)) -> (String, Value) {
    let path = path.replace("{*", "{");
    let operations = item.as_object_mut().into_iter().flatten();
    let several = path.starts_with("/custom/");
    for (method, operation) in operations {
        if several {
            // One handler serves several methods; an operation id may stand once.
            operation["operationId"] = json!(format!("custom_{method}"));
        }
        let signed = SIGNED_PATHS.contains(&path.as_str());
        if method != "get" && !signed {
            takes_key(operation);
        }
        complete_operation(signed || PUBLIC_PATHS.contains(&path.as_str()), operation);
    }
    (path, item)
}

/// Every write takes an `Idempotency-Key`; those that are no calls do not say so themselves.
fn takes_key(operation: &mut Value) {
    let parameters = &mut operation["parameters"];
    if !parameters.is_array() {
        *parameters = json!([]);
    }
    if let Some(parameters) = parameters.as_array_mut().filter(|list| list.iter().all(|one| one["name"] != KEY)) {
        parameters.push(json!({
            "name": KEY,
            "in": "header",
            "required": false,
            "description": "The same key gives the stored answer instead of a second write. 1 to 255 visible ASCII characters.",
            "schema": {"type": "string", "maxLength": IDEMPOTENCY_KEY_MAX_BYTES},
        }));
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    describe(responses, "409", "`conflict`: a request with this `Idempotency-Key` is still in flight.");
    describe(responses, "422", "`idempotency_key_reused`: the `Idempotency-Key` was used for another request.");
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        response["headers"]["idempotent-replayed"] = json!({
            "schema": {"type": "string", "enum": ["true"]},
            "description": "This is the stored answer of an earlier request with the same `Idempotency-Key`.",
        });
    }
}

fn complete_operation(public: bool, operation: &mut Value) {
    let tag = operation["tags"][0].as_str().unwrap_or_default();
    let calls = matches!(tag, "tools" | "proxy");
    if public {
        operation["security"] = json!([]);
    }
    let rehearses = operation["parameters"].as_array().into_iter().flatten().any(|given| given["name"] == "dry_run");
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    if rehearses {
        let schema = &mut responses["200"]["content"]["application/json"]["schema"];
        *schema = json!({"anyOf": [schema.take(), {"$ref": "#/components/schemas/Rehearsal"}]});
    }
    if !public {
        describe(responses, "401", "`unauthenticated`");
        describe(responses, "403", "`permission_denied`");
    }
    describe(responses, "400", "`invalid_argument`");
    describe(responses, "default", "Another problem.");
    for (status, response) in responses.iter_mut() {
        let problem = !status.starts_with('2') && status != "304";
        if problem {
            response["content"] =
                json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        }
        response["headers"]["x-request-id"] =
            json!({"schema": {"type": "string", "format": "uuid"}, "description": "The id of this request."});
        if calls && (status == "200" || status == "429") {
            limit_headers(&mut response["headers"], status == "429");
        }
    }
    responses.sort_keys();
}

fn describe(responses: &mut Map<String, Value>, status: &str, description: &str) {
    responses.entry(status).or_insert_with(|| json!({ "description": description }));
}

fn limit_headers(headers: &mut Value, limited: bool) {
    let described = [
        ("ratelimit-limit", "string", "Calls in the window, `100;w=60` when its length is known."),
        ("ratelimit-remaining", "integer", "Calls left."),
        ("ratelimit-reset", "integer", "Seconds until the window starts anew."),
        ("x-ratelimit-reset-at", "integer", "The same as a moment, in seconds since 1970."),
    ];
    for (name, kind, description) in described {
        headers[name] =
            json!({"schema": {"type": kind}, "description": format!("{description} Only when the vendor told.")});
    }
    if limited {
        headers["retry-after"] = json!({"schema": {"type": "integer"}, "description": "Seconds to wait."});
    }
}

/// Holds a committed file to what the code says. With `QM_UPDATE=1` in the environment the file is written instead.
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a switch of this test, not of the product")]
pub(crate) fn compare_with_file(path: &str, expected: &str) {
    if std::env::var_os("QM_UPDATE").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let present = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        present == expected,
        "{path} is not what the code says: run this test with QM_UPDATE=1 and commit the file"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
        let mut text = serde_json::to_string_pretty(&document()).unwrap();
        text.push('\n');
        compare_with_file(path, &text);
    }

    #[test]
    fn every_operation_is_described_and_has_its_own_id() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let tags: BTreeSet<_> = TAGS.iter().map(|(name, _)| *name).collect();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let place = format!("{method} {path}");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place} has no summary");
                assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{place}: id stands twice");
                assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{place} has an unknown tag");
                let named: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let described: BTreeSet<_> = parameters
                    .iter()
                    .filter(|parameter| parameter["in"] == "path")
                    .map(|parameter| parameter["name"].as_str().unwrap())
                    .collect();
                assert_eq!(named, described, "{place}: path parameters");
                for parameter in &parameters {
                    assert!(parameter["description"].is_string(), "{place}: {} has no description", parameter["name"]);
                }
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn visit(value: &Value, document: &Value) {
            match value {
                Value::Object(object) => {
                    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                        assert!(
                            document.pointer(reference.trim_start_matches('#')).is_some(),
                            "{reference} leads nowhere"
                        );
                    }
                    object.values().for_each(|value| visit(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| visit(value, document)),
                _ => {}
            }
        }
        let document = document();
        visit(&document, &document);
    }
}
