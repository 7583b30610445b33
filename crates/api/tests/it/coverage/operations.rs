//! The table of operations.

use quartermaster_testkit::TestApp;
use serde_json::{Value, json};

use super::Audit::{self, Record};
use super::Foreign::{self, Listed, Named, Nothing};
use super::Operation;

const READ: Audit = Audit::Nothing("a read of configuration changes nothing and touches no vendor");
const PUBLIC: Foreign = Foreign::Nothing("the same for everybody, without a token");
const NOTHING: fn(&TestApp) -> Option<Value> = |_| None;
const EMPTY: fn(&TestApp) -> Option<Value> = |_| Some(json!({}));

const fn operation(
    method: &'static str,
    template: &'static str,
    path: &'static str,
    body: fn(&TestApp) -> Option<Value>,
    foreign: Foreign,
    audit: Audit,
) -> Operation {
    Operation { method, template, path, body, foreign, audit }
}

/// Every operation. Deletions of what others need come last.
pub(super) fn operations() -> Vec<Operation> {
    [
        accounts(),
        calls(),
        raw_calls(),
        configuration(),
        policy(),
        switches(),
        approvals(),
        models(),
        runs(),
        plans(),
        triggers(),
        service(),
        deletions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn accounts() -> Vec<Operation> {
    vec![
        operation("get", "/integrated-account", "/integrated-account", NOTHING, Listed, READ),
        operation(
            "post",
            "/integrated-account",
            "/integrated-account",
            |app| Some(app.account_body("audited", json!({}))),
            Nothing("what is made belongs to the environment of the token"),
            Record("account.create"),
        ),
        operation("get", "/integrated-account/{id}", "/integrated-account/{account}", NOTHING, Named, READ),
        operation(
            "patch",
            "/integrated-account/{id}",
            "/integrated-account/{account}",
            |_| Some(json!({"tenant_id": "renamed"})),
            Named,
            Record("account.update"),
        ),
        operation(
            "get",
            "/integrated-account/{id}/budget",
            "/integrated-account/{account}/budget",
            NOTHING,
            Named,
            READ,
        ),
        operation("get", "/integrated-account/{id}/tools", "/integrated-account/{account}/tools", NOTHING, Named, READ),
        operation(
            "post",
            "/integrated-account/{id}/tools/{name}/call",
            "/integrated-account/{account}/tools/list_all_1_password_users/call",
            |_| Some(json!({"arguments": {"limit": 1}})),
            Named,
            Record("users.list"),
        ),
    ]
}

fn calls() -> Vec<Operation> {
    vec![
        operation(
            "get",
            "/proxy/{resource}",
            "/proxy/users?integrated_account_id={account}&limit=1",
            NOTHING,
            Named,
            Record("users.list"),
        ),
        operation(
            "post",
            "/proxy/{resource}",
            "/proxy/users?integrated_account_id={account}",
            EMPTY,
            Named,
            Record("users.create"),
        ),
        operation(
            "get",
            "/proxy/{resource}/{id}",
            "/proxy/users/{person}?integrated_account_id={account}",
            NOTHING,
            Named,
            Record("users.get"),
        ),
        operation(
            "patch",
            "/proxy/{resource}/{id}",
            "/proxy/users/{person}?integrated_account_id={account}",
            EMPTY,
            Named,
            Record("users.update"),
        ),
        operation(
            "delete",
            "/proxy/{resource}/{id}",
            "/proxy/users/{person}?integrated_account_id={account}",
            NOTHING,
            Named,
            Record("users.delete"),
        ),
        operation(
            "post",
            "/proxy/{resource}/{id}",
            "/proxy/users/count?integrated_account_id={account}",
            EMPTY,
            Named,
            Record("users.count"),
        ),
        operation(
            "post",
            "/proxy/{resource}/{id}/{method}",
            "/proxy/users/{person}/suspend?integrated_account_id={account}",
            EMPTY,
            Named,
            Record("users.suspend"),
        ),
    ]
}

fn raw_calls() -> Vec<Operation> {
    vec![
        operation(
            "get",
            "/custom/{path}",
            "/custom/v1beta1/x?integrated_account_id={account}",
            NOTHING,
            Named,
            Record("custom.get"),
        ),
        operation(
            "post",
            "/custom/{path}",
            "/custom/v1beta1/x?integrated_account_id={account}",
            EMPTY,
            Named,
            Record("custom.post"),
        ),
        operation(
            "put",
            "/custom/{path}",
            "/custom/v1beta1/x?integrated_account_id={account}",
            EMPTY,
            Named,
            Record("custom.put"),
        ),
        operation(
            "patch",
            "/custom/{path}",
            "/custom/v1beta1/x?integrated_account_id={account}",
            EMPTY,
            Named,
            Record("custom.patch"),
        ),
        operation(
            "delete",
            "/custom/{path}",
            "/custom/v1beta1/x?integrated_account_id={account}",
            NOTHING,
            Named,
            Record("custom.delete"),
        ),
    ]
}

fn configuration() -> Vec<Operation> {
    vec![
        operation(
            "get",
            "/integration",
            "/integration",
            NOTHING,
            Nothing("vendors are the same in every environment"),
            READ,
        ),
        operation(
            "get",
            "/integration/{name}",
            "/integration/1password",
            NOTHING,
            Nothing("vendors are the same in every environment"),
            READ,
        ),
        operation(
            "put",
            "/integration/{name}/override",
            "/integration/1password/override",
            |_| Some(json!({"label": "Ours"})),
            Nothing("an override is set in the environment of the token; the test of overrides looks at the other one"),
            Record("integration.override"),
        ),
        operation("get", "/token", "/token", NOTHING, Listed, READ),
        operation(
            "post",
            "/token",
            "/token",
            |_| Some(json!({"name": "audited", "role": "auditor"})),
            Nothing("what is made belongs to the environment of the token"),
            Record("token.create"),
        ),
        operation(
            "post",
            "/environment",
            "/environment",
            |_| Some(json!({"name": "audited"})),
            Nothing("names nothing that exists, and a stranger may not call it"),
            Record("environment.create"),
        ),
    ]
}

fn models() -> Vec<Operation> {
    const NEW: fn(&TestApp) -> Option<Value> =
        |_| Some(json!({"name": "audited", "wire": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m-1"}));
    vec![
        operation(
            "get",
            "/model",
            "/model",
            NOTHING,
            Nothing("names and no ids; the test of model connections looks at the other environment's list"),
            READ,
        ),
        operation(
            "post",
            "/model",
            "/model",
            NEW,
            Nothing("what is made belongs to the environment of the token"),
            Record("model.create"),
        ),
        operation("get", "/model/{name}", "/model/{model}", NOTHING, Named, READ),
        operation(
            "patch",
            "/model/{name}",
            "/model/{model}",
            |_| Some(json!({"model": "m-2"})),
            Named,
            Record("model.update"),
        ),
        operation("post", "/model/{name}/check", "/model/{model}/check", EMPTY, Named, Record("model.check")),
    ]
}

fn runs() -> Vec<Operation> {
    vec![
        operation(
            "post",
            "/run",
            "/run",
            |app| Some(app.run_body("nobody@company.com")),
            Nothing("the account is named in the body; the test of runs looks at a foreign one"),
            Record("run.start"),
        ),
        operation("get", "/run", "/run", NOTHING, Listed, READ),
        operation("get", "/run/{id}", "/run/{run}", NOTHING, Named, READ),
        operation("get", "/run/{id}/report", "/run/{run}/report", NOTHING, Named, READ),
        operation("get", "/run/{id}/export", "/run/{run}/export", NOTHING, Named, READ),
        operation("post", "/run/{id}/cancel", "/run/{run}/cancel", NOTHING, Named, Record("run.cancel")),
        operation("get", "/run/{id}/events", "/run/{run}/events", NOTHING, Named, READ),
    ]
}

fn plans() -> Vec<Operation> {
    vec![
        operation(
            "post",
            "/plan",
            "/plan",
            |app| Some(super::super::plans::body(app, &["nobody@company.com"])),
            Nothing("the account is named in the body; the test of plans looks at a foreign one"),
            Record("plan.make"),
        ),
        operation("get", "/plan", "/plan", NOTHING, Listed, READ),
        operation("get", "/plan/{id}", "/plan/{plan}", NOTHING, Named, READ),
        operation(
            "post",
            "/plan/{id}/execute",
            "/plan/{plan}/execute",
            |_| Some(json!({"hash": "{hash}"})),
            Named,
            Record("plan.execute"),
        ),
        operation("post", "/plan/{id}/discard", "/plan/{spare_plan}/discard", NOTHING, Named, Record("plan.discard")),
        operation("post", "/run/{id}/undo", "/run/{changed}/undo", NOTHING, Named, Record("plan.make")),
    ]
}

fn approvals() -> Vec<Operation> {
    vec![
        operation("get", "/approval", "/approval", NOTHING, Listed, READ),
        operation("get", "/approval/{id}", "/approval/{approval}", NOTHING, Named, READ),
        operation(
            "post",
            "/approval/{id}/decide",
            "/approval/{approval}/decide",
            |_| Some(json!({"decision": "approve"})),
            Named,
            Record("approval.approve"),
        ),
    ]
}

fn triggers() -> Vec<Operation> {
    vec![
        operation("get", "/trigger", "/trigger", NOTHING, Listed, READ),
        operation(
            "post",
            "/trigger",
            "/trigger",
            |app| Some(super::trigger(app.account, "audited")),
            Nothing("the account is named in the document; the gateway's tests look at a foreign one"),
            Record("trigger.create"),
        ),
        operation("get", "/trigger/{id}", "/trigger/{trigger}", NOTHING, Named, READ),
        operation(
            "patch",
            "/trigger/{id}",
            "/trigger/{trigger}",
            |_| Some(json!({"enabled": false})),
            Named,
            Record("trigger.update"),
        ),
        operation("post", "/trigger/{id}/test", "/trigger/{trigger}/test", EMPTY, Named, READ),
        operation("get", "/trigger/{id}/deliveries", "/trigger/{trigger}/deliveries", NOTHING, Named, READ),
        operation(
            "post",
            "/hook/{id}",
            "/hook/{trigger}",
            EMPTY,
            Nothing(
                "a hook belongs to no environment of the caller's; what is not verified is answered like what is not there",
            ),
            Audit::Elsewhere(
                "what it starts is recorded as `run.start`, as the test of hooks shows; strangers write no records",
            ),
        ),
    ]
}

fn policy() -> Vec<Operation> {
    const DOCUMENT: fn(&TestApp) -> Option<Value> = |_| Some(json!({"document": "version: 1"}));
    const OWN: Foreign =
        Nothing("it is the policy of the token's environment; the gateway's tests look at the other one");
    vec![
        operation("put", "/policy", "/policy", DOCUMENT, OWN, Record("policy.set")),
        operation("get", "/policy", "/policy", NOTHING, OWN, READ),
        operation("post", "/policy/check", "/policy/check", DOCUMENT, OWN, READ),
        operation("post", "/policy/test", "/policy/test", |_| Some(json!({"cases": []})), OWN, READ),
        operation("get", "/policy/blast-radius", "/policy/blast-radius", NOTHING, OWN, READ),
        operation("get", "/policy/version", "/policy/version", NOTHING, OWN, READ),
        operation("get", "/policy/version/{version}", "/policy/version/1", NOTHING, OWN, READ),
        operation(
            "post",
            "/policy/version/{version}/restore",
            "/policy/version/1/restore",
            NOTHING,
            OWN,
            Record("policy.restore"),
        ),
    ]
}

fn switches() -> Vec<Operation> {
    const REASON: fn(&TestApp) -> Option<Value> = |_| Some(json!({"reason": "an incident"}));
    const OWN: Foreign = Nothing("it is the environment of the token; the gateway's tests look at the other one");
    const TOOL: &str = "/switch/tool/{name}";
    const A_TOOL: &str = "/switch/tool/1_password_users_reactivate";
    vec![
        operation("put", "/switch/account/{id}", "/switch/account/{account}", REASON, Named, Record("switch.off")),
        operation("get", "/switch", "/switch", NOTHING, OWN, READ),
        operation("delete", "/switch/account/{id}", "/switch/account/{account}", NOTHING, Named, Record("switch.on")),
        operation("put", "/switch/environment", "/switch/environment", REASON, OWN, Record("switch.off")),
        operation("delete", "/switch/environment", "/switch/environment", NOTHING, OWN, Record("switch.on")),
        operation("put", "/switch/token/{id}", "/switch/token/{token}", REASON, Named, Record("switch.off")),
        operation("delete", "/switch/token/{id}", "/switch/token/{token}", NOTHING, Named, Record("switch.on")),
        operation("put", TOOL, A_TOOL, REASON, OWN, Record("switch.off")),
        operation("delete", TOOL, A_TOOL, NOTHING, OWN, Record("switch.on")),
    ]
}

fn service() -> Vec<Operation> {
    vec![
        operation("get", "/audit-log", "/audit-log", NOTHING, Listed, READ),
        operation("get", "/audit-log/export", "/audit-log/export?limit=200", NOTHING, Listed, READ),
        operation(
            "get",
            "/audit-log/key",
            "/audit-log/key",
            NOTHING,
            Nothing("names nothing; each environment has a key of its own, as the test of the audit log shows"),
            READ,
        ),
        operation(
            "post",
            "/audit-log/prune",
            "/audit-log/prune",
            |_| Some(json!({"before": "2100-01-01T00:00:00Z"})),
            Nothing("drops of the log of the token's environment; the test of the audit log looks at the other one"),
            Record("audit_log.prune"),
        ),
        operation(
            "get",
            "/metrics",
            "/metrics",
            NOTHING,
            Nothing("numbers of the whole process, no names and no ids"),
            READ,
        ),
        operation("get", "/problems", "/problems", NOTHING, PUBLIC, READ),
        operation("get", "/problems/{code}", "/problems/not-found", NOTHING, PUBLIC, READ),
        operation("get", "/openapi.json", "/openapi.json", NOTHING, PUBLIC, READ),
        operation("get", "/healthz", "/healthz", NOTHING, PUBLIC, READ),
        operation("get", "/readyz", "/readyz", NOTHING, PUBLIC, READ),
    ]
}

fn deletions() -> Vec<Operation> {
    vec![
        operation("delete", "/model/{name}", "/model/{model}", NOTHING, Named, Record("model.delete")),
        operation("delete", "/trigger/{id}", "/trigger/{trigger}", NOTHING, Named, Record("trigger.delete")),
        operation("delete", "/token/{id}", "/token/{token}", NOTHING, Named, Record("token.revoke")),
        operation(
            "delete",
            "/integrated-account/{id}",
            "/integrated-account/{account}",
            NOTHING,
            Named,
            Record("account.delete"),
        ),
    ]
}
