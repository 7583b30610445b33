//! The table of writes.

use serde_json::{Value, json};

/// One write of the document, and the same with another payload. `{account}`, `{spare}`, `{token}`, `{approval}`, `{trigger}`, `{nobody}`, `{person}` and `{other}`
/// stand for ids.
pub(super) struct Write {
    pub(super) operation: &'static str,
    pub(super) path: &'static str,
    pub(super) body: Body,
    pub(super) other: (&'static str, Body),
    pub(super) status: u16,
}

#[derive(Clone)]
pub(super) enum Body {
    None,
    Json(Value),
    /// One that connects this tenant.
    Account(&'static str),
}

fn write(operation: &'static str, status: u16, path: &'static str, body: Value, other: (&'static str, Value)) -> Write {
    let body_of = |value: Value| if value.is_null() { Body::None } else { Body::Json(value) };
    Write { operation, path, body: body_of(body), other: (other.0, body_of(other.1)), status }
}

/// Every write. Deletions of what others need come last.
pub(super) fn writes() -> Vec<Write> {
    [calls(), raw_calls(), configuration(), switches(), runs(), plans(), triggers(), deletions()]
        .into_iter()
        .flatten()
        .collect()
}

/// The vendor knows only `suspend`; what it says of the rest is an answer too.
fn calls() -> Vec<Write> {
    vec![
        write(
            "post /integrated-account/{id}/tools/{name}/call",
            200,
            "/integrated-account/{account}/tools/1_password_users_suspend/call",
            json!({"arguments": {"id": "{person}"}}),
            (
                "/integrated-account/{account}/tools/1_password_users_reactivate/call",
                json!({"arguments": {"id": "{person}"}}),
            ),
        ),
        write(
            "post /proxy/{resource}",
            404,
            "/proxy/users?integrated_account_id={account}",
            json!({"name": "a"}),
            ("/proxy/users?integrated_account_id={account}", json!({"name": "b"})),
        ),
        write(
            "patch /proxy/{resource}/{id}",
            404,
            "/proxy/users/{person}?integrated_account_id={account}",
            json!({"name": "a"}),
            ("/proxy/users/{person}?integrated_account_id={account}", json!({"name": "b"})),
        ),
        write(
            "delete /proxy/{resource}/{id}",
            404,
            "/proxy/users/{person}?integrated_account_id={account}",
            Value::Null,
            ("/proxy/users/{other}?integrated_account_id={account}", Value::Null),
        ),
        write(
            "post /proxy/{resource}/{id}",
            404,
            "/proxy/users/count?integrated_account_id={account}",
            json!({"name": "a"}),
            ("/proxy/users/count?integrated_account_id={account}", json!({"name": "b"})),
        ),
        write(
            "post /proxy/{resource}/{id}/{method}",
            200,
            "/proxy/users/{person}/suspend?integrated_account_id={account}",
            Value::Null,
            ("/proxy/users/{other}/suspend?integrated_account_id={account}", Value::Null),
        ),
    ]
}

fn raw_calls() -> Vec<Write> {
    const PATH: &str = "/custom/v1beta1/nothing?integrated_account_id={account}";
    let raw = |operation| write(operation, 404, PATH, json!({"a": 1}), (PATH, json!({"a": 2})));
    vec![
        raw("post /custom/{path}"),
        raw("put /custom/{path}"),
        raw("patch /custom/{path}"),
        write(
            "delete /custom/{path}",
            404,
            PATH,
            Value::Null,
            ("/custom/v1beta1/nobody?integrated_account_id={account}", Value::Null),
        ),
    ]
}

fn configuration() -> Vec<Write> {
    vec![
        Write {
            operation: "post /integrated-account",
            path: "/integrated-account",
            body: Body::Account("keyed"),
            other: ("/integrated-account", Body::Account("other")),
            status: 201,
        },
        write(
            "patch /integrated-account/{id}",
            200,
            "/integrated-account/{account}",
            json!({"tenant_id": "renamed"}),
            ("/integrated-account/{account}", json!({"tenant_id": "other"})),
        ),
        write(
            "put /integration/{name}/override",
            200,
            "/integration/1password/override",
            json!({"label": "Ours"}),
            ("/integration/1password/override", json!({"label": "Other"})),
        ),
        write(
            "post /token",
            201,
            "/token",
            json!({"name": "keyed", "role": "auditor"}),
            ("/token", json!({"name": "keyed", "role": "agent"})),
        ),
        write(
            "put /policy",
            200,
            "/policy",
            json!({"document": "version: 1"}),
            ("/policy", json!({"document": "version: 1 # other"})),
        ),
        write(
            "post /policy/check",
            200,
            "/policy/check",
            json!({"document": "version: 1"}),
            ("/policy/check", json!({"document": "version: 2"})),
        ),
        write("post /policy/test", 200, "/policy/test", json!({"cases": []}), ("/policy/test", json!({}))),
        write(
            "post /policy/version/{version}/restore",
            200,
            "/policy/version/1/restore",
            Value::Null,
            ("/policy/version/2/restore", Value::Null),
        ),
        write("post /model", 201, "/model", model("keyed"), ("/model", model("other"))),
        write(
            "patch /model/{name}",
            200,
            "/model/keyed",
            json!({"model": "m-2"}),
            ("/model/keyed", json!({"model": "m-3"})),
        ),
        write(
            "post /model/{name}/check",
            200,
            "/model/scripted/check",
            json!({}),
            ("/model/scripted/check", json!({"model": "m-4"})),
        ),
        write(
            "post /environment",
            201,
            "/environment",
            json!({"name": "keyed"}),
            ("/environment", json!({"name": "other"})),
        ),
        write(
            "post /audit-log/prune",
            200,
            "/audit-log/prune",
            json!({"before": "2100-01-01T00:00:00Z"}),
            ("/audit-log/prune", json!({"before": "2101-01-01T00:00:00Z"})),
        ),
    ]
}

/// What is switched off is switched on again right after.
fn switches() -> Vec<Write> {
    let off = |operation, path| {
        write(operation, 200, path, json!({"reason": "an incident"}), (path, json!({"reason": "another"})))
    };
    let on = |operation, path, other| write(operation, 204, path, Value::Null, (other, Value::Null));
    vec![
        off("put /switch/environment", "/switch/environment"),
        on("delete /switch/environment", "/switch/environment", "/switch/tool/other"),
        off("put /switch/account/{id}", "/switch/account/{account}"),
        on("delete /switch/account/{id}", "/switch/account/{account}", "/switch/account/{spare}"),
        off("put /switch/token/{id}", "/switch/token/{token}"),
        on("delete /switch/token/{id}", "/switch/token/{token}", "/switch/token/{nobody}"),
        off("put /switch/tool/{name}", "/switch/tool/1_password_users_reactivate"),
        on("delete /switch/tool/{name}", "/switch/tool/1_password_users_reactivate", "/switch/tool/other"),
    ]
}

fn model(name: &str) -> Value {
    json!({"name": name, "wire": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m-1"})
}

fn runs() -> Vec<Write> {
    let body = |seconds: u32| json!({"playbook": super::waiting(seconds), "integrated_account_id": "{account}"});
    vec![
        write("post /run", 201, "/run", body(600), ("/run", body(601))),
        write(
            "post /approval/{id}/decide",
            200,
            "/approval/{approval}/decide",
            json!({"decision": "approve"}),
            ("/approval/{approval}/decide", json!({"decision": "deny"})),
        ),
        write("post /run/{id}/cancel", 200, "/run/{run}/cancel", Value::Null, ("/run/{nobody}/cancel", Value::Null)),
    ]
}

fn plans() -> Vec<Write> {
    let suspend = |email: &str| {
        json!({"integrated_account_id": "{account}", "calls": [
            {"resource": "users", "method": "suspend", "find": {"email": email}},
        ]})
    };
    let hash = json!({"hash": "{hash}"});
    vec![
        write("post /plan", 201, "/plan", suspend("a.miller@company.com"), ("/plan", suspend("owner@company.com"))),
        write("post /plan/{id}/execute", 201, "/plan/{plan}/execute", hash.clone(), ("/plan/{nobody}/execute", hash)),
        write(
            "post /plan/{id}/discard",
            200,
            "/plan/{spare_plan}/discard",
            Value::Null,
            ("/plan/{nobody}/discard", Value::Null),
        ),
        write(
            "post /run/{id}/undo",
            201,
            "/run/{changed}/undo",
            json!({"reason": "a mistake"}),
            ("/run/{changed}/undo", json!({"reason": "another"})),
        ),
    ]
}

/// The body of a trigger.
pub(super) fn trigger(name: &str) -> Value {
    let document = format!(
        "version: 1\nname: {name}\nwebhook: {{verify: bearer}}\ninput: {{email: payload.email}}\n\
         run: {{playbook: offboard, integrated_account_id: {{account}}}}\n"
    );
    json!({ "document": document })
}

fn triggers() -> Vec<Write> {
    vec![
        write("post /trigger", 201, "/trigger", trigger("keyed"), ("/trigger", trigger("other"))),
        write(
            "patch /trigger/{id}",
            200,
            "/trigger/{trigger}",
            json!({"enabled": false}),
            ("/trigger/{trigger}", json!({"enabled": true})),
        ),
        write(
            "post /trigger/{id}/test",
            200,
            "/trigger/{trigger}/test",
            json!({"body": "{}"}),
            ("/trigger/{trigger}/test", json!({"body": "[]"})),
        ),
    ]
}

fn deletions() -> Vec<Write> {
    vec![
        write("delete /model/{name}", 204, "/model/keyed", Value::Null, ("/model/other", Value::Null)),
        write("delete /trigger/{id}", 204, "/trigger/{trigger}", Value::Null, ("/trigger/{nobody}", Value::Null)),
        write("delete /token/{id}", 204, "/token/{token}", Value::Null, ("/token/{nobody}", Value::Null)),
        write(
            "delete /integrated-account/{id}",
            204,
            "/integrated-account/{spare}",
            Value::Null,
            ("/integrated-account/{account}", Value::Null),
        ),
    ]
}
