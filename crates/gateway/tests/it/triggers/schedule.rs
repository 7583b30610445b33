//! Schedules: each time once, by the gateway's own clock, whatever was missed and whatever still goes on.

use std::sync::Arc;
use std::time::Duration;

use quartermaster_gateway::limits::{SCHEDULE_GRACE, SCHEDULE_QUEUED_LOOK_EVERY};
use quartermaster_gateway::{Actor, Gateway, TestDelivery, TriggerChange, TriggerView};
use quartermaster_simulator::Config;
use quartermaster_store_model::{DeliveryOutcome, RunState};
use quartermaster_types::{AccountId, Timestamp, TriggerId};

use super::{make, runs, told};
use crate::house::House;
use crate::replicas::Replicas;

const MINUTE_MS: i64 = 60_000;

/// A playbook that asks no vendor; it waits so long.
fn waiting(account: AccountId, schedule: &str, seconds: u32) -> String {
    format!(
        "version: 1\nname: daily\nschedule: {schedule}\n\
         run:\n  integrated_account_id: {account}\n  playbook: |\n    name: waiting\n    description: Waits.\n    steps:\n      \
         - {{name: pause, wait: {seconds}s}}\n"
    )
}

async fn schedule(house: &House, schedule: &str, seconds: u32) -> TriggerView {
    let account = house.account().await;
    make(&house.gateway, &house.admin, waiting(account, schedule, seconds), None).await.unwrap()
}

/// Waits until so many times were taken, or passed over.
async fn times(gateway: &Gateway, actor: &Arc<Actor>, id: TriggerId, count: usize) -> Vec<(DeliveryOutcome, String)> {
    for _ in 0..1_000 {
        let told = told(gateway, actor, id).await;
        if told.len() >= count {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", told(gateway, actor, id).await);
}

/// Lets a schedule that would be due be looked at, some times over.
async fn a_while() {
    tokio::time::sleep(quartermaster_gateway::limits::SCHEDULE_POLL_EVERY + Duration::from_millis(200)).await;
}

/// To the start of the next hour of the clock.
fn to_the_hour(house: &House) -> Timestamp {
    let hour = 60 * MINUTE_MS;
    let now = house.clock.now().unix_ms();
    house.clock.advance_ms(hour - now.rem_euclid(hour));
    house.clock.now()
}

#[tokio::test]
async fn a_time_starts_one_run_and_the_next_one_is_shown() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let trigger = schedule(&house, "{cron: '@hourly'}", 1).await;
    let next = trigger.next_at.unwrap();
    assert!(next.unix_ms() % (60 * MINUTE_MS) == 0 && next > house.clock.now());
    a_while().await;
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 0, "not before its time");
    assert_eq!(to_the_hour(&house), next);
    let told = times(&house.gateway, &house.admin, trigger.id, 1).await;
    assert_eq!(told[0].0, DeliveryOutcome::Started);
    let seen = house.gateway.get_trigger(&house.admin, trigger.id).await.unwrap();
    assert_eq!((seen.next_at, seen.version), (Some(next.plus_ms(60 * MINUTE_MS)), 1));
    let test = house.gateway.test_trigger(&house.admin, trigger.id, TestDelivery::default()).await.unwrap();
    assert_eq!((test.next.len(), test.outcome), (5, Some(DeliveryOutcome::Started)));
    a_while().await;
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 1);
}

#[tokio::test]
async fn times_that_went_by_start_one_run_or_none() {
    for (missed, outcome) in [("start", DeliveryOutcome::Started), ("skip", DeliveryOutcome::Skipped)] {
        let house = House::new().await;
        let trigger = schedule(&house, &format!("{{cron: '@hourly', missed: {missed}}}"), 1).await;
        // Five hours without anybody at work, and then some.
        to_the_hour(&house);
        house.clock.advance_ms(5 * 60 * MINUTE_MS + SCHEDULE_GRACE.as_millis() as i64 + 1);
        house.gateway.work_on_runs();
        let told = times(&house.gateway, &house.admin, trigger.id, 1).await;
        assert_eq!((told.len(), told[0].0), (1, outcome), "{told:?}");
        a_while().await;
        let expected = usize::from(outcome == DeliveryOutcome::Started);
        assert_eq!(runs(&house.gateway, &house.admin).await.len(), expected, "one for all that went by, or none");
        let next = house.gateway.get_trigger(&house.admin, trigger.id).await.unwrap().next_at.unwrap();
        assert!(next > house.clock.now());
        // The next one in time starts a run in both.
        house.clock.advance_ms(next.ms_since(house.clock.now()));
        let told = times(&house.gateway, &house.admin, trigger.id, 2).await;
        assert_eq!(told[0].0, DeliveryOutcome::Started);
    }
}

#[tokio::test]
async fn while_a_run_goes_on_the_next_is_passed_over_or_waits() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let trigger = schedule(&house, "{cron: '@hourly', overlap: skip}", 7_000).await;
    to_the_hour(&house);
    times(&house.gateway, &house.admin, trigger.id, 1).await;
    house.clock.advance_ms(60 * MINUTE_MS);
    let told = times(&house.gateway, &house.admin, trigger.id, 2).await;
    assert_eq!(told[0].0, DeliveryOutcome::Skipped);
    assert!(told[0].1.contains("still going"), "{told:?}");
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 1);

    let house = House::new().await;
    house.gateway.work_on_runs();
    let trigger = schedule(&house, "{cron: '@hourly', overlap: queue}", 7_000).await;
    to_the_hour(&house);
    times(&house.gateway, &house.admin, trigger.id, 1).await;
    let first = runs(&house.gateway, &house.admin).await[0].id;
    house.clock.advance_ms(60 * MINUTE_MS);
    a_while().await;
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 1, "it waits");
    house.clock.advance_ms(60 * MINUTE_MS);
    crate::runs::in_state(&house.gateway, &house.admin, first, RunState::Done).await;
    house.clock.advance_ms(SCHEDULE_QUEUED_LOOK_EVERY.as_millis() as i64);
    let told = times(&house.gateway, &house.admin, trigger.id, 2).await;
    assert_eq!(told[0].0, DeliveryOutcome::Started);
    a_while().await;
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 2, "one for all that waited");
}

#[tokio::test]
async fn what_is_switched_off_or_has_no_rights_starts_nothing() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let document = waiting(account, "{cron: '@hourly'}", 1);
    let trigger = make(&house.gateway, &house.admin, document, Some(agent.token_id)).await.unwrap();
    let switch = async |enabled: bool| {
        let change = TriggerChange { enabled: Some(enabled), ..TriggerChange::default() };
        let changed =
            house.gateway.update_trigger(&house.admin, house.gateway.request_id(), trigger.id, None, change).await;
        changed.unwrap()
    };
    assert_eq!(switch(false).await.next_at, None);
    to_the_hour(&house);
    a_while().await;
    assert_eq!(told(&house.gateway, &house.admin, trigger.id).await, []);
    assert!(
        switch(true).await.next_at.unwrap() > house.clock.now(),
        "what went by while it was off is not made up for"
    );
    house.gateway.revoke_token(&house.admin, house.gateway.request_id(), agent.token_id).await.unwrap();
    house.clock.advance_ms(60 * MINUTE_MS);
    let told = times(&house.gateway, &house.admin, trigger.id, 1).await;
    assert_eq!(told[0].0, DeliveryOutcome::Failed);
    assert!(told[0].1.contains("revoked"), "{told:?}");
    assert_eq!(runs(&house.gateway, &house.admin).await.len(), 0);
}

#[tokio::test]
async fn of_two_replicas_one_takes_a_time() {
    let Some(replicas) = Replicas::new("of_two_replicas_one_takes_a_time", Config::default()).await else { return };
    let account = replicas.account().await;
    let document = waiting(account, "{cron: '* * * * *', overlap: queue}", 1);
    let gateway = &replicas.gateways[0];
    let trigger = make(gateway, &replicas.admin, document, None).await.unwrap();
    for gateway in &replicas.gateways {
        gateway.work_on_runs();
    }
    // The replicas go by the system's clock: what is due now was due a minute ago.
    let past = gateway.clock().now().plus_ms(-MINUTE_MS).unix_ms();
    replicas.database.execute(&format!("UPDATE triggers SET next_at = {past}, due_at = {past}")).await;
    times(gateway, &replicas.admin, trigger.id, 1).await;
    a_while().await;
    let told = told(gateway, &replicas.admin, trigger.id).await;
    let now = gateway.clock().now();
    // A full minute may have begun meanwhile.
    let at_most = 1 + usize::from(now.unix_ms().rem_euclid(MINUTE_MS) < 5_000);
    assert!((1..=at_most).contains(&told.len()), "{told:?}");
    assert_eq!(runs(gateway, &replicas.admin).await.len(), told.len());
    replicas.finish().await;
}
