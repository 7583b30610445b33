//! Tools as providers take them.

use quartermaster_testkit::TestApp;
use serde_json::{Value, json};

const FORMATS: &[&str] = &["openai", "openai_strict", "anthropic", "gemini", "mistral", "bedrock", "cohere", "mcp"];

/// Every `name` beside a schema or description: the names of the tools, whatever the shape.
fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(name)) = object.get("name")
                && object.contains_key("description")
            {
                found.push(name.clone());
            }
            object.iter().filter(|(key, _)| *key != "properties").for_each(|(_, value)| names(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_four_tools_are_there_in_a_stable_order() {
    let app = TestApp::start().await;
    let tools = app.operator.get(&app.account_path("/tools")).await.expect(200);
    let listed: Vec<_> =
        tools["result"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        listed,
        [
            "list_all_1_password_users",
            "get_single_1_password_user_by_id",
            "1_password_users_suspend",
            "1_password_users_reactivate"
        ]
    );
    for tool in tools["result"].as_array().unwrap() {
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 40), "{tool:#}");
        assert_eq!(tool["input_schema"]["type"], "object");
    }
    app.finish().await;
}

#[tokio::test]
async fn filters_choose_among_the_tools() {
    let app = TestApp::start().await;
    let count = async |query: &str| {
        let tools = app.operator.get(&app.account_path(&format!("/tools?{query}"))).await.expect(200);
        tools["result"].as_array().unwrap().len()
    };
    assert_eq!(count("methods=read").await, 2);
    assert_eq!(count("methods=custom").await, 2);
    assert_eq!(count("methods=write").await, 0);
    assert_eq!(count("methods=read,suspend").await, 3);
    assert_eq!(count("tags=lifecycle").await, 2);
    assert_eq!(count("tags=directory&methods=list").await, 1);
    assert_eq!(count("limit=1").await, 1);
    let best = app.operator.get(&app.account_path("/tools?search=suspend&limit=1")).await.expect(200);
    assert_eq!(best["result"][0]["method"], "suspend");
    app.operator.get(&app.account_path("/tools?format=gpt")).await.problem(400, "invalid_argument");
    app.finish().await;
}

#[tokio::test]
async fn every_format_names_its_tools_as_the_provider_takes_them() {
    let app = TestApp::start().await;
    for format in FORMATS {
        let tools = app.operator.get(&app.account_path(&format!("/tools?format={format}"))).await.expect(200);
        let mut found = Vec::new();
        names(&tools, &mut found);
        assert_eq!(found.len(), 4, "{format}: {tools:#}");
        for name in &found {
            assert!(
                name.len() <= 64
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'),
                "{name}"
            );
            if matches!(*format, "gemini" | "cohere") {
                assert!(!name.starts_with(|first: char| first.is_ascii_digit()), "{format}: {name}");
            }
        }
        // Whatever name a provider is given, a call takes it.
        let id = app.person("a.miller@company.com");
        let get = found.iter().find(|name| name.contains("get_single")).unwrap();
        assert_eq!(app.call(&app.operator, get, json!({ "id": id })).await.code(), 200, "{format}: {get}");
        let suspend = found.iter().find(|name| name.contains("users_suspend")).unwrap();
        assert_eq!(app.call(&app.operator, suspend, json!({ "id": id })).await.code(), 200, "{format}: {suspend}");
    }
    app.finish().await;
}

#[tokio::test]
async fn strict_schemas_require_everything() {
    fn check(schema: &Value) {
        if let Some(properties) = schema["properties"].as_object() {
            let required: Vec<_> =
                schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            for (name, property) in properties {
                assert!(required.contains(&name.as_str()), "{name} is not required: {schema:#}");
                check(property);
            }
            assert_eq!(schema["additionalProperties"], false, "{schema:#}");
        }
    }
    let app = TestApp::start().await;
    let tools = app.operator.get(&app.account_path("/tools?format=openai_strict")).await.expect(200);
    let tools = tools.as_array().or_else(|| tools["result"].as_array()).or_else(|| tools["tools"].as_array()).unwrap();
    for tool in tools {
        let function = if tool["function"].is_object() { &tool["function"] } else { tool };
        assert_eq!(function["strict"], true);
        check(&function["parameters"]);
    }
    app.finish().await;
}

#[tokio::test]
async fn tools_are_served_again_only_when_they_changed() {
    let app = TestApp::start().await;
    let path = app.account_path("/tools?format=openai");
    let first = app.operator.get(&path).await;
    first.expect(200);
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let again = app.operator.get(&path).await;
    assert_eq!((again.header("etag"), &again.body), (etag.as_str(), &first.body));
    let unchanged = app.operator.request("GET", &path).header("if-none-match", &format!("\"x\", {etag}")).send().await;
    assert_eq!((unchanged.code(), unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), etag);
    let other = app.operator.get(&app.account_path("/tools?format=anthropic")).await;
    assert_ne!(other.header("etag"), etag);
    // An override of the environment shows at once.
    let override_patch = json!({"resources": {"users": {"methods": {"get": {"description": "Read one person, the way that we want it said here."}}}}});
    app.operator.put("/integration/1password/override", &override_patch).await.expect(200);
    let changed = app.operator.request("GET", &path).header("if-none-match", &etag).send().await;
    assert!(changed.text().contains("the way that we want it said here"), "{}", changed.code());
    app.operator.put("/integration/1password/override", &json!({})).await.expect(200);
    let back = app.operator.request("GET", &path).header("if-none-match", &etag).send().await;
    assert_eq!(back.code(), 304, "without the override it is as before");
    app.finish().await;
}

#[tokio::test]
async fn an_override_stays_in_its_environment_and_must_hold() {
    let app = TestApp::start().await;
    let stranger = app.stranger("elsewhere").await;
    let label = async |client: &quartermaster_testkit::Client| {
        client.get("/integration/1password").await.expect(200)["label"].as_str().unwrap().to_owned()
    };
    app.operator.put("/integration/1password/override", &json!({"label": "Vault"})).await.expect(200);
    assert_eq!(label(&app.operator).await, "Vault");
    assert_eq!(label(&stranger).await, "1Password");
    for wrong in
        [json!({"labl": "x"}), json!({"resources": {"users": {"methods": {"get": {"get": "/{{ nothing.here }}"}}}}})]
    {
        let problem =
            app.operator.put("/integration/1password/override", &wrong).await.problem(400, "invalid_argument");
        assert!(!problem["errors"].as_array().unwrap().is_empty(), "{problem:#}");
    }
    assert_eq!(label(&app.operator).await, "Vault", "a refused override changes nothing");
    app.operator.put("/integration/nothing/override", &json!({})).await.problem(404, "not_found");
    app.operator.get("/integration/nothing").await.problem(404, "not_found");
    app.finish().await;
}
