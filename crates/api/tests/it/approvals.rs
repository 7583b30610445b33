//! Approvals over HTTP.

use quartermaster_testkit::TestApp;
use serde_json::{Value, json};

use crate::NOBODY;

async fn decide(app: &TestApp, id: &str, body: Value) -> quartermaster_testkit::Answer {
    app.operator.post(&format!("/approval/{id}/decide"), &body).await
}

#[tokio::test]
async fn an_approval_is_listed_read_and_decided() {
    let app = TestApp::start().await;
    let id = app.approval().await;
    let listed = app.operator.get("/approval?state=pending").await.expect(200);
    assert_eq!((&listed["result"][0]["id"], &listed["result_count"]), (&json!(id), &json!(1)));
    assert_eq!(app.operator.get("/approval?state=used").await.expect(200)["result_count"], 0);
    assert_eq!(app.operator.get(&format!("/approval?run_id={NOBODY}")).await.expect(200)["result_count"], 0);
    let agent = app.client(json!({"role": "agent"})).await;
    assert_eq!(agent.get("/approval").await.expect(200)["result_count"], 0, "of another token");

    let read = app.operator.get(&format!("/approval/{id}")).await.expect(200);
    assert_eq!((&read["state"], &read["kind"], &read["rule"]), (&json!("pending"), &json!("call"), &json!("ask")));
    assert_eq!(read["card"]["rows"][0]["after"], json!({"state": "SUSPENDED"}));
    assert_eq!(read["approvers"]["roles"], json!(["admin"]));
    for client in [&agent, &app.stranger("elsewhere").await] {
        client.get(&format!("/approval/{id}")).await.problem(404, "not_found");
    }

    let denied = decide(&app, &id, json!({"decision": "deny", "reason": "he stays"})).await.expect(200);
    assert_eq!((&denied["state"], &denied["votes"][0]["reason"]), (&json!("denied"), &json!("he stays")));
    decide(&app, &id, json!({"decision": "approve"})).await.problem(409, "conflict");
    assert_eq!(app.simulator.control().counts().suspend, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_decision_is_refused_with_every_mistake() {
    let app = TestApp::start().await;
    let id = app.approval().await;
    for (body, pointers) in [
        (json!({}), vec!["/decision"]),
        (json!({"decision": "maybe", "vote": 1}), vec!["/decision", "/vote"]),
        (json!({"decision": "approve", "veto": ["1"]}), vec!["/veto"]),
        (json!({"decision": "approve", "veto": [-1]}), vec!["/veto"]),
        (json!({"decision": "approve", "veto": [1]}), vec!["/veto"]),
        (json!({"decision": "approve", "veto": [2]}), vec!["/veto/0"]),
        (json!({"decision": "deny", "reason": 7}), vec!["/reason"]),
    ] {
        let problem = decide(&app, &id, body.clone()).await.problem(400, "invalid_argument");
        let mut found: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, pointers, "{body}");
    }
    app.operator.get("/approval?state=lost").await.problem(400, "invalid_argument");
    app.operator.get("/approval?run_id=x").await.problem(400, "invalid_argument");
    let read = app.operator.get(&format!("/approval/{id}")).await.expect(200);
    assert_eq!(read["votes"], json!([]), "nothing was decided");
    app.finish().await;
}
