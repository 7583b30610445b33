//! Runs: what both back ends do alike when workers claim, journal, wait, crash and end.

use std::collections::BTreeSet;

use quartermaster_store::Store;
use quartermaster_store::model::{
    RUN_ENTRIES_MAX, Revocable, RunEntryRow, RunLease, RunQuery, RunRow, RunState, StoreError,
};
use quartermaster_types::{EnvironmentId, RunId, Timestamp};

use crate::support::{NOW, audit, id, token, token_id, two_environments};

on_both_back_ends![
    runs_come_back_whole,
    runs_are_listed_newest_first_and_filtered,
    a_token_is_found_by_its_id,
    the_run_that_is_due_longest_is_claimed_first,
    of_two_workers_one_gets_a_run,
    a_lease_that_ended_is_taken_over_and_the_old_fence_refused,
    a_journal_has_no_gap_and_no_place_twice,
    entries_are_appended_all_or_none,
    a_journal_ends_at_the_limit,
    a_run_that_waits_comes_back_at_its_time,
    the_first_request_to_stop_holds,
    a_request_to_stop_wakes_a_run_that_waits,
    an_ended_run_is_never_due,
    runs_do_not_cross_environments,
];

const LEASE_MS: i64 = 10_000;

pub(crate) fn run(environment: EnvironmentId, number: u64) -> RunRow {
    RunRow {
        id: id(number),
        environment_id: environment,
        token_id: token_id(1),
        account_id: Some(id(4)),
        kind: "playbook".to_owned(),
        name: "offboard".to_owned(),
        definition: "steps:\n  - \"é\"\n".to_owned(),
        input: r#"{ "email":"a@b.c", "nul":"\u0000" }"#.to_owned(),
        state: RunState::Queued,
        due_at: Some(NOW.plus_ms(i64::try_from(number).unwrap())),
        fence: 0,
        entries: 0,
        cancel_requested_at: None,
        outcome: None,
        created_at: NOW,
        started_at: None,
        finished_at: None,
    }
}

fn entry(number: u32) -> RunEntryRow {
    RunEntryRow {
        number,
        at: NOW.plus_ms(i64::from(number)),
        entry: format!(r#"{{ "entry": "\u0000é", "number": {number} }}"#),
        grounds: None,
    }
}

fn lease(run: &RunRow) -> RunLease {
    RunLease { environment_id: run.environment_id, id: run.id, fence: run.fence }
}

/// A moment at which every run of these tests is due.
const LATER: Timestamp = NOW.plus_ms(1_000);

async fn claim(store: &Store, now: Timestamp) -> RunRow {
    store.claim_run(now, now.plus_ms(LEASE_MS)).await.unwrap().unwrap()
}

async fn claimed(store: &Store) -> (EnvironmentId, RunRow) {
    let (ours, _) = two_environments(store).await;
    store.insert_run(&run(ours, 1), &audit(ours, 1)).await.unwrap();
    (ours, claim(store, LATER).await)
}

fn is_stale<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Stale))
}

async fn runs_come_back_whole(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let queued = run(ours, 1);
    let ended = RunRow {
        id: id(2),
        account_id: None,
        state: RunState::Failed,
        due_at: None,
        fence: i64::MAX,
        entries: RUN_ENTRIES_MAX,
        cancel_requested_at: Some(NOW.plus_ms(1)),
        outcome: Some(r#"{"problem": {}}"#.to_owned()),
        started_at: Some(NOW.plus_ms(2)),
        finished_at: Some(NOW.plus_ms(3)),
        ..run(ours, 2)
    };
    for (number, row) in [(1, &queued), (2, &ended)] {
        store.insert_run(row, &audit(ours, number)).await.unwrap();
        assert_eq!(store.find_run(ours, row.id).await.unwrap().as_ref(), Some(row));
        let head = RunRow { definition: String::new(), input: String::new(), outcome: None, ..row.clone() };
        assert_eq!(store.find_run_head(ours, row.id).await.unwrap(), Some(head));
    }
    assert_eq!(store.find_run(ours, id(3)).await.unwrap(), None);
    assert!(matches!(store.insert_run(&queued, &audit(ours, 9)).await, Err(StoreError::Conflict(_))));
}

async fn runs_are_listed_newest_first_and_filtered(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for number in 1..=6 {
        let mut row = run(ours, number);
        row.name = String::from(if number % 2 == 0 { "even" } else { "odd" });
        row.token_id = token_id(number.div_ceil(3));
        store.insert_run(&row, &audit(ours, number)).await.unwrap();
    }
    store.insert_run(&run(theirs, 9), &audit(theirs, 9)).await.unwrap();
    claim(store, LATER).await;
    let list = async |query: RunQuery| {
        let rows = store.list_runs(ours, &query).await.unwrap();
        rows.iter().map(|row| (1..=9).find(|number| row.id == id(*number)).unwrap()).collect::<Vec<u64>>()
    };
    let all = || RunQuery { limit: 100, ..RunQuery::default() };
    assert_eq!(list(all()).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(list(RunQuery { limit: 2, ..all() }).await, [6, 5]);
    assert_eq!(list(RunQuery { before: Some(id(3)), ..all() }).await, [2, 1]);
    assert_eq!(list(RunQuery { name: Some("even".to_owned()), ..all() }).await, [6, 4, 2]);
    assert_eq!(list(RunQuery { token_id: Some(token_id(2)), ..all() }).await, [6, 5, 4]);
    assert_eq!(list(RunQuery { state: Some(RunState::Running), ..all() }).await, [1]);
    assert_eq!(list(RunQuery { state: Some(RunState::Queued), before: Some(id(4)), ..all() }).await, [3, 2]);
}

async fn a_token_is_found_by_its_id(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_token(&token(ours, 1), None).await.unwrap();
    assert_eq!(store.find_token(ours, token_id(1)).await.unwrap(), Some(token(ours, 1)));
    assert_eq!(store.find_token(theirs, token_id(1)).await.unwrap(), None);
    store.revoke_token(ours, token_id(1), NOW, Revocable::Ordinary, &audit(ours, 1)).await.unwrap();
    assert_eq!(store.find_token(ours, token_id(1)).await.unwrap().unwrap().revoked_at, Some(NOW));
}

async fn the_run_that_is_due_longest_is_claimed_first(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    assert_eq!(store.next_run_due().await.unwrap(), None);
    for (environment, number) in [(ours, 3), (theirs, 1), (ours, 2)] {
        store.insert_run(&run(environment, number), &audit(environment, number)).await.unwrap();
    }
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(1)));
    assert_eq!(store.claim_run(NOW, NOW.plus_ms(LEASE_MS)).await.unwrap(), None, "one before it is due");
    for number in [1, 2, 3] {
        let at = NOW.plus_ms(3);
        let run = claim(store, at).await;
        assert_eq!(run.id, id::<RunId>(number));
        assert_eq!((run.state, run.fence, run.started_at), (RunState::Running, 1, Some(at)));
        assert_eq!(run.due_at, Some(at.plus_ms(LEASE_MS)));
        assert_eq!(store.find_run(run.environment_id, run.id).await.unwrap(), Some(run));
    }
    assert_eq!(store.claim_run(NOW.plus_ms(3), NOW.plus_ms(LEASE_MS)).await.unwrap(), None);
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(3 + LEASE_MS)));
}

async fn of_two_workers_one_gets_a_run(store: &Store) {
    const RUNS: u64 = 40;
    let (ours, _) = two_environments(store).await;
    for number in 1..=RUNS {
        store.insert_run(&run(ours, number), &audit(ours, number)).await.unwrap();
    }
    let worker = |store: Store| async move {
        let mut got = Vec::new();
        while let Some(run) = store.claim_run(LATER, LATER.plus_ms(LEASE_MS)).await.unwrap() {
            assert_eq!(run.fence, 1);
            got.push(run.id);
            tokio::task::yield_now().await;
        }
        got
    };
    let (one, two) = (tokio::spawn(worker(store.clone())), tokio::spawn(worker(store.clone())));
    let mut got = one.await.unwrap();
    got.extend(two.await.unwrap());
    // A worker may see nothing while the other one holds the last row: what it left is still there to be claimed.
    got.extend(worker(store.clone()).await);
    let each: BTreeSet<RunId> = got.iter().copied().collect();
    assert_eq!((got.len(), each.len()), (RUNS as usize, RUNS as usize), "every run once");
}

async fn a_lease_that_ended_is_taken_over_and_the_old_fence_refused(store: &Store) {
    let (ours, first) = claimed(store).await;
    let old = lease(&first);
    store.append_run_entries(&old, &[entry(1)]).await.unwrap();
    let end = LATER.plus_ms(LEASE_MS);
    assert_eq!(store.claim_run(end.plus_ms(-1), end).await.unwrap(), None, "one before the end of the lease");
    let second = claim(store, end).await;
    assert_eq!((second.id, second.fence, second.entries), (first.id, 2, 1));
    assert_eq!(second.started_at, Some(LATER), "it was started once");

    assert!(is_stale(store.renew_run(&old, end).await));
    assert!(is_stale(store.append_run_entries(&old, &[entry(2)]).await));
    assert!(is_stale(store.release_run(&old, RunState::Queued, end).await));
    assert!(is_stale(store.finish_run(&old, RunState::Done, "{}", end, &audit(ours, 5)).await));
    assert_eq!(store.find_run(ours, first.id).await.unwrap(), Some(second.clone()), "nothing of it was written");
    assert_eq!(store.list_run_entries(ours, first.id, 0, 9).await.unwrap(), [entry(1)]);

    let new = lease(&second);
    store.append_run_entries(&new, &[entry(2)]).await.unwrap();
    assert_eq!(store.renew_run(&new, end.plus_ms(2 * LEASE_MS)).await.unwrap(), None);
    assert_eq!(store.next_run_due().await.unwrap(), Some(end.plus_ms(2 * LEASE_MS)));
}

async fn a_journal_has_no_gap_and_no_place_twice(store: &Store) {
    let (ours, run) = claimed(store).await;
    let lease = lease(&run);
    assert!(is_stale(store.append_run_entries(&lease, &[entry(2)]).await), "a gap");
    let grounding = RunEntryRow { grounds: Some(r#"{"ids": ["é"]}"#.to_owned()), ..entry(1) };
    store.append_run_entries(&lease, &[]).await.unwrap();
    store.append_run_entries(&lease, std::slice::from_ref(&grounding)).await.unwrap();
    assert!(is_stale(store.append_run_entries(&lease, &[entry(1)]).await), "it is there already");
    store.append_run_entries(&lease, &[entry(2), entry(3)]).await.unwrap();
    let entries = store.list_run_entries(ours, run.id, 0, 9).await.unwrap();
    assert_eq!(entries, [grounding, entry(2), entry(3)]);
    assert_eq!(store.list_run_entries(ours, run.id, 1, 1).await.unwrap(), entries[1..2]);
    assert_eq!(store.list_run_entries(ours, run.id, 3, 9).await.unwrap(), []);
    assert_eq!(store.find_run(ours, run.id).await.unwrap().unwrap().entries, 3);
}

async fn entries_are_appended_all_or_none(store: &Store) {
    let (ours, run) = claimed(store).await;
    let lease = lease(&run);
    assert!(is_stale(store.append_run_entries(&lease, &[entry(1), entry(3)]).await));
    assert_eq!(store.list_run_entries(ours, run.id, 0, 9).await.unwrap(), []);
    assert_eq!(store.find_run(ours, run.id).await.unwrap().unwrap().entries, 0);
}

async fn a_journal_ends_at_the_limit(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_run(&RunRow { entries: RUN_ENTRIES_MAX - 1, ..run(ours, 1) }, &audit(ours, 1)).await.unwrap();
    let lease = lease(&claim(store, LATER).await);
    store.append_run_entries(&lease, &[entry(RUN_ENTRIES_MAX)]).await.unwrap();
    let past = store.append_run_entries(&lease, &[entry(RUN_ENTRIES_MAX + 1)]).await;
    assert!(matches!(past, Err(StoreError::Conflict(_))), "{past:?}");
}

async fn a_run_that_waits_comes_back_at_its_time(store: &Store) {
    let (_, run) = claimed(store).await;
    let until = LATER.plus_ms(60_000);
    store.release_run(&lease(&run), RunState::Waiting, until).await.unwrap();
    assert!(is_stale(store.renew_run(&lease(&run), until).await), "what was given back is not held");
    assert_eq!(store.claim_run(until.plus_ms(-1), until).await.unwrap(), None);
    let again = claim(store, until).await;
    assert_eq!((again.id, again.fence), (run.id, 2));
}

async fn the_first_request_to_stop_holds(store: &Store) {
    let (ours, run) = claimed(store).await;
    let stopped = store.cancel_run(ours, run.id, LATER, &audit(ours, 2)).await.unwrap().unwrap();
    assert_eq!((stopped.state, stopped.cancel_requested_at), (RunState::Running, Some(LATER)));
    let again = store.cancel_run(ours, run.id, LATER.plus_ms(1), &audit(ours, 3)).await.unwrap().unwrap();
    assert_eq!(again, stopped);
    assert_eq!(store.cancel_run(ours, id(9), LATER, &audit(ours, 4)).await.unwrap(), None);
    assert_eq!(store.renew_run(&lease(&run), LATER.plus_ms(LEASE_MS)).await.unwrap(), Some(LATER));
    let records = quartermaster_store::model::AuditQuery { limit: 100, ..Default::default() };
    assert_eq!(store.list_audit(ours, &records).await.unwrap().len(), 2, "the start and the first request");
}

async fn a_request_to_stop_wakes_a_run_that_waits(store: &Store) {
    let (ours, run) = claimed(store).await;
    store.release_run(&lease(&run), RunState::Waiting, LATER.plus_ms(60_000)).await.unwrap();
    store.cancel_run(ours, run.id, LATER, &audit(ours, 2)).await.unwrap();
    let again = claim(store, LATER).await;
    assert_eq!(again.cancel_requested_at, Some(LATER));
    // The other way round: it was asked to stop, and then goes to wait.
    store.release_run(&lease(&again), RunState::Waiting, LATER.plus_ms(60_000)).await.unwrap();
    assert_eq!(claim(store, LATER).await.fence, 3);
}

async fn an_ended_run_is_never_due(store: &Store) {
    let (ours, run) = claimed(store).await;
    store.finish_run(&lease(&run), RunState::Done, "{}", LATER, &audit(ours, 2)).await.unwrap();
    let ended = store.find_run(ours, run.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.due_at, ended.finished_at), (RunState::Done, None, Some(LATER)));
    assert_eq!(ended.outcome.as_deref(), Some("{}"));
    assert_eq!(store.next_run_due().await.unwrap(), None);
    assert_eq!(store.claim_run(LATER.plus_ms(i64::from(i32::MAX)), LATER).await.unwrap(), None);
    assert!(is_stale(store.append_run_entries(&lease(&run), &[entry(1)]).await));
    assert!(is_stale(store.finish_run(&lease(&run), RunState::Failed, "{}", LATER, &audit(ours, 3)).await));
    let stopped = store.cancel_run(ours, run.id, LATER, &audit(ours, 4)).await.unwrap();
    let head = RunRow { definition: String::new(), input: String::new(), outcome: None, ..ended };
    assert_eq!(stopped, Some(head), "what has ended cannot be stopped");
}

async fn runs_do_not_cross_environments(store: &Store) {
    let (ours, run) = claimed(store).await;
    let theirs: EnvironmentId = id(2);
    store.append_run_entries(&lease(&run), &[entry(1)]).await.unwrap();
    assert_eq!(store.find_run(theirs, run.id).await.unwrap(), None);
    assert_eq!(store.list_run_entries(theirs, run.id, 0, 9).await.unwrap(), []);
    assert_eq!(store.list_runs(theirs, &RunQuery { limit: 9, ..RunQuery::default() }).await.unwrap(), []);
    assert_eq!(store.cancel_run(theirs, run.id, LATER, &audit(theirs, 1)).await.unwrap(), None);
    assert!(is_stale(store.renew_run(&RunLease { environment_id: theirs, ..lease(&run) }, LATER).await));
    assert_eq!(store.find_run(ours, run.id).await.unwrap().unwrap().cancel_requested_at, None);
}
