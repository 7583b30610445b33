//! Environments: what is in one does not exist in another.

use quartermaster_gateway::{AccountChange, AuditFilter, NewToken, PageQuery, ToolQuery};
use quartermaster_store_model::{Narrowing, Role};
use quartermaster_types::{AccountId, Code, Problem, TokenId};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::house::{House, LIST};

#[tokio::test]
async fn nothing_crosses_an_environment_and_foreign_ids_look_absent() {
    let house = House::new().await;
    let account = house.account().await;
    house.tool(&house.admin, account, LIST, json!({"limit": 1})).await.unwrap();
    let id = || house.gateway.request_id();
    let (_, text) = house.gateway.create_environment(&house.admin, id(), "second").await.unwrap();
    let stranger = house.gateway.authenticate(Some(text.expose_secret())).await.unwrap();
    assert_ne!(stranger.environment_id, house.admin.environment_id);

    let absent: AccountId = "01890000-0000-7000-8000-000000000000".parse().unwrap();
    let mut pairs: Vec<(Problem, Problem)> = Vec::new();
    let change = || AccountChange { blocked: Some(true), ..AccountChange::default() };
    for (foreign, none) in [
        (
            house.gateway.get_account(&stranger, account).await.map(|_| ()),
            house.gateway.get_account(&stranger, absent).await.map(|_| ()),
        ),
        (
            house.tool(&stranger, account, LIST, json!({})).await.map(|_| ()),
            house.tool(&stranger, absent, LIST, json!({})).await.map(|_| ()),
        ),
        (
            house.gateway.tools(&stranger, account, &ToolQuery::default()).await.map(|_| ()),
            house.gateway.tools(&stranger, absent, &ToolQuery::default()).await.map(|_| ()),
        ),
        (
            house.gateway.update_account(&stranger, id(), account, None, change()).await.map(|_| ()),
            house.gateway.update_account(&stranger, id(), absent, None, change()).await.map(|_| ()),
        ),
        (
            house.gateway.delete_account(&stranger, id(), account).await,
            house.gateway.delete_account(&stranger, id(), absent).await,
        ),
    ] {
        pairs.push((foreign.unwrap_err(), none.unwrap_err()));
    }
    let no_token = TokenId(absent.0);
    pairs.push((
        house.gateway.revoke_token(&stranger, id(), house.admin.token_id).await.unwrap_err(),
        house.gateway.revoke_token(&stranger, id(), no_token).await.unwrap_err(),
    ));
    for (foreign, none) in pairs {
        assert_eq!(foreign.code(), Code::NotFound);
        let text = |problem: &Problem| {
            problem
                .to_string()
                .replace(&account.to_string(), "ID")
                .replace(&absent.to_string(), "ID")
                .replace(&house.admin.token_id.to_string(), "ID")
        };
        assert_eq!(text(&foreign), text(&none));
        assert_eq!(foreign.body().hint, none.body().hint);
    }
    // The owner still has everything.
    house.tool(&house.admin, account, LIST, json!({"limit": 1})).await.unwrap();

    let page = PageQuery::default();
    assert_eq!(house.gateway.list_accounts(&stranger, &page, None, None).await.unwrap().result_count, 0);
    assert_eq!(house.gateway.list_tokens(&stranger, &page).await.unwrap().result_count, 1);
    let filter = AuditFilter { account_id: Some(account), ..AuditFilter::default() };
    let seen = house.gateway.list_audit(&stranger, &page, &filter).await.unwrap();
    assert!(seen.result.iter().all(|record| record.account_id.is_none()), "{seen:?}");
    let narrowing = Narrowing { accounts: Some(vec![account]), ..Narrowing::default() };
    let new = NewToken { name: "spy".to_owned(), role: Role::Agent, narrowing, email: None, expires_at: None };
    let problem = house.gateway.create_token(&stranger, id(), new).await.unwrap_err();
    assert_eq!(problem.body().errors[0].pointer, "/accounts/0");
}

#[tokio::test]
async fn only_operators_make_environments_and_names_are_unique() {
    let house = House::new().await;
    let (admin, _) = house.token(Role::Admin, Narrowing::default()).await;
    let id = house.gateway.request_id();
    let problem = house.gateway.create_environment(&admin, id, "second").await.unwrap_err();
    assert_eq!(problem.code(), Code::PermissionDenied);
    house.gateway.create_environment(&house.admin, id, "second").await.unwrap();
    let problem = house.gateway.create_environment(&house.admin, id, "second").await.unwrap_err();
    assert_eq!(problem.code(), Code::Conflict);
    let problem = house.gateway.create_environment(&house.admin, id, "").await.unwrap_err();
    assert_eq!(problem.body().errors[0].pointer, "/name");
    let records =
        house.audit(AuditFilter { action: Some("environment.create".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records.len(), 1);
}

#[tokio::test]
async fn a_store_is_initialised_once() {
    let house = House::new().await;
    let root_key = crate::house::root_key();
    let refused = quartermaster_gateway::initialise(&house.store, &root_key, &house.clock).await;
    assert!(refused.is_err());
    assert_eq!(house.store.list_environments().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_override_works_in_its_environment_only_and_at_once() {
    let house = House::new().await;
    let account = house.account().await;
    house.gateway.tools(&house.admin, account, &ToolQuery::default()).await.unwrap();
    let id = house.gateway.request_id();
    let (_, text) = house.gateway.create_environment(&house.admin, id, "second").await.unwrap();
    let stranger = house.gateway.authenticate(Some(text.expose_secret())).await.unwrap();
    let before = house.gateway.get_integration(&house.admin, "1password").await.unwrap();

    let patch = json!({"resources": {"users": {"methods": {"list": {"description": "Ask politely."}}}}});
    let view = house.gateway.put_integration_override(&house.admin, id, "1password", patch).await.unwrap();
    assert_ne!(view.version, before.version);
    let tools = house.gateway.tools(&house.admin, account, &ToolQuery::default()).await.unwrap();
    assert!(String::from_utf8_lossy(&tools.body).contains("Ask politely."));
    assert_eq!(house.gateway.get_integration(&stranger, "1password").await.unwrap().version, before.version);

    let bad = json!({"resources": {"users": {"methods": {"list": {"get": null}}}}});
    let problem = house.gateway.put_integration_override(&house.admin, id, "1password", bad).await.unwrap_err();
    assert_eq!(problem.code(), Code::InvalidArgument);
    assert!(problem.body().errors.iter().all(|error| error.pointer.starts_with("/override")));
    let problem = house.gateway.put_integration_override(&house.admin, id, "none", json!({})).await.unwrap_err();
    assert_eq!(problem.code(), Code::NotFound);

    house.gateway.put_integration_override(&house.admin, id, "1password", json!({})).await.unwrap();
    assert_eq!(house.gateway.get_integration(&house.admin, "1password").await.unwrap().version, before.version);
    let records =
        house.audit(AuditFilter { action: Some("integration.override".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records.len(), 2);
    assert!(records[0].before.is_none() && records[1].before.is_some());
}
