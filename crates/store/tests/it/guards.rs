//! What guards keep: kill switches, counted changes, sizes of directories.

use quartermaster_store::Store;
use quartermaster_store::model::{
    Blast, BlastReservation, BlastUse, DirectorySizeRow, StoreError, SwitchKind, SwitchRow,
};
use quartermaster_types::{EnvironmentId, Timestamp};
use uuid::Uuid;

use crate::support::{NOW, account, account_id, audit, id, token_id, two_environments};

on_both_back_ends![
    switches_are_set_changed_and_removed,
    a_change_is_counted_up_to_the_limit_and_not_one_past_it,
    a_change_counts_towards_all_its_limits_or_none,
    of_many_changes_at_once_exactly_as_many_are_counted_as_there_is_room_for,
    a_change_that_is_made_again_is_counted_once,
    a_window_moves_on_and_says_when_there_is_room,
    counted_changes_are_listed_and_forgotten,
    sizes_of_directories_are_remembered_and_go_with_their_account,
];

fn switch(environment: EnvironmentId, kind: SwitchKind, subject: &str, reason: &str) -> SwitchRow {
    SwitchRow {
        environment_id: environment,
        kind,
        subject: subject.to_owned(),
        reason: reason.to_owned(),
        token_id: token_id(1),
        created_at: NOW,
    }
}

async fn switches_are_set_changed_and_removed(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    let tool = switch(ours, SwitchKind::Tool, "1_password_users_suspend", "é: wait");
    let whole = switch(ours, SwitchKind::Environment, "", "stop");
    store.put_switch(&tool, &audit(ours, 1)).await.unwrap();
    store.put_switch(&whole, &audit(ours, 2)).await.unwrap();
    assert_eq!(store.list_switches(ours).await.unwrap(), [whole.clone(), tool.clone()]);
    assert_eq!(store.list_switches(theirs).await.unwrap(), []);
    let again = SwitchRow { reason: "still".to_owned(), created_at: NOW.plus_ms(5), token_id: token_id(2), ..tool };
    store.put_switch(&again, &audit(ours, 3)).await.unwrap();
    assert_eq!(store.list_switches(ours).await.unwrap(), [whole, again]);
    let remove = async |environment, subject: &str, number| {
        store.delete_switch(environment, SwitchKind::Tool, subject, &audit(environment, number)).await.unwrap()
    };
    assert!(!remove(theirs, "1_password_users_suspend", 4).await, "another environment's");
    assert!(!remove(ours, "other", 5).await);
    assert!(remove(ours, "1_password_users_suspend", 6).await);
    assert!(!remove(ours, "1_password_users_suspend", 7).await);
    assert_eq!(store.list_switches(ours).await.unwrap().len(), 1);
    let chain = store.audit_chain(ours).await.unwrap();
    assert_eq!(chain.sequence, 4, "what was done is recorded, and nothing else");
}

fn limit(name: &str, subject: &str, max: u64) -> BlastUse {
    BlastUse { limit: name.to_owned(), subject: subject.to_owned(), since: None, max }
}

fn change(environment: EnvironmentId, number: u128, uses: &[BlastUse]) -> BlastReservation {
    BlastReservation {
        environment_id: environment,
        id: Uuid::from_u128(number),
        at: NOW.plus_ms(i64::try_from(number).unwrap()),
        uses: uses.to_vec(),
    }
}

async fn counted(store: &Store, reservation: &BlastReservation) -> Option<Vec<u64>> {
    match store.reserve_blast(reservation).await.unwrap() {
        Blast::Counted { used, .. } => Some(used),
        Blast::Full { .. } => None,
    }
}

async fn a_change_is_counted_up_to_the_limit_and_not_one_past_it(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    let uses = [limit("per-run", "run:1", 2)];
    assert_eq!(counted(store, &change(ours, 1, &uses)).await, Some(vec![1]));
    assert_eq!(counted(store, &change(ours, 2, &uses)).await, Some(vec![2]));
    let full = store.reserve_blast(&change(ours, 3, &uses)).await.unwrap();
    assert_eq!(full, Blast::Full { place: 0, used: 2, frees: Some(NOW.plus_ms(1)) });
    assert_eq!(counted(store, &change(theirs, 3, &uses)).await, Some(vec![1]), "another environment's");
    assert_eq!(counted(store, &change(ours, 4, &[limit("per-run", "run:2", 2)])).await, Some(vec![1]));
    let none = store.reserve_blast(&change(ours, 5, &[limit("none", "run:1", 0)])).await.unwrap();
    assert_eq!(none, Blast::Full { place: 0, used: 0, frees: None });
    store.release_blast(theirs, Uuid::from_u128(1), &uses).await.unwrap();
    assert_eq!(store.count_blast(ours, &uses[0]).await.unwrap(), 2);
    store.release_blast(ours, Uuid::from_u128(1), &uses).await.unwrap();
    assert_eq!(counted(store, &change(ours, 6, &uses)).await, Some(vec![2]), "one was given back");
}

async fn a_change_counts_towards_all_its_limits_or_none(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let (wide, narrow) = (limit("wide", "environment", 10), limit("narrow", "run:1", 1));
    let both = [wide.clone(), narrow.clone()];
    assert_eq!(counted(store, &change(ours, 1, &both)).await, Some(vec![1, 1]));
    let full = store.reserve_blast(&change(ours, 2, &both)).await.unwrap();
    assert_eq!(full, Blast::Full { place: 1, used: 1, frees: Some(NOW.plus_ms(1)) });
    assert_eq!(store.count_blast(ours, &wide).await.unwrap(), 1, "the first limit has not counted it");
}

async fn of_many_changes_at_once_exactly_as_many_are_counted_as_there_is_room_for(store: &Store) {
    const ROOM: u64 = 7;
    let (ours, _) = two_environments(store).await;
    let uses = [limit("a", "environment", 100), limit("b", "environment", ROOM)];
    let tries = (1..=40).map(|number| {
        let (store, reservation) = (store.clone(), change(ours, number, &uses));
        tokio::spawn(async move { counted(&store, &reservation).await.is_some() })
    });
    let mut passed = 0;
    for one in tries.collect::<Vec<_>>() {
        passed += u64::from(one.await.unwrap());
    }
    assert_eq!(passed, ROOM);
    for limit in &uses {
        assert_eq!(store.count_blast(ours, limit).await.unwrap(), ROOM);
    }
}

async fn a_change_that_is_made_again_is_counted_once(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let uses = [limit("a", "environment", 1)];
    let once = change(ours, 1, &uses);
    assert_eq!(store.reserve_blast(&once).await.unwrap(), Blast::Counted { used: vec![1], is_new: true });
    let later = BlastReservation { at: NOW.plus_ms(1_000), ..once };
    assert_eq!(store.reserve_blast(&later).await.unwrap(), Blast::Counted { used: vec![1], is_new: false });
    assert_eq!(counted(store, &change(ours, 2, &uses)).await, None);
}

async fn a_window_moves_on_and_says_when_there_is_room(store: &Store) {
    let (ours, _) = two_environments(store).await;
    let within =
        |now: Timestamp, max: u64| vec![BlastUse { since: Some(now.plus_ms(-1_000)), ..limit("hour", "token:1", max) }];
    let ask = async |number: u128, at: i64, max: u64| {
        let now = NOW.plus_ms(at);
        let uses = within(now, max);
        store.reserve_blast(&BlastReservation { at: now, ..change(ours, number, &uses) }).await.unwrap()
    };
    for (number, at) in [(1, 0), (2, 400), (3, 500)] {
        assert!(matches!(ask(number, at, 3).await, Blast::Counted { .. }));
    }
    assert_eq!(ask(4, 999, 3).await, Blast::Full { place: 0, used: 3, frees: Some(NOW) });
    // The limit was lowered: two have to leave.
    assert_eq!(ask(4, 999, 2).await, Blast::Full { place: 0, used: 3, frees: Some(NOW.plus_ms(400)) });
    assert_eq!(ask(4, 1_000, 3).await, Blast::Counted { used: vec![3], is_new: true }, "the first has left");
}

async fn counted_changes_are_listed_and_forgotten(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    for (number, subject) in [(1, "run:1"), (2, "run:2"), (3, "run:2")] {
        counted(store, &change(ours, number, &[limit("per-run", subject, 9)])).await.unwrap();
    }
    let listed = store.list_blast_uses(ours, "per-run", None, 10).await.unwrap();
    let short: Vec<_> = listed.iter().map(|usage| (usage.subject.as_str(), usage.used)).collect();
    assert_eq!(short, [("run:2", 2), ("run:1", 1)]);
    assert_eq!((listed[0].first_at, listed[0].last_at), (NOW.plus_ms(2), NOW.plus_ms(3)));
    assert_eq!(store.list_blast_uses(ours, "per-run", Some(NOW.plus_ms(2)), 10).await.unwrap()[0].used, 1);
    assert_eq!(store.list_blast_uses(ours, "per-run", None, 1).await.unwrap().len(), 1);
    assert_eq!(store.list_blast_uses(theirs, "per-run", None, 10).await.unwrap(), []);
    assert_eq!(store.prune_blast(NOW.plus_ms(3)).await.unwrap(), 2);
    assert_eq!(store.count_blast(ours, &limit("per-run", "run:2", 9)).await.unwrap(), 1);
}

async fn sizes_of_directories_are_remembered_and_go_with_their_account(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    store.insert_account(&account(ours, 4), &audit(ours, 1)).await.unwrap();
    let row = |records: u64, at: i64| DirectorySizeRow {
        environment_id: ours,
        account_id: account_id(4),
        resource: "users".to_owned(),
        records,
        at: NOW.plus_ms(at),
    };
    let find = async |environment, resource: &str| {
        store.find_directory_size(environment, account_id(4), resource).await.unwrap()
    };
    assert_eq!(find(ours, "users").await, None);
    store.put_directory_size(&row(7, 5)).await.unwrap();
    assert_eq!(find(ours, "users").await, Some(row(7, 5)));
    store.put_directory_size(&row(9, 4)).await.unwrap();
    assert_eq!(find(ours, "users").await, Some(row(7, 5)), "an older count does not replace a newer one");
    store.put_directory_size(&row(0, 6)).await.unwrap();
    assert_eq!(find(ours, "users").await, Some(row(0, 6)));
    assert_eq!((find(ours, "groups").await, find(theirs, "users").await), (None, None));
    let gone = DirectorySizeRow { account_id: account_id(5), ..row(1, 1) };
    store.put_directory_size(&gone).await.unwrap();
    assert_eq!(store.find_directory_size(ours, account_id(5), "users").await.unwrap(), None);
    assert!(store.delete_account(ours, account_id(4), &audit(ours, 2)).await.unwrap());
    assert_eq!(find(ours, "users").await, None);
    let stray = store.insert_account(&account(id(99), 6), &audit(ours, 3)).await;
    assert!(matches!(stray, Err(StoreError::Database { .. })), "an environment that is not there has no account");
}
