//! Plans over HTTP: made, shown, executed once, discarded; and the undo of runs.

use std::time::Duration;

use quartermaster_simulator::State;
use quartermaster_testkit::TestApp;
use serde_json::{Value, json};

use crate::NOBODY;

/// The body of a plan that suspends these people.
pub(crate) fn body(app: &TestApp, emails: &[&str]) -> Value {
    let calls: Vec<Value> =
        emails.iter().map(|email| json!({"tool": "1_password_users_suspend", "find": {"email": email}})).collect();
    json!({"integrated_account_id": app.account, "calls": calls})
}

/// A plan that suspends this person.
pub(crate) async fn made(app: &TestApp, email: &str) -> Value {
    app.operator.post("/plan", &body(app, &[email])).await.expect(201)
}

/// The run, once it has ended.
pub(crate) async fn ended(app: &TestApp, run: &str) -> Value {
    for _ in 0..1500 {
        let run = app.operator.get(&format!("/run/{run}")).await.expect(200);
        if !run["finished_at"].is_null() {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the run {run} does not end");
}

/// The id of a run that suspended this person, ended.
pub(crate) async fn offboarded(app: &TestApp, email: &str) -> String {
    let body = json!({"playbook": "offboard", "integrated_account_id": app.account, "input": {"email": email}});
    let run = app.operator.post("/run", &body).await.expect(201);
    let run = ended(app, run["id"].as_str().unwrap()).await;
    assert_eq!(run["state"], "done", "{run}");
    run["id"].as_str().unwrap().to_owned()
}

const EMAIL: &str = "a.miller@company.com";

fn state_of(app: &TestApp, email: &str) -> State {
    app.simulator.control().find(email).unwrap().state
}

async fn execute(app: &TestApp, plan: &Value) -> Value {
    let path = format!("/plan/{}/execute", plan["id"].as_str().unwrap());
    app.operator.post(&path, &json!({"hash": plan["hash"]})).await.expect(201)
}

#[tokio::test]
async fn a_plan_is_made_shown_executed_and_undone() {
    let app = TestApp::start().await;
    let answer = app.operator.post("/plan", &body(&app, &[EMAIL])).await;
    let plan = answer.expect(201);
    let id = plan["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/plan/{id}"));
    assert_eq!(app.operator.get(&format!("/plan/{id}")).await.expect(200), plan);
    assert_eq!((&plan["state"], &plan["totals"]["changes"]), (&json!("ready"), &json!(1)));
    let row = &plan["rows"][0];
    assert_eq!(row["diff"], json!([{"member": "state", "before": "ACTIVE", "after": "SUSPENDED"}]));
    assert_eq!(row["undoable"], json!({"method": "users.reactivate"}));
    assert_eq!(row["before"], json!({"email": EMAIL, "state": "ACTIVE"}));
    assert_eq!(state_of(&app, EMAIL), State::Active, "nothing was done yet");
    let listed = app.operator.get("/plan?state=ready").await.expect(200);
    assert_eq!((&listed["result"][0]["id"], &listed["result"][0]["hash"]), (&plan["id"], &plan["hash"]));

    let run = execute(&app, &plan).await;
    assert_eq!((&run["kind"], &run["name"]), (&json!("plan"), &json!("plan")));
    let run = ended(&app, run["id"].as_str().unwrap()).await;
    assert_eq!(run["state"], "done", "{run}");
    assert_eq!(state_of(&app, EMAIL), State::Suspended);
    let shown = app.operator.get(&format!("/plan/{id}")).await.expect(200);
    assert_eq!((&shown["state"], &shown["run_id"]), (&json!("executed"), &run["id"]));

    let path = format!("/run/{}/undo", run["id"].as_str().unwrap());
    let rehearsed = app.operator.post(&path, &json!({"dry_run": true})).await;
    assert_eq!((rehearsed.code(), &rehearsed.json()["id"]), (200, &Value::Null));
    let undo = app.operator.request("POST", &path).send().await.expect(201);
    assert_eq!((&undo["undoes"], &undo["hash"]), (&run["id"], &rehearsed.json()["hash"]));
    let undone = execute(&app, &undo).await;
    assert_eq!(ended(&app, undone["id"].as_str().unwrap()).await["state"], "done");
    assert_eq!(state_of(&app, EMAIL), State::Active);
    let run = app.operator.get(&format!("/run/{}", run["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(run["undone_by"], undone["id"]);
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_plan_is_named_at_its_place() {
    let app = TestApp::start().await;
    let plan = |calls: Value| json!({"integrated_account_id": app.account, "calls": calls});
    let errors = async |body: Value| {
        let problem = app.operator.post("/plan", &body).await.problem(400, "invalid_argument");
        let places = problem["errors"].as_array().unwrap().iter();
        places.map(|error| error["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(errors(json!({})).await, ["/integrated_account_id", "/calls"]);
    let calls = json!([
        7,
        {"tool": "a", "resource": "users"},
        {"tool": "a", "arguments": []},
        {"tool": "a", "find": {"name": "Miller"}},
        {"tool": "a", "exspect": {}},
    ]);
    let found = errors(plan(calls)).await;
    assert_eq!(
        found,
        ["/calls/0", "/calls/1", "/calls/2/arguments", "/calls/3/find", "/calls/3/find/name", "/calls/4/exspect"]
    );
    assert_eq!(errors(plan(json!([]))).await, ["/calls"]);
    let both = json!([{"tool": "1_password_users_suspend", "arguments": {"id": "A"}, "find": {"email": EMAIL}}]);
    assert_eq!(errors(plan(both)).await, ["/calls/0/find"]);
    for (seconds, good) in [(59, false), (60, true), (86_400, true), (86_401, false)] {
        let mut body = body(&app, &[EMAIL]);
        body["expires_in_seconds"] = json!(seconds);
        assert_eq!(app.operator.post("/plan", &body).await.code() == 201, good, "{seconds}");
    }
    let mut elsewhere = body(&app, &[EMAIL]);
    elsewhere["integrated_account_id"] = json!(NOBODY);
    app.operator.post("/plan", &elsewhere).await.problem(404, "not_found");
    let stranger = app.stranger("elsewhere").await;
    stranger.post("/plan", &body(&app, &[EMAIL])).await.problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn a_plan_is_executed_once_by_its_hash_and_a_discarded_one_not_at_all() {
    let app = TestApp::start().await;
    let plan = made(&app, EMAIL).await;
    let path = format!("/plan/{}/execute", plan["id"].as_str().unwrap());
    let wrong = json!({"hash": "0".repeat(64)});
    app.operator.post(&path, &wrong).await.problem(412, "precondition_failed");
    app.operator.post(&path, &json!({})).await.problem(400, "invalid_argument");
    let run = execute(&app, &plan).await;
    ended(&app, run["id"].as_str().unwrap()).await;
    let again = app.operator.post(&path, &json!({"hash": plan["hash"]})).await.problem(409, "conflict");
    assert!(again["detail"].as_str().unwrap().contains(run["id"].as_str().unwrap()), "{again}");
    let discard = path.replace("execute", "discard");
    app.operator.request("POST", &discard).send().await.problem(409, "conflict");

    let other = made(&app, EMAIL).await;
    let path = format!("/plan/{}", other["id"].as_str().unwrap());
    for _ in 0..2 {
        let discarded = app.operator.request("POST", &format!("{path}/discard")).send().await.expect(200);
        assert_eq!(discarded["state"], "discarded");
    }
    let refused = app.operator.post(&format!("{path}/execute"), &json!({"hash": other["hash"]})).await;
    refused.problem(409, "conflict");
    assert_eq!(app.simulator.control().counts().suspend, 1);
    app.finish().await;
}

#[tokio::test]
async fn an_agent_sees_its_own_plans_and_an_auditor_makes_none() {
    let app = TestApp::start().await;
    let ours = made(&app, EMAIL).await;
    let agent = app.client(json!({"role": "agent"})).await;
    let path = format!("/plan/{}", ours["id"].as_str().unwrap());
    agent.get(&path).await.problem(404, "not_found");
    agent.post(&format!("{path}/execute"), &json!({"hash": ours["hash"]})).await.problem(404, "not_found");
    let own = agent.post("/plan", &body(&app, &[EMAIL])).await.expect(201);
    let listed = agent.get("/plan").await.expect(200);
    assert_eq!((&listed["result_count"], &listed["result"][0]["id"]), (&json!(1), &own["id"]));
    let auditor = app.client(json!({"role": "auditor"})).await;
    auditor.get(&path).await.expect(200);
    auditor.post("/plan", &body(&app, &[EMAIL])).await.problem(403, "permission_denied");
    auditor.post(&format!("{path}/execute"), &json!({"hash": ours["hash"]})).await.problem(403, "permission_denied");
    app.finish().await;
}
