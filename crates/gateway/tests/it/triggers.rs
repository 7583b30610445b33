//! Triggers: one run an event, with the rights of a token, whoever delivers it, however often, and wherever.

mod schedule;

use std::collections::BTreeSet;
use std::sync::Arc;

use quartermaster_gateway::runs::{RunFilter, RunSummary};
use quartermaster_gateway::{
    Actor, Gateway, HookAnswer, HookRequest, HookRun, NewTrigger, PageQuery, TriggerChange, TriggerView,
};
use quartermaster_simulator::Config;
use quartermaster_store_model::{DeliveryOutcome, Narrowing, Role};
use quartermaster_types::{AccountId, Code, Problem, RunId, Timestamp, TokenId, TriggerId};
use quartermaster_vault::MacAlgorithm;
use serde_json::{Value, json};

use crate::house::{House, secrets};
use crate::replicas::Replicas;
use crate::runs::EMAIL;

pub(crate) const SECRET: &str = "a-secret-of-the-hr-system";

/// A trigger that is signed over body and time, and rehearses.
pub(crate) fn document(account: AccountId, more: &str) -> String {
    format!(
        "version: 1\nname: leavers\nwebhook:\n  verify:\n    hmac:\n      header: X-Signature\n      \
         signed: '{{{{ body }}}}{{{{ timestamp }}}}'\n      timestamp: {{header: X-Timestamp}}\n\
         input: {{email: payload.email}}\ndedupe_key: payload.id\n{more}\
         run: {{playbook: offboard, integrated_account_id: {account}, input: {{dry_run: true}}}}\n"
    )
}

pub(crate) async fn make(
    gateway: &Gateway,
    actor: &Arc<Actor>,
    document: String,
    token: Option<TokenId>,
) -> Result<TriggerView, Problem> {
    let secrets = document.contains("webhook:").then(|| secrets(&[("secret", SECRET)]));
    let new = NewTrigger { document, token, enabled: true, secrets };
    gateway.create_trigger(actor, gateway.request_id(), new).await.map(|made| made.trigger)
}

/// A delivery that was signed at this moment.
fn signed(gateway: &Gateway, body: &Value, at: Timestamp) -> HookRequest {
    let (body, timestamp) = (body.to_string(), at.unix_seconds().to_string());
    let code = MacAlgorithm::Sha256.sign(SECRET.as_bytes(), &[body.as_bytes(), timestamp.as_bytes()]);
    let signature = code.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let headers = [("content-type", "application/json"), ("x-timestamp", &timestamp), ("x-signature", &signature)];
    HookRequest {
        request_id: gateway.request_id(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        query: Vec::new(),
        body: body.into(),
    }
}

async fn deliver(gateway: &Gateway, id: TriggerId, body: &Value) -> Result<HookRun, Problem> {
    let request = signed(gateway, body, gateway.clock().now());
    gateway.receive_hook(id, request).await.map(only)
}

fn only(answer: HookAnswer) -> HookRun {
    match answer {
        HookAnswer::Accepted { runs, .. } => runs.into_iter().next().unwrap(),
        HookAnswer::Challenge(answer) => panic!("no question was asked: {answer}"),
    }
}

fn code<T>(result: Result<T, Problem>) -> Code {
    result.map(|_| ()).unwrap_err().code()
}

async fn runs(gateway: &Gateway, actor: &Arc<Actor>) -> Vec<RunSummary> {
    let page = PageQuery { limit: Some(200), next_cursor: None };
    gateway.list_runs(actor, &page, &RunFilter::default()).await.unwrap().result
}

/// What stands in the list of deliveries, newest first.
pub(crate) async fn told(gateway: &Gateway, actor: &Arc<Actor>, id: TriggerId) -> Vec<(DeliveryOutcome, String)> {
    let page = PageQuery { limit: Some(200), next_cursor: None };
    let listed = gateway.list_deliveries(actor, id, &page).await.unwrap().result;
    listed.into_iter().map(|one| (one.outcome, one.detail)).collect()
}

#[tokio::test]
async fn a_hundred_deliveries_of_one_event_at_once_start_one_run() {
    let house = House::new().await;
    let account = house.account().await;
    let trigger = make(&house.gateway, &house.admin, document(account, ""), None).await.unwrap();
    let deliveries = (0..100).map(|number| {
        let (gateway, id) = (house.gateway.clone(), trigger.id);
        // Each is sent in its own second, so that none is the very same request.
        let request =
            signed(&gateway, &json!({"id": "event-1", "email": EMAIL}), house.clock.now().plus_ms(number * 1_000));
        tokio::spawn(async move { gateway.receive_hook(id, request).await.map(only) })
    });
    let deliveries: Vec<_> = deliveries.collect();
    let (mut started, mut duplicates) = (Vec::new(), BTreeSet::new());
    for delivery in deliveries {
        let run = delivery.await.unwrap().unwrap();
        started.extend(run.run_id);
        duplicates.extend(run.duplicate_of.map(|id| id.to_string()));
    }
    let listed: Vec<RunId> = runs(&house.gateway, &house.admin).await.iter().map(|run| run.id).collect();
    assert_eq!(listed, started);
    assert_eq!(duplicates.into_iter().collect::<Vec<_>>(), [started[0].to_string()]);
}

#[tokio::test]
async fn two_replicas_start_one_run_for_an_event_and_take_a_signature_once() {
    let Some(replicas) = Replicas::new("two_replicas_start_one_run", Config::default()).await else { return };
    let account = replicas.account().await;
    let trigger = make(&replicas.gateways[0], &replicas.admin, document(account, ""), None).await.unwrap();
    let now = replicas.gateways[0].clock().now();
    let mut deliveries = Vec::new();
    for number in 0..40_i64 {
        let gateway = replicas.gateways[usize::try_from(number % 2).unwrap()].clone();
        let request = signed(&gateway, &json!({"id": 7, "email": EMAIL}), now.plus_ms(number * 1_000));
        let id = trigger.id;
        deliveries.push(tokio::spawn(async move { gateway.receive_hook(id, request).await.map(only) }));
    }
    let mut started = 0;
    for delivery in deliveries {
        started += usize::from(delivery.await.unwrap().unwrap().run_id.is_some());
    }
    assert_eq!((started, runs(&replicas.gateways[1], &replicas.admin).await.len()), (1, 1));
    let request = signed(&replicas.gateways[0], &json!({"id": 8, "email": EMAIL}), now);
    replicas.gateways[0].receive_hook(trigger.id, request.clone()).await.unwrap();
    assert_eq!(code(replicas.gateways[1].receive_hook(trigger.id, request).await), Code::Unauthenticated);
    replicas.finish().await;
}

#[tokio::test]
async fn the_very_same_delivery_is_refused_until_it_is_too_old_anyway() {
    let house = House::new().await;
    let account = house.account().await;
    let trigger = make(&house.gateway, &house.admin, document(account, ""), None).await.unwrap();
    let request = signed(&house.gateway, &json!({"id": 1, "email": EMAIL}), house.clock.now());
    house.gateway.receive_hook(trigger.id, request.clone()).await.unwrap();
    for later_ms in [0, 1, 299_999, 1, 600_000] {
        house.clock.advance_ms(later_ms);
        assert_eq!(code(house.gateway.receive_hook(trigger.id, request.clone()).await), Code::Unauthenticated);
    }
    let told = told(&house.gateway, &house.admin, trigger.id).await;
    assert!(told[4].1.starts_with("refused: replayed: ") && told[0].1.starts_with("refused: too_old: "), "{told:?}");
    // One that starts nothing for a reason that passes is no replay when it comes again.
    let request = signed(&house.gateway, &json!({"id": 2, "email": EMAIL}), house.clock.now());
    switch(&house, trigger.id, false).await;
    assert_eq!(code(house.gateway.receive_hook(trigger.id, request.clone()).await), Code::PermissionDenied);
    switch(&house, trigger.id, true).await;
    house.gateway.receive_hook(trigger.id, request).await.unwrap();
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 2);
}

async fn switch(house: &House, id: TriggerId, enabled: bool) {
    let change = TriggerChange { enabled: Some(enabled), ..TriggerChange::default() };
    house.gateway.update_trigger(&house.admin, house.gateway.request_id(), id, None, change).await.unwrap();
}

#[tokio::test]
async fn runs_work_with_the_rights_of_the_token_and_end_with_it() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let gateway = &house.gateway;
    let trigger = make(gateway, &house.admin, document(account, ""), Some(agent.token_id)).await.unwrap();
    deliver(gateway, trigger.id, &json!({"id": 1, "email": EMAIL})).await.unwrap();
    assert_eq!(runs(gateway, &agent).await[0].token_id, agent.token_id);
    gateway.revoke_token(&house.admin, gateway.request_id(), agent.token_id).await.unwrap();
    let refused = deliver(gateway, trigger.id, &json!({"id": 2, "email": EMAIL})).await;
    assert_eq!(code(refused), Code::PermissionDenied);
    assert_eq!(runs(gateway, &house.admin).await.len(), 1);
    let told = told(gateway, &house.admin, trigger.id).await;
    assert!(told[0].1.contains("revoked"), "{told:?}");

    // Who may be named: a token of this environment that can start runs on the account.
    let auditor = house.token(Role::Auditor, Narrowing::default()).await.0;
    let elsewhere = Narrowing { accounts: Some(Vec::new()), ..Narrowing::default() };
    let narrowed = house.token(Role::Agent, elsewhere).await.0;
    let document = document(account, "").replace("leavers", "others");
    for (token, place) in [
        (agent.token_id, "/token_id"),
        (auditor.token_id, "/token_id"),
        (TokenId(uuid_of_nobody()), "/token_id"),
        (narrowed.token_id, "/document"),
    ] {
        let problem = make(gateway, &house.admin, document.clone(), Some(token)).await.unwrap_err();
        assert_eq!(problem.body().errors[0].pointer, place, "{problem:?}");
    }
    for actor in [&auditor, &narrowed] {
        assert_eq!(code(make(gateway, actor, document.clone(), None).await), Code::PermissionDenied);
    }
    // One whose token is gone can still be switched off, and on again only with another token.
    switch(&house, trigger.id, false).await;
    let on = TriggerChange { enabled: Some(true), ..TriggerChange::default() };
    let refused = gateway.update_trigger(&house.admin, gateway.request_id(), trigger.id, None, on).await;
    assert_eq!(code(refused), Code::InvalidArgument);
}

fn uuid_of_nobody() -> uuid::Uuid {
    "01890000-0000-7000-8000-000000000000".parse().unwrap()
}

#[tokio::test]
async fn what_a_trigger_may_start_in_an_hour_is_limited_and_made_up_for_later() {
    let house = House::new().await;
    let account = house.account().await;
    let each = "for_each: payload.people\nlimits: {runs_per_hour: 2}\n";
    let text =
        document(account, each).replace("payload.email", "item").replace("dedupe_key: payload.id", "dedupe_key: item");
    let trigger = make(&house.gateway, &house.admin, text, None).await.unwrap();
    let body = json!({"people": ["a.miller@company.com", "b@company.com", "c@company.com"]});
    let request = signed(&house.gateway, &body, house.clock.now());
    let problem = house.gateway.receive_hook(trigger.id, request.clone()).await.unwrap_err();
    assert_eq!((problem.code(), problem.body().retryable), (Code::RateLimited, true));
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 2);
    house.clock.advance_ms(3_600_000);
    let request = signed(&house.gateway, &body, house.clock.now());
    let HookAnswer::Accepted { runs: told_runs, .. } = house.gateway.receive_hook(trigger.id, request).await.unwrap()
    else {
        panic!("no question was asked")
    };
    assert_eq!(told_runs.iter().filter(|run| run.duplicate_of.is_some()).count(), 2);
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 3);
    let told = told(&house.gateway, &house.admin, trigger.id).await;
    assert_eq!(told[0].1, "3 items: 1 started, 2 duplicate");
    assert_eq!(told[1], (DeliveryOutcome::Limited, "3 items: 1 limited, 2 started".to_owned()));
}

#[tokio::test]
async fn some_items_start_runs_and_others_say_why_not() {
    let house = House::new().await;
    let account = house.account().await;
    let text = document(account, "for_each: payload.people\nwhen: item.gone\n")
        .replace("payload.email", "item.email")
        .replace("dedupe_key: payload.id\n", "");
    let trigger = make(&house.gateway, &house.admin, text, None).await.unwrap();
    let body = json!({"people": [
        {"email": EMAIL, "gone": true}, {"email": EMAIL, "gone": false}, {"email": "nobody", "gone": true}, {"gone": true},
    ]});
    let request = signed(&house.gateway, &body, house.clock.now());
    let HookAnswer::Accepted { runs: told_runs, .. } = house.gateway.receive_hook(trigger.id, request).await.unwrap()
    else {
        panic!("no question was asked")
    };
    assert!(told_runs[0].run_id.is_some() && told_runs[1].ignored == Some(true));
    assert!(told_runs[2].failed.as_ref().unwrap().contains("/input/email"), "{told_runs:?}");
    assert!(told_runs[3].failed.as_ref().unwrap().starts_with("input.email: "), "{told_runs:?}");
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 1);
    let empty = signed(&house.gateway, &json!({"people": []}), house.clock.now());
    assert!(matches!(
        house.gateway.receive_hook(trigger.id, empty).await.unwrap(),
        HookAnswer::Accepted { runs, .. } if runs.is_empty()
    ));
}

#[tokio::test]
async fn triggers_are_sealed_from_other_environments() {
    let house = House::new().await;
    let account = house.account().await;
    let gateway = &house.gateway;
    let trigger = make(gateway, &house.admin, document(account, ""), None).await.unwrap();
    let (_, text) = gateway.create_environment(&house.admin, gateway.request_id(), "elsewhere").await.unwrap();
    let stranger = gateway.authenticate(Some(secrecy::ExposeSecret::expose_secret(&text))).await.unwrap();
    let page = PageQuery::default();
    assert_eq!(gateway.list_triggers(&stranger, &page).await.unwrap().result_count, 0);
    assert_eq!(code(gateway.get_trigger(&stranger, trigger.id).await), Code::NotFound);
    assert_eq!(code(gateway.list_deliveries(&stranger, trigger.id, &page).await), Code::NotFound);
    assert_eq!(code(gateway.delete_trigger(&stranger, gateway.request_id(), trigger.id).await), Code::NotFound);
    // Neither an account nor a token of another environment can be used.
    let foreign = make(gateway, &stranger, document(account, ""), None).await.unwrap_err();
    assert_eq!(foreign.body().errors[0].pointer, "/document");
    let foreign = make(gateway, &stranger, document(account, ""), Some(house.admin.token_id)).await.unwrap_err();
    assert_eq!(foreign.body().errors[0].pointer, "/token_id");
    gateway.delete_trigger(&house.admin, gateway.request_id(), trigger.id).await.unwrap();
    assert_eq!(code(deliver(gateway, trigger.id, &json!({"id": 1, "email": EMAIL})).await), Code::Unauthenticated);
}

#[tokio::test]
async fn a_sealed_secret_opens_for_its_own_trigger_only() {
    let house = House::new().await;
    let account = house.account().await;
    let one = make(&house.gateway, &house.admin, document(account, ""), None).await.unwrap();
    let other = document(account, "").replace("leavers", "others");
    let other = make(&house.gateway, &house.admin, other, None).await.unwrap();
    let environment = house.admin.environment_id;
    let (first, second) = (
        house.store.find_trigger(environment, one.id).await.unwrap().unwrap(),
        house.store.find_trigger(environment, other.id).await.unwrap().unwrap(),
    );
    assert!(!first.sealed_secrets.clone().unwrap().windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()));
    let mut moved = first.clone();
    moved.sealed_secrets = second.sealed_secrets;
    moved.version = 2;
    let audit = house.store.clone();
    let record = quartermaster_store_model::AuditRow {
        id: quartermaster_types::AuditId(uuid::Uuid::from_u128(1)),
        environment_id: environment,
        at: house.clock.now(),
        request_id: house.gateway.request_id(),
        token_id: house.admin.token_id,
        session: None,
        door: "local",
        action: "trigger.update".to_owned(),
        account_id: None,
        target: None,
        arguments: None,
        before: None,
        after: None,
        decision: None,
        outcome: quartermaster_store_model::Outcome::Ok,
        code: None,
        upstream_calls: 0,
        duration_ms: 0,
    };
    audit.update_trigger(&moved, 1, &record).await.unwrap();
    assert_eq!(code(deliver(&house.gateway, one.id, &json!({"id": 1, "email": EMAIL})).await), Code::Internal);
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 0);
}
