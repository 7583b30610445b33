//! Tokens, environments and what roles may do.

use quartermaster_testkit::TestApp;
use quartermaster_types::{Clock, Timestamp};
use serde_json::json;

#[tokio::test]
async fn a_token_is_shown_once_and_works_until_it_is_revoked() {
    let app = TestApp::builder().unconnected().start().await;
    let body = json!({"name": "reporting", "role": "auditor", "expires_at": "2999-01-01T00:00:00Z"});
    let answer = app.operator.request("POST", "/token").json(&body).shows_secret().send().await;
    let made = answer.expect(201);
    let text = made["token"].as_str().unwrap();
    app.secrets.add("the new token", text);
    let id = made["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/token/{id}"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(made["expires_at"], "2999-01-01T00:00:00.000Z");
    let auditor = app.operator.with_token(text);
    let listed = auditor.get("/token").await.expect(200);
    assert!(listed["result"].as_array().unwrap().iter().any(|token| token["id"] == id && token["token"].is_null()));
    app.operator.delete(&format!("/token/{id}")).await.expect(204);
    auditor.get("/token").await.problem(401, "unauthenticated");
    app.operator.delete(&format!("/token/{}", crate::NOBODY)).await.problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn an_expired_token_no_longer_works() {
    let clock = Clock::manual(Timestamp::from_unix_ms(1_800_000_000_000));
    let app = TestApp::builder().unconnected().clock(clock.clone()).start().await;
    let end = Timestamp::from_unix_ms(1_800_000_060_000).to_string();
    let short = app.client(json!({"role": "admin", "expires_at": end})).await;
    clock.advance_ms(59_999);
    short.get("/token").await.expect(200);
    clock.advance_ms(1);
    short.get("/token").await.problem(401, "unauthenticated");
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_is_wrong_is_explained_place_by_place() {
    let app = TestApp::builder().unconnected().start().await;
    let wrong = json!({"nam": "x", "role": "owner", "accounts": ["x"], "custom": "yes", "expires_at": "tomorrow"});
    let problem = app.operator.post("/token", &wrong).await.problem(400, "invalid_argument");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/role", "/accounts", "/custom", "/expires_at", "/nam"]);
    assert!(errors[5]["detail"].as_str().unwrap().contains("Did you mean `name`?"));
    app.finish().await;
}

#[tokio::test]
async fn roles_hold_at_the_door() {
    let app = TestApp::start().await;
    let agent = app.client(json!({"role": "agent"})).await;
    let auditor = app.client(json!({"role": "auditor"})).await;
    let account = app.account_path("");
    for (client, path, status) in [
        (&agent, "/audit-log", 403),
        (&agent, "/metrics", 403),
        (&agent, "/token", 403),
        (&agent, account.as_str(), 200),
        (&auditor, "/audit-log", 200),
        (&auditor, "/metrics", 200),
        (&auditor, account.as_str(), 200),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.code(), status, "{path}: {}", answer.text());
    }
    for client in [&agent, &auditor] {
        client.delete(&account).await.problem(403, "permission_denied");
        client.post("/token", &json!({"name": "x", "role": "admin"})).await.problem(403, "permission_denied");
        client.post("/environment", &json!({"name": "x"})).await.problem(403, "permission_denied");
    }
    app.call(&agent, "list_all_1_password_users", json!({"limit": 1})).await.expect(200);
    app.call(&auditor, "list_all_1_password_users", json!({"limit": 1})).await.problem(403, "permission_denied");
    app.finish().await;
}

#[tokio::test]
async fn only_the_first_token_makes_environments() {
    let app = TestApp::builder().unconnected().start().await;
    let admin = app.client(json!({"role": "admin"})).await;
    admin.post("/environment", &json!({"name": "x"})).await.problem(403, "permission_denied");
    let other = app.stranger("x").await;
    other.get("/integrated-account").await.expect(200);
    app.operator.post("/environment", &json!({"name": "x"})).await.problem(409, "conflict");
    app.operator.post("/environment", &json!({})).await.problem(400, "invalid_argument");
    app.finish().await;
}

#[tokio::test]
async fn pages_are_walked_with_cursors_that_cannot_be_altered() {
    let app = TestApp::builder().unconnected().start().await;
    for _ in 0..4 {
        app.client(json!({"role": "agent"})).await;
    }
    let mut seen = Vec::new();
    let mut path = "/token?limit=2".to_owned();
    loop {
        let page = app.operator.get(&path).await.expect(200);
        assert_eq!(page["result_count"], page["result"].as_array().unwrap().len());
        assert!(page["prev_cursor"].is_null());
        seen.extend(page["result"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/token?limit=2&next_cursor={cursor}");
        let mut altered = cursor.to_owned();
        let last = altered.pop().unwrap();
        altered.push(if last == 'A' { 'B' } else { 'A' });
        for wrong in [altered.as_str(), "x", "%00"] {
            let answer = app.operator.get(&format!("/token?next_cursor={wrong}")).await;
            answer.problem(400, "invalid_argument");
        }
        // A cursor of one list does not open another.
        app.operator.get(&format!("/integrated-account?next_cursor={cursor}")).await.problem(400, "invalid_argument");
    }
    assert_eq!(seen.len(), 5);
    seen.dedup();
    assert_eq!(seen.len(), 5);
    for limit in ["0", "-1", "1e9", "201", "1.5", "x", "", "99999999999999999999"] {
        app.operator.get(&format!("/token?limit={limit}")).await.problem(400, "invalid_argument");
    }
    app.operator.get("/token?limit=200").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn names_that_nothing_has_are_warned_of_with_near_ones() {
    let app = TestApp::builder().unconnected().start().await;
    let body = json!({"name": "x", "role": "agent", "methods": ["read", "suspnd", "List"], "tools": ["bogus", "1_password_users_suspend"]});
    let made = app.operator.request("POST", "/token").json(&body).shows_secret().send().await.expect(201);
    let warnings = made["warnings"].as_array().unwrap();
    let pointers: Vec<_> = warnings.iter().map(|warning| warning["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/tools/0", "/methods/1"], "{made:#}");
    assert!(warnings[1]["detail"].as_str().unwrap().contains("did you mean `suspend`?"), "{made:#}");
    assert!(warnings[0]["detail"].as_str().unwrap().contains("list_all_1_password_users"), "{made:#}");
    let body = json!({"name": "x", "role": "agent", "methods": ["read", "suspend"]});
    let made = app.operator.request("POST", "/token").json(&body).shows_secret().send().await.expect(201);
    assert!(made.get("warnings").is_none());
    app.finish().await;
}

#[tokio::test]
async fn an_operator_token_is_handed_over() {
    let app = TestApp::builder().unconnected().start().await;
    let admin = app.client(json!({"role": "admin"})).await;
    let body = json!({"name": "second", "role": "admin", "operator": true});
    admin.post("/token", &body).await.problem(403, "permission_denied");
    let made = app.operator.request("POST", "/token").json(&body).shows_secret().send().await.expect(201);
    assert_eq!(made["operator"], true);
    let text = made["token"].as_str().unwrap();
    app.secrets.add("the operator token", text);
    let second = app.operator.with_token(text);
    let listed = second.get("/token").await.expect(200);
    let first =
        listed["result"].as_array().unwrap().iter().find(|token| token["operator"] == true).unwrap()["id"].clone();
    let first = format!("/token/{}", first.as_str().unwrap());
    admin.delete(&first).await.problem(403, "permission_denied");
    second.delete(&first).await.expect(204);
    app.operator.get("/token").await.problem(401, "unauthenticated");
    let last = format!("/token/{}", made["id"].as_str().unwrap());
    admin.delete(&last).await.problem(403, "permission_denied");
    second.delete(&last).await.problem(409, "conflict");
    second.request("POST", "/environment").json(&json!({"name": "x"})).shows_secret().send().await.expect(201);
    app.finish().await;
}
