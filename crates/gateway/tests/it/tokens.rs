//! Tokens: roles, narrowing, expiry, revocation.

use quartermaster_gateway::{AccountChange, AuditFilter, NewToken, PageQuery, ToolQuery};
use quartermaster_store_model::{Narrowing, Role};
use quartermaster_types::{Code, Origin};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::house::{GET, House, LIST, SUSPEND};

#[tokio::test]
async fn absent_mistyped_unknown_expired_and_revoked_tokens_get_the_same_answer() {
    let house = House::new().await;
    let new = NewToken {
        name: "short".to_owned(),
        role: Role::Agent,
        narrowing: Narrowing::default(),
        email: None,
        expires_at: Some(house.clock.now().plus_ms(60_000)),
    };
    let (view, expiring) = house.gateway.create_token(&house.admin, house.gateway.request_id(), new).await.unwrap();
    assert!(expiring.expose_secret().starts_with(&view.prefix));
    let (revoked, text) = house.token(Role::Agent, Narrowing::default()).await;
    house.gateway.revoke_token(&house.admin, house.gateway.request_id(), revoked.token_id).await.unwrap();
    house.gateway.authenticate(Some(expiring.expose_secret())).await.unwrap();
    house.clock.advance_ms(60_000);

    let unknown = quartermaster_vault::ApiToken::generate().unwrap();
    let mistyped = format!("{}x", text.expose_secret());
    let mut answers = Vec::new();
    for presented in [
        None,
        Some(""),
        Some("nonsense"),
        Some(mistyped.as_str()),
        Some(unknown.text.expose_secret()),
        Some(expiring.expose_secret()),
        Some(text.expose_secret()),
    ] {
        answers.push(house.gateway.authenticate(presented).await.unwrap_err());
    }
    assert_eq!((answers[0].code(), answers[0].body().origin), (Code::Unauthenticated, Origin::Caller));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn a_token_is_stored_as_a_hash_and_listed_without_its_text() {
    let house = House::new().await;
    let (actor, text) = house.token(Role::Agent, Narrowing::default()).await;
    let page = house.gateway.list_tokens(&house.admin, &PageQuery::default()).await.unwrap();
    assert_eq!(page.result_count, 2);
    let listed = serde_json::to_string(&page).unwrap();
    assert!(!listed.contains(text.expose_secret()));
    let view = page.result.iter().find(|view| view.id == actor.token_id).unwrap();
    assert_eq!((view.role, view.revoked_at), (Role::Agent, None));
    let records = house.audit(AuditFilter { action: Some("token.create".to_owned()), ..AuditFilter::default() }).await;
    assert!(!serde_json::to_string(&records).unwrap().contains(text.expose_secret()));
}

#[tokio::test]
async fn roles_do_what_they_are_for_and_no_more() {
    let house = House::new().await;
    let account = house.account().await;
    let (agent, _) = house.token(Role::Agent, Narrowing::default()).await;
    let (auditor, _) = house.token(Role::Auditor, Narrowing::default()).await;
    let page = PageQuery::default();
    let id = || house.gateway.request_id();
    let denied = |problem: quartermaster_types::Problem| {
        assert_eq!((problem.code(), problem.body().origin), (Code::PermissionDenied, Origin::Gateway), "{problem}");
    };

    house.tool(&agent, account, LIST, json!({"limit": 1})).await.unwrap();
    denied(house.tool(&auditor, account, LIST, json!({"limit": 1})).await.unwrap_err());
    denied(house.gateway.list_audit(&agent, &page, &AuditFilter::default()).await.unwrap_err());
    house.gateway.list_audit(&auditor, &page, &AuditFilter::default()).await.unwrap();
    denied(house.gateway.list_tokens(&agent, &page).await.unwrap_err());
    house.gateway.list_tokens(&auditor, &page).await.unwrap();
    for actor in [&agent, &auditor] {
        house.gateway.get_account(actor, account).await.unwrap();
        house.gateway.tools(actor, account, &ToolQuery::default()).await.unwrap();
        denied(house.gateway.create_account(actor, id(), house.new_account()).await.unwrap_err());
        let change = AccountChange { blocked: Some(true), ..AccountChange::default() };
        denied(house.gateway.update_account(actor, id(), account, None, change).await.unwrap_err());
        denied(house.gateway.delete_account(actor, id(), account).await.unwrap_err());
        denied(house.gateway.put_integration_override(actor, id(), "1password", json!({})).await.unwrap_err());
        denied(house.gateway.create_environment(actor, id(), "other").await.unwrap_err());
        denied(house.gateway.revoke_token(actor, id(), agent.token_id).await.unwrap_err());
        let new = NewToken {
            name: "more".to_owned(),
            role: Role::Admin,
            narrowing: Narrowing::default(),
            email: None,
            expires_at: None,
        };
        denied(house.gateway.create_token(actor, id(), new).await.unwrap_err());
    }
}

#[tokio::test]
async fn the_last_administrator_cannot_be_revoked_by_itself() {
    let house = House::new().await;
    let id = || house.gateway.request_id();
    let (admin, _) = house.token(Role::Admin, Narrowing::default()).await;
    let refused = house.gateway.revoke_token(&admin, id(), admin.token_id).await.unwrap_err();
    assert_eq!((refused.code(), refused.body().origin), (Code::Conflict, Origin::Caller));
    assert!(refused.body().hint.as_deref().is_some_and(|hint| hint.contains("POST /token")));
    house.gateway.list_tokens(&admin, &PageQuery::default()).await.unwrap();
    let (successor, _) = house.token(Role::Admin, Narrowing::default()).await;
    house.gateway.revoke_token(&successor, id(), admin.token_id).await.unwrap();
}

#[tokio::test]
async fn a_narrowed_token_sees_and_calls_only_what_it_names() {
    let house = House::new().await;
    let own = house.account().await;
    let other = house.account().await;
    let narrowing = Narrowing {
        accounts: Some(vec![own]),
        tools: Some(vec![LIST.to_owned(), GET.to_owned()]),
        ..Narrowing::default()
    };
    let (agent, _) = house.token(Role::Agent, narrowing).await;
    let page = house.gateway.list_accounts(&agent, &PageQuery::default(), None, None).await.unwrap();
    assert_eq!(page.result.iter().map(|view| view.id).collect::<Vec<_>>(), [own]);

    let hidden = house.gateway.get_account(&agent, other).await.unwrap_err();
    assert_eq!((hidden.code(), hidden.body().origin), (Code::NotFound, Origin::Caller));
    let hidden = house.tool(&agent, other, LIST, json!({})).await.unwrap_err();
    assert_eq!((hidden.code(), hidden.body().origin), (Code::NotFound, Origin::Caller));

    let id = house.find(&agent, own, "a.miller@company.com").await;
    for problem in [
        house.tool(&agent, own, SUSPEND, json!({"id": id})).await.unwrap_err(),
        house.proxy(&agent, own, "suspend", json!({"id": id})).await.unwrap_err(),
    ] {
        assert_eq!(problem.code(), Code::PermissionDenied);
    }
    let tools = house.gateway.tools(&agent, own, &ToolQuery::default()).await.unwrap();
    let tools: serde_json::Value = serde_json::from_slice(&tools.body).unwrap();
    assert_eq!(tools["result"].as_array().unwrap().len(), 2);

    let (reader, _) =
        house.token(Role::Agent, Narrowing { methods: Some(vec!["read".to_owned()]), ..Narrowing::default() }).await;
    house.tool(&reader, own, GET, json!({"id": id})).await.unwrap();
    let problem = house.tool(&reader, own, SUSPEND, json!({"id": id})).await.unwrap_err();
    assert_eq!(problem.code(), Code::PermissionDenied);
    let (nothing, _) = house.token(Role::Agent, Narrowing { accounts: Some(Vec::new()), ..Narrowing::default() }).await;
    assert_eq!(house.gateway.get_account(&nothing, own).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_narrowed_admin_cannot_widen_itself_and_no_token_outlives_its_maker() {
    let house = House::new().await;
    let account = house.account().await;
    let narrowed = Narrowing { accounts: Some(vec![account]), ..Narrowing::default() };
    let (admin, _) = house.token(Role::Admin, narrowed).await;
    let new = |expires_at| NewToken {
        name: "wider".to_owned(),
        role: Role::Admin,
        narrowing: Narrowing::default(),
        email: None,
        expires_at,
    };
    let id = house.gateway.request_id();
    let problem = house.gateway.create_token(&admin, id, new(None)).await.unwrap_err();
    assert_eq!(problem.code(), Code::PermissionDenied);

    let ends = house.clock.now().plus_ms(1_000);
    let (_, text) = house.gateway.create_token(&house.admin, id, new(Some(ends))).await.unwrap();
    let short = house.gateway.authenticate(Some(text.expose_secret())).await.unwrap();
    for later in [None, Some(ends.plus_ms(1))] {
        let problem = house.gateway.create_token(&short, id, new(later)).await.unwrap_err();
        assert_eq!(problem.body().errors[0].pointer, "/expires_at");
    }
    house.gateway.create_token(&short, id, new(Some(ends))).await.unwrap();
    let past = house.gateway.create_token(&house.admin, id, new(Some(house.clock.now()))).await.unwrap_err();
    assert_eq!(past.body().errors[0].pointer, "/expires_at");
}

#[tokio::test]
async fn names_and_narrowings_are_checked_at_their_limits_and_one_past() {
    use quartermaster_gateway::limits::{NAME_MAX_BYTES, NARROWING_MAX_ITEMS};
    let house = House::new().await;
    let make = |name: String, tools: usize| {
        let house = &house;
        async move {
            let narrowing = Narrowing { tools: Some(vec![LIST.to_owned(); tools]), ..Narrowing::default() };
            let new = NewToken { name, role: Role::Agent, narrowing, email: None, expires_at: None };
            house.gateway.create_token(&house.admin, house.gateway.request_id(), new).await
        }
    };
    make("n".repeat(NAME_MAX_BYTES), NARROWING_MAX_ITEMS).await.unwrap();
    for (name, tools, pointer) in [
        ("n".repeat(NAME_MAX_BYTES + 1), 0, "/name"),
        (String::new(), 0, "/name"),
        ("n".to_owned(), NARROWING_MAX_ITEMS + 1, "/tools"),
    ] {
        let problem = make(name, tools).await.unwrap_err();
        assert_eq!(problem.body().errors[0].pointer, pointer);
    }
}

#[tokio::test]
async fn rights_are_decided_before_arguments_and_a_refusal_tells_nothing_of_them() {
    let house = House::new().await;
    let account = house.account().await;
    let only_get = Narrowing { methods: Some(vec!["get".to_owned()]), ..Narrowing::default() };
    let only_tool = Narrowing { tools: Some(vec![GET.to_owned()]), ..Narrowing::default() };
    let mut actors = Vec::new();
    for (role, narrowing) in [(Role::Agent, only_get), (Role::Agent, only_tool), (Role::Auditor, Narrowing::default())]
    {
        actors.push(house.token(role, narrowing).await.0);
    }
    for actor in &actors {
        for arguments in [json!({"limit": "1"}), json!({"nope": 1}), json!({"email": 5, "fields": ["nope"]})] {
            let request = house.tool_request(account, LIST, arguments.clone());
            for problem in [
                house.tool(actor, account, LIST, arguments.clone()).await.unwrap_err(),
                house.proxy(actor, account, "list", arguments.clone()).await.unwrap_err(),
                house.gateway.dry_run(actor, request).await.unwrap_err(),
            ] {
                assert_eq!(problem.code(), Code::PermissionDenied, "{arguments}: {problem}");
                assert!(problem.body().errors.is_empty(), "{problem:?}");
                let text = serde_json::to_string(&problem).unwrap();
                assert!(!["limit", "email", "integer", "nope"].iter().any(|word| text.contains(word)), "{text}");
            }
        }
    }
    // What is proposed instead of a tool that is not there are those that the token may use.
    let unknown = house.tool(&actors[0], account, "nope", json!({})).await.unwrap_err();
    let hint = unknown.body().hint.clone().unwrap();
    assert!(hint.contains(GET) && !hint.contains(LIST) && !hint.contains(SUSPEND), "{hint}");
    let unknown = house.proxy(&actors[0], account, "nope", json!({})).await.unwrap_err();
    let hint = unknown.body().hint.clone().unwrap();
    assert!(hint.contains("get") && !hint.contains("list"), "{hint}");
}

#[tokio::test]
async fn an_operator_token_can_be_rotated_and_one_always_stays() {
    let house = House::new().await;
    let id = || house.gateway.request_id();
    let new = |role, narrowing, expires_at| NewToken {
        name: "operator".to_owned(),
        role,
        narrowing,
        email: None,
        expires_at,
    };
    let plain = || new(Role::Admin, Narrowing::default(), None);
    let (admin, _) = house.token(Role::Admin, Narrowing::default()).await;
    let refused = house.gateway.create_operator_token(&admin, id(), plain()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = house.gateway.revoke_token(&admin, id(), house.admin.token_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let narrowed = Narrowing { methods: Some(vec!["get".to_owned()]), ..Narrowing::default() };
    let ends = Some(house.clock.now().plus_ms(1_000));
    let refused = house.gateway.create_operator_token(&house.admin, id(), new(Role::Agent, narrowed, ends)).await;
    let pointers: Vec<_> = refused.unwrap_err().body().errors.iter().map(|error| error.pointer.clone()).collect();
    assert_eq!(pointers, ["/role", "/expires_at", "/methods"]);

    let (view, text) = house.gateway.create_operator_token(&house.admin, id(), plain()).await.unwrap();
    assert!(view.operator);
    let successor = house.gateway.authenticate(Some(text.expose_secret())).await.unwrap();
    house.gateway.revoke_token(&successor, id(), house.admin.token_id).await.unwrap();
    house.gateway.create_environment(&successor, id(), "another").await.unwrap();
    // The cache of the revoked one is emptied, but whoever still holds it cannot take the last one away either.
    let refused = house.gateway.revoke_token(&house.admin, id(), successor.token_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::Conflict);
    assert!(refused.body().hint.as_ref().unwrap().contains("qm token recover"), "{refused:?}");
    house.gateway.create_environment(&successor, id(), "a third").await.unwrap();
}
