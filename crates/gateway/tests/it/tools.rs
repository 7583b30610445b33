//! The tools of an account, and what integrations tell about themselves.

use quartermaster_gateway::ToolQuery;
use quartermaster_types::Code;
use serde_json::{Value, json};

use crate::house::{GET, House, LIST, REACTIVATE, SUSPEND};

async fn names(house: &House, account: quartermaster_types::AccountId, query: ToolQuery) -> Vec<String> {
    let tools = house.gateway.tools(&house.admin, account, &query).await.unwrap();
    let tools: Value = serde_json::from_slice(&tools.body).unwrap();
    tools["result"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_four_tools_are_listed_filtered_and_tagged_with_a_stable_etag() {
    let house = House::new().await;
    let account = house.account().await;
    assert_eq!(names(&house, account, ToolQuery::default()).await, [LIST, GET, SUSPEND, REACTIVATE]);
    let read = ToolQuery { methods: vec!["read".to_owned()], ..ToolQuery::default() };
    assert_eq!(names(&house, account, read.clone()).await, [LIST, GET]);

    let first = house.gateway.tools(&house.admin, account, &read).await.unwrap();
    let again = house.gateway.tools(&house.admin, account, &read).await.unwrap();
    assert_eq!((&first.etag, &first.body), (&again.etag, &again.body));
    assert_eq!(first.body.as_ptr(), again.body.as_ptr(), "rendered once");
    let all = house.gateway.tools(&house.admin, account, &ToolQuery::default()).await.unwrap();
    assert_ne!(first.etag, all.etag);
    assert!(first.etag.starts_with('"') && first.etag.ends_with('"'));

    let other = house.account().await;
    let shared = house.gateway.tools(&house.admin, other, &read).await.unwrap();
    assert_eq!(shared.body.as_ptr(), first.body.as_ptr(), "accounts with the same override share the rendering");
}

#[tokio::test]
async fn an_unknown_format_or_method_is_named() {
    let house = House::new().await;
    let account = house.account().await;
    for (query, pointer) in [
        (ToolQuery { format: Some("openapi".to_owned()), ..ToolQuery::default() }, "/format"),
        (ToolQuery { methods: vec!["suspnd".to_owned()], ..ToolQuery::default() }, "/methods"),
        (ToolQuery { tags: vec!["no-such".to_owned()], ..ToolQuery::default() }, "/tags"),
    ] {
        let problem = house.gateway.tools(&house.admin, account, &query).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidArgument);
        assert_eq!(problem.body().errors[0].pointer, pointer);
    }
    let gemini = ToolQuery { format: Some("gemini".to_owned()), ..ToolQuery::default() };
    house.gateway.tools(&house.admin, account, &gemini).await.unwrap();
}

#[tokio::test]
async fn an_integration_tells_its_schemas_and_the_life_of_an_account() {
    let house = House::new().await;
    let page = house.gateway.list_integrations(&house.admin).await.unwrap();
    assert_eq!(page.result.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["1password"]);
    let view = house.gateway.get_integration(&house.admin, "1password").await.unwrap();
    assert_eq!(view.resources["users"], json!(["list", "get", "suspend", "reactivate"]));
    assert_eq!(view.credentials_schema["required"], json!(["client_id", "client_secret"]));
    let life = view.lifecycle.unwrap();
    assert_eq!(
        life,
        json!({
            "resource": "users", "list_tool": LIST, "get_tool": GET, "find_by_email": "email", "id": "/id",
            "email": "/email", "display_name": "/display_name", "state": "/state", "suspend_tool": SUSPEND,
            "reactivate_tool": REACTIVATE, "active": "ACTIVE", "suspended": "SUSPENDED"
        })
    );
    let problem = house.gateway.get_integration(&house.admin, "none").await.unwrap_err();
    assert_eq!(problem.code(), Code::NotFound);
}

#[tokio::test]
async fn readiness_and_metrics_answer() {
    let house = House::new().await;
    let account = house.account().await;
    house.gateway.ready().await.unwrap();
    house.tool(&house.admin, account, LIST, json!({"limit": 1})).await.unwrap();
    let text = house.gateway.metrics();
    assert!(
        text.contains("qm_calls_total{integration=\"1password\",method=\"users.list\",outcome=\"ok\"} 1"),
        "{text}"
    );
    assert!(text.contains("qm_accounts_cached 1"), "{text}");
}
