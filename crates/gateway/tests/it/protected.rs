//! Protected records, through every door.

use std::sync::Arc;

use bytes::Bytes;
use quartermaster_engine::RawRequest;
use quartermaster_gateway::runs::NewRun;
use quartermaster_gateway::runs::machine::Action;
use quartermaster_gateway::{Actor, AuditFilter, NewToken};
use quartermaster_simulator::State;
use quartermaster_store_model::{Narrowing, Outcome, Role, RunState};
use quartermaster_types::{AccountId, Code, Problem};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::house::{GET, House, LIST, SUSPEND, object};
use crate::runs::in_state;

const MILLER: &str = "a.miller@company.com";
const PROTECTED: &str =
    "protected:\n  - {name: break-glass, emails: [A.Miller@company.com], because: Ask the board.}\n";

impl House {
    async fn raw_post(&self, actor: &Arc<Actor>, account: AccountId, path: &str) -> Result<u16, Problem> {
        let raw = RawRequest {
            method: http::Method::POST,
            path_and_query: path.to_owned(),
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
        };
        let answer = self.gateway.custom(actor, self.gateway.request_id(), account, raw).await;
        answer.map(|answer| answer.status).map_err(|failed| failed.problem)
    }
}

#[tokio::test]
async fn a_protected_record_is_touched_from_no_door_by_nobody() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let narrowing = Narrowing { custom: true, ..Narrowing::default() };
    let (admin, _) = house.token(Role::Admin, narrowing).await;
    let miller = house.find(&admin, account, MILLER).await;
    let page = house.tool(&admin, account, LIST, json!({"limit": 9, "state": "ACTIVE"})).await.unwrap();
    let mut others = page["result"].as_array().unwrap().iter().filter(|one| one["id"] != miller.as_str());
    let other = others.next_back().unwrap()["id"].as_str().unwrap().to_owned();
    let version = house.set_policy(PROTECTED).await;
    let before = house.sent();
    let id = json!({"id": miller});
    for problem in [
        house.tool(&admin, account, SUSPEND, id.clone()).await.unwrap_err(),
        house.proxy(&admin, account, "suspend", id.clone()).await.unwrap_err(),
    ] {
        assert_eq!(problem.code(), Code::DeniedByPolicy);
        let expected =
            format!("the entry `break-glass` of this environment's policy (version {version}): Ask the board.");
        assert!(problem.body().detail.ends_with(&expected), "{problem}");
    }
    let path = format!("/v1beta1/accounts/{}/users/{miller}:suspend", house.simulator.account_id());
    let problem = house.raw_post(&admin, account, &path).await.unwrap_err();
    assert!(problem.body().detail.contains("does not say which record it touches"), "{problem}");
    let new = NewRun {
        kind: "playbook".to_owned(),
        definition: "offboard".to_owned(),
        account,
        input: object(json!({"email": MILLER})),
        patience_seconds: None,
    };
    let run = house.gateway.start_run(&admin, house.gateway.request_id(), new).await.unwrap().summary.id;
    let run = in_state(&house.gateway, &admin, run, RunState::Failed).await;
    let Some(Action::Failed { problem, .. }) = &run.outcome.as_ref().unwrap().action else { panic!("{run:?}") };
    assert_eq!(problem.code(), Code::DeniedByPolicy);
    assert_eq!(house.sent().suspend, before.suspend);
    assert_eq!(house.simulator.control().find(MILLER).unwrap().state, State::Active);

    // Others are suspended with the one read that the change of state needs anyway; reads are free.
    house.tool(&admin, account, GET, id.clone()).await.unwrap();
    let gets = house.sent().get;
    house.tool(&admin, account, SUSPEND, json!({"id": other})).await.unwrap();
    assert_eq!((house.sent().get, house.sent().suspend), (gets + 1, before.suspend + 1));

    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    let refused = records[0].decision.as_ref().unwrap();
    assert_eq!((records[0].outcome, records[0].upstream_calls), (Outcome::Refused, 1));
    assert_eq!((&refused["allowed"], &refused["decided_by"]), (&json!(false), &json!("break-glass")));
    assert_eq!(refused["protected"], json!([{"entry": "break-glass", "touched": true, "by": "email"}]));
    let done = records.last().unwrap().decision.as_ref().unwrap();
    assert_eq!(done["protected"], json!([{"entry": "break-glass", "touched": false}]));
    let shown = house.gateway.dry_run(&admin, house.tool_request(account, SUSPEND, id)).await.unwrap();
    assert_eq!(
        (&shown.decision["allowed"], &shown.decision["policy"]["decided_by"]),
        (&json!(false), &json!("break-glass"))
    );
}

#[tokio::test]
async fn a_rule_that_names_raw_calls_lets_them_through_and_nothing_else_does() {
    let house = House::new().await;
    let account = house.account().await;
    let narrowing = Narrowing { custom: true, ..Narrowing::default() };
    let (admin, _) = house.token(Role::Admin, narrowing).await;
    house.set_policy(&format!("{PROTECTED}rules: [{{name: all, effect: allow, match: {{roles: [admin]}}}}]\n")).await;
    assert_eq!(house.raw_post(&admin, account, "/v1beta1/x").await.unwrap_err().code(), Code::DeniedByPolicy);
    let rule = "rules: [{name: groups, effect: allow, match: {doors: [custom]}, when: \"arguments.path.startsWith('/v1beta1/x')\"}]\n";
    house.set_policy(&format!("{PROTECTED}{rule}")).await;
    assert_eq!(house.raw_post(&admin, account, "/v1beta1/x").await.unwrap(), 404);
    assert_eq!(house.raw_post(&admin, account, "/v1beta1/y").await.unwrap_err().code(), Code::DeniedByPolicy);
}

#[tokio::test]
async fn oneself_is_the_person_behind_the_token_and_the_connections_principal() {
    let house = House::new().await;
    let mut new = house.new_account();
    let principal = json!({"at": "/email", "equals": "{{ connection.account_id }}@company.com"});
    let mut patch = new.override_patch.take().unwrap();
    patch["connection"] = json!({"principal": principal});
    new.override_patch = Some(patch);
    let account = house.create(new).await.unwrap().id;
    let token = NewToken {
        name: "anna".to_owned(),
        role: Role::Agent,
        narrowing: Narrowing::default(),
        email: Some("A.MILLER@company.com".to_owned()),
        expires_at: None,
    };
    let (view, text) = house.gateway.create_token(&house.admin, house.gateway.request_id(), token).await.unwrap();
    assert_eq!(view.email.as_deref(), Some("A.MILLER@company.com"));
    let anna = house.gateway.authenticate(Some(text.expose_secret())).await.unwrap();
    let somebody = house.agent().await;
    house.set_policy("protected: [{name: self, self: true, because: Not oneself.}]\n").await;
    let id = house.find(&anna, account, MILLER).await;
    let problem = house.tool(&anna, account, SUSPEND, json!({"id": id})).await.unwrap_err();
    assert!(problem.body().detail.contains("`self`"), "{problem}");
    house.find(&somebody, account, MILLER).await;
    house.tool(&somebody, account, SUSPEND, json!({"id": id})).await.unwrap();

    // The connection's own record, wherever the definition says that it is known.
    let own = json!({"connection": {"principal": {"at": "/id", "equals": format!("{id}")}}});
    let change = quartermaster_gateway::AccountChange { override_patch: Some(own), ..Default::default() };
    house.gateway.update_account(&house.admin, house.gateway.request_id(), account, None, change).await.unwrap();
    let problem = house.tool(&somebody, account, SUSPEND, json!({"id": id})).await.unwrap_err();
    assert!(problem.body().detail.contains("`self`"), "{problem}");
}

#[tokio::test]
async fn an_address_of_a_token_is_one() {
    let house = House::new().await;
    for wrong in ["", "anna", "a@b@c", "a b@c", "@b", "a@", &format!("{}@b.c", "x".repeat(320))] {
        let new = NewToken {
            name: "x".to_owned(),
            role: Role::Agent,
            narrowing: Narrowing::default(),
            email: Some(wrong.to_owned()),
            expires_at: None,
        };
        let made = house.gateway.create_token(&house.admin, house.gateway.request_id(), new).await;
        assert_eq!(made.unwrap_err().body().errors[0].pointer, "/email", "{wrong}");
    }
}
