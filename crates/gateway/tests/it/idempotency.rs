//! `Idempotency-Key`: a write is made once.

use bytes::Bytes;
use http::{Method, Response};
use quartermaster_gateway::limits::IDEMPOTENCY_IN_FLIGHT_MAX;
use quartermaster_gateway::{CallProblem, CallRequest, KeyedWrite, WriteKind};
use quartermaster_simulator::State;
use quartermaster_store_model::IdempotencyRow;
use quartermaster_types::{AccountId, Code, Problem};
use serde_json::json;

use crate::house::{House, REACTIVATE, SUSPEND, gateway, value};

const EMAIL: &str = "a.miller@company.com";

fn request(house: &House, account: AccountId, tool: &str, id: &str, key: &str) -> CallRequest {
    let mut request = house.tool_request(account, tool, json!({"id": id}));
    request.idempotency_key = Some(key.to_owned());
    request
}

#[tokio::test]
async fn the_same_call_is_answered_from_the_first_one() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, EMAIL).await;
    let first = house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")).await.unwrap();
    assert!(!first.replayed);
    let sent = house.sent();
    let again = house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.body.concat(), first.body.concat());
    assert_eq!(house.sent(), sent);

    // After a restart the ledger is empty, and the answer is still there.
    let restarted = gateway(&house.simulator, &house.store, &house.clock);
    let again = restarted.call(&agent, request(&house, account, SUSPEND, &id, "k1")).await.unwrap();
    assert!(again.replayed);

    // Another token's key is another key.
    let other = house.agent().await;
    house.find(&other, account, EMAIL).await;
    let answer = house.gateway.call(&other, request(&house, account, SUSPEND, &id, "k1")).await.unwrap();
    assert!(!answer.replayed);
    assert_eq!(value(Ok(answer)).unwrap()["changed"], false);
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_refused() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, EMAIL).await;
    house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")).await.unwrap();
    let problem = value(house.gateway.call(&agent, request(&house, account, REACTIVATE, &id, "k1")).await).unwrap_err();
    assert_eq!((problem.status(), problem.code()), (422, Code::IdempotencyKeyReused));
    assert_eq!(house.simulator.control().find(EMAIL).unwrap().state, State::Suspended);
}

#[tokio::test]
async fn a_key_in_flight_is_a_conflict_and_a_refused_call_gives_its_key_back() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.simulator.control().find(EMAIL).unwrap().id;
    let problem = value(house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")).await).unwrap_err();
    assert_eq!(problem.code(), Code::UngroundedId);
    house.find(&agent, account, EMAIL).await;
    let answer = house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")).await.unwrap();
    assert!(!answer.replayed, "the refused call did not keep the key");

    let row = house
        .store
        .claim_idempotency(&IdempotencyRow {
            environment_id: agent.environment_id,
            token_id: agent.token_id,
            key: "k2".to_owned(),
            fingerprint: [0; 32],
            answer: None,
            created_at: house.clock.now(),
        })
        .await
        .unwrap();
    assert_eq!(row, quartermaster_store::Claim::New);
    let problem = value(house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k2")).await).unwrap_err();
    assert_eq!(problem.status(), 422, "another payload comes before in flight");
}

#[tokio::test]
async fn a_call_that_a_crash_cut_off_is_made_again_once_it_cannot_be_under_way_any_more() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, EMAIL).await;
    // What a crash leaves: the claim without an answer. Its fingerprint is that of a real call.
    house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")).await.unwrap();
    let probe = IdempotencyRow {
        environment_id: agent.environment_id,
        token_id: agent.token_id,
        key: "k1".to_owned(),
        fingerprint: [0; 32],
        answer: None,
        created_at: house.clock.now(),
    };
    let quartermaster_store::Claim::Existing(done) = house.store.claim_idempotency(&probe).await.unwrap() else {
        panic!("the key is taken");
    };
    let cut_off = IdempotencyRow { key: "k2".to_owned(), answer: None, ..done };
    house.store.claim_idempotency(&cut_off).await.unwrap();

    house.clock.advance_ms(IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64);
    let problem = value(house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k2")).await).unwrap_err();
    assert_eq!(problem.code(), Code::Conflict, "at the limit it may still be under way");
    house.clock.advance_ms(1);
    let answer = house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k2")).await.unwrap();
    assert!(!answer.replayed);
    assert_eq!(value(Ok(answer)).unwrap()["changed"], false);
}

#[tokio::test]
async fn of_two_calls_at_once_one_is_made() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, EMAIL).await;
    house.simulator.control().set_latency(std::time::Duration::from_millis(150));
    let (one, two) = tokio::join!(
        house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")),
        house.gateway.call(&agent, request(&house, account, SUSPEND, &id, "k1")),
    );
    let conflict = [one, two].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(conflict.len(), 1);
    assert_eq!((conflict[0].problem.status(), conflict[0].problem.code()), (409, Code::Conflict));
    assert_eq!(house.sent().suspend, 1);
}

#[tokio::test]
async fn a_failure_after_which_nothing_is_known_is_replayed_too() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let owner = house.find(&agent, account, "owner@company.com").await;
    let problem = value(house.gateway.call(&agent, request(&house, account, SUSPEND, &owner, "k1")).await).unwrap_err();
    assert_eq!(problem.code(), Code::PreconditionFailed, "{problem:?}");
    let sent = house.sent().suspend;
    let again = value(house.gateway.call(&agent, request(&house, account, SUSPEND, &owner, "k1")).await).unwrap_err();
    assert_eq!(again.body().detail, problem.body().detail);
    assert_eq!(house.sent().suspend, sent);
}

fn write(house: &House, kind: WriteKind, key: String) -> KeyedWrite {
    KeyedWrite {
        request_id: house.gateway.request_id(),
        key,
        kind,
        method: Method::POST,
        uri: "/somewhere?a=1".parse().unwrap(),
        headers: [Bytes::new(), Bytes::new()],
        body: Bytes::from_static(b"{}"),
    }
}

async fn done() -> Result<Response<Bytes>, CallProblem> {
    Ok(Response::new(Bytes::from_static(b"done")))
}

#[tokio::test]
async fn a_write_that_failed_keeps_its_key_only_when_it_may_have_changed_something() {
    use WriteKind::{Configuration, RawCall};
    let house = House::new().await;
    for (kind, code, is_kept) in [
        (Configuration, Code::Internal, true),
        (Configuration, Code::UpstreamTimeout, false),
        (Configuration, Code::AccountRejected, false),
        (Configuration, Code::PreconditionFailed, false),
        (Configuration, Code::Unavailable, false),
        (RawCall, Code::Internal, true),
        (RawCall, Code::UpstreamTimeout, true),
        (RawCall, Code::UpstreamUnavailable, true),
        (RawCall, Code::PermissionDenied, false),
        (RawCall, Code::AccountNeedsReauth, false),
    ] {
        let request = write(&house, kind, format!("{kind:?}-{code}"));
        let failing = async move { Err(Problem::gateway(code, "It failed.").into()) };
        let first = house.gateway.once(&house.admin, request.clone(), failing).await.unwrap_err();
        assert_eq!(first.problem.code(), code);
        match house.gateway.once(&house.admin, request, done()).await {
            Ok(answer) => assert!(!is_kept && !answer.replayed, "{kind:?} {code}"),
            Err(again) => assert!(is_kept && again.problem == first.problem, "{kind:?} {code}"),
        }
    }
}

#[tokio::test]
async fn a_write_that_panicked_is_not_done_again() {
    let house = House::new().await;
    let request = write(&house, WriteKind::Configuration, "k".to_owned());
    let panicking = async { panic!("somewhere inside") };
    let first = house.gateway.once(&house.admin, request.clone(), panicking).await.unwrap_err();
    assert_eq!(first.problem.code(), Code::Internal);
    let again = house.gateway.once(&house.admin, request, done()).await.unwrap_err();
    assert_eq!(again.problem, first.problem);
}
