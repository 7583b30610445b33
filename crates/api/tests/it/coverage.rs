//! Coverage of coverage: every operation of the OpenAPI document stands in one table, and from the table come the test of
//! the missing token, of the foreign environment, and of the audit record. A new route fails here until it is added.

mod operations;

use std::collections::BTreeSet;
use std::time::Duration;

use quartermaster_testkit::{Answer, Client, TestApp};
use serde_json::{Value, json};

use crate::NOBODY;
use operations::operations;

/// What another environment must not get out of a route.
enum Foreign {
    /// The path or query names something: to a stranger it is as if it were not there.
    Named,
    /// The answer lists things: a stranger's list has none of ours.
    Listed,
    /// Neither, and why.
    Nothing(&'static str),
}

/// What a route leaves in the audit log.
enum Audit {
    /// A record with this action.
    Record(&'static str),
    /// None, and why.
    Nothing(&'static str),
    /// A test of its own looks at it, and why.
    Elsewhere(&'static str),
}

/// One operation. In `path` and `body`, names such as `{account}`, `{run}` and `{hash}` stand for what [`Ids`] has.
struct Operation {
    method: &'static str,
    template: &'static str,
    path: &'static str,
    body: fn(&TestApp) -> Option<Value>,
    foreign: Foreign,
    audit: Audit,
}

/// The ids that stand for the names in a path.
struct Ids {
    account: String,
    token: String,
    run: String,
    /// A run that suspended somebody.
    changed: String,
    plan: String,
    /// The hash of that plan.
    hash: String,
    spare_plan: String,
    approval: String,
    model: String,
    trigger: String,
    person: String,
}

impl Ids {
    async fn of(app: &TestApp) -> Self {
        let made = app.operator.request("POST", "/token").json(&json!({"name": "to be revoked", "role": "agent"}));
        let made = made.shows_secret().send().await.expect(201);
        let run = app.operator.post("/run", &app.run_body("nobody@company.com")).await.expect(201);
        let changed = super::plans::offboarded(app, "f.tanaka@company.com").await;
        let plan = super::plans::made(app, "a.miller@company.com").await;
        let spare_plan = super::plans::made(app, "a.miller@company.com").await;
        let model = json!({"name": "ours", "wire": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m-1"});
        app.operator.post("/model", &model).await.expect(201);
        let trigger = app.operator.request("POST", "/trigger").json(&trigger(app.account, "of the table"));
        let trigger = trigger.shows_secret().send().await.expect(201);
        Self {
            model: "ours".to_owned(),
            changed,
            plan: plan["id"].as_str().unwrap().to_owned(),
            hash: plan["hash"].as_str().unwrap().to_owned(),
            spare_plan: spare_plan["id"].as_str().unwrap().to_owned(),
            approval: app.approval().await,
            trigger: trigger["id"].as_str().unwrap().to_owned(),
            run: run["id"].as_str().unwrap().to_owned(),
            account: app.account.to_string(),
            token: made["id"].as_str().unwrap().to_owned(),
            person: app.person("a.miller@company.com"),
        }
    }

    fn nobody(&self) -> Self {
        Self {
            account: NOBODY.to_owned(),
            token: NOBODY.to_owned(),
            run: NOBODY.to_owned(),
            changed: NOBODY.to_owned(),
            plan: NOBODY.to_owned(),
            hash: self.hash.clone(),
            spare_plan: NOBODY.to_owned(),
            approval: NOBODY.to_owned(),
            model: "nobodys".to_owned(),
            trigger: NOBODY.to_owned(),
            person: self.person.clone(),
        }
    }

    fn path(&self, operation: &Operation) -> String {
        self.fill(operation.path)
    }

    fn fill(&self, text: &str) -> String {
        let names = [
            ("{account}", &self.account),
            ("{token}", &self.token),
            ("{run}", &self.run),
            ("{model}", &self.model),
            ("{changed}", &self.changed),
            ("{plan}", &self.plan),
            ("{hash}", &self.hash),
            ("{spare_plan}", &self.spare_plan),
            ("{approval}", &self.approval),
            ("{trigger}", &self.trigger),
            ("{person}", &self.person),
        ];
        names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// The body of a trigger that nobody here can call.
fn trigger(account: impl std::fmt::Display, about: &str) -> Value {
    let name = about.replace(' ', "-");
    let document = format!(
        "version: 1\nname: {name}\nwebhook: {{verify: bearer}}\ninput: {{email: payload.email}}\n\
         run: {{playbook: offboard, integrated_account_id: {account}}}\n"
    );
    json!({ "document": document })
}

async fn send(app: &TestApp, client: &Client, operation: &Operation, ids: &Ids) -> Answer {
    let mut request = client.request(&operation.method.to_uppercase(), &ids.path(operation));
    if let Some(body) = (operation.body)(app) {
        let body: Value = serde_json::from_str(&ids.fill(&body.to_string())).unwrap();
        request = request.json(&body);
    }
    // Some of these hand out a secret; their own tests look at the rest.
    request.shows_secret().send().await
}

/// What is the same in two answers that differ only in the ids that were asked for and in the request id.
fn without_ids(answer: &Answer, ids: &Ids) -> Value {
    let mut body = answer.json();
    body["instance"] = Value::Null;
    let known =
        [&ids.account, &ids.token, &ids.run, &ids.approval, &ids.changed, &ids.plan, &ids.spare_plan, &ids.trigger];
    let text = known.iter().fold(body.to_string(), |text, id| text.replace(*id, "ID"));
    let text = text.replace(&format!("\\\"{}\\\"", ids.model), "ID");
    serde_json::from_str(&text).unwrap()
}

fn is_public(operation: &Operation) -> bool {
    quartermaster_api::PUBLIC_PATHS.contains(&operation.template)
}

#[test]
fn the_table_has_every_operation_of_the_document() {
    let document = quartermaster_api::document();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        documented.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    let listed: Vec<_> = operations().iter().map(|entry| format!("{} {}", entry.method, entry.template)).collect();
    let listed_once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), listed_once.len(), "an operation stands twice");
    assert_eq!(documented, listed_once);
}

#[tokio::test]
async fn without_a_valid_token_every_route_but_the_public_ones_says_401() {
    let app = TestApp::start().await;
    let ids = Ids::of(&app).await;
    let nobody = app.operator.without_token();
    let mistyped = app.operator.with_token("qmt_0000000000000000000000000000000000000000000");
    let revoked = app.client(json!({"role": "admin"})).await;
    let prefix = &revoked.token().unwrap()[..10];
    let tokens = app.operator.get("/token").await.expect(200);
    let token = tokens["result"].as_array().unwrap().iter().find(|token| token["prefix"] == prefix).unwrap();
    app.operator.delete(&format!("/token/{}", token["id"].as_str().unwrap())).await.expect(204);
    for operation in operations() {
        let path = ids.path(&operation);
        for client in [&nobody, &mistyped, &revoked] {
            let answer = send(&app, client, &operation, &ids).await;
            if is_public(&operation) {
                assert_eq!(answer.code(), 200, "{} {path} is public", operation.method);
            } else {
                let problem = answer.problem(401, "unauthenticated");
                assert_eq!(problem["origin"], "caller");
                assert_eq!(answer.header("www-authenticate"), "Bearer");
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn what_belongs_to_another_environment_is_not_there() {
    let app = TestApp::start().await;
    let ids = Ids::of(&app).await;
    let nobody = ids.nobody();
    let stranger = app.stranger("elsewhere").await;
    app.call(&app.operator, "list_all_1_password_users", json!({"limit": 1})).await.expect(200);
    for operation in operations() {
        let path = ids.path(&operation);
        match operation.foreign {
            Foreign::Named => {
                let foreign = send(&app, &stranger, &operation, &ids).await;
                foreign.problem(404, "not_found");
                let absent = send(&app, &stranger, &operation, &nobody).await;
                absent.problem(404, "not_found");
                let (foreign, absent) = (without_ids(&foreign, &ids), without_ids(&absent, &nobody));
                assert_eq!(foreign, absent, "{} {path} tells that there is something", operation.method);
            }
            Foreign::Listed => {
                let foreign = send(&app, &stranger, &operation, &ids).await;
                foreign.expect(200);
                let text = foreign.text();
                assert!(
                    [&ids.account, &ids.token, &ids.trigger].iter().all(|id| !text.contains(*id)),
                    "{path} lists what is ours: {text}"
                );
                let own = send(&app, &app.operator, &operation, &ids).await.text();
                assert!(
                    own.contains(&ids.account) || own.contains(&ids.token),
                    "{path} lists nothing to look for: {own}"
                );
            }
            Foreign::Nothing(reason) => assert!(!reason.is_empty()),
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn every_call_and_change_leaves_an_audit_record() {
    let app = TestApp::start().await;
    let ids = Ids::of(&app).await;
    // `/custom` is off unless the token allows it; with a token that does, the record has an outcome of its own.
    let admin = app.client(json!({"role": "admin", "custom": true})).await;
    for operation in operations() {
        let path = ids.path(&operation);
        let client = if operation.template == "/environment" { &app.operator } else { &admin };
        let answer = send(&app, client, &operation, &ids).await;
        let request_id = answer.header("x-request-id").to_owned();
        match operation.audit {
            Audit::Record(action) => {
                let record = audit_record(&app, &request_id).await;
                let place = format!("{} {path} ({})", operation.method, answer.text());
                let Some(record) = record else { panic!("{place} left no record") };
                assert_eq!(record["request_id"], request_id.as_str());
                if record["outcome"] != "refused" {
                    assert_eq!(record["action"], action, "{place}");
                    // A raw call that came back is done, whatever the vendor said.
                    let done = answer.status.is_success() || record["door"] == "custom";
                    assert!(done || record["outcome"] == "failed", "{place}: {record}");
                }
            }
            Audit::Elsewhere(reason) => assert!(!reason.is_empty()),
            Audit::Nothing(reason) => {
                assert!(!reason.is_empty());
                assert!(answer.status.is_success(), "{path}: {}", answer.text());
            }
        }
    }
    app.finish().await;
}

/// The record of a request; records of reads are written a moment later.
async fn audit_record(app: &TestApp, request_id: &str) -> Option<Value> {
    for _ in 0..200 {
        let page = app.operator.get(&format!("/audit-log?request_id={request_id}")).await.expect(200);
        if let Some(record) = page["result"].get(0) {
            return Some(record.clone());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}
