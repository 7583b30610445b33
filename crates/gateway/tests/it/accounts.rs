//! Accounts: checked, verified, sealed, changed, and gone at once.

use quartermaster_gateway::{AccountChange, AuditFilter, PageQuery};
use quartermaster_types::{Code, Origin};
use serde_json::json;

use crate::house::{House, LIST, object, secrets};

#[tokio::test]
async fn a_wrong_secret_is_refused_in_the_vendors_words_and_nothing_is_kept() {
    let house = House::new().await;
    let mut account = house.new_account();
    account.credentials =
        secrets(&[("client_id", house.simulator.client_id()), ("client_secret", "not-the-right-secret")]);
    let problem = house.create(account).await.unwrap_err();
    let body = problem.body();
    assert_eq!((body.code, body.status, body.origin), (Code::AccountRejected, 422, Origin::Upstream));
    assert_eq!(body.upstream.as_ref().unwrap().status, 401);
    assert!(body.detail.contains("1Password"), "{problem}");
    assert!(body.hint.is_some());
    assert!(!format!("{problem:?}").contains("not-the-right-secret"));
    let page = house.gateway.list_accounts(&house.admin, &PageQuery::default(), None, None).await.unwrap();
    assert_eq!(page.result_count, 0);
    assert!(house.audit(AuditFilter::default()).await.is_empty());
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_not_called_a_refusal() {
    let house = House::new().await;
    let mut account = house.new_account();
    account.override_patch = Some(json!({"base_url": "http://127.0.0.1:1"}));
    let problem = house.create(account).await.unwrap_err();
    assert_eq!(problem.code(), Code::UpstreamForbidden);
    assert!(problem.body().detail.contains("nothing was kept"), "{problem}");
}

#[tokio::test]
async fn every_mistake_of_a_new_account_comes_at_once() {
    let house = House::new().await;
    let mut account = house.new_account();
    account.tenant_id = String::new();
    account.connection = object(json!({"region": "moon", "account_id": "A\r\nx-evil: 1", "extra": 1}));
    account.credentials = secrets(&[("client_id", "an-id"), ("no_such", "thing")]);
    let sent = house.sent().total();
    let problem = house.create(account).await.unwrap_err();
    assert_eq!(problem.code(), Code::InvalidArgument);
    let pointers: Vec<&str> = problem.body().errors.iter().map(|error| error.pointer.as_str()).collect();
    for expected in [
        "/tenant_id",
        "/connection/region",
        "/connection/account_id",
        "/connection/extra",
        "/credentials/client_secret",
        "/credentials/no_such",
    ] {
        assert!(pointers.contains(&expected), "{expected} is missing: {pointers:?}");
    }
    let details: String = problem.body().errors.iter().map(|error| error.detail.as_str()).collect();
    assert!(
        details.contains("control characters") && details.contains("there is no connection field of this name"),
        "{details}"
    );
    assert_eq!(house.sent().total(), sent);
}

#[tokio::test]
async fn an_unknown_integration_and_a_bad_override_are_named() {
    let house = House::new().await;
    let mut account = house.new_account();
    account.integration = "no_such".to_owned();
    let problem = house.create(account).await.unwrap_err();
    assert_eq!(problem.body().errors[0].pointer, "/integration");
    assert!(problem.body().errors[0].detail.contains("1password"));

    for (patch, pointer) in [
        (
            json!({"resources": {"users": {"methods": {"list": {"gett": "/x"}}}}}),
            "/override/resources/users/methods/list/gett",
        ),
        (json!({"name": "another"}), "/override/name"),
        (json!("text"), "/override"),
    ] {
        let mut account = house.new_account();
        account.override_patch = Some(patch);
        let problem = house.create(account).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidArgument);
        let pointers: Vec<&str> = problem.body().errors.iter().map(|error| error.pointer.as_str()).collect();
        assert!(pointers.contains(&pointer), "{pointer}: {:?}", problem.body().errors);
    }
}

#[tokio::test]
async fn views_hold_names_and_no_secret() {
    let house = House::new().await;
    let id = house.account().await;
    let view = house.gateway.get_account(&house.admin, id).await.unwrap();
    assert_eq!(view.credentials, ["client_id", "client_secret"]);
    assert_eq!(view.connection["region"], "com");
    assert_eq!((view.version, view.sandbox, view.blocked), (1, false, false));
    assert_eq!(view.override_patch, Some(json!({"base_url": house.simulator.base_url()})));
    let text = serde_json::to_string(&view).unwrap();
    assert!(!text.contains(house.simulator.client_secret()));
    let row = house.store.find_account(house.admin.environment_id, id).await.unwrap().unwrap();
    let secret = house.simulator.client_secret().as_bytes();
    assert!(!row.sealed_credentials.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test]
async fn a_change_works_from_the_next_call_on() {
    let house = House::new().await;
    let id = house.account().await;
    house.tool(&house.admin, id, LIST, json!({"limit": 1})).await.unwrap();

    let block = AccountChange { blocked: Some(true), ..AccountChange::default() };
    let view = update(&house, id, Some(1), block).await.unwrap();
    assert_eq!((view.version, view.blocked), (2, true));
    let problem = house.tool(&house.admin, id, LIST, json!({"limit": 1})).await.unwrap_err();
    assert_eq!(problem.code(), Code::AccountBlocked);

    let open = AccountChange { blocked: Some(false), ..AccountChange::default() };
    update(&house, id, Some(2), open).await.unwrap();
    house.tool(&house.admin, id, LIST, json!({"limit": 1})).await.unwrap();

    let stale = AccountChange { sandbox: Some(true), ..AccountChange::default() };
    let problem = update(&house, id, Some(1), stale).await.unwrap_err();
    assert_eq!((problem.code(), problem.status()), (Code::PreconditionFailed, 412));

    house.gateway.delete_account(&house.admin, house.gateway.request_id(), id).await.unwrap();
    let problem = house.tool(&house.admin, id, LIST, json!({"limit": 1})).await.unwrap_err();
    assert_eq!((problem.code(), problem.body().origin), (Code::NotFound, Origin::Caller));
    assert_eq!(house.gateway.get_account(&house.admin, id).await.unwrap_err().code(), Code::NotFound);
}

async fn update(
    house: &House,
    id: quartermaster_types::AccountId,
    version: Option<i64>,
    change: AccountChange,
) -> Result<quartermaster_gateway::AccountView, quartermaster_types::Problem> {
    house.gateway.update_account(&house.admin, house.gateway.request_id(), id, version, change).await
}

#[tokio::test]
async fn new_credentials_are_tried_and_wrong_ones_leave_the_old() {
    let house = House::new().await;
    let id = house.account().await;
    let wrong = AccountChange {
        credentials: Some(secrets(&[("client_id", house.simulator.client_id()), ("client_secret", "wrong-secret")])),
        ..AccountChange::default()
    };
    assert_eq!(update(&house, id, None, wrong).await.unwrap_err().code(), Code::AccountRejected);
    let tokens = house.sent().token;
    house.tool(&house.admin, id, LIST, json!({"limit": 1})).await.unwrap();
    assert_eq!(house.sent().token, tokens, "a trial that fails leaves the access token alone");
    assert_eq!(house.gateway.get_account(&house.admin, id).await.unwrap().version, 1);
    let right = AccountChange {
        credentials: Some(secrets(&[
            ("client_id", house.simulator.client_id()),
            ("client_secret", house.simulator.client_secret()),
        ])),
        ..AccountChange::default()
    };
    assert_eq!(update(&house, id, None, right).await.unwrap().version, 2);
    let tokens = house.sent().token;
    house.tool(&house.admin, id, LIST, json!({"limit": 1})).await.unwrap();
    assert_eq!(house.sent().token, tokens + 1, "an access token of the old credentials is not used with the new ones");
}

#[tokio::test]
async fn connection_and_override_are_merged_and_verified_again() {
    let house = House::new().await;
    let id = house.account().await;
    let lists = house.sent().list;
    let label = AccountChange { override_patch: Some(json!({"label": "Ours"})), ..AccountChange::default() };
    let view = update(&house, id, None, label).await.unwrap();
    assert_eq!(
        view.override_patch,
        Some(json!({"base_url": house.simulator.base_url(), "label": "Ours"})),
        "a merge patch leaves the rest"
    );
    assert_eq!(house.sent().list, lists + 1);

    let bad = AccountChange { connection: Some(json!({"account_id": "Z".repeat(26)})), ..AccountChange::default() };
    assert_eq!(update(&house, id, None, bad).await.unwrap_err().code(), Code::AccountRejected);
    let bad =
        AccountChange { connection: Some(json!({"region": null, "account_id": "x"})), ..AccountChange::default() };
    assert_eq!(update(&house, id, None, bad).await.unwrap_err().code(), Code::InvalidArgument);

    let records =
        house.audit(AuditFilter { action: Some("account.update".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records.len(), 1);
    assert!(records[0].before.as_ref().unwrap()["override"].get("label").is_none());
    assert_eq!(records[0].after.as_ref().unwrap()["override"]["label"], "Ours");
}

#[tokio::test]
async fn accounts_are_listed_by_integration_and_tenant() {
    let house = House::new().await;
    let first = house.account().await;
    let mut other = house.new_account();
    other.tenant_id = "beta".to_owned();
    let second = house.create(other).await.unwrap().id;
    let list = |integration: Option<&'static str>, tenant: Option<&'static str>| {
        let house = &house;
        async move {
            let page = PageQuery::default();
            let page = house.gateway.list_accounts(&house.admin, &page, integration, tenant).await.unwrap();
            page.result.into_iter().map(|view| view.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(list(None, None).await, [first, second]);
    assert_eq!(list(None, Some("beta")).await, [second]);
    assert_eq!(list(Some("1password"), Some("acme")).await, [first]);
    assert!(list(Some("other"), None).await.is_empty());
}

#[tokio::test]
async fn stored_credentials_go_nowhere_else_unless_they_are_given_again() {
    let house = House::new().await;
    let id = house.account().await;
    let calls = house.sent().total();
    for patch in [
        json!({"base_url": "http://127.0.0.1:9"}),
        json!({"hosts": ["elsewhere.example.com"]}),
        json!({"connection": {"auth": {"client_credentials": {"token_url": "{{ base_url }}/elsewhere"}}}}),
        json!(null),
    ] {
        let change = AccountChange { override_patch: Some(patch.clone()), ..AccountChange::default() };
        let problem = update(&house, id, None, change).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidArgument, "{patch}");
        assert_eq!(problem.body().errors[0].pointer, "/credentials", "{patch}");
    }
    assert_eq!(house.sent().total(), calls, "nothing was tried");
    let again = AccountChange {
        override_patch: Some(json!({"base_url": "http://127.0.0.1:9"})),
        credentials: Some(secrets(&[("client_id", "another"), ("client_secret", "another secret")])),
        ..AccountChange::default()
    };
    assert_eq!(update(&house, id, None, again).await.unwrap_err().code(), Code::UpstreamForbidden, "then it is tried");
    assert_eq!(house.gateway.get_account(&house.admin, id).await.unwrap().version, 1);

    let request = house.gateway.request_id();
    let patch = json!({"base_url": "https://elsewhere.example.com"});
    let refused = house.gateway.put_integration_override(&house.admin, request, "1password", patch.clone()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Conflict);
    house.gateway.delete_account(&house.admin, request, id).await.unwrap();
    house.gateway.put_integration_override(&house.admin, request, "1password", patch).await.unwrap();
}
