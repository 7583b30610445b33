//! Kill switches: what is switched off takes no call, from any door, whoever asks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quartermaster_engine::RawRequest;
use quartermaster_gateway::limits::{SWITCH_REASON_MAX_BYTES, SWITCHES_MAX, TOOL_NAME_MAX_BYTES};
use quartermaster_gateway::runs::DecidedBy;
use quartermaster_gateway::{Actor, AuditFilter, NewToken, SwitchSubject};
use quartermaster_simulator::Config;
use quartermaster_store_model::{Narrowing, Outcome, Role, RunState, SwitchKind};
use quartermaster_types::{AccountId, Code, Problem, TokenId};
use serde_json::json;

use crate::house::{GET, House, LIST, REACTIVATE, SUSPEND};
use crate::replicas::{Replicas, until};
use crate::runs::{EMAIL, failure, in_state, start};

impl House {
    async fn off(&self, subject: SwitchSubject) -> Result<(), Problem> {
        let request_id = self.gateway.request_id();
        self.gateway.switch_off(&self.admin, request_id, subject, "an incident".to_owned()).await.map(|_| ())
    }

    async fn on(&self, subject: SwitchSubject) -> Result<(), Problem> {
        self.gateway.switch_on(&self.admin, self.gateway.request_id(), subject).await
    }

    async fn raw(&self, actor: &Arc<Actor>, account: AccountId, method: http::Method) -> Result<u16, Problem> {
        let raw = RawRequest {
            method,
            path_and_query: "/v1beta1/nothing".to_owned(),
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
        };
        let answer = self.gateway.custom(actor, self.gateway.request_id(), account, raw).await;
        answer.map(|answer| answer.status).map_err(|failed| failed.problem)
    }
}

#[tokio::test]
async fn what_is_switched_off_takes_no_call_from_any_door_and_all_others_go_on() {
    let house = House::new().await;
    let (account, other) = (house.account().await, house.account().await);
    let agent = house.agent().await;
    let narrowing = Narrowing { custom: true, ..Narrowing::default() };
    let (raw_caller, _) = house.token(Role::Admin, narrowing).await;
    let id = house.find(&agent, account, EMAIL).await;
    house.find(&agent, other, EMAIL).await;
    let calls = async |actor: &Arc<Actor>, account: AccountId| {
        let id = json!({"id": id});
        [
            house.tool(actor, account, LIST, json!({"limit": 1})).await.err().map(|problem| problem.code()),
            house.tool(actor, account, SUSPEND, id.clone()).await.err().map(|problem| problem.code()),
            house.proxy(actor, account, "suspend", id.clone()).await.err().map(|problem| problem.code()),
            house.raw(&raw_caller, account, http::Method::POST).await.err().map(|problem| problem.code()),
        ]
    };
    let off = Some(Code::SwitchedOff);
    let cases = [
        (SwitchSubject::Environment, [off; 4], [off; 4]),
        (SwitchSubject::Account(account), [off; 4], [None; 4]),
        (SwitchSubject::Token(agent.token_id), [off, off, off, None], [off, off, off, None]),
        (SwitchSubject::Tool(SUSPEND.to_uppercase()), [None, off, off, None], [None, off, off, None]),
    ];
    for (subject, here, there) in cases {
        house.off(subject.clone()).await.unwrap();
        let suspended = house.sent().suspend;
        assert_eq!(calls(&agent, account).await, here, "{subject:?}");
        assert_eq!(house.sent().suspend, suspended, "{subject:?}");
        assert_eq!(calls(&agent, other).await, there, "{subject:?}");
        house.on(subject.clone()).await.unwrap();
        assert_eq!(calls(&agent, account).await, [None; 4], "{subject:?}");
        house.tool(&agent, account, REACTIVATE, json!({"id": id})).await.unwrap();
    }
}

#[tokio::test]
async fn the_refusal_names_the_switch_and_is_on_record() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    house.off(SwitchSubject::Account(account)).await.unwrap();
    let problem = house.tool(&agent, account, GET, json!({"id": "A".repeat(26)})).await.unwrap_err();
    assert_eq!((problem.code(), problem.status(), problem.body().retryable), (Code::SwitchedOff, 403, false));
    let detail = &problem.body().detail;
    assert!(detail.contains("this integrated account is switched off since ") && detail.ends_with(": an incident"));
    let refused = house.audit(AuditFilter { action: Some("users.get".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!((refused[0].outcome, refused[0].code.as_deref()), (Outcome::Refused, Some("switched_off")));
    let request = house.tool_request(account, LIST, json!({}));
    let shown = house.gateway.dry_run(&agent, request).await.unwrap();
    assert_eq!(shown.decision["problem"]["code"], "switched_off");

    house.on(SwitchSubject::Account(account)).await.unwrap();
    assert_eq!(house.on(SwitchSubject::Account(account)).await.unwrap_err().code(), Code::NotFound);
    let target = format!("account {account}");
    for action in ["switch.off", "switch.on"] {
        let records = house.audit(AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() }).await;
        assert_eq!((records.len(), records[0].target.as_deref()), (1, Some(&*target)), "{action}");
    }
}

#[tokio::test]
async fn switches_are_listed_survive_a_restart_and_concern_their_environment_only() {
    let house = House::new().await;
    let account = house.account().await;
    house.off(SwitchSubject::Tool(SUSPEND.to_owned())).await.unwrap();
    house.off(SwitchSubject::Environment).await.unwrap();
    let again = house.gateway.switch_off(
        &house.admin,
        house.gateway.request_id(),
        SwitchSubject::Environment,
        "still".to_owned(),
    );
    again.await.unwrap();
    let listed = house.gateway.list_switches(&house.admin).await.unwrap().result;
    let short: Vec<_> = listed.iter().map(|one| (one.kind, one.subject.as_deref(), &*one.reason)).collect();
    let expected = [(SwitchKind::Environment, None, "still"), (SwitchKind::Tool, Some(SUSPEND), "an incident")];
    assert_eq!(short, expected);
    let restarted = crate::house::gateway(&house.simulator, &house.store, &house.clock);
    let request = house.tool_request(account, LIST, json!({}));
    assert_eq!(restarted.call(&house.admin, request).await.unwrap_err().problem.code(), Code::SwitchedOff);

    let (_, token) = house.gateway.create_environment(&house.admin, house.gateway.request_id(), "other").await.unwrap();
    let stranger = house.gateway.authenticate(Some(secrecy::ExposeSecret::expose_secret(&token))).await.unwrap();
    assert!(house.gateway.list_switches(&stranger).await.unwrap().result.is_empty());
    for subject in [SwitchSubject::Account(account), SwitchSubject::Token(house.admin.token_id)] {
        let request_id = house.gateway.request_id();
        let foreign = house.gateway.switch_off(&stranger, request_id, subject.clone(), "x".to_owned()).await;
        assert_eq!(foreign.unwrap_err().code(), Code::NotFound, "{subject:?}");
    }
    let on = house.gateway.switch_on(&stranger, house.gateway.request_id(), SwitchSubject::Environment).await;
    assert_eq!(on.unwrap_err().code(), Code::NotFound);
    assert_eq!(house.gateway.list_switches(&house.admin).await.unwrap().result.len(), 2);
}

#[tokio::test]
async fn only_administrators_switch_and_a_token_that_is_off_changes_nothing() {
    let house = House::new().await;
    let agent = house.agent().await;
    let (auditor, _) = house.token(Role::Auditor, Narrowing::default()).await;
    let (second, _) = house.token(Role::Admin, Narrowing::default()).await;
    let off = async |actor: &Arc<Actor>, subject: SwitchSubject| {
        let request_id = house.gateway.request_id();
        house.gateway.switch_off(actor, request_id, subject, "x".to_owned()).await.map_err(|problem| problem.code())
    };
    for actor in [&agent, &auditor] {
        assert_eq!(off(actor, SwitchSubject::Environment).await, Err(Code::PermissionDenied));
    }
    assert!(house.gateway.list_switches(&auditor).await.is_ok());
    assert!(house.gateway.list_switches(&agent).await.is_err());
    assert_eq!(off(&house.admin, SwitchSubject::Token(house.admin.token_id)).await, Err(Code::Conflict));

    house.off(SwitchSubject::Token(second.token_id)).await.unwrap();
    let own = SwitchSubject::Token(second.token_id);
    let on = house.gateway.switch_on(&second, house.gateway.request_id(), own.clone()).await;
    assert_eq!(on.unwrap_err().code(), Code::SwitchedOff);
    let new = NewToken {
        name: "way out".to_owned(),
        role: Role::Admin,
        narrowing: Narrowing::default(),
        email: None,
        expires_at: None,
    };
    let made = house.gateway.create_token(&second, house.gateway.request_id(), new).await;
    assert_eq!(made.unwrap_err().code(), Code::SwitchedOff);
    let policy = house.gateway.put_policy(&second, house.gateway.request_id(), None, "version: 1".to_owned()).await;
    assert_eq!(policy.unwrap_err().code(), Code::SwitchedOff);
    house.on(own).await.unwrap();
    house.gateway.put_policy(&second, house.gateway.request_id(), None, "version: 1".to_owned()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_an_unknown_tool_warns() {
    let house = House::new().await;
    let off = async |subject: SwitchSubject, reason: &str| {
        house.gateway.switch_off(&house.admin, house.gateway.request_id(), subject, reason.to_owned()).await
    };
    let id = uuid::Uuid::from_u128(5);
    for subject in [SwitchSubject::Account(AccountId(id)), SwitchSubject::Token(TokenId(id))] {
        assert_eq!(off(subject, "x").await.unwrap_err().code(), Code::NotFound);
    }
    for (subject, reason, pointer) in [
        (SwitchSubject::Environment, " ".to_owned(), "/reason"),
        (SwitchSubject::Environment, "x".repeat(SWITCH_REASON_MAX_BYTES + 1), "/reason"),
        (SwitchSubject::Environment, "a\nb".to_owned(), "/reason"),
        (SwitchSubject::Tool("x".repeat(TOOL_NAME_MAX_BYTES + 1)), "x".to_owned(), "/subject"),
        (SwitchSubject::Tool("a b".to_owned()), "x".to_owned(), "/subject"),
    ] {
        let problem = off(subject, &reason).await.unwrap_err();
        assert_eq!((problem.code(), &*problem.body().errors[0].pointer), (Code::InvalidArgument, pointer));
    }
    off(SwitchSubject::Environment, &"x".repeat(SWITCH_REASON_MAX_BYTES)).await.unwrap();
    house.on(SwitchSubject::Environment).await.unwrap();
    let unknown = off(SwitchSubject::Tool("1_password_users_suspnd".to_owned()), "x").await.unwrap();
    assert!(unknown.warnings[0].detail.contains(SUSPEND), "{unknown:?}");
    assert!(off(SwitchSubject::Tool(SUSPEND.to_owned()), "x").await.unwrap().warnings.is_empty());
    for number in 2..SWITCHES_MAX {
        let row = quartermaster_store_model::SwitchRow {
            environment_id: house.admin.environment_id,
            kind: SwitchKind::Tool,
            subject: format!("tool_{number}"),
            reason: "x".to_owned(),
            token_id: house.admin.token_id,
            created_at: house.clock.now(),
        };
        let audit = audit_row(&house);
        house.store.put_switch(&row, &audit).await.unwrap();
    }
    assert_eq!(house.gateway.list_switches(&house.admin).await.unwrap().result_count, SWITCHES_MAX);
    assert_eq!(off(SwitchSubject::Environment, "x").await.unwrap_err().code(), Code::Conflict);
    off(SwitchSubject::Tool(SUSPEND.to_owned()), "another reason").await.unwrap();
}

fn audit_row(house: &House) -> quartermaster_store_model::AuditRow {
    quartermaster_store_model::AuditRow {
        id: quartermaster_types::AuditId(house.gateway.request_id().0),
        environment_id: house.admin.environment_id,
        at: house.clock.now(),
        request_id: house.gateway.request_id(),
        token_id: house.admin.token_id,
        session: None,
        door: "api",
        action: "switch.off".to_owned(),
        account_id: None,
        target: None,
        arguments: None,
        before: None,
        after: None,
        decision: None,
        outcome: Outcome::Ok,
        code: None,
        upstream_calls: 0,
        duration_ms: 0,
    }
}

/// Lists, waits, suspends.
fn later(seconds: u64) -> serde_json::Value {
    json!({"name": "later", "rounds": [
        [{"key": "find", "method": "users.list", "arguments": {"email": EMAIL}}],
        [{"key": "pause", "wait_seconds": seconds}],
        [{"key": "suspend", "method": "users.suspend", "lenient": true,
          "arguments": {"id": {"$from": "find", "at": "/result/0/id"}}}],
        [{"key": "again", "method": "users.list", "arguments": {"limit": 1}}],
    ]})
}

#[tokio::test]
async fn a_run_whose_subject_is_switched_off_writes_no_more_and_ends_with_the_reason() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    for subject in [
        SwitchSubject::Environment,
        SwitchSubject::Account(account),
        SwitchSubject::Token(agent.token_id),
        SwitchSubject::Tool(SUSPEND.to_owned()),
    ] {
        let run = start(&house.gateway, &agent, account, &later(1)).await.unwrap().summary.id;
        in_state(&house.gateway, &agent, run, RunState::Waiting).await;
        house.off(subject.clone()).await.unwrap();
        house.clock.advance_ms(2_000);
        let run = in_state(&house.gateway, &agent, run, RunState::Failed).await;
        assert_eq!(failure(&run), (Code::SwitchedOff, DecidedBy::Gateway), "{subject:?}");
        let refused = start(&house.gateway, &agent, account, &later(1)).await;
        let is_refused = refused.is_err_and(|problem| problem.code() == Code::SwitchedOff);
        assert_eq!(is_refused, !matches!(subject, SwitchSubject::Tool(_)), "{subject:?}");
        house.on(subject).await.unwrap();
    }
    assert_eq!(house.sent().suspend, 0);
}

#[tokio::test]
async fn a_write_that_waits_for_its_turn_is_not_made_once_it_is_switched_off() {
    let house = House::with(Config { latency: Duration::from_millis(300), ..Config::default() }).await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, EMAIL).await;
    let suspend = |key: &str| {
        let mut request = house.tool_request(account, SUSPEND, json!({"id": id}));
        request.idempotency_key = Some(key.to_owned());
        let (gateway, agent) = (house.gateway.clone(), Arc::clone(&agent));
        tokio::spawn(async move { gateway.call(&agent, request).await.map_err(|failed| failed.problem.code()) })
    };
    let (first, second) = (suspend("one"), suspend("two"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.off(SwitchSubject::Account(account)).await.unwrap();
    let outcomes = [first.await.unwrap().err(), second.await.unwrap().err()];
    assert!(outcomes.contains(&Some(Code::SwitchedOff)), "{outcomes:?}");
    assert!(house.sent().suspend <= 1);
}

#[tokio::test]
async fn a_switch_is_in_force_on_every_replica_within_a_second() {
    let test = "a_switch_is_in_force_on_every_replica_within_a_second";
    let Some(replicas) = Replicas::new(test, Config::default()).await else { return };
    let [one, _] = &replicas.gateways;
    let account = replicas.account().await;
    let list = async || replicas.tool(1, account, LIST, json!({})).await;
    until("the other one is ready", async || list().await.is_ok()).await;
    let off = one.switch_off(&replicas.admin, one.request_id(), SwitchSubject::Environment, "stop".to_owned());
    off.await.unwrap();
    let took =
        until("it is off", async || list().await.is_err_and(|problem| problem.code() == Code::SwitchedOff)).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    one.switch_on(&replicas.admin, one.request_id(), SwitchSubject::Environment).await.unwrap();
    assert!(until("it is on", async || list().await.is_ok()).await < Duration::from_secs(1));
    replicas.finish().await;
}
