//! Many at once, and callers that go away.

use std::time::Duration;

use quartermaster_gateway::{AuditFilter, Door, Target};
use quartermaster_store_model::Outcome;
use serde_json::json;

use crate::house::{House, LIST, REACTIVATE, SUSPEND, gateway, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_first_calls_ask_for_one_access_token() {
    let house = House::new().await;
    let account = house.account().await;
    let tokens = house.sent().token;
    // A fresh gateway knows no access token.
    let fresh = gateway(&house.simulator, &house.store, &house.clock);
    let calls = (0..50).map(|_| {
        let request = house.tool_request(account, LIST, json!({"limit": 1}));
        let (fresh, admin) = (fresh.clone(), house.admin.clone());
        tokio::spawn(async move { value(fresh.call(&admin, request).await).unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap()["result_count"], 1);
    }
    assert_eq!(house.sent().token, tokens + 1);
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_is_finished_and_recorded() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    house.simulator.control().set_latency(Duration::from_millis(100));
    let request = house.tool_request(account, SUSPEND, json!({"id": id}));
    let gone = tokio::time::timeout(Duration::from_millis(20), house.gateway.call(&agent, request)).await;
    assert!(gone.is_err());
    house.gateway.shutdown().await;
    let store = quartermaster_store::Store::open_sqlite(&house.database).await.unwrap();
    let reopened = gateway(&house.simulator, &store, &house.clock);
    let filter = AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() };
    let page = quartermaster_gateway::PageQuery::default();
    let records = reopened.list_audit(&house.admin, &page, &filter).await.unwrap().result;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].outcome, Outcome::Ok);
    assert_eq!(house.sent().suspend, 1);
}

#[tokio::test]
async fn a_read_whose_caller_goes_away_is_recorded_as_failed() {
    let house = House::new().await;
    let account = house.account().await;
    house.simulator.control().set_latency(Duration::from_millis(200));
    let request = house.tool_request(account, LIST, json!({"limit": 1}));
    let gone = tokio::time::timeout(Duration::from_millis(20), house.gateway.call(&house.admin, request)).await;
    assert!(gone.is_err());
    let records = house.audit(AuditFilter { action: Some("users.list".to_owned()), ..AuditFilter::default() }).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].outcome, Outcome::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_changes_of_one_record_at_the_same_moment_one_changes_it() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, "a.miller@company.com").await;
    house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();
    let before = house.sent().reactivate;
    house.simulator.control().set_latency(Duration::from_millis(20));
    let calls = [Door::Tool, Door::Proxy, Door::Tool].map(|door| {
        let request = house.request(door, account, Target::Tool(REACTIVATE.to_owned()), json!({"id": id}));
        let (gateway, agent) = (house.gateway.clone(), agent.clone());
        tokio::spawn(async move { value(gateway.call(&agent, request).await).unwrap() })
    });
    let mut changed = 0;
    for call in calls {
        let answer = call.await.unwrap();
        assert_eq!(answer["result"]["state"], "ACTIVE");
        changed += u32::from(answer["changed"] == true);
    }
    assert_eq!((changed, house.sent().reactivate - before), (1, 1));
}
