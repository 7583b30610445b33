//! Integrated accounts: connect, read, change, delete.

use quartermaster_testkit::TestApp;
use serde_json::{Value, json};

#[tokio::test]
async fn an_account_is_connected_and_shows_no_secret() {
    let app = TestApp::builder().unconnected().start().await;
    let answer = app.operator.post("/integrated-account", &app.account_body("acme", json!({}))).await;
    let account = answer.expect(201);
    let id = account["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/integrated-account/{id}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(account["integration"], "1password");
    assert_eq!(account["tenant_id"], "acme");
    assert_eq!(account["connection"]["region"], "com");
    assert_eq!(account["credentials"], json!(["client_id", "client_secret"]));
    assert_eq!(account["override"]["base_url"], app.simulator.base_url());
    assert_eq!(account["sandbox"], false);
    let read = app.operator.get(&format!("/integrated-account/{id}")).await;
    assert_eq!(read.expect(200), account);
    let list = app.operator.get("/integrated-account?integration=1password&tenant_id=acme").await.expect(200);
    assert_eq!(list["result"], json!([account]));
    assert_eq!(app.operator.get("/integrated-account?tenant_id=other").await.expect(200)["result_count"], 0);
    let seen = app.simulator.control().seen();
    assert!(seen.iter().any(|request| request.path_and_query.contains("/users")), "it was tried: {seen:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_secret_is_told_in_the_vendors_words_and_nothing_is_kept() {
    let app = TestApp::builder().unconnected().start().await;
    app.secrets.add("the wrong secret", "hunter2-hunter2-hunter2");
    let credentials = json!({"client_id": app.simulator.client_id(), "client_secret": "hunter2-hunter2-hunter2"});
    let body = app.account_body("acme", json!({ "credentials": credentials }));
    let problem = app.operator.post("/integrated-account", &body).await.problem(422, "account_rejected");
    assert_eq!(problem["origin"], "upstream");
    assert_eq!(problem["upstream"]["status"], 401);
    assert!(problem["upstream"]["body"].as_str().unwrap().contains("invalid_client"), "{problem:#}");
    assert_eq!(app.operator.get("/integrated-account").await.expect(200)["result_count"], 0);
    app.finish().await;
}

#[tokio::test]
async fn wrong_fields_are_named_without_their_values() {
    let app = TestApp::builder().unconnected().start().await;
    app.secrets.add("a misplaced secret", "hunter2-hunter2-hunter2");
    let misplaced = json!({
        "integration": "1password", "tenant_id": "acme", "credentials": "hunter2-hunter2-hunter2",
        "conection": {"client_secret": "hunter2-hunter2-hunter2"}, "sandbox": "hunter2-hunter2-hunter2",
    });
    let problem = app.operator.post("/integrated-account", &misplaced).await.problem(400, "invalid_argument");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/credentials", "/sandbox", "/conection"]);
    for (changes, pointer) in [
        (json!({"integration": "2password"}), "/integration"),
        (json!({"connection": {"region": "mars", "account_id": app.simulator.account_id()}}), "/connection/region"),
        (json!({"connection": {"region": "com", "account_id": "../../x"}}), "/connection/account_id"),
        (
            json!({"connection": {"region": "com", "account_id": "AAAAAAAAAAAAAAAAAAAAAAAAA\r\nx: y"}}),
            "/connection/account_id",
        ),
        (
            json!({"connection": {"region": "com\r\nhost: evil", "account_id": app.simulator.account_id()}}),
            "/connection/region",
        ),
        (json!({"credentials": {"client_id": "x"}}), "/credentials/client_secret"),
    ] {
        let answer = app.operator.post("/integrated-account", &app.account_body("acme", changes)).await;
        let problem = answer.problem(400, "invalid_argument");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_reached() {
    let app = TestApp::builder().unconnected().start().await;
    for base_url in ["http://127.0.0.1:1", "http://169.254.169.254", "http://[::1]:80"] {
        let body = app.account_body("acme", json!({"override": {"base_url": base_url}}));
        let answer = app.operator.post("/integrated-account", &body).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{base_url}: {}", answer.text());
        assert!(answer.text().contains("upstream_forbidden") || answer.code() == 400, "{base_url}: {}", answer.text());
    }
    assert_eq!(app.operator.get("/integrated-account").await.expect(200)["result_count"], 0);
    app.finish().await;
}

#[tokio::test]
async fn a_change_is_a_merge_patch_on_a_version() {
    let app = TestApp::start().await;
    let path = app.account_path("");
    let first = app.operator.get(&path).await;
    let etag = first.header("etag").to_owned();
    let unchanged = app.operator.request("GET", &path).header("if-none-match", &etag).send().await;
    assert_eq!((unchanged.code(), unchanged.body.len()), (304, 0));
    let patch = |etag: &str, body: &Value| {
        let request = app.operator.request("PATCH", &path).json(body);
        request.header("content-type", "application/merge-patch+json").header("if-match", etag).send()
    };
    let changed = patch(&etag, &json!({"tenant_id": "umbrella", "sandbox": true})).await;
    assert_eq!(changed.expect(200)["tenant_id"], "umbrella");
    assert_eq!(changed.header("etag"), "\"2\"");
    patch(&etag, &json!({"tenant_id": "late"})).await.problem(412, "precondition_failed");
    patch("\"nothing\"", &json!({"tenant_id": "late"})).await.problem(412, "precondition_failed");
    patch("2", &json!({"tenant_id": "late"})).await.problem(400, "invalid_argument");
    let after = app.operator.get(&path).await.expect(200);
    assert_eq!(
        (&after["tenant_id"], &after["sandbox"], &after["version"]),
        (&json!("umbrella"), &json!(true), &json!(2))
    );
    for wrong in
        [json!({"tenant_id": null}), json!({"credentials": null}), json!({"connection": []}), json!({"id": "x"})]
    {
        app.operator.patch(&path, &wrong).await.problem(400, "invalid_argument");
    }
    app.finish().await;
}

#[tokio::test]
async fn new_credentials_are_tried_first() {
    let app = TestApp::start().await;
    let path = app.account_path("");
    app.secrets.add("the wrong secret", "hunter2-hunter2-hunter2");
    let wrong = json!({"client_id": app.simulator.client_id(), "client_secret": "hunter2-hunter2-hunter2"});
    app.operator.patch(&path, &json!({ "credentials": wrong })).await.problem(422, "account_rejected");
    app.operator.get(&app.proxy_path("users?limit=1")).await.expect(200);
    let right = json!({"client_id": app.simulator.client_id(), "client_secret": app.simulator.client_secret()});
    app.operator.patch(&path, &json!({ "credentials": right })).await.expect(200);
    app.operator.get(&app.proxy_path("users?limit=1")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_switched_off_account_refuses_calls_and_a_sandbox_refuses_writes() {
    let app = TestApp::start().await;
    let path = app.account_path("");
    let person = app.person("a.miller@company.com");
    let suspend = app.proxy_path(&format!("users/{person}/suspend"));
    app.operator.patch(&path, &json!({"sandbox": true})).await.expect(200);
    app.operator.get(&app.proxy_path("users?limit=1")).await.expect(200);
    app.operator.post(&suspend, &json!({})).await.problem(403, "sandbox_write");
    app.operator.patch(&path, &json!({"sandbox": false, "blocked": true})).await.expect(200);
    app.operator.get(&app.proxy_path("users?limit=1")).await.problem(403, "account_blocked");
    app.operator.patch(&path, &json!({"blocked": false})).await.expect(200);
    app.operator.get(&app.proxy_path("users?limit=1")).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_deleted_account_is_gone() {
    let app = TestApp::start().await;
    let path = app.account_path("");
    let versioned = app.operator.request("DELETE", &path).header("if-match", "\"1\"");
    versioned.send().await.problem(400, "invalid_argument");
    app.operator.delete(&path).await.expect(204);
    for gone in [path.clone(), app.account_path("/tools"), app.proxy_path("users")] {
        app.operator.get(&gone).await.problem(404, "not_found");
    }
    app.operator.delete(&path).await.problem(404, "not_found");
    app.finish().await;
}
