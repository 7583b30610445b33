//! Triggers: what both back ends do alike when deliveries come at once, again, late, or to what is gone.

use quartermaster_store::Store;
use quartermaster_store::model::{
    Acceptance, Accepted, DELIVERIES_KEPT_MAX, DeliveryOutcome, DeliveryRow, RunRow, RunState, ScheduleStep, Started,
    StoreError, TriggerKind, TriggerRow, TriggerStart,
};
use quartermaster_types::{DeliveryId, EnvironmentId, RunId, Timestamp, TriggerId};

use crate::support::{NOW, audit, id, token_id, two_environments};

on_both_back_ends![
    triggers_come_back_whole,
    triggers_are_listed_in_pages_and_have_one_name_each,
    a_change_needs_the_version_that_was_read,
    an_event_starts_one_run,
    of_many_deliveries_of_an_event_at_once_one_starts_a_run,
    the_same_signature_is_taken_once,
    what_is_switched_off_changed_or_gone_starts_nothing,
    starts_in_an_hour_are_limited,
    a_start_that_cannot_be_recorded_leaves_nothing,
    deliveries_are_kept_up_to_their_limit,
    a_scheduled_time_is_taken_once,
    a_schedule_can_be_looked_at_later,
    a_trigger_knows_whether_its_runs_have_ended,
    what_is_over_is_forgotten,
    triggers_do_not_cross_environments,
];

/// Ids of numbers above those of a test's own rows.
const RUNS: u64 = 1_000;

fn trigger(environment: EnvironmentId, number: u64) -> TriggerRow {
    TriggerRow {
        id: id(number),
        environment_id: environment,
        name: format!("trigger-{number}"),
        kind: TriggerKind::Webhook,
        document: "version: 1\n# é\n".to_owned(),
        token_id: token_id(1),
        enabled: true,
        sealed_secrets: Some((0..=255).collect()),
        secret_version: 1,
        version: 1,
        next_at: None,
        due_at: None,
        created_at: NOW,
        updated_at: NOW.plus_ms(5),
    }
}

fn scheduled(environment: EnvironmentId, number: u64, at: Timestamp) -> TriggerRow {
    TriggerRow {
        kind: TriggerKind::Schedule,
        sealed_secrets: None,
        next_at: Some(at),
        due_at: Some(at),
        ..trigger(environment, number)
    }
}

fn run(environment: EnvironmentId, number: u64) -> RunRow {
    RunRow {
        id: id(RUNS + number),
        environment_id: environment,
        token_id: token_id(1),
        account_id: Some(id(4)),
        kind: "playbook".to_owned(),
        name: "offboard".to_owned(),
        definition: "steps: []\n".to_owned(),
        input: "{}".to_owned(),
        state: RunState::Queued,
        due_at: Some(NOW),
        fence: 0,
        entries: 0,
        cancel_requested_at: None,
        outcome: None,
        created_at: NOW,
        started_at: None,
        finished_at: None,
    }
}

fn delivery(environment: EnvironmentId, trigger: TriggerId, number: u64) -> DeliveryRow {
    DeliveryRow {
        id: id(number),
        environment_id: environment,
        trigger_id: trigger,
        at: NOW,
        request_id: id(number),
        outcome: DeliveryOutcome::Started,
        detail: "é\"".to_owned(),
        items: "[]".to_owned(),
        digest: [7; 32],
        body_bytes: 12,
        payload: Some("{\"a\": 1}".to_owned()),
    }
}

fn event(number: u8) -> [u8; 32] {
    [number; 32]
}

/// Something that asks for runs, each of which is for an event.
fn acceptance(trigger: &TriggerRow, first_run: u64, events: &[u8]) -> Acceptance {
    let starts = events.iter().zip(first_run..).map(|(number, run_number)| TriggerStart {
        run: run(trigger.environment_id, run_number),
        audit: audit(trigger.environment_id, RUNS + run_number),
        event: event(*number),
        until: NOW.plus_ms(10_000),
    });
    Acceptance {
        environment_id: trigger.environment_id,
        trigger_id: trigger.id,
        version: trigger.version,
        now: NOW,
        replay: None,
        starts: starts.collect(),
        runs_per_hour: 100,
        schedule: None,
    }
}

async fn accept(store: &Store, acceptance: &Acceptance, number: u64) -> Accepted {
    let row = delivery(acceptance.environment_id, acceptance.trigger_id, number);
    store.accept_delivery(acceptance, |_| row).await.unwrap()
}

async fn with_trigger(store: &Store) -> TriggerRow {
    let (ours, _) = two_environments(store).await;
    let row = trigger(ours, 10);
    store.insert_trigger(&row, &audit(ours, 10)).await.unwrap();
    row
}

fn new(number: u64) -> Started {
    Started::New(id(RUNS + number))
}

fn duplicate(number: u64) -> Started {
    Started::Duplicate(id(RUNS + number))
}

async fn triggers_come_back_whole(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let rows = [
        trigger(ours, 10),
        scheduled(ours, 11, NOW.plus_ms(1)),
        TriggerRow { enabled: false, sealed_secrets: None, secret_version: i64::MAX, ..trigger(ours, 12) },
    ];
    for (number, row) in (10..).zip(&rows) {
        store.insert_trigger(row, &audit(ours, number)).await.unwrap();
        assert_eq!(store.find_trigger(ours, row.id).await.unwrap().as_ref(), Some(row));
        assert_eq!(store.find_hook(row.id).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.find_trigger(ours, id(99)).await.unwrap(), None);
    assert_eq!(store.find_hook(id(99)).await.unwrap(), None);
    assert_eq!(store.count_triggers(ours).await.unwrap(), 3);
}

async fn triggers_are_listed_in_pages_and_have_one_name_each(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for number in 10..14 {
        store.insert_trigger(&trigger(ours, number), &audit(ours, number)).await.unwrap();
    }
    let same_name = TriggerRow { name: "trigger-10".to_owned(), ..trigger(ours, 20) };
    assert!(matches!(store.insert_trigger(&same_name, &audit(ours, 20)).await, Err(StoreError::Conflict(_))));
    store.insert_trigger(&TriggerRow { environment_id: theirs, ..same_name }, &audit(theirs, 21)).await.unwrap();
    let list = async |after: Option<u64>, limit| {
        let rows = store.list_triggers(ours, after.map(id), limit).await.unwrap();
        rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 2).await, ["trigger-10", "trigger-11"]);
    assert_eq!(list(Some(11), 9).await, ["trigger-12", "trigger-13"]);
    let mut renamed = trigger(ours, 11);
    "trigger-10".clone_into(&mut renamed.name);
    renamed.version = 2;
    assert!(matches!(store.update_trigger(&renamed, 1, &audit(ours, 22)).await, Err(StoreError::Conflict(_))));
}

async fn a_change_needs_the_version_that_was_read(store: &Store) {
    let row = with_trigger(store).await;
    let ours = row.environment_id;
    let changed = TriggerRow {
        name: "renamed".to_owned(),
        kind: TriggerKind::Schedule,
        document: "x".to_owned(),
        token_id: token_id(2),
        sealed_secrets: None,
        secret_version: 2,
        version: 2,
        next_at: Some(NOW),
        due_at: Some(NOW),
        updated_at: NOW.plus_ms(9),
        ..row.clone()
    };
    store.update_trigger(&changed, 1, &audit(ours, 30)).await.unwrap();
    assert_eq!(store.find_trigger(ours, row.id).await.unwrap(), Some(changed.clone()));
    assert!(matches!(store.update_trigger(&changed, 1, &audit(ours, 31)).await, Err(StoreError::Stale)));
    assert!(store.delete_trigger(ours, row.id, &audit(ours, 32)).await.unwrap());
    assert!(!store.delete_trigger(ours, row.id, &audit(ours, 33)).await.unwrap());
    assert!(matches!(store.update_trigger(&changed, 2, &audit(ours, 34)).await, Err(StoreError::Stale)));
}

async fn an_event_starts_one_run(store: &Store) {
    let row = with_trigger(store).await;
    let first = accept(store, &acceptance(&row, 1, &[1, 2, 1]), 1).await;
    assert_eq!(first, Accepted::Done(vec![new(1), new(2), duplicate(1)]));
    assert_eq!(accept(store, &acceptance(&row, 4, &[2, 3]), 2).await, Accepted::Done(vec![duplicate(2), new(5)]));
    assert!(store.find_run(row.environment_id, id(RUNS + 2)).await.unwrap().is_some());
    assert!(store.find_run(row.environment_id, id(RUNS + 3)).await.unwrap().is_none());
    assert_eq!(accept(store, &acceptance(&row, 9, &[]), 3).await, Accepted::Done(Vec::new()));
    let known = async |number: u8, after_ms| {
        let at = NOW.plus_ms(after_ms);
        store.find_trigger_event(row.environment_id, row.id, &event(number), at).await.unwrap()
    };
    assert_eq!((known(2, 0).await, known(9, 0).await), (Some(id(RUNS + 2)), None));
    assert_eq!((known(2, 9_999).await, known(2, 10_000).await), (Some(id(RUNS + 2)), None));
    // Once it is forgotten what started it, the same event may start another.
    let later = Acceptance { now: NOW.plus_ms(10_000), ..acceptance(&row, 10, &[1]) };
    assert_eq!(accept(store, &later, 4).await, Accepted::Done(vec![new(10)]));
    let listed = store.list_deliveries(row.environment_id, row.id, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [4, 3, 2, 1].map(id::<DeliveryId>));
    assert_eq!(listed[0], delivery(row.environment_id, row.id, 4));
}

async fn of_many_deliveries_of_an_event_at_once_one_starts_a_run(store: &Store) {
    let row = with_trigger(store).await;
    // In both orders, as two replicas might have them.
    let tries = (0..40_u64).map(|number| {
        let events: &[u8] = if number % 2 == 0 { &[1, 2] } else { &[2, 1] };
        let (store, acceptance) = (store.clone(), acceptance(&row, number * 2, events));
        tokio::spawn(async move { accept(&store, &acceptance, number).await })
    });
    let tries: Vec<_> = tries.collect();
    let (mut started, mut duplicates) = (Vec::new(), Vec::new());
    for one in tries {
        let Accepted::Done(outcomes) = one.await.unwrap() else { panic!("it was accepted") };
        for outcome in outcomes {
            match outcome {
                Started::New(run) => started.push(run),
                Started::Duplicate(run) => duplicates.push(run),
                Started::Limited => panic!("the limit is higher"),
            }
        }
    }
    assert_eq!((started.len(), duplicates.len()), (2, 78));
    assert!(duplicates.iter().all(|run| started.contains(run)));
}

async fn the_same_signature_is_taken_once(store: &Store) {
    let row = with_trigger(store).await;
    let signed = |first_run: u64, events: &[u8], signature: u8| Acceptance {
        replay: Some(([signature; 32], NOW.plus_ms(600))),
        ..acceptance(&row, first_run, events)
    };
    assert_eq!(accept(store, &signed(1, &[1], 1), 1).await, Accepted::Done(vec![new(1)]));
    assert_eq!(accept(store, &signed(2, &[2], 1), 2).await, Accepted::Replayed);
    let known =
        async |signature: u8| store.knows_signature(row.environment_id, row.id, &[signature; 32]).await.unwrap();
    assert!(known(1).await && !known(2).await);
    assert_eq!(accept(store, &signed(3, &[1], 2), 3).await, Accepted::Done(vec![duplicate(1)]));
    assert_eq!(store.list_deliveries(row.environment_id, row.id, None, 10).await.unwrap().len(), 2);
    let mut tries = Vec::new();
    for number in 10..30_u64 {
        let (store, acceptance) = (store.clone(), signed(number, &[u8::try_from(number).unwrap()], 9));
        tries.push(tokio::spawn(async move { accept(&store, &acceptance, number).await }));
    }
    let mut taken = 0;
    for one in tries {
        taken += usize::from(one.await.unwrap() != Accepted::Replayed);
    }
    assert_eq!(taken, 1);
}

async fn what_is_switched_off_changed_or_gone_starts_nothing(store: &Store) {
    let row = with_trigger(store).await;
    let ours = row.environment_id;
    let stale = |version| Acceptance { version, ..acceptance(&row, 1, &[1]) };
    assert_eq!(accept(store, &stale(2), 1).await, Accepted::Stale);
    let off = TriggerRow { enabled: false, version: 2, ..row.clone() };
    store.update_trigger(&off, 1, &audit(ours, 40)).await.unwrap();
    for version in [1, 2] {
        assert_eq!(accept(store, &stale(version), 1).await, Accepted::Stale);
    }
    assert!(store.insert_delivery(&delivery(ours, row.id, 1)).await.unwrap());
    assert!(store.delete_trigger(ours, row.id, &audit(ours, 41)).await.unwrap());
    assert_eq!(accept(store, &stale(2), 1).await, Accepted::Stale);
    assert!(!store.insert_delivery(&delivery(ours, row.id, 2)).await.unwrap());
    assert_eq!(store.list_deliveries(ours, row.id, None, 9).await.unwrap(), []);
    assert_eq!(store.find_run(ours, id::<RunId>(RUNS + 1)).await.unwrap(), None);
}

async fn starts_in_an_hour_are_limited(store: &Store) {
    let row = with_trigger(store).await;
    let limited = |first_run: u64, events: &[u8], now| Acceptance {
        runs_per_hour: 2,
        now,
        replay: Some(([5; 32], NOW.plus_ms(600))),
        ..acceptance(&row, first_run, events)
    };
    let outcome = accept(store, &limited(1, &[1, 2, 3, 1], NOW), 1).await;
    assert_eq!(outcome, Accepted::Done(vec![new(1), new(2), Started::Limited, duplicate(1)]));
    // The sender tries the same again: that is no replay, and what was started is not started twice.
    let again = accept(store, &limited(5, &[1, 2, 3], NOW.plus_ms(1_000)), 2).await;
    assert_eq!(again, Accepted::Done(vec![duplicate(1), duplicate(2), Started::Limited]));
    let third = |first_run: u64, after_ms| limited(first_run, &[3], NOW.plus_ms(after_ms));
    assert_eq!(accept(store, &third(8, 3_599_999), 3).await, Accepted::Done(vec![Started::Limited]));
    assert_eq!(accept(store, &third(9, 3_600_000), 4).await, Accepted::Done(vec![new(9)]));
    assert_eq!(accept(store, &third(10, 3_600_000), 5).await, Accepted::Replayed);
}

async fn a_start_that_cannot_be_recorded_leaves_nothing(store: &Store) {
    let row = with_trigger(store).await;
    accept(store, &acceptance(&row, 1, &[1]), 1).await;
    let mut twice = acceptance(&row, 2, &[2, 3]);
    twice.starts[1].audit = audit(row.environment_id, RUNS + 1);
    let delivery = delivery(row.environment_id, row.id, 2);
    assert!(store.accept_delivery(&twice, |_| delivery).await.is_err());
    assert!(store.find_run(row.environment_id, id(RUNS + 2)).await.unwrap().is_none());
    assert_eq!(accept(store, &acceptance(&row, 5, &[2]), 3).await, Accepted::Done(vec![new(5)]));
}

async fn deliveries_are_kept_up_to_their_limit(store: &Store) {
    let row = with_trigger(store).await;
    let other = trigger(row.environment_id, 11);
    store.insert_trigger(&other, &audit(row.environment_id, 11)).await.unwrap();
    store.insert_delivery(&delivery(row.environment_id, other.id, 1)).await.unwrap();
    let most = u64::from(DELIVERIES_KEPT_MAX);
    for number in 1..=most {
        store.insert_delivery(&delivery(row.environment_id, row.id, number)).await.unwrap();
    }
    let list = async || store.list_deliveries(row.environment_id, row.id, None, 10_000).await.unwrap();
    assert_eq!(list().await.len() as u64, most);
    store.insert_delivery(&delivery(row.environment_id, row.id, most + 1)).await.unwrap();
    let listed = list().await;
    assert_eq!((listed.len() as u64, listed.last().unwrap().id), (most, id(2)));
    assert_eq!(store.list_deliveries(row.environment_id, other.id, None, 10).await.unwrap().len(), 1);
    let page = store.list_deliveries(row.environment_id, row.id, Some(id(10)), 2).await.unwrap();
    assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), [9, 8].map(id::<DeliveryId>));
}

async fn a_scheduled_time_is_taken_once(store: &Store) {
    let (ours, _) = two_environments(store).await;
    assert_eq!(store.next_trigger_due().await.unwrap(), None);
    let (early, late) = (scheduled(ours, 10, NOW), scheduled(ours, 11, NOW.plus_ms(100)));
    for (number, row) in [(10, &early), (11, &late)] {
        store.insert_trigger(row, &audit(ours, number)).await.unwrap();
    }
    store.insert_trigger(&trigger(ours, 12), &audit(ours, 12)).await.unwrap();
    assert_eq!(store.next_trigger_due().await.unwrap(), Some(NOW));
    let due = async |at| store.due_triggers(at, 9).await.unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(due(NOW.plus_ms(-1)).await, Vec::<TriggerId>::new());
    assert_eq!(due(NOW.plus_ms(100)).await, [early.id, late.id]);
    assert_eq!(store.due_triggers(NOW.plus_ms(100), 1).await.unwrap().len(), 1);
    let step = ScheduleStep { expected: NOW, next_at: Some(NOW.plus_ms(60_000)) };
    let mut tries = Vec::new();
    for number in 0..20_u64 {
        let event = u8::try_from(number).unwrap();
        let (store, acceptance) =
            (store.clone(), Acceptance { schedule: Some(step), ..acceptance(&early, number, &[event]) });
        tries.push(tokio::spawn(async move { accept(&store, &acceptance, number).await }));
    }
    let mut taken = 0;
    for one in tries {
        taken += usize::from(one.await.unwrap() != Accepted::Stale);
    }
    assert_eq!(taken, 1);
    let moved = store.find_trigger(ours, early.id).await.unwrap().unwrap();
    assert_eq!((moved.next_at, moved.due_at, moved.version), (step.next_at, step.next_at, 1));
    let last = ScheduleStep { expected: NOW.plus_ms(60_000), next_at: None };
    let end = Acceptance { schedule: Some(last), ..acceptance(&early, 100, &[100]) };
    assert_eq!(accept(store, &end, 100).await, Accepted::Done(vec![new(100)]));
    assert_eq!(due(NOW.plus_ms(1_000_000)).await, [late.id]);
}

async fn a_schedule_can_be_looked_at_later(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = scheduled(ours, 10, NOW);
    store.insert_trigger(&row, &audit(ours, 10)).await.unwrap();
    assert!(store.postpone_trigger(ours, row.id, NOW, NOW.plus_ms(5_000)).await.unwrap());
    assert!(!store.postpone_trigger(ours, row.id, NOW.plus_ms(1), NOW.plus_ms(9_000)).await.unwrap());
    assert_eq!(store.next_trigger_due().await.unwrap(), Some(NOW.plus_ms(5_000)));
    let moved = store.find_trigger(ours, row.id).await.unwrap().unwrap();
    assert_eq!((moved.next_at, moved.due_at), (Some(NOW), Some(NOW.plus_ms(5_000))));
}

async fn a_trigger_knows_whether_its_runs_have_ended(store: &Store) {
    let row = with_trigger(store).await;
    let ours = row.environment_id;
    assert!(!store.trigger_is_running(ours, row.id).await.unwrap());
    accept(store, &acceptance(&row, 1, &[1]), 1).await;
    assert!(store.trigger_is_running(ours, row.id).await.unwrap());
    // What is over is not forgotten while its run goes on.
    let later = NOW.plus_ms(100 * 3_600_000);
    assert_eq!(store.prune_triggers(later).await.unwrap(), 0);
    let run = store.claim_run(NOW, NOW.plus_ms(1_000)).await.unwrap().unwrap();
    let lease = quartermaster_store::model::RunLease { environment_id: ours, id: run.id, fence: run.fence };
    store.finish_run(&lease, RunState::Done, "{}", NOW, &audit(ours, 50)).await.unwrap();
    assert!(!store.trigger_is_running(ours, row.id).await.unwrap());
    assert_eq!(store.prune_triggers(later).await.unwrap(), 1);
}

async fn what_is_over_is_forgotten(store: &Store) {
    let row = with_trigger(store).await;
    let mut ended = Acceptance { replay: Some(([1; 32], NOW.plus_ms(600))), ..acceptance(&row, 1, &[1]) };
    ended.starts[0].run.state = RunState::Done;
    ended.starts[0].run.due_at = None;
    ended.starts[0].run.finished_at = Some(NOW);
    accept(store, &ended, 1).await;
    assert_eq!(store.prune_triggers(NOW.plus_ms(600)).await.unwrap(), 0, "until that moment it counts");
    assert_eq!(store.prune_triggers(NOW.plus_ms(601)).await.unwrap(), 1, "the signature");
    assert_eq!(store.prune_triggers(NOW.plus_ms(3_600_000)).await.unwrap(), 0, "starts of the last hour are counted");
    assert_eq!(store.prune_triggers(NOW.plus_ms(3_600_001)).await.unwrap(), 1, "the event");
}

async fn triggers_do_not_cross_environments(store: &Store) {
    let row = with_trigger(store).await;
    let theirs: EnvironmentId = id(2);
    assert_eq!(store.find_trigger(theirs, row.id).await.unwrap(), None);
    assert_eq!(store.list_triggers(theirs, None, 9).await.unwrap(), []);
    let foreign = TriggerRow { environment_id: theirs, version: 2, ..row.clone() };
    assert!(matches!(store.update_trigger(&foreign, 1, &audit(theirs, 60)).await, Err(StoreError::Stale)));
    assert!(!store.delete_trigger(theirs, row.id, &audit(theirs, 61)).await.unwrap());
    assert_eq!(accept(store, &acceptance(&TriggerRow { version: 1, ..foreign }, 1, &[1]), 1).await, Accepted::Stale);
    assert!(!store.insert_delivery(&delivery(theirs, row.id, 1)).await.unwrap());
    assert!(!store.trigger_is_running(theirs, row.id).await.unwrap());
}
