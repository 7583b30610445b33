//! Real answers against the shapes of the OpenAPI document.

use quartermaster_testkit::{Answer, TestApp};
use serde_json::{Value, json};

/// Holds an answer to what the document says of its operation.
fn check(document: &Value, operation: &str, answer: &Answer) {
    let (method, path) = operation.split_once(' ').unwrap();
    let responses = &document["paths"][path][method]["responses"];
    let status = answer.code().to_string();
    let response = responses.get(&status).or_else(|| responses.get("default")).unwrap();
    let media_type = answer.header("content-type").split(';').next().unwrap().to_owned();
    if answer.body.is_empty() {
        assert!(response["content"].is_null(), "{operation}: an empty {status}");
        return;
    }
    let schema = &response["content"][&media_type]["schema"];
    assert!(schema.is_object(), "{operation}: {status} is not described as {media_type}");
    let schema = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let body = answer.json();
    let errors: Vec<_> =
        validator.iter_errors(&body).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{operation}: {errors:?}\n{body:#}");
    // A shape that does not name what is there would hold anything.
    if let Some(reference) = schema["allOf"][0]["$ref"].as_str() {
        let named = &document.pointer(reference.trim_start_matches('#')).unwrap()["properties"];
        for member in body.as_object().unwrap().keys().filter(|_| named.is_object()) {
            assert!(named.get(member).is_some(), "{operation}: `{member}` is not in the document");
        }
    }
}

#[tokio::test]
async fn answers_have_the_shapes_that_the_document_says() {
    let document = quartermaster_api::document();
    let app = TestApp::start().await;
    let id = app.person("a.miller@company.com");
    app.call(&app.operator, "list_all_1_password_users", json!({"limit": 1})).await.expect(200);
    let gets = [
        ("get /integrated-account", "/integrated-account".to_owned()),
        ("get /integrated-account/{id}", app.account_path("")),
        ("get /integrated-account/{id}/budget", app.account_path("/budget")),
        ("get /integrated-account/{id}/tools", app.account_path("/tools")),
        ("get /proxy/{resource}", app.proxy_path("users?limit=2")),
        ("get /proxy/{resource}", app.proxy_path("users?email=a.miller@company.com")),
        ("get /proxy/{resource}", app.proxy_path("users?limit=0")),
        ("get /proxy/{resource}/{id}", app.proxy_path(&format!("users/{id}"))),
        ("get /proxy/{resource}/{id}", app.proxy_path(&format!("users/{id}?dry_run=true"))),
        ("get /proxy/{resource}/{id}", app.proxy_path("users/AAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("get /integration", "/integration".to_owned()),
        ("get /integration/{name}", "/integration/1password".to_owned()),
        ("get /token", "/token".to_owned()),
        ("get /audit-log", "/audit-log".to_owned()),
        ("get /problems", "/problems".to_owned()),
        ("get /problems/{code}", "/problems/internal".to_owned()),
        ("get /openapi.json", "/openapi.json".to_owned()),
        ("get /healthz", "/healthz".to_owned()),
        ("get /readyz", "/readyz".to_owned()),
    ];
    for (operation, path) in gets {
        check(&document, operation, &app.operator.get(&path).await);
    }
    let call = app.account_path("/tools/get_single_1_password_user_by_id/call");
    let posts = [
        ("post /integrated-account", "/integrated-account".to_owned(), app.account_body("second", json!({}))),
        ("post /integrated-account", "/integrated-account".to_owned(), json!({"tenant": 1})),
        ("post /integrated-account/{id}/tools/{name}/call", call.clone(), json!({"arguments": {"id": id}})),
        ("post /integrated-account/{id}/tools/{name}/call", call, json!({"arguments": {"id": "x"}})),
        ("post /proxy/{resource}/{id}/{method}", app.proxy_path(&format!("users/{id}/suspend")), json!({})),
        ("post /token", "/token".to_owned(), json!({"name": "x", "role": "agent"})),
        ("post /environment", "/environment".to_owned(), json!({"name": "x"})),
    ];
    for (operation, path, body) in posts {
        let request = app.operator.request("POST", &path).json(&body).shows_secret();
        check(&document, operation, &request.send().await);
    }
    let changed = app.operator.patch(&app.account_path(""), &json!({"tenant_id": "x"})).await;
    check(&document, "patch /integrated-account/{id}", &changed);
    let set = app.operator.put("/integration/1password/override", &json!({"label": "x"})).await;
    check(&document, "put /integration/{name}/override", &set);
    check(&document, "delete /integrated-account/{id}", &app.operator.delete(&app.account_path("")).await);
    app.finish().await;
}

#[tokio::test]
async fn the_document_is_served_as_it_is_committed() {
    let app = TestApp::builder().unconnected().start().await;
    let answer = app.operator.without_token().get("/openapi.json").await;
    assert_eq!(answer.text(), quartermaster_api::OPENAPI);
    assert_eq!(answer.json(), quartermaster_api::document());
    app.finish().await;
}
