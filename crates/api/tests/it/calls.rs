//! Calls through both doors.

use quartermaster_simulator::State;
use quartermaster_testkit::TestApp;
use serde_json::json;

#[tokio::test]
async fn a_person_is_found_read_suspended_and_reactivated() {
    let app = TestApp::start().await;
    let agent = app.client(json!({"role": "agent"})).await;
    let found =
        app.call(&agent, "list_all_1_password_users", json!({"email": "A.Miller@company.com"})).await.expect(200);
    assert_eq!(found["result_count"], 1);
    assert_eq!(found["result"][0]["display_name"], "Anna Miller");
    assert_eq!(found["is_partial"], false);
    let id = found["result"][0]["id"].as_str().unwrap();
    let read = app.call(&agent, "get_single_1_password_user_by_id", json!({ "id": id })).await.expect(200);
    assert_eq!(read["result"]["state"], "ACTIVE");
    let suspended = app.call(&agent, "1_password_users_suspend", json!({ "id": id })).await.expect(200);
    assert_eq!((&suspended["changed"], &suspended["result"]["state"]), (&json!(true), &json!("SUSPENDED")));
    let again = app.call(&agent, "1_password_users_suspend", json!({ "id": id })).await.expect(200);
    assert_eq!(again["changed"], false);
    let back = app.call(&agent, "1_password_users_reactivate", json!({ "id": id })).await.expect(200);
    assert_eq!((&back["changed"], &back["result"]["state"]), (&json!(true), &json!("ACTIVE")));
    app.finish().await;
}

#[tokio::test]
async fn an_id_that_was_not_read_in_this_session_is_not_written_to() {
    let app = TestApp::start().await;
    let id = app.person("a.miller@company.com");
    let path = app.account_path("/tools/1_password_users_suspend/call");
    let suspend = |session: &str| {
        let request = app.operator.request("POST", &path).json(&json!({"arguments": {"id": id}}));
        request.header("quartermaster-session", session).send()
    };
    let problem = suspend("offboarding-1").await.problem(403, "ungrounded_id");
    let tools: Vec<_> = problem["next_calls"].as_array().unwrap().iter().map(|call| &call["tool"]).collect();
    assert_eq!(tools, ["list_all_1_password_users", "get_single_1_password_user_by_id"], "{problem:#}");
    let read = app.account_path("/tools/get_single_1_password_user_by_id/call");
    let read = app.operator.request("POST", &read).json(&json!({"arguments": {"id": id}}));
    read.header("quartermaster-session", "offboarding-2").send().await.expect(200);
    suspend("offboarding-1").await.problem(403, "ungrounded_id");
    assert_eq!(app.simulator.control().find("a.miller@company.com").unwrap().state, State::Active);
    suspend("offboarding-2").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn what_is_expected_of_a_record_is_taken_by_both_doors_and_refused_elsewhere() {
    let app = TestApp::start().await;
    let agent = app.client(json!({"role": "agent", "custom": true})).await;
    let email = "a.miller@company.com";
    app.call(&agent, "list_all_1_password_users", json!({"email": email})).await.expect(200);
    let id = app.person(email);
    let tool = app.account_path("/tools/1_password_users_suspend/call");
    let other = json!({"email": "b.jones@company.com"});
    let body = json!({"arguments": {"id": id}, "expect": other});
    let problem = agent.post(&tool, &body).await.problem(412, "precondition_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/expect/email");
    let header = other.to_string();
    let proxy = app.proxy_path(&format!("users/{id}/suspend"));
    let refused = agent.request("POST", &proxy).header("quartermaster-expect", &header).send().await;
    refused.problem(412, "precondition_failed");
    let both = agent.request("POST", &tool).json(&body).header("quartermaster-expect", &header).send().await;
    assert_eq!(both.problem(400, "invalid_argument")["errors"][0]["pointer"], "/expect");
    let wrong = json!({"arguments": {"id": id}, "expect": "email"});
    assert_eq!(agent.post(&tool, &wrong).await.problem(400, "invalid_argument")["errors"][0]["pointer"], "/expect");
    let raw = format!("/custom/v1beta1/x?integrated_account_id={}", app.account);
    let raw = agent.request("POST", &raw).header("quartermaster-expect", &header).send().await;
    raw.problem(400, "unsupported");
    assert_eq!(app.simulator.control().find(email).unwrap().state, State::Active);
    let right = json!({"email": email}).to_string();
    let done = agent.request("POST", &proxy).header("quartermaster-expect", &right).send().await.expect(200);
    assert_eq!(done["changed"], true);
    app.finish().await;
}

#[tokio::test]
async fn an_email_given_as_an_id_is_explained() {
    let app = TestApp::start().await;
    let before = app.simulator.control().counts().total();
    let email = "a.miller@company.com";
    let answer = app.call(&app.operator, "1_password_users_suspend", json!({ "id": email })).await;
    let problem = answer.problem(400, "invalid_argument");
    assert_eq!(problem["next_calls"][0]["tool"], "list_all_1_password_users");
    assert_eq!(problem["next_calls"][0]["arguments"], json!({ "email": email }));
    assert_eq!(app.simulator.control().counts().total(), before);
    app.finish().await;
}

#[tokio::test]
async fn an_unknown_person_is_an_explained_404_of_the_vendor() {
    let app = TestApp::start().await;
    let answer = app.operator.get(&app.proxy_path("users/AAAAAAAAAAAAAAAAAAAAAAAAAA")).await;
    let problem = answer.problem(404, "not_found");
    assert_eq!(problem["origin"], "upstream");
    assert!(problem["hint"].as_str().unwrap().contains("does not tell whether"), "{problem:#}");
    assert_eq!(problem["next_calls"][0]["tool"], "list_all_1_password_users");
    app.finish().await;
}

#[tokio::test]
async fn a_rehearsal_shows_the_request_and_sends_nothing() {
    let app = TestApp::start().await;
    let id = app.person("a.miller@company.com");
    let before = app.simulator.control().counts().total();
    let path = app.account_path("/tools/get_single_1_password_user_by_id/call?dry_run=true");
    let shown = app.operator.post(&path, &json!({"arguments": {"id": id}})).await.expect(200);
    assert_eq!(shown["dry_run"], true);
    assert_eq!(shown["method"], "users.get");
    assert_eq!(shown["decision"]["allowed"], true);
    assert_eq!(shown["request"]["method"], "GET");
    let expected = format!("{}/v1beta1/accounts/{}/users/{id}", app.simulator.base_url(), app.simulator.account_id());
    assert_eq!(shown["request"]["url"], expected);
    assert!(shown["request"]["headers"].to_string().contains("[secret]"), "{shown:#}");
    let path = app.account_path("/tools/1_password_users_suspend/call?dry_run=true");
    let refused = app.operator.post(&path, &json!({"arguments": {"id": id}})).await.expect(200);
    assert_eq!(refused["decision"]["allowed"], false);
    assert_eq!(refused["decision"]["problem"]["code"], "ungrounded_id");
    assert!(refused["request"].is_null());
    let path = app.proxy_path(&format!("users/{id}/suspend?dry_run=true"));
    let shown = app.operator.post(&path, &json!({})).await.expect(200);
    assert!(shown["request"]["url"].as_str().unwrap().ends_with(&format!("{id}:suspend")), "{shown:#}");
    assert_eq!(app.simulator.control().counts().total(), before, "nothing was sent");
    app.finish().await;
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped() {
    let app = TestApp::start().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut path = app.proxy_path("users?limit=25");
    loop {
        let page = app.operator.get(&path).await.expect(200);
        for person in page["result"].as_array().unwrap() {
            assert!(seen.insert(person["id"].as_str().unwrap().to_owned()), "somebody stands twice");
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = app.proxy_path(&format!("users?limit=25&next_cursor={cursor}"));
        let altered = format!("{}{cursor}", if cursor.starts_with('A') { 'B' } else { 'A' });
        let wrong = app.proxy_path(&format!("users?limit=25&next_cursor={altered}"));
        app.operator.get(&wrong).await.problem(400, "invalid_argument");
        // A cursor belongs to its filters.
        let other = app.proxy_path(&format!("users?limit=25&state=ACTIVE&next_cursor={cursor}"));
        app.operator.get(&other).await.problem(400, "invalid_argument");
    }
    let visible = app.simulator.control().people().iter().filter(|person| !person.hidden).count();
    assert_eq!(seen.len(), visible);
    let page = app.operator.get(&app.proxy_path("users?limit=1&fields=id,email")).await.expect(200);
    assert_eq!(page["result"][0].as_object().unwrap().len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn an_idempotency_key_writes_once() {
    let app = TestApp::start().await;
    let id = app.person("a.miller@company.com");
    let path = app.proxy_path(&format!("users/{id}/suspend"));
    let send = |path: &str| app.operator.request("POST", path).header("idempotency-key", "offboard-1").send();
    let first = send(&path).await;
    first.expect(200);
    assert_eq!(first.header("idempotent-replayed"), "");
    let second = send(&path).await;
    assert_eq!(second.expect(200), first.json());
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(app.simulator.control().counts().suspend, 1);
    let other = app.proxy_path(&format!("users/{id}/reactivate"));
    assert_eq!(send(&other).await.code(), 422);
    app.finish().await;
}

#[tokio::test]
async fn what_an_integration_does_not_have_is_said() {
    let app = TestApp::start().await;
    for (method, path) in
        [("GET", "groups"), ("DELETE", "users/AAAAAAAAAAAAAAAAAAAAAAAAAA"), ("POST", "users"), ("POST", "users/count")]
    {
        let problem = app.operator.request(method, &app.proxy_path(path)).send().await.problem(400, "unsupported");
        assert!(
            problem["hint"].as_str().is_some_and(|hint| hint.contains("users") || hint.contains("suspend")),
            "{problem:#}"
        );
    }
    let problem = app.call(&app.operator, "1_password_users_delete", json!({})).await.problem(404, "not_found");
    assert!(problem["hint"].as_str().unwrap().contains("1_password_users_suspend"), "{problem:#}");
    app.finish().await;
}

#[tokio::test]
async fn a_token_is_held_to_its_narrowing() {
    let app = TestApp::start().await;
    let other = app.connect(&app.operator, "other", json!({})).await;
    let reader = app.client(json!({"role": "agent", "methods": ["read"], "accounts": [app.account]})).await;
    app.call(&reader, "list_all_1_password_users", json!({"limit": 1})).await.expect(200);
    let id = app.person("a.miller@company.com");
    app.call(&reader, "1_password_users_suspend", json!({ "id": id })).await.problem(403, "permission_denied");
    reader.get(&format!("/integrated-account/{other}")).await.problem(404, "not_found");
    reader.get("/proxy/users?limit=1").await.expect(200);
    app.finish().await;
}
