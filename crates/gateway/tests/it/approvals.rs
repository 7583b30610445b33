//! Approvals in the pipeline, counted at the simulator.

mod runs;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quartermaster_definition::policy::APPROVAL_SECONDS_DEFAULT;
use quartermaster_engine::RawRequest;
use quartermaster_gateway::{Actor, ApprovalFilter, ApprovalView, AuditFilter, Decision, Gateway, NewToken, PageQuery};
use quartermaster_simulator::{RateLimit, State};
use quartermaster_store_model::{Narrowing, Outcome, Role};
use quartermaster_types::{AccountId, ApprovalId, ApprovalState, Code, Problem};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::house::{self, GET, House, REACTIVATE, SUSPEND, value};

const HOUR_MS: i64 = APPROVAL_SECONDS_DEFAULT as i64 * 1000;
const ASK: &str =
    "  - {name: ask, effect: require_approval, because: ask a person, match: {methods: [users.suspend]}}\n";

fn rule(approval: &str) -> String {
    ASK.replace("match:", &format!("approval: {approval}, match:"))
}

pub(crate) fn yes() -> Decision {
    Decision { approve: true, veto: Vec::new(), reason: None }
}

fn no(reason: &str) -> Decision {
    Decision { approve: false, veto: Vec::new(), reason: Some(reason.to_owned()) }
}

/// A house with an agent that has found the person whom it wants to suspend.
struct Scene {
    house: House,
    account: AccountId,
    agent: Arc<Actor>,
    id: String,
}

impl House {
    pub(crate) async fn set_rules(&self, rules: &str) {
        let document = format!("version: 1\nrules:\n{rules}");
        let set = self.gateway.put_policy(&self.admin, self.gateway.request_id(), None, document).await;
        set.unwrap_or_else(|problem| panic!("{problem} {:?}", problem.body().errors));
    }

    pub(crate) async fn decide(
        &self,
        actor: &Arc<Actor>,
        id: ApprovalId,
        said: Decision,
    ) -> Result<ApprovalView, Problem> {
        self.gateway.decide_approval(actor, self.gateway.request_id(), id, said).await
    }
}

impl Scene {
    async fn new(rules: &str) -> Self {
        let house = House::new().await;
        let account = house.account().await;
        let agent = house.agent().await;
        let id = house.find(&agent, account, "a.miller@company.com").await;
        house.set_rules(rules).await;
        Self { house, account, agent, id }
    }

    async fn suspend(&self) -> Result<Value, Problem> {
        self.suspend_by(&self.house.gateway).await
    }

    async fn suspend_by(&self, gateway: &Gateway) -> Result<Value, Problem> {
        let request = self.house.tool_request(self.account, SUSPEND, json!({"id": self.id}));
        value(gateway.call(&self.agent, request).await)
    }

    async fn held(&self) -> Problem {
        let problem = self.suspend().await.unwrap_err();
        assert_eq!(problem.code(), Code::ApprovalRequired, "{problem}");
        problem
    }

    async fn asked(&self) -> ApprovalId {
        self.held().await.body().approval.as_ref().unwrap().id
    }

    /// Writes that reached the vendor.
    fn writes(&self) -> u64 {
        self.house.sent().suspend + self.house.sent().reactivate
    }

    async fn token(&self, role: Role) -> Arc<Actor> {
        self.house.token(role, Narrowing::default()).await.0
    }

    async fn state(&self, id: ApprovalId) -> ApprovalState {
        self.house.gateway.get_approval(&self.house.admin, id).await.unwrap().summary.state
    }
}

#[tokio::test]
async fn a_call_waits_for_its_approval_and_passes_once() {
    let scene = Scene::new(ASK).await;
    let (house, gateway) = (&scene.house, &scene.house.gateway);
    let problem = scene.held().await;
    let notice = problem.body().approval.clone().unwrap();
    assert_eq!(
        (notice.state, notice.url.as_str()),
        (ApprovalState::Pending, format!("/approval/{}", notice.id).as_str())
    );
    assert_eq!(notice.expires_at, house.clock.now().plus_ms(HOUR_MS));
    assert!(
        problem.body().detail.contains("the rule `ask`") && problem.body().detail.contains("ask a person"),
        "{problem}"
    );
    assert!(!problem.body().retryable);
    let reads = house.sent().total();
    assert_eq!(scene.asked().await, notice.id, "the same call asks once");
    assert_eq!(house.sent().total(), reads, "and reads nothing again");
    assert_eq!(scene.writes(), 0, "nothing was sent");

    let seen = gateway.get_approval(&scene.agent, notice.id).await.unwrap();
    let row = &seen.card.rows[0];
    assert!(row.who.contains("a.miller@company.com"), "{row:?}");
    assert_eq!(row.before.as_ref().unwrap()["state"], "ACTIVE");
    assert_eq!((&row.after, row.undo.as_deref()), (&Some(json!({"state": "SUSPENDED"})), Some("reactivate")));
    assert_eq!((seen.rule.as_deref(), seen.quorum, seen.because.as_str()), (Some("ask"), 1, "ask a person"));

    let approved = house.decide(&house.admin, notice.id, yes()).await.unwrap();
    assert_eq!(approved.summary.state, ApprovalState::Approved);
    assert_eq!(scene.suspend().await.unwrap()["changed"], true);
    assert_eq!((scene.writes(), scene.state(notice.id).await), (1, ApprovalState::Used));
    house.tool(&scene.agent, scene.account, REACTIVATE, json!({"id": scene.id})).await.unwrap();
    assert_ne!(scene.asked().await, notice.id, "once");
    assert_eq!(scene.writes(), 2);

    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.outcome, record.decision.as_ref().unwrap()["approval"]["state"].clone()))
        .collect();
    assert_eq!(told[0], (Outcome::Refused, json!("pending")));
    assert_eq!(told[2], (Outcome::Ok, json!("used")));
    for action in ["approval.request", "approval.approve"] {
        let records = house.audit(AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() }).await;
        assert_eq!(records[0].target.as_deref(), Some(notice.id.to_string().as_str()), "{action}");
    }
}

#[tokio::test]
async fn another_call_session_token_or_record_is_not_what_was_approved() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    let id = scene.asked().await;
    house.decide(&house.admin, id, yes()).await.unwrap();
    let other = house.find(&scene.agent, scene.account, "owner@company.com").await;
    let refused = house.tool(&scene.agent, scene.account, SUSPEND, json!({"id": other})).await.unwrap_err();
    assert_ne!(refused.body().approval.as_ref().unwrap().id, id, "another person");
    let agent = house.agent().await;
    house.find(&agent, scene.account, "a.miller@company.com").await;
    let refused = house.tool(&agent, scene.account, SUSPEND, json!({"id": scene.id})).await.unwrap_err();
    assert_ne!(refused.body().approval.as_ref().unwrap().id, id, "another token");
    let mut request = house.tool_request(scene.account, house::LIST, json!({"email": "a.miller@company.com"}));
    request.session = Some("other".to_owned());
    house.gateway.call(&scene.agent, request).await.unwrap();
    let mut request = house.tool_request(scene.account, SUSPEND, json!({"id": scene.id}));
    request.session = Some("other".to_owned());
    let refused = value(house.gateway.call(&scene.agent, request).await).unwrap_err();
    assert_ne!(refused.body().approval.as_ref().unwrap().id, id, "another session");
    assert_eq!(scene.writes(), 0);
    // The same call through the other door is the same call.
    house.proxy(&scene.agent, scene.account, "suspend", json!({"id": scene.id})).await.unwrap();
    assert_eq!(scene.writes(), 1);
}

#[tokio::test]
async fn an_approval_of_a_record_that_changed_since_does_not_count() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    let id = scene.asked().await;
    house.decide(&house.admin, id, yes()).await.unwrap();
    house.simulator.control().set_display_name(&scene.id, "Somebody Else");
    let problem = scene.held().await;
    assert!(problem.body().detail.contains(&format!("The record changed since the approval {id}")), "{problem}");
    let again = problem.body().approval.as_ref().unwrap().id;
    assert_ne!(again, id);
    assert_eq!((scene.state(id).await, scene.writes()), (ApprovalState::Expired, 0));
    house.decide(&house.admin, again, yes()).await.unwrap();
    scene.suspend().await.unwrap();
    assert_eq!(scene.writes(), 1);
}

#[tokio::test]
async fn whoever_asks_no_agent_no_stranger_and_no_narrowed_token_decides() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    let id = scene.asked().await;
    let other_agent = house.agent().await;
    assert_eq!(house.decide(&scene.agent, id, yes()).await.unwrap_err().code(), Code::PermissionDenied, "who asked");
    assert_eq!(house.decide(&other_agent, id, yes()).await.unwrap_err().code(), Code::NotFound, "a model");
    let auditor = scene.token(Role::Auditor).await;
    assert_eq!(house.decide(&auditor, id, yes()).await.unwrap_err().code(), Code::PermissionDenied, "no approver");
    let narrowing = Narrowing { accounts: Some(vec![scene.account]), ..Narrowing::default() };
    let (narrowed, _) = house.token(Role::Admin, narrowing).await;
    assert_eq!(house.decide(&narrowed, id, yes()).await.unwrap_err().code(), Code::NotFound, "narrowed");
    let (_, text) = house.gateway.create_environment(&house.admin, house.gateway.request_id(), "other").await.unwrap();
    let stranger = house.gateway.authenticate(Some(text.expose_secret())).await.unwrap();
    assert_eq!(house.decide(&stranger, id, yes()).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(house.gateway.get_approval(&stranger, id).await.unwrap_err().code(), Code::NotFound);
    // An admin who asks does not decide either.
    house.find(&house.admin, scene.account, "a.miller@company.com").await;
    let own = house.tool(&house.admin, scene.account, SUSPEND, json!({"id": scene.id})).await.unwrap_err();
    let own = own.body().approval.as_ref().unwrap().id;
    let problem = house.decide(&house.admin, own, yes()).await.unwrap_err();
    assert_eq!(problem.code(), Code::PermissionDenied);
    assert!(problem.body().detail.contains("whoever asks does not decide"), "{problem}");
    assert_eq!((scene.state(id).await, scene.state(own).await), (ApprovalState::Pending, ApprovalState::Pending));
    assert_eq!(scene.writes(), 0);
}

#[tokio::test]
async fn listed_approvers_and_only_they_decide() {
    let house = House::new().await;
    let new = |name: &str| NewToken {
        name: name.to_owned(),
        role: Role::Auditor,
        narrowing: Narrowing::default(),
        email: None,
        expires_at: None,
    };
    let (view, text) = house.gateway.create_token(&house.admin, house.gateway.request_id(), new("it")).await.unwrap();
    let listed = house.gateway.authenticate(Some(text.expose_secret())).await.unwrap();
    let account = house.account().await;
    let agent = house.agent().await;
    let agent_id = agent.token_id;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    house.set_rules(&rule(&format!("{{approvers: {{tokens: [{}, {agent_id}]}}}}", view.id))).await;
    let scene = Scene { house, account, agent, id };
    let approval = scene.asked().await;
    let admin = &scene.house.admin;
    assert_eq!(scene.house.decide(admin, approval, yes()).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(scene.house.decide(&scene.agent, approval, yes()).await.unwrap_err().code(), Code::PermissionDenied);
    scene.house.decide(&listed, approval, yes()).await.unwrap();
    scene.suspend().await.unwrap();
}

#[tokio::test]
async fn a_no_holds_as_long_as_the_question_would_have() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    let id = scene.asked().await;
    house.decide(&house.admin, id, no("he stays")).await.unwrap();
    let problem = scene.suspend().await.unwrap_err();
    assert_eq!(problem.code(), Code::DeniedByPolicy);
    assert!(problem.body().detail.contains("he stays"), "{problem}");
    assert_eq!(problem.body().approval.as_ref().map(|notice| notice.state), Some(ApprovalState::Denied));
    let late = house.decide(&scene.token(Role::Admin).await, id, yes()).await.unwrap_err();
    assert_eq!(late.code(), Code::Conflict, "what was decided stays");
    house.clock.advance_ms(HOUR_MS);
    house.find(&scene.agent, scene.account, "a.miller@company.com").await;
    assert_ne!(scene.asked().await, id, "then one may ask again");
    assert_eq!(scene.writes(), 0);
}

#[tokio::test]
async fn a_decision_comes_before_the_end_or_not_at_all() {
    let scene = Scene::new(&rule("{expires_in: 10m}")).await;
    let house = &scene.house;
    let id = scene.asked().await;
    house.clock.advance_ms(10 * 60_000);
    let problem = house.decide(&house.admin, id, yes()).await.unwrap_err();
    assert_eq!(problem.code(), Code::Conflict);
    assert!(problem.body().detail.contains("has expired"), "{problem}");
    assert_eq!(scene.state(id).await, ApprovalState::Expired);
    house.find(&scene.agent, scene.account, "a.miller@company.com").await;
    let again = scene.asked().await;
    assert_ne!(again, id);
    house.clock.advance_ms(10 * 60_000 - 1);
    house.decide(&house.admin, again, yes()).await.unwrap();
    house.clock.advance_ms(10 * 60_000 - 1);
    house.find(&scene.agent, scene.account, "a.miller@company.com").await;
    scene.suspend().await.unwrap();
    assert_eq!(scene.writes(), 1, "it lasts as long again, from the decision on");
}

#[tokio::test]
async fn what_was_approved_and_not_used_in_time_is_asked_for_again() {
    let scene = Scene::new(&rule("{expires_in: 10m}")).await;
    let house = &scene.house;
    let id = scene.asked().await;
    house.decide(&house.admin, id, yes()).await.unwrap();
    house.clock.advance_ms(10 * 60_000);
    house.find(&scene.agent, scene.account, "a.miller@company.com").await;
    assert_ne!(scene.asked().await, id);
    assert_eq!(scene.writes(), 0);
}

#[tokio::test]
async fn a_quorum_takes_different_approvers() {
    let scene = Scene::new(&rule("{quorum: 2}")).await;
    let house = &scene.house;
    let id = scene.asked().await;
    let first = house.decide(&house.admin, id, yes()).await.unwrap();
    assert_eq!((first.summary.state, first.votes.len()), (ApprovalState::Pending, 1));
    assert_eq!(house.decide(&house.admin, id, yes()).await.unwrap_err().code(), Code::Conflict, "one vote each");
    scene.held().await;
    let (one, two) = (scene.token(Role::Admin).await, scene.token(Role::Admin).await);
    let (left, right) = tokio::join!(house.decide(&one, id, yes()), house.decide(&two, id, yes()));
    let outcomes = [left.is_ok(), right.is_ok()];
    assert_eq!(
        outcomes.iter().filter(|worked| **worked).count(),
        1,
        "the second yes decides, the third comes too late"
    );
    scene.suspend().await.unwrap();
    assert_eq!(scene.writes(), 1);
}

#[tokio::test]
async fn a_record_that_is_not_as_expected_is_put_before_nobody_and_an_approval_is_no_way_around_it() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    let expecting = async |email: &str| {
        let mut request = house.tool_request(scene.account, SUSPEND, json!({"id": scene.id}));
        request.expect = Some(house::object(json!({"email": email})));
        value(house.gateway.call(&scene.agent, request).await)
    };
    assert_eq!(expecting("b@company.com").await.unwrap_err().code(), Code::PreconditionFailed);
    let listed = house.gateway.list_approvals(&house.admin, &PageQuery::default(), &ApprovalFilter::default()).await;
    assert_eq!(listed.unwrap().result_count, 0, "nobody was asked");
    let id = expecting("a.miller@company.com").await.unwrap_err().body().approval.as_ref().unwrap().id;
    house.decide(&house.admin, id, yes()).await.unwrap();
    assert_eq!(expecting("b@company.com").await.unwrap_err().code(), Code::PreconditionFailed);
    assert_eq!((scene.writes(), scene.state(id).await), (0, ApprovalState::Approved));
    let gets = house.sent().get;
    expecting("a.miller@company.com").await.unwrap();
    assert_eq!(
        (scene.writes(), house.sent().get - gets),
        (1, 1),
        "one read serves the guards, the approval and the write"
    );
}

#[tokio::test]
async fn of_many_equal_calls_at_once_one_passes() {
    let scene = Scene::new(ASK).await;
    let id = scene.asked().await;
    scene.house.decide(&scene.house.admin, id, yes()).await.unwrap();
    let calls = (0..8).map(|_| scene.suspend());
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert_eq!(scene.writes(), 1);
}

#[tokio::test]
async fn an_approval_outlives_the_gateway_that_asked() {
    let scene = Scene::new(ASK).await;
    let id = scene.asked().await;
    let house = &scene.house;
    let restarted = house::gateway(&house.simulator, &house.store, &house.clock);
    restarted.decide_approval(&house.admin, restarted.request_id(), id, yes()).await.unwrap();
    let again = house::gateway(&house.simulator, &house.store, &house.clock);
    let request = house.tool_request(scene.account, house::LIST, json!({"email": "a.miller@company.com"}));
    again.call(&scene.agent, request).await.unwrap();
    assert_eq!(scene.suspend_by(&again).await.unwrap()["changed"], true);
    assert_eq!(
        scene.suspend().await.unwrap_err().code(),
        Code::ApprovalRequired,
        "the first gateway sees that it is used"
    );
    assert_eq!(scene.writes(), 1);
}

#[tokio::test]
async fn a_rehearsal_asks_nobody_and_takes_nothing() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    let rehearse = async || {
        let request = house.tool_request(scene.account, SUSPEND, json!({"id": scene.id}));
        house.gateway.dry_run(&scene.agent, request).await.unwrap()
    };
    let shown = rehearse().await;
    assert_eq!((&shown.decision["allowed"], &shown.request), (&json!(false), &None));
    assert_eq!(shown.decision["policy"]["decided_by"], "ask");
    assert_eq!(shown.decision["problem"]["code"], "approval_required");
    let listed = house.gateway.list_approvals(&house.admin, &PageQuery::default(), &ApprovalFilter::default()).await;
    assert_eq!(listed.unwrap().result_count, 0);
    let id = scene.asked().await;
    house.decide(&house.admin, id, yes()).await.unwrap();
    for _ in 0..2 {
        let shown = rehearse().await;
        assert_eq!(shown.decision["allowed"], true, "{}", shown.decision);
        assert_eq!(shown.decision["policy"]["approval"]["state"], "approved");
        assert!(shown.request.is_some());
    }
    scene.suspend().await.unwrap();
}

#[tokio::test]
async fn a_refusal_by_the_vendor_for_a_later_try_gives_the_approval_back() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    let id = scene.asked().await;
    house.decide(&house.admin, id, yes()).await.unwrap();
    // The look at the record passes; what comes after it is too much.
    house.simulator.control().set_rate_limit(Some(RateLimit { requests: 1, window: Duration::from_secs(60) }));
    assert_eq!(scene.suspend().await.unwrap_err().code(), Code::RateLimited);
    let control = house.simulator.control();
    let person = control.find("a.miller@company.com").unwrap();
    assert_eq!((scene.state(id).await, person.state), (ApprovalState::Approved, State::Active));
    control.set_rate_limit(None);
    scene.suspend().await.unwrap();
    assert_eq!(scene.state(id).await, ApprovalState::Used);
}

#[tokio::test]
async fn raw_calls_cannot_be_approved_and_calls_that_belong_into_a_plan_neither() {
    let scene = Scene::new(
        "  - {name: raw, effect: require_approval, because: ask, match: {doors: [custom]}}\n  \
         - {name: planned, effect: require_approval, because: plan it, approval: {scope: plan}, match: {methods: [users.suspend]}}\n",
    )
    .await;
    let house = &scene.house;
    let narrowing = Narrowing { custom: true, ..Narrowing::default() };
    let (agent, _) = house.token(Role::Agent, narrowing).await;
    let sent = house.sent().total();
    let raw = RawRequest {
        method: http::Method::POST,
        path_and_query: "/v1beta1/x".to_owned(),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
    };
    let refused = house.gateway.custom(&agent, house.gateway.request_id(), scene.account, raw).await.unwrap_err();
    assert_eq!(refused.problem.code(), Code::DeniedByPolicy);
    assert!(refused.problem.body().detail.contains("a raw call cannot be approved"), "{}", refused.problem);
    let problem = scene.held().await;
    assert!(problem.body().detail.contains("only as part of a plan"), "{problem}");
    assert!(problem.body().approval.is_none(), "nobody was asked");
    assert_eq!(house.sent().total(), sent);
}

#[tokio::test]
async fn a_read_can_need_an_approval_too_and_other_terms_ask_anew() {
    let reading = "  - {name: reads, effect: require_approval, because: ask, match: {methods: [users.get]}}\n";
    let scene = Scene::new(reading).await;
    let house = &scene.house;
    let get = async || house.tool(&scene.agent, scene.account, GET, json!({"id": scene.id})).await;
    let id = get().await.unwrap_err().body().approval.as_ref().unwrap().id;
    house.decide(&house.admin, id, yes()).await.unwrap();
    house.set_rules(&reading.replace("because: ask", "because: ask, approval: {quorum: 2}")).await;
    let stricter = get().await.unwrap_err().body().approval.as_ref().unwrap().id;
    assert_ne!(stricter, id, "a yes under other terms does not count");
    house.set_rules(reading).await;
    assert_eq!(get().await.unwrap()["result"]["id"], scene.id.as_str());
}

#[tokio::test]
async fn no_secret_of_the_account_is_on_a_card() {
    let scene = Scene::new(ASK).await;
    let house = &scene.house;
    house.simulator.control().set_display_name(&scene.id, house.simulator.client_secret());
    let id = scene.asked().await;
    let view = house.gateway.get_approval(&house.admin, id).await.unwrap();
    let text = serde_json::to_string(&view).unwrap();
    assert!(!text.contains(house.simulator.client_secret()), "{text}");
    let stored = std::fs::read(&house.database).unwrap();
    let wal = std::fs::read(house.database.with_extension("db-wal")).unwrap_or_default();
    let secret = house.simulator.client_secret().as_bytes();
    assert!(![stored, wal].iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret)));
}
