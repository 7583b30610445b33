//! Approvals: what both back ends do alike when many ask, vote and use at once.

use quartermaster_store::Store;
use quartermaster_store::model::{
    ApprovalKind, ApprovalQuery, ApprovalRow, AuditQuery, Opened, RunLease, RunRow, RunState, VoteRow, Voted,
};
use quartermaster_types::{ApprovalId, ApprovalState, EnvironmentId, Timestamp};

use crate::support::{NOW, audit, id, token_id, two_environments};

on_both_back_ends![
    approvals_come_back_whole,
    the_same_is_asked_for_once_while_it_is_open,
    of_many_who_ask_at_once_one_opens,
    a_quorum_is_reached_exactly_once,
    one_no_denies,
    an_approver_votes_once,
    a_vote_after_the_end_does_not_count,
    an_approved_call_is_used_once,
    of_many_who_use_it_at_once_one_gets_it,
    what_was_given_back_can_be_used_again,
    approvals_are_listed_newest_first_and_filtered,
    a_decision_wakes_the_run_that_waits,
    only_a_run_that_waits_is_woken,
    approvals_of_an_ended_run_are_closed,
    approvals_do_not_cross_environments,
];

const LASTS_MS: i64 = 60_000;

fn approval(environment: EnvironmentId, number: u64) -> ApprovalRow {
    let mut fingerprint = [1; 32];
    fingerprint[..8].copy_from_slice(&number.to_be_bytes());
    ApprovalRow {
        id: id(number),
        environment_id: environment,
        kind: ApprovalKind::Call,
        fingerprint,
        record_digest: Some([7; 32]),
        token_id: token_id(1),
        session: Some("session".to_owned()),
        run_id: None,
        step: None,
        account_id: Some(id(4)),
        subject: "users.suspend".to_owned(),
        card: r#"{ "rows": ["é"] }"#.to_owned(),
        terms: "{}".to_owned(),
        quorum: 1,
        state: ApprovalState::Pending,
        created_at: NOW,
        expires_at: NOW.plus_ms(LASTS_MS),
        decided_at: None,
        used_by: None,
        used_at: None,
    }
}

fn vote(approver: u64, approve: bool) -> VoteRow {
    VoteRow {
        approver: format!("token:{approver}"),
        name: format!("approver {approver}"),
        approve,
        vetoed: Vec::new(),
        reason: None,
        at: NOW.plus_ms(i64::try_from(approver).unwrap()),
    }
}

async fn opened(store: &Store, row: &ApprovalRow, number: u64) {
    assert_eq!(store.open_approval(row, &audit(row.environment_id, number)).await.unwrap(), Opened::New);
}

async fn voted(store: &Store, row: &ApprovalRow, vote: &VoteRow, number: u64) -> Voted {
    let record = audit(row.environment_id, number);
    store.vote_on_approval(row.environment_id, row.id, vote, LASTS_MS, &record).await.unwrap()
}

async fn state(store: &Store, row: &ApprovalRow) -> ApprovalState {
    store.find_approval(row.environment_id, row.id).await.unwrap().unwrap().state
}

async fn records(store: &Store, environment: EnvironmentId) -> usize {
    store.list_audit(environment, &AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap().len()
}

async fn approvals_come_back_whole(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let call = approval(ours, 1);
    let used = ApprovalRow {
        kind: ApprovalKind::Rows,
        record_digest: None,
        session: None,
        run_id: Some(id(8)),
        step: Some("people/1".to_owned()),
        account_id: None,
        quorum: 10,
        state: ApprovalState::Used,
        decided_at: Some(NOW.plus_ms(1)),
        used_by: Some("a request".to_owned()),
        used_at: Some(NOW.plus_ms(2)),
        ..approval(ours, 2)
    };
    for (number, row) in [(1, &call), (2, &used)] {
        opened(store, row, number).await;
        assert_eq!(store.find_approval(ours, row.id).await.unwrap().as_ref(), Some(row));
        assert_eq!(store.last_approval(ours, &row.fingerprint).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.find_approval(ours, id(3)).await.unwrap(), None);
    assert_eq!(store.last_approval(ours, &[0; 32]).await.unwrap(), None);
    assert_eq!(records(store, ours).await, 2);
}

async fn the_same_is_asked_for_once_while_it_is_open(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let first = approval(ours, 1);
    opened(store, &first, 1).await;
    let again = |number: u64, at: Timestamp| ApprovalRow {
        id: id(number),
        created_at: at,
        expires_at: at.plus_ms(LASTS_MS),
        ..approval(ours, 1)
    };
    let found = store.open_approval(&again(2, NOW.plus_ms(1)), &audit(ours, 2)).await.unwrap();
    assert_eq!(found, Opened::Open(Box::new(first.clone())));
    assert_eq!(records(store, ours).await, 1, "nothing was asked for a second time");
    let Voted::Counted(approved) = voted(store, &first, &vote(2, true), 3).await else { panic!("it counts") };
    let found = store.open_approval(&again(2, NOW.plus_ms(3)), &audit(ours, 4)).await.unwrap();
    assert_eq!(found, Opened::Open(Box::new(approved.clone())), "an approved one is open until it is used");
    assert_eq!(approved.expires_at, NOW.plus_ms(2 + LASTS_MS), "it lasts from the decision on");
    opened(store, &again(3, approved.expires_at), 5).await;
    assert_eq!(state(store, &first).await, ApprovalState::Expired, "it was not used in time");
    let last = store.last_approval(ours, &first.fingerprint).await.unwrap().unwrap();
    assert_eq!(last.id, id::<ApprovalId>(3));
}

async fn of_many_who_ask_at_once_one_opens(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let asked = (1..=12).map(|number| {
        let store = store.clone();
        let row = ApprovalRow { id: id(number), ..approval(ours, 1) };
        tokio::spawn(async move { (row.id, store.open_approval(&row, &audit(ours, number)).await.unwrap()) })
    });
    let mut answers = Vec::new();
    for task in asked {
        answers.push(task.await.unwrap());
    }
    let new: Vec<ApprovalId> = answers.iter().filter(|(_, answer)| *answer == Opened::New).map(|(id, _)| *id).collect();
    assert_eq!(new.len(), 1, "{answers:?}");
    for (_, answer) in answers {
        if let Opened::Open(row) = answer {
            assert_eq!(row.id, new[0]);
        }
    }
    assert_eq!(records(store, ours).await, 1);
}

async fn a_quorum_is_reached_exactly_once(store: &Store) {
    let (ours, _) = two_environments(store).await;
    for (round, quorum) in [(1_u64, 2_u32), (2, 3), (3, 10)] {
        let row = ApprovalRow { quorum, ..approval(ours, round) };
        opened(store, &row, round).await;
        let votes = (1..=12).map(|number| {
            let (store, row) = (store.clone(), row.clone());
            tokio::spawn(async move { voted(&store, &row, &vote(number, true), round * 100 + number).await })
        });
        let (mut decided, mut counted, mut late) = (0, 0, 0);
        for task in votes.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Voted::Counted(after) => {
                    counted += 1;
                    decided += usize::from(after.state == ApprovalState::Approved);
                }
                Voted::Closed(after) => {
                    assert_eq!(after.state, ApprovalState::Approved);
                    late += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((decided, counted, late), (1, quorum as usize, 12 - quorum as usize));
        assert_eq!(store.list_approval_votes(ours, row.id).await.unwrap().len(), quorum as usize);
    }
}

async fn one_no_denies(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = ApprovalRow { quorum: 3, ..approval(ours, 1) };
    opened(store, &row, 1).await;
    let Voted::Counted(after) = voted(store, &row, &vote(1, true), 2).await else { panic!("it counts") };
    assert_eq!((after.state, after.decided_at), (ApprovalState::Pending, None));
    let no = VoteRow { reason: Some("not he".to_owned()), vetoed: vec![1, 3], ..vote(2, false) };
    let Voted::Counted(after) = voted(store, &row, &no, 3).await else { panic!("it counts") };
    assert_eq!((after.state, after.decided_at), (ApprovalState::Denied, Some(no.at)));
    assert_eq!(after.expires_at, row.expires_at, "a denial lasts as long as the question would have");
    assert_eq!(store.list_approval_votes(ours, row.id).await.unwrap(), [vote(1, true), no]);
    assert!(matches!(voted(store, &row, &vote(3, true), 4).await, Voted::Closed(_)));
    assert!(!store.use_approval(ours, row.id, "x", NOW).await.unwrap());
}

async fn an_approver_votes_once(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = ApprovalRow { quorum: 2, ..approval(ours, 1) };
    opened(store, &row, 1).await;
    assert!(matches!(voted(store, &row, &vote(1, true), 2).await, Voted::Counted(_)));
    let again = VoteRow { at: NOW.plus_ms(9), ..vote(1, false) };
    assert!(matches!(voted(store, &row, &again, 3).await, Voted::Before(_)));
    assert_eq!(state(store, &row).await, ApprovalState::Pending);
    assert_eq!(store.list_approval_votes(ours, row.id).await.unwrap(), [vote(1, true)]);
    assert_eq!(records(store, ours).await, 2);
}

async fn a_vote_after_the_end_does_not_count(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = approval(ours, 1);
    opened(store, &row, 1).await;
    let late = VoteRow { at: row.expires_at, ..vote(1, true) };
    let Voted::Closed(found) = voted(store, &row, &late, 2).await else { panic!("it is too late") };
    assert_eq!(found.state_at(late.at), ApprovalState::Expired);
    assert_eq!(found.state_at(late.at.plus_ms(-1)), ApprovalState::Pending);
    let in_time = VoteRow { at: row.expires_at.plus_ms(-1), ..vote(1, true) };
    assert!(matches!(voted(store, &row, &in_time, 3).await, Voted::Counted(_)));
    let missing = ApprovalRow { id: id(9), ..row };
    assert_eq!(voted(store, &missing, &vote(1, true), 4).await, Voted::Missing);
}

async fn approved(store: &Store, row: &ApprovalRow) {
    opened(store, row, 1).await;
    assert!(matches!(voted(store, row, &vote(1, true), 2).await, Voted::Counted(_)));
}

async fn an_approved_call_is_used_once(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = approval(ours, 1);
    opened(store, &row, 1).await;
    assert!(!store.use_approval(ours, row.id, "a", NOW).await.unwrap(), "it is not approved");
    assert!(matches!(voted(store, &row, &vote(1, true), 2).await, Voted::Counted(_)));
    let ends = NOW.plus_ms(1 + LASTS_MS);
    assert!(!store.use_approval(ours, row.id, "a", ends).await.unwrap(), "too late");
    assert!(store.use_approval(ours, row.id, "a", ends.plus_ms(-1)).await.unwrap());
    assert!(!store.use_approval(ours, row.id, "b", NOW).await.unwrap(), "it is used");
    assert!(store.use_approval(ours, row.id, "a", ends).await.unwrap(), "the same request goes on with it");
    assert_eq!(state(store, &row).await, ApprovalState::Used);
}

async fn of_many_who_use_it_at_once_one_gets_it(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = approval(ours, 1);
    approved(store, &row).await;
    let takers = (0..12).map(|number: u32| {
        let store = store.clone();
        tokio::spawn(async move { store.use_approval(ours, id(1), &format!("request {number}"), NOW).await.unwrap() })
    });
    let mut taken = 0;
    for task in takers.collect::<Vec<_>>() {
        taken += usize::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
}

async fn what_was_given_back_can_be_used_again(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let row = approval(ours, 1);
    approved(store, &row).await;
    assert!(store.use_approval(ours, row.id, "a", NOW).await.unwrap());
    store.give_back_approval(ours, row.id, "b").await.unwrap();
    assert_eq!(state(store, &row).await, ApprovalState::Used, "only who took it gives it back");
    store.give_back_approval(ours, row.id, "a").await.unwrap();
    assert!(store.use_approval(ours, row.id, "b", NOW).await.unwrap());
    store.expire_approval(ours, row.id).await.unwrap();
    assert_eq!(state(store, &row).await, ApprovalState::Used, "what was done stays done");
}

async fn approvals_are_listed_newest_first_and_filtered(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for number in 1..=6_u64 {
        let run_id = (number % 2 == 0).then(|| id(100));
        let expires_at = NOW.plus_ms(i64::try_from(number).unwrap() * 1000);
        let row = ApprovalRow { run_id, token_id: token_id(number.div_ceil(3)), expires_at, ..approval(ours, number) };
        opened(store, &row, number).await;
    }
    opened(store, &approval(theirs, 9), 9).await;
    let rows = ApprovalRow { kind: ApprovalKind::Rows, ..approval(ours, 3) };
    assert!(matches!(voted(store, &rows, &vote(1, true), 10).await, Voted::Counted(_)));
    let list = async |query: ApprovalQuery| {
        let rows = store.list_approvals(ours, &query).await.unwrap();
        rows.iter().map(|row| (1..=9).find(|number| row.id == id(*number)).unwrap()).collect::<Vec<u64>>()
    };
    let all = || ApprovalQuery { now: NOW, before: None, state: None, run_id: None, token_id: None, limit: 100 };
    let of =
        |state: ApprovalState, after_ms: i64| ApprovalQuery { state: Some(state), now: NOW.plus_ms(after_ms), ..all() };
    assert_eq!(list(all()).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(list(ApprovalQuery { limit: 2, ..all() }).await, [6, 5]);
    assert_eq!(list(ApprovalQuery { before: Some(id(3)), ..all() }).await, [2, 1]);
    assert_eq!(list(ApprovalQuery { run_id: Some(id(100)), ..all() }).await, [6, 4, 2]);
    assert_eq!(list(ApprovalQuery { token_id: Some(token_id(2)), ..all() }).await, [6, 5, 4]);
    assert_eq!(list(of(ApprovalState::Pending, 0)).await, [6, 5, 4, 2, 1]);
    assert_eq!(list(of(ApprovalState::Pending, 4000)).await, [6, 5], "what has run out is not pending");
    assert_eq!(list(of(ApprovalState::Expired, 4000)).await, [4, 2, 1]);
    assert_eq!(list(of(ApprovalState::Approved, 4000)).await, [3]);
    assert_eq!(list(of(ApprovalState::Expired, 1 + LASTS_MS)).await, [6, 5, 4, 3, 2, 1]);
}

fn waiting_run(environment: EnvironmentId) -> RunRow {
    RunRow {
        id: id(50),
        environment_id: environment,
        token_id: token_id(1),
        account_id: None,
        kind: "playbook".to_owned(),
        name: "audit".to_owned(),
        definition: String::new(),
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

async fn a_decision_wakes_the_run_that_waits(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_run(&waiting_run(ours), &audit(ours, 1)).await.unwrap();
    let run = store.claim_run(NOW, NOW.plus_ms(10_000)).await.unwrap().unwrap();
    let row = ApprovalRow { run_id: Some(run.id), quorum: 2, ..approval(ours, 2) };
    opened(store, &row, 2).await;
    let lease = RunLease { environment_id: ours, id: run.id, fence: run.fence };
    store.release_run(&lease, RunState::Waiting, row.expires_at).await.unwrap();
    assert!(matches!(voted(store, &row, &vote(1, true), 3).await, Voted::Counted(_)));
    assert_eq!(store.next_run_due().await.unwrap(), Some(row.expires_at), "one of two is no decision");
    assert!(matches!(voted(store, &row, &vote(2, true), 4).await, Voted::Counted(_)));
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(2)));
    // A run that is worked on has a lease, which nobody cuts short.
    let run = store.claim_run(NOW.plus_ms(2), NOW.plus_ms(10_000)).await.unwrap().unwrap();
    let other = ApprovalRow { run_id: Some(run.id), ..approval(ours, 5) };
    opened(store, &other, 5).await;
    assert!(matches!(voted(store, &other, &vote(3, false), 6).await, Voted::Counted(_)));
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(10_000)));
}

async fn only_a_run_that_waits_is_woken(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_run(&waiting_run(ours), &audit(ours, 1)).await.unwrap();
    let run = store.claim_run(NOW, NOW.plus_ms(10_000)).await.unwrap().unwrap();
    store.wake_run(ours, run.id, NOW.plus_ms(1)).await.unwrap();
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(10_000)), "a lease is not cut short");
    let lease = RunLease { environment_id: ours, id: run.id, fence: run.fence };
    store.release_run(&lease, RunState::Waiting, NOW.plus_ms(60_000)).await.unwrap();
    store.wake_run(theirs, run.id, NOW.plus_ms(1)).await.unwrap();
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(60_000)), "of another environment");
    store.wake_run(ours, run.id, NOW.plus_ms(1)).await.unwrap();
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(1)));
    store.wake_run(ours, run.id, NOW.plus_ms(5)).await.unwrap();
    assert_eq!(store.next_run_due().await.unwrap(), Some(NOW.plus_ms(1)), "it does not wait longer for that");
}

async fn approvals_of_an_ended_run_are_closed(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let of_run = ApprovalRow { run_id: Some(id(50)), ..approval(ours, 1) };
    let of_other = ApprovalRow { run_id: Some(id(51)), ..approval(ours, 2) };
    opened(store, &of_run, 1).await;
    opened(store, &of_other, 2).await;
    store.expire_approvals_of_run(ours, id(50)).await.unwrap();
    assert_eq!(state(store, &of_run).await, ApprovalState::Expired);
    assert_eq!(state(store, &of_other).await, ApprovalState::Pending);
    assert!(matches!(voted(store, &of_run, &vote(1, true), 3).await, Voted::Closed(_)));
}

async fn approvals_do_not_cross_environments(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    let row = approval(ours, 1);
    approved(store, &row).await;
    assert_eq!(store.find_approval(theirs, row.id).await.unwrap(), None);
    assert_eq!(store.last_approval(theirs, &row.fingerprint).await.unwrap(), None);
    assert_eq!(store.list_approval_votes(theirs, row.id).await.unwrap(), []);
    assert!(!store.use_approval(theirs, row.id, "a", NOW).await.unwrap());
    store.expire_approval(theirs, row.id).await.unwrap();
    let foreign = store.vote_on_approval(theirs, row.id, &vote(2, false), LASTS_MS, &audit(theirs, 5)).await.unwrap();
    assert_eq!(foreign, Voted::Missing);
    assert_eq!(state(store, &row).await, ApprovalState::Approved);
    let same = ApprovalRow { environment_id: theirs, ..row.clone() };
    opened(store, &same, 6).await;
}
