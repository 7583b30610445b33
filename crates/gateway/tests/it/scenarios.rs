//! The two stories that the product is for, at this level.

use quartermaster_gateway::AuditFilter;
use quartermaster_simulator::State;
use quartermaster_store_model::Outcome;
use serde_json::json;

use crate::house::{GET, House, LIST, SUSPEND};

#[tokio::test]
async fn offboarding_finds_suspends_reads_back_and_leaves_a_trace() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;

    let id = house.find(&agent, account, "a.miller@company.com").await;
    let before = house.tool(&agent, account, GET, json!({"id": id})).await.unwrap();
    assert_eq!(before["result"]["state"], "ACTIVE");
    let suspended = house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();
    assert_eq!(suspended["changed"], true, "{suspended}");
    let after = house.tool(&agent, account, GET, json!({"id": id})).await.unwrap();
    assert_eq!(after["result"]["state"], "SUSPENDED");
    assert_eq!(house.simulator.control().find("a.miller@company.com").unwrap().state, State::Suspended);

    let again = house.tool(&agent, account, SUSPEND, json!({"id": id})).await.unwrap();
    assert_eq!(again["changed"], false, "{again}");

    let records = house.audit(AuditFilter { account_id: Some(account), ..AuditFilter::default() }).await;
    let actions: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["account.create", "users.list", "users.get", "users.suspend", "users.get", "users.suspend"]);
    let suspend = &records[3];
    assert_eq!(suspend.target.as_deref(), Some(id.as_str()));
    assert_eq!(suspend.token_id, agent.token_id);
    assert_eq!(suspend.door, "tool");
    assert_eq!(suspend.outcome, Outcome::Ok);
    assert_eq!(suspend.before.as_ref().unwrap()["state"], "ACTIVE");
    assert_eq!(suspend.after.as_ref().unwrap()["state"], "SUSPENDED");
    assert_eq!(suspend.arguments.as_ref().unwrap()["id"], id.as_str());
    assert_eq!(records[5].outcome, Outcome::Unchanged);
    assert!(records.iter().all(|record| record.code.is_none()));
}

#[tokio::test]
async fn an_audit_of_a_list_of_people_suspends_those_who_are_still_active() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let wanted = ["k.novak@external-agency.com", "m.haddad@external-agency.com", "nobody@external-agency.com"];

    let found = house
        .tool(&agent, account, LIST, json!({"email_ends_with": "@external-agency.com", "limit": 1000}))
        .await
        .unwrap();
    assert_eq!(found["is_partial"], false);
    let hidden = 1;
    assert_eq!(found["scanned"], 1200 - hidden);
    let people = found["result"].as_array().unwrap();
    assert_eq!(people.len() as u64, found["result_count"].as_u64().unwrap());

    let (mut suspended, mut already, mut unknown) = (0, 0, 0);
    for email in wanted {
        match people.iter().find(|person| person["email"] == email) {
            None => unknown += 1,
            Some(person) if person["state"] == "ACTIVE" => {
                let answer = house.tool(&agent, account, SUSPEND, json!({"id": person["id"]})).await.unwrap();
                assert_eq!(answer["changed"], true);
                suspended += 1;
            }
            Some(_) => already += 1,
        }
    }
    assert_eq!((suspended, already, unknown), (1, 1, 1));
    assert_eq!(house.sent().suspend, 1);
    assert_eq!(house.simulator.control().find(wanted[0]).unwrap().state, State::Suspended);
}
