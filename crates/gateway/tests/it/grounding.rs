//! No write to an id that the session never read.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quartermaster_gateway::AuditFilter;
use quartermaster_store_model::Outcome;
use quartermaster_types::Code;
use serde_json::json;

use crate::house::{GET, House, LIST, REACTIVATE, SUSPEND, value};

#[tokio::test]
async fn an_invented_id_is_refused_with_the_calls_that_ground_it() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.simulator.control().find("a.miller@company.com").unwrap().id;
    let sent = house.sent().total();

    for tool in [SUSPEND, REACTIVATE] {
        let problem = house.tool(&agent, account, tool, json!({"id": id})).await.unwrap_err();
        assert_eq!(problem.code(), Code::UngroundedId);
        let tools: Vec<&str> = problem.body().next_calls.iter().map(|call| call.tool.as_str()).collect();
        assert_eq!(tools, [LIST, GET]);
        assert_eq!(problem.body().next_calls[1].arguments["id"], id.as_str());
    }
    assert_eq!(house.sent().total(), sent, "nothing was sent");

    // Following the advice works.
    house.tool(&agent, account, GET, json!({"id": id})).await.unwrap();
    house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();

    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records[0].outcome, Outcome::Refused);
    assert_eq!(records[0].code.as_deref(), Some("ungrounded_id"));
    assert_eq!(records[0].upstream_calls, 0);
}

#[tokio::test]
async fn a_read_by_either_door_grounds_for_its_session_and_account_only() {
    let house = House::new().await;
    let account = house.account().await;
    let other_account = house.account().await;
    let agent = house.agent().await;
    let other_agent = house.agent().await;
    let page = house.proxy(&agent, account, "list", json!({"limit": 3})).await.unwrap();
    let id = page["result"][2]["id"].as_str().unwrap().to_owned();

    let refused = |problem: quartermaster_types::Problem| assert_eq!(problem.code(), Code::UngroundedId);
    refused(house.tool(&other_agent, account, SUSPEND, json!({"id": id})).await.unwrap_err());
    refused(house.tool(&agent, other_account, SUSPEND, json!({"id": id})).await.unwrap_err());
    let mut named = house.tool_request(account, SUSPEND, json!({"id": id}));
    named.session = Some("another-session".to_owned());
    refused(value(house.gateway.call(&agent, named).await).unwrap_err());
    house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();

    // A named session carries on whichever token it is used with.
    let mut read = house.tool_request(account, GET, json!({"id": id}));
    read.session = Some("run-1".to_owned());
    value(house.gateway.call(&agent, read).await).unwrap();
    let mut write = house.tool_request(account, REACTIVATE, json!({"id": id}));
    write.session = Some("run-1".to_owned());
    value(house.gateway.call(&other_agent, write).await).unwrap();
}

#[tokio::test]
async fn a_read_that_is_too_long_ago_grounds_no_more() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    house.clock.advance_ms(quartermaster_guard::ledger::LIFETIME_MS + 1);
    let problem = house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap_err();
    assert_eq!(problem.code(), Code::UngroundedId);
    assert!(problem.body().detail.contains("too long ago"), "{problem}");
}

#[tokio::test]
async fn the_proxy_door_is_for_programs_and_needs_no_read() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.simulator.control().find("a.miller@company.com").unwrap().id;
    let answer = house.proxy(&agent, account, "suspend", json!({"id": id})).await.unwrap();
    assert_eq!(answer["changed"], true);
}

#[tokio::test]
async fn an_email_given_as_an_id_is_answered_with_the_rule_and_the_call_that_finds_it() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let sent = house.sent().total();
    for tool in [GET, SUSPEND] {
        let problem = house.tool(&agent, account, tool, json!({"id": "a.miller@company.com"})).await.unwrap_err();
        let body = problem.body();
        assert_eq!(body.code, Code::InvalidArgument);
        assert_eq!(body.errors[0].pointer, "/id");
        assert!(body.hint.as_ref().unwrap().contains("26 characters"), "{problem:?}");
        assert_eq!(body.next_calls[0].tool, LIST);
        assert_eq!(body.next_calls[0].arguments["email"], "a.miller@company.com");
    }
    assert_eq!(house.sent().total(), sent);
}

/// The promise itself: 10,000 one-character changes of a real id, none of them sent.
#[test]
fn ten_thousand_changed_ids_never_reach_the_vendor() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let house = House::new().await;
        let account = house.account().await;
        let agent = house.agent().await;
        let list = house.tool(&agent, account, LIST, json!({"limit": 1000})).await.unwrap();
        let ids: Vec<String> =
            list["result"].as_array().unwrap().iter().map(|person| person["id"].as_str().unwrap().to_owned()).collect();
        let read: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let sent = house.sent();

        let changes = (any::<prop::sample::Index>(), 0..26_usize, "[A-Z2-7]", any::<char>(), any::<bool>());
        let mut runner = TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&changes, |(which, place, alike, any, keep_alphabet)| {
            let original = which.get(&ids);
            let replacement = if keep_alphabet { alike } else { any.to_string() };
            let changed = format!("{}{replacement}{}", &original[..place], &original[place + 1..]);
            prop_assume!(!read.contains(changed.as_str()));
            let problem = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(house.tool(&agent, account, SUSPEND, json!({"id": changed})))
            })
            .expect_err("it is refused");
            prop_assert!(matches!(problem.code(), Code::UngroundedId | Code::InvalidArgument), "{problem}");
            Ok(())
        });
        outcome.unwrap();
        assert_eq!(house.sent(), sent, "not one request more");
    });
}

#[tokio::test]
async fn what_an_agent_read_outlives_a_restart_within_its_lifetime() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let miller = house.find(&agent, account, "a.miller@company.com").await;
    // A script that pages through the proxy without a session is no agent that writes by tools.
    let others = house.proxy(&agent, account, "list", json!({"limit": 2})).await.unwrap();
    let unnoted = others["result"][1]["id"].as_str().unwrap().to_owned();
    assert_ne!(miller, unnoted);
    house.gateway.shutdown().await;

    let restart = async |house: &House| {
        let store = quartermaster_store::Store::open_sqlite(&house.database).await.unwrap();
        crate::house::gateway(&house.simulator, &store, &house.clock)
    };
    let suspend = |gateway: &quartermaster_gateway::Gateway, id: &str| {
        let mut request = house.tool_request(account, SUSPEND, json!({"id": id}));
        request.request_id = gateway.request_id();
        request
    };
    let again = restart(&house).await;
    value(again.call(&agent, suspend(&again, &miller)).await).unwrap();
    let refused = value(again.call(&agent, suspend(&again, &unnoted)).await).unwrap_err();
    assert_eq!(refused.code(), Code::UngroundedId);
    let mut named = suspend(&again, &miller);
    named.session = Some("another-session".to_owned());
    assert_eq!(value(again.call(&agent, named).await).unwrap_err().code(), Code::UngroundedId);
    again.shutdown().await;

    house.clock.advance_ms(quartermaster_guard::ledger::LIFETIME_MS + 1);
    let late = restart(&house).await;
    let refused = value(late.call(&agent, suspend(&late, &miller)).await).unwrap_err();
    assert_eq!(refused.code(), Code::UngroundedId);
    late.shutdown().await;
}
