//! Raw calls.

use quartermaster_testkit::TestApp;
use serde_json::json;

#[tokio::test]
async fn raw_calls_are_off_unless_the_token_allows_them() {
    let app = TestApp::start().await;
    let path = format!("/custom/v1beta1/accounts/{}/users?max_page_size=2", app.simulator.account_id());
    let full = format!("{path}&integrated_account_id={}", app.account);
    let plain = app.client(json!({"role": "agent"})).await;
    let problem = plain.get(&full).await.problem(403, "permission_denied");
    assert_eq!(problem["origin"], "gateway");
    let allowed = app.client(json!({"role": "agent", "custom": true})).await;
    let answer = allowed.get(&full).await;
    assert_eq!(answer.expect(200)["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer.header("quartermaster-origin"), "upstream");
    assert_eq!(answer.header("content-security-policy"), "sandbox");
    let last = app.simulator.control().seen().pop().unwrap();
    assert!(!last.path_and_query.contains("integrated_account_id"), "{last:?}");
    // A token for one account needs no parameter.
    let narrow = app.client(json!({"role": "agent", "custom": true, "accounts": [app.account]})).await;
    narrow.get(&path).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn the_vendors_own_refusal_is_not_taken_for_ours() {
    let app = TestApp::start().await;
    let allowed = app.client(json!({"role": "agent", "custom": true, "accounts": [app.account]})).await;
    let answer = allowed.get("/custom/v1beta1/nothing").await;
    assert_eq!(answer.code(), 404);
    assert_eq!(answer.header("quartermaster-origin"), "upstream");
    assert_ne!(answer.header("content-type"), "application/problem+json");
    app.finish().await;
}

#[tokio::test]
async fn a_raw_call_cannot_be_rehearsed_or_leave_its_base() {
    let app = TestApp::start().await;
    let allowed = app.client(json!({"role": "agent", "custom": true, "accounts": [app.account]})).await;
    let before = app.simulator.control().counts().total();
    allowed.post("/custom/v1beta1/x?dry_run=true", &json!({})).await.problem(400, "unsupported");
    for path in ["/custom/../x", "/custom/v1beta1/../../x", "/custom/%2e%2e/x", "/custom/v1beta1/%2e%2e/x"] {
        let answer = allowed.get(path).await;
        assert_eq!(answer.code(), 400, "{path}: {}", answer.text());
    }
    assert_eq!(app.simulator.control().counts().total(), before, "nothing was sent");
    app.finish().await;
}
