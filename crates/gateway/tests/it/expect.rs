//! `expect`: a record that is not as the caller says is not written to, from any door.

use quartermaster_gateway::limits::{EXPECT_MAX_BYTES, EXPECT_MEMBERS_MAX};
use quartermaster_gateway::runs::NewRun;
use quartermaster_gateway::runs::machine::Action;
use quartermaster_gateway::{AuditFilter, CallRequest, Door, Target};
use quartermaster_simulator::State;
use quartermaster_store_model::{Outcome, RunState};
use quartermaster_types::{AccountId, Code};
use serde_json::{Map, Value, json};

use crate::house::{GET, House, LIST, SUSPEND, object, value};
use crate::runs::in_state;

const MILLER: &str = "a.miller@company.com";

impl House {
    fn expecting(&self, door: Door, account: AccountId, id: &str, expect: Value) -> CallRequest {
        let target = Target::Method { resource: "users".to_owned(), method: "suspend".to_owned() };
        let mut request = self.request(door, account, target, json!({"id": id}));
        request.expect = Some(object(expect));
        request
    }
}

#[tokio::test]
async fn a_record_that_is_somebody_elses_is_not_written_to() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, MILLER).await;
    let before = house.sent();
    for door in [Door::Tool, Door::Proxy] {
        let request = house.expecting(door, account, &id, json!({"email": "b.jones@company.com", "state": "ACTIVE"}));
        let problem = value(house.gateway.call(&agent, request).await).unwrap_err();
        assert_eq!((problem.code(), problem.status()), (Code::PreconditionFailed, 412), "{problem}");
        let errors = &problem.body().errors;
        assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, "/expect/email"));
        assert_eq!(errors[0].detail, format!("expected \"b.jones@company.com\", found \"{MILLER}\""));
        assert!(problem.body().next_calls.iter().any(|call| call.tool == GET), "{problem:?}");
    }
    assert_eq!((house.sent().get, house.sent().suspend), (before.get + 2, before.suspend));

    // The read that compares is the one that the change of state needs anyway.
    let request =
        house.expecting(Door::Tool, account, &id, json!({"email": "A.Miller@COMPANY.com", "state": "ACTIVE"}));
    assert_eq!(value(house.gateway.call(&agent, request).await).unwrap()["changed"], true);
    assert_eq!((house.sent().get, house.sent().suspend), (before.get + 3, before.suspend + 1));

    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    let (refused, done) = (records[0].decision.as_ref().unwrap(), records[2].decision.as_ref().unwrap());
    assert_eq!((records[0].outcome, records[0].upstream_calls), (Outcome::Refused, 1));
    assert_eq!((&refused["allowed"], &refused["decided_by"]), (&json!(false), &json!("expect")));
    assert_eq!(
        refused["expect"][0],
        json!({"member": "email", "expected": "b.jones@company.com", "found": MILLER, "outcome": "different"})
    );
    assert_eq!((&done["allowed"], &done["expect"][1]["outcome"]), (&json!(true), &json!("same")));
    assert_eq!((records[2].outcome, records[2].upstream_calls), (Outcome::Ok, 2));
    assert_eq!(records[2].before.as_ref().unwrap()["state"], "ACTIVE");
}

#[tokio::test]
async fn what_is_already_as_asked_is_left_alone_and_only_for_the_one_who_is_meant() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, MILLER).await;
    house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();
    let sent = house.sent().suspend;
    let request = house.expecting(Door::Tool, account, &id, json!({"email": MILLER, "state": "ACTIVE"}));
    assert_eq!(value(house.gateway.call(&agent, request).await).unwrap()["changed"], false);
    let request = house.expecting(Door::Tool, account, &id, json!({"email": "x@y.z", "state": "ACTIVE"}));
    let problem = value(house.gateway.call(&agent, request).await).unwrap_err();
    assert_eq!((problem.code(), problem.body().errors.len()), (Code::PreconditionFailed, 1));
    assert_eq!(house.sent().suspend, sent);
}

#[tokio::test]
async fn an_expectation_that_nothing_could_be_compared_with_is_refused() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, MILLER).await;
    let sent = house.sent().total();
    let mut read = house.tool_request(account, GET, json!({"id": id}));
    read.expect = Some(object(json!({"email": MILLER})));
    let mut list = house.tool_request(account, LIST, json!({}));
    list.expect = Some(object(json!({"email": MILLER})));
    let many = |count: usize| (0..count).map(|number| (format!("/n{number}"), json!(1))).collect::<Map<_, _>>();
    let long = |bytes: usize| {
        let text = "x".repeat(bytes - r#"{"/n":""}"#.len());
        Map::from_iter([("/n".to_owned(), json!(text))])
    };
    let with = |expect: Map<String, Value>| house.expecting(Door::Tool, account, &id, Value::Object(expect));
    for (request, pointer) in [
        (read, "/expect"),
        (list, "/expect"),
        (with(Map::new()), "/expect"),
        (with(object(json!({"emial": MILLER}))), "/expect/emial"),
        (with(many(EXPECT_MEMBERS_MAX + 1)), "/expect"),
        (with(long(EXPECT_MAX_BYTES + 1)), "/expect"),
    ] {
        let problem = value(house.gateway.call(&agent, request).await).unwrap_err();
        assert_eq!(problem.code(), Code::InvalidArgument, "{problem}");
        assert_eq!(problem.body().errors[0].pointer, pointer, "{:?}", problem.body().errors);
    }
    assert_eq!(house.sent().total(), sent);
    for at in [many(EXPECT_MEMBERS_MAX), long(EXPECT_MAX_BYTES)] {
        let problem = value(house.gateway.call(&agent, with(at)).await).unwrap_err();
        assert_eq!(problem.code(), Code::PreconditionFailed, "{problem}");
    }
}

#[tokio::test]
async fn it_is_part_of_what_a_key_stands_for_and_a_refusal_gives_the_key_back() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, MILLER).await;
    let call = async |expect: Option<Value>| {
        let mut request = house.expecting(Door::Tool, account, &id, json!({}));
        request.expect = expect.map(object);
        request.idempotency_key = Some("offboard-1".to_owned());
        value(house.gateway.call(&agent, request).await)
    };
    let refused = call(Some(json!({"email": "x@y.z"}))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PreconditionFailed);
    assert_eq!(call(Some(json!({"email": MILLER}))).await.unwrap()["changed"], true);
    assert_eq!(call(Some(json!({"email": MILLER}))).await.unwrap()["changed"], true, "the stored answer");
    for other in [Some(json!({"email": "x@y.z"})), None] {
        assert_eq!(call(other).await.unwrap_err().code(), Code::IdempotencyKeyReused);
    }
    assert_eq!(house.sent().suspend, 1);
}

#[tokio::test]
async fn a_rehearsal_says_what_was_compared_and_a_policy_shares_the_read() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, MILLER).await;
    let rehearse = async |expect: Value| {
        house.gateway.dry_run(&agent, house.expecting(Door::Tool, account, &id, expect)).await.unwrap()
    };
    let shown = rehearse(json!({"email": MILLER})).await;
    assert_eq!((&shown.decision["allowed"], &shown.decision["expect"][0]["outcome"]), (&json!(true), &json!("same")));
    assert!(shown.request.is_some());
    let shown = rehearse(json!({"email": "x@y.z"})).await;
    assert_eq!((&shown.decision["allowed"], &shown.request), (&json!(false), &None));
    assert_eq!(shown.decision["problem"]["code"], "precondition_failed");

    let document = "version: 1\nrules:\n  - {name: stays, effect: deny, when: record.state == 'GONE', because: b}\n  \
                    - {name: r, effect: deny, match: {methods: [users.reactivate]}, because: b}\n"
        .replace("stays, effect: deny,", "stays, effect: deny, match: {effects: [destructive]},");
    house.gateway.put_policy(&house.admin, house.gateway.request_id(), None, document).await.unwrap();
    let before = house.sent();
    let request = house.expecting(Door::Tool, account, &id, json!({"email": MILLER}));
    value(house.gateway.call(&agent, request).await).unwrap();
    assert_eq!((house.sent().get, house.sent().suspend), (before.get + 1, before.suspend + 1));
}

#[tokio::test]
async fn a_run_does_not_write_to_a_record_that_has_changed() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let start = async |email: &str, expected: &str| {
        let playbook = format!(
            "name: checked\ndescription: Suspends whom it means.\nsteps:\n  - name: find\n    find:\n      list: lifecycle.list\n      \
             where: {{email: {email}}}\n  - name: suspend\n    call:\n      method: lifecycle.suspend\n      \
             with: {{id: '{{{{ steps.find.record.id }}}}'}}\n      expect: {{email: {expected}, state: ACTIVE}}\n"
        );
        let new = NewRun {
            kind: "playbook".to_owned(),
            definition: playbook,
            account,
            input: Map::new(),
            patience_seconds: None,
        };
        house.gateway.start_run(&agent, house.gateway.request_id(), new).await.unwrap().summary.id
    };
    let wrong = start(MILLER, "b.jones@company.com").await;
    let run = in_state(&house.gateway, &agent, wrong, RunState::Failed).await;
    let Some(Action::Failed { problem, step, .. }) = &run.outcome.as_ref().unwrap().action else { panic!("{run:?}") };
    assert_eq!((problem.code(), step.as_deref()), (Code::PreconditionFailed, Some("suspend")));
    assert_eq!(house.sent().suspend, 0);
    let right = start(MILLER, MILLER).await;
    in_state(&house.gateway, &agent, right, RunState::Done).await;
    assert_eq!(house.simulator.control().find(MILLER).unwrap().state, State::Suspended);
}
