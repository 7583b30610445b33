//! Connections to servers of language models over HTTP: keys that never come back, changes, and checks against a scripted
//! model.

use quartermaster_simulator::model::{Config, Running, Script, start};
use quartermaster_testkit::TestApp;
use serde_json::{Value, json};

const KEY: &str = "sk-model-0123456789abcdefghij";

async fn scripted(script: Value) -> Running {
    let script = Script::from_value(script).unwrap();
    let config = Config { key: Some(KEY.to_owned()), models: vec!["m-1".to_owned()], ..Config::new(script) };
    start(config).await.unwrap()
}

async fn app_for(running: &Running) -> TestApp {
    let app = TestApp::builder().upstream(running.address()).start().await;
    // Whatever any test here answers or logs is searched for it.
    app.secrets.add("the key of the model connection", KEY);
    app
}

fn new_model(running: &Running) -> Value {
    json!({
        "name": "local", "wire": "openai", "base_url": running.base_url(), "model": "m-1", "key": KEY,
        "price": {"input": 3, "output": 15.5}, "context_tokens": 32768,
    })
}

#[tokio::test]
async fn a_connection_is_made_checked_changed_and_deleted() {
    let running = scripted(json!({"otherwise": {"text": "OK", "usage": {"input": 11, "output": 2}}})).await;
    let app = app_for(&running).await;
    let made = app.operator.post("/model", &new_model(&running)).await;
    let view = made.expect(201);
    assert_eq!(made.header("location"), "/model/local");
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(
        (&view["has_key"], &view["source"], &view["price"]["output"]),
        (&json!(true), &json!("environment"), &json!(15.5))
    );
    assert_eq!(app.operator.get("/model/local").await.expect(200), view);
    assert_eq!(app.operator.get("/model").await.expect(200)["result"], json!([view]));

    let answer = app.operator.post("/model/local/check", &json!({})).await.expect(200);
    assert_eq!((&answer["said"], &answer["stop"], &answer["model"]), (&json!("OK"), &json!("end"), &json!("m-1")));
    assert_eq!(answer["usage"], json!({"input_tokens": 11, "output_tokens": 2, "cached_tokens": 0}));

    let patch = json!({"model": "m-2", "price": null, "name": "renamed"});
    let stale = app.operator.request("PATCH", "/model/local").header("if-match", "\"7\"").json(&patch).send().await;
    stale.problem(412, "precondition_failed");
    let changed = app.operator.request("PATCH", "/model/local").header("if-match", "\"1\"").json(&patch).send().await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["name"], &changed["version"], &changed["price"]),
        (&json!("renamed"), &json!(2), &Value::Null)
    );
    app.operator.get("/model/local").await.problem(404, "not_found");
    let refused = app.operator.post("/model/renamed/check", &json!({})).await.problem(422, "model_rejected");
    assert_eq!(refused["origin"], "model");
    assert!(refused["detail"].as_str().unwrap().contains("m-2"), "{refused}");
    app.operator.post("/model/renamed/check", &json!({"model": "m-1"})).await.expect(200);

    app.operator.delete("/model/renamed").await.expect(204);
    app.operator.delete("/model/renamed").await.problem(404, "not_found");
    let audit = app.operator.get("/audit-log?limit=50").await.expect(200);
    let actions: Vec<_> =
        audit["result"].as_array().unwrap().iter().rev().map(|record| record["action"].clone()).collect();
    assert_eq!(
        actions
            .into_iter()
            .filter(|action| action.as_str().is_some_and(|action| action.starts_with("model.")))
            .collect::<Vec<_>>(),
        ["model.create", "model.check", "model.update", "model.check", "model.check", "model.delete"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_stored_key_goes_nowhere_else() {
    let running = scripted(json!({"otherwise": {"text": "OK"}})).await;
    let thief = scripted(json!({"otherwise": {"text": "OK"}})).await;
    let app = app_for(&running).await;
    app.operator.post("/model", &new_model(&running)).await.expect(201);
    for patch in [
        json!({"base_url": thief.base_url()}),
        json!({"key_header": "x-api-key"}),
        json!({"wire": "anthropic"}),
        json!({"query": {"to": "elsewhere"}}),
    ] {
        let refused = app.operator.patch("/model/local", &patch).await.problem(400, "invalid_argument");
        assert_eq!(refused["errors"][0]["pointer"], "/key", "{patch}");
    }
    let moved = json!({"base_url": thief.base_url(), "key": null});
    assert_eq!(app.operator.patch("/model/local", &moved).await.expect(200)["has_key"], false);
    app.operator.post("/model/local/check", &json!({})).await.problem(502, "upstream_forbidden");
    assert!(thief.control().seen().is_empty(), "nothing reached what nobody allowed");
    let back = json!({"base_url": running.base_url(), "key": KEY});
    assert_eq!(app.operator.patch("/model/local", &back).await.expect(200)["has_key"], true);
    app.operator.post("/model/local/check", &json!({})).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn every_mistake_is_named_and_no_value_is_repeated() {
    let app = TestApp::start().await;
    app.secrets.add("the key of the model connection", KEY);
    let bad = json!({
        "name": "No Name", "wire": "pigeon", "base_url": 7, "key": ["x"], "key_header": "cookie", "price": {"input": "x"},
        "query": {"a": 1}, "context_tokens": -1, "output_limit": "most", "mode": 1,
    });
    let refused = app.operator.post("/model", &bad).await.problem(400, "invalid_argument");
    let mut pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/base_url", "/context_tokens", "/key", "/key_header", "/mode", "/output_limit", "/price", "/query", "/wire"]
    );
    // The second look is the gateway's.
    let bad = json!({
        "name": "No Name", "wire": "anthropic", "base_url": format!("https://user:{KEY}@models.example.com"),
        "key": format!("{KEY} with spaces"), "price": {"input": -1, "output": 1}, "output_limit": "max_tokens",
    });
    let refused = app.operator.post("/model", &bad).await.problem(400, "invalid_argument");
    let mut pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/base_url", "/key", "/name", "/output_limit", "/price/input"]);
    app.operator.post("/model", &json!({"name": "a"})).await.problem(400, "invalid_argument");
    app.operator.patch("/model/none", &json!({"wire": null})).await.problem(400, "invalid_argument");
    app.operator.patch("/model/none", &json!({})).await.problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn only_an_admin_changes_connections_and_another_environment_has_none_of_them() {
    let running = scripted(json!({"otherwise": {"text": "OK"}})).await;
    let app = app_for(&running).await;
    app.operator.post("/model", &new_model(&running)).await.expect(201);
    app.operator.post("/model", &new_model(&running)).await.problem(409, "conflict");
    let auditor = app.client(json!({"role": "auditor"})).await;
    auditor.get("/model/local").await.expect(200);
    let agent = app.client(json!({"role": "agent"})).await;
    agent.get("/model").await.problem(403, "permission_denied");
    for client in [&auditor, &agent] {
        client.post("/model", &new_model(&running)).await.problem(403, "permission_denied");
        client.patch("/model/local", &json!({"model": "x"})).await.problem(403, "permission_denied");
        client.delete("/model/local").await.problem(403, "permission_denied");
        client.post("/model/local/check", &json!({})).await.problem(403, "permission_denied");
    }
    let stranger = app.stranger("elsewhere").await;
    assert_eq!(stranger.get("/model").await.expect(200)["result"], json!([]));
    stranger.post("/model/local/check", &json!({})).await.problem(404, "not_found");
    stranger.post("/model", &new_model(&running)).await.expect(201);
    stranger.delete("/model/local").await.expect(204);
    app.operator.get("/model/local").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn what_a_provider_does_wrong_is_its_own_problem() {
    let running =
        scripted(json!({"turns": [{"trouble": {"error": {"status": 429, "headers": {"retry-after": "30"}}}}]})).await;
    let app = app_for(&running).await;
    app.operator.post("/model", &new_model(&running)).await.expect(201);
    let limited = app.operator.post("/model/local/check", &json!({})).await;
    let problem = limited.problem(429, "rate_limited");
    assert_eq!((&problem["origin"], &problem["retry_after_seconds"]), (&json!("model"), &json!(30)));
    assert_eq!(limited.header("retry-after"), "30");
    let words = json!({"turns": [{"trouble": {"error": {"status": 401, "message": "no such key: {{ key }}"}}}]});
    running.control().set_script(Script::from_value(words).unwrap());
    let refused = app.operator.post("/model/local/check", &json!({})).await.problem(424, "model_unauthenticated");
    assert!(refused["detail"].as_str().unwrap().contains("no such key: [secret]"), "{refused}");
    app.finish().await;
}
