//! Blast radius: exactly as many changes as a limit allows, counted at the simulator.

use std::sync::Arc;
use std::time::Duration;

use quartermaster_gateway::{Actor, AuditFilter};
use quartermaster_simulator::Config;
use quartermaster_types::{AccountId, Code, Problem};
use serde_json::{Value, json};

use crate::house::{GET, House, LIST, REACTIVATE, SUSPEND, value};
use crate::replicas::{Replicas, until};

impl House {
    /// Ids of people who are active, read by this actor.
    async fn active(&self, actor: &Arc<Actor>, account: AccountId, count: usize) -> Vec<String> {
        let page = self.tool(actor, account, LIST, json!({"limit": count, "state": "ACTIVE"})).await.unwrap();
        page["result"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn suspend(&self, actor: &Arc<Actor>, account: AccountId, id: &str) -> Result<Value, Problem> {
        self.tool(actor, account, SUSPEND, json!({"id": id})).await
    }
}

#[tokio::test]
async fn a_limit_lets_so_many_through_and_not_one_more() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let people = house.active(&agent, account, 5).await;
    let version =
        house.set_policy("blast_radius: [{name: hourly, per: token, within: 1h, max: 2, because: Ask Ops.}]\n").await;
    house.suspend(&agent, account, &people[0]).await.unwrap();
    house.clock.advance_ms(60_000);
    house.suspend(&agent, account, &people[1]).await.unwrap();
    let sent = house.sent();
    let problem = house.suspend(&agent, account, &people[2]).await.unwrap_err();
    assert_eq!((problem.code(), problem.status()), (Code::BlastRadiusExceeded, 403));
    let expected = format!(
        "{SUSPEND} was not sent: the limit `hourly` of this environment's policy (version {version}) allows 2 changes per token \
         within 1 h, and 2 have been counted. Ask Ops."
    );
    assert_eq!(problem.body().detail, expected);
    assert_eq!((problem.body().retryable, problem.body().retry_after_seconds), (true, Some(59 * 60)));
    assert_eq!(house.sent().suspend, sent.suspend, "nothing was sent");
    // Reads, and changes that harm nobody, are not counted.
    house.tool(&agent, account, GET, json!({"id": people[2]})).await.unwrap();
    house.tool(&agent, account, REACTIVATE, json!({"id": people[0]})).await.unwrap();
    let shown =
        house.gateway.dry_run(&agent, house.tool_request(account, SUSPEND, json!({"id": people[2]}))).await.unwrap();
    assert_eq!(
        shown.decision["policy"]["blast_radius"],
        json!([{"limit": "hourly", "per": "token", "used": 2, "max": 2}])
    );
    assert_eq!(shown.decision["problem"]["code"], "blast_radius_exceeded");
    // Another token has a count of its own.
    let other = house.agent().await;
    house.active(&other, account, 5).await;
    house.suspend(&other, account, &people[3]).await.unwrap();

    let records = house.audit(AuditFilter { action: Some("users.suspend".to_owned()), ..AuditFilter::default() }).await;
    let told = |index: usize| records[index].decision.as_ref().unwrap()["blast_radius"][0]["used"].clone();
    assert_eq!((told(0), told(1), told(2)), (json!(0), json!(1), json!(2)));
    assert_eq!(records[2].decision.as_ref().unwrap()["decided_by"], "hourly");
    let used = house.gateway.blast_radius(&house.admin).await.unwrap().result;
    let subjects: Vec<_> = used[0].subjects.iter().map(|one| (one.subject.clone(), one.used)).collect();
    assert_eq!(subjects[0], (format!("token:{}", agent.token_id), 2));

    house.clock.advance_ms(59 * 60_000);
    house.active(&agent, account, 5).await;
    house.suspend(&agent, account, &people[2]).await.unwrap();
    assert_eq!(house.suspend(&agent, account, &people[4]).await.unwrap_err().code(), Code::BlastRadiusExceeded);
}

#[tokio::test]
async fn what_changed_nothing_is_not_counted_and_a_repeated_change_once() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let people = house.active(&agent, account, 4).await;
    house.suspend(&agent, account, &people[0]).await.unwrap();
    house.set_policy("blast_radius: [{name: few, per: session, max: 2}]\n").await;
    let used = async || {
        house.gateway.blast_radius(&house.admin).await.unwrap().result[0].subjects.first().map_or(0, |one| one.used)
    };
    assert_eq!(house.suspend(&agent, account, &people[0]).await.unwrap()["changed"], false);
    assert_eq!(used().await, 0, "it was suspended already");
    house.simulator.control().set_provisioning(true);
    house.suspend(&agent, account, &people[1]).await.unwrap_err();
    assert_eq!(used().await, 0, "the vendor refused");
    house.simulator.control().set_provisioning(false);
    let mut keyed = house.tool_request(account, SUSPEND, json!({"id": people[1]}));
    keyed.idempotency_key = Some("once".to_owned());
    for _ in 0..3 {
        value(house.gateway.call(&agent, keyed.clone()).await).unwrap();
    }
    assert_eq!(used().await, 1, "three times the same request is one change");
    house.suspend(&agent, account, &people[2]).await.unwrap();
    assert_eq!(house.suspend(&agent, account, &people[3]).await.unwrap_err().code(), Code::BlastRadiusExceeded);
    // A session is counted by its name.
    let mut named = house.tool_request(account, LIST, json!({"limit": 4}));
    named.session = Some("another".to_owned());
    value(house.gateway.call(&agent, named).await).unwrap();
    let mut named = house.tool_request(account, SUSPEND, json!({"id": people[3]}));
    named.session = Some("another".to_owned());
    value(house.gateway.call(&agent, named).await).unwrap();
}

#[tokio::test]
async fn an_outcome_that_is_not_known_counts() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let people = house.active(&agent, account, 2).await;
    house.set_policy("blast_radius: [{name: one, per: session, max: 1}]\n").await;
    house.simulator.control().set_faults(1.0);
    house.suspend(&agent, account, &people[0]).await.unwrap_err();
    house.simulator.control().set_faults(0.0);
    let used =
        house.gateway.blast_radius(&house.admin).await.unwrap().result[0].subjects.first().map_or(0, |one| one.used);
    let refused = house.suspend(&agent, account, &people[1]).await;
    assert_eq!(refused.is_err(), used == 1, "what was counted has no room any more");
}

#[tokio::test]
async fn a_share_needs_the_size_of_the_directory_and_learns_it_from_a_whole_list() {
    let house = House::with(Config { users: 40, ..Config::default() }).await;
    let account = house.account().await;
    let agent = house.agent().await;
    house.set_policy("blast_radius: [{name: part, per: account, within: 1d, share: 0.05}]\n").await;
    let people = house.active(&agent, account, 5).await;
    let problem = house.suspend(&agent, account, &people[0]).await.unwrap_err();
    assert_eq!((problem.code(), problem.body().next_calls[0].tool.as_str()), (Code::BlastRadiusExceeded, LIST));
    assert!(problem.body().detail.contains("is not known"), "{problem}");
    // Not from a part, nor from what the vendor filtered.
    house.tool(&agent, account, LIST, json!({"limit": 10})).await.unwrap();
    house.tool(&agent, account, LIST, json!({"limit": 1000, "state": "ACTIVE"})).await.unwrap();
    house.suspend(&agent, account, &people[0]).await.unwrap_err();
    // From all of it, page by page, also with a filter of the gateway's own.
    let mut arguments = json!({"limit": 15, "email_ends_with": "@company.com"});
    loop {
        let page = house.tool(&agent, account, LIST, arguments.clone()).await.unwrap();
        if page["next_cursor"].is_null() {
            break;
        }
        arguments["next_cursor"] = page["next_cursor"].clone();
    }
    // One in twenty of 40 people.
    house.suspend(&agent, account, &people[0]).await.unwrap();
    house.suspend(&agent, account, &people[1]).await.unwrap();
    let problem = house.suspend(&agent, account, &people[2]).await.unwrap_err();
    assert!(problem.body().detail.contains("allows 2 changes per account within 1 d"), "{problem}");
    assert_eq!(house.sent().suspend, 2);
}

#[tokio::test]
async fn of_many_at_once_exactly_as_many_pass_as_there_is_room_for() {
    let house = House::new().await;
    let account = house.account().await;
    let agent = house.agent().await;
    let people = house.active(&agent, account, 20).await;
    house.set_policy("blast_radius: [{name: few, per: environment, within: 1h, max: 7}]\n").await;
    let calls = people.iter().map(|id| {
        let (gateway, agent) = (house.gateway.clone(), Arc::clone(&agent));
        let request = house.tool_request(account, SUSPEND, json!({"id": id}));
        tokio::spawn(async move { gateway.call(&agent, request).await.map_err(|failed| failed.problem.code()) })
    });
    let mut refused = 0;
    for call in calls.collect::<Vec<_>>() {
        if let Err(code) = call.await.unwrap() {
            assert_eq!(code, Code::BlastRadiusExceeded);
            refused += 1;
        }
    }
    assert_eq!((refused, house.sent().suspend), (13, 7));
}

#[tokio::test]
async fn two_replicas_share_one_limit() {
    let Some(replicas) = Replicas::new("two_replicas_share_one_limit", Config::default()).await else { return };
    let account = replicas.account().await;
    let [one, _] = &replicas.gateways;
    let document = "version: 1\nblast_radius: [{name: few, per: environment, within: 1h, max: 5}]\n".to_owned();
    one.put_policy(&replicas.admin, one.request_id(), None, document).await.unwrap();
    let mut people = Vec::new();
    for replica in [0, 1] {
        until("it is ready", async || replicas.tool(replica, account, LIST, json!({"limit": 1})).await.is_ok()).await;
        let page = replicas.tool(replica, account, LIST, json!({"limit": 12, "state": "ACTIVE"})).await.unwrap();
        people = page["result"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls =
        people.iter().enumerate().map(|(index, id)| replicas.tool(index % 2, account, SUSPEND, json!({"id": id})));
    let outcomes = futures_util::future::join_all(calls).await;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).map(Problem::code).collect::<Vec<_>>();
    assert_eq!(refused, vec![Code::BlastRadiusExceeded; 7]);
    assert_eq!(replicas.simulator.control().counts().suspend, 5);
    replicas.finish().await;
}
