//! What replicas hear of one another's changes. PostgreSQL only: a SQLite file has one process.

use std::time::Duration;

use quartermaster_store::Store;
use quartermaster_store::model::{REVISIONS_KEPT_MAX, REVISIONS_READ_MAX, Revision, Revisions, Revocable, Stale};
use quartermaster_types::EnvironmentId;

use crate::support::{
    NOW, account, account_id, audit, environment_override, execute_postgres, id, policy, postgres, sqlite, token,
    token_id, two_environments,
};

async fn stale_after(store: &Store, after: i64) -> Vec<(EnvironmentId, Stale)> {
    let read = store.revisions_after(Some(after)).await.unwrap();
    let numbers = read.rows.iter().map(|row| row.number);
    assert!(numbers.eq(after + 1..=read.head), "{read:?}");
    read.rows.into_iter().map(|row| (row.environment_id, row.stale)).collect()
}

#[tokio::test]
async fn a_file_has_nobody_to_tell() {
    let fixture = sqlite().await;
    let (ours, _) = two_environments(&fixture.store).await;
    assert!(!fixture.store.is_shared());
    fixture.store.insert_policy(&policy(ours, 1), &audit(ours, 1)).await.unwrap();
    assert_eq!(fixture.store.revisions_after(Some(0)).await.unwrap(), Revisions::default());
    let mut listener = fixture.store.listen_for_revisions().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(20), listener.heard()).await.is_err());
    fixture.store.close().await;
}

#[tokio::test]
async fn every_change_of_something_that_is_held_is_told_once_and_others_are_not() {
    let Some(fixture) = postgres("every_change_of_something_that_is_held").await else { return };
    let store = &fixture.store;
    assert!(store.is_shared());
    let (ours, theirs) = two_environments(store).await;
    assert_eq!(store.revisions_after(None).await.unwrap(), Revisions::default());
    // Nobody can hold what was not there.
    store.insert_token(&token(ours, 1), None).await.unwrap();
    store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    assert_eq!(store.revisions_after(Some(0)).await.unwrap(), Revisions::default());

    store.revoke_token(ours, token_id(1), NOW, Revocable::Ordinary, &audit(ours, 2)).await.unwrap();
    let mut row = account(ours, 1);
    row.version = 2;
    store.update_account(&row, 1, &audit(ours, 3)).await.unwrap();
    store.put_environment_override(&environment_override(ours), &audit(ours, 4)).await.unwrap();
    store.insert_policy(&policy(theirs, 1), &audit(theirs, 5)).await.unwrap();
    assert!(store.delete_account(ours, account_id(1), &audit(ours, 6)).await.unwrap());
    let expected = [
        (ours, Stale::Token(id(1))),
        (ours, Stale::Account(id(1))),
        (ours, Stale::Override("1password".to_owned())),
        (theirs, Stale::Policy),
        (ours, Stale::Account(id(1))),
    ];
    assert_eq!(stale_after(store, 0).await, expected);
    assert_eq!(stale_after(store, 3).await, expected[3..]);

    // What is not done is not told.
    assert!(store.update_account(&row, 7, &audit(ours, 7)).await.is_err());
    assert!(!store.delete_account(ours, account_id(1), &audit(ours, 8)).await.unwrap());
    assert!(store.insert_policy(&policy(theirs, 1), &audit(theirs, 9)).await.is_err());
    assert_eq!(store.revisions_after(None).await.unwrap(), Revisions { head: 5, rows: Vec::new() });
    fixture.finish().await;
}

#[tokio::test]
async fn numbers_follow_the_order_of_commits_without_gaps_however_many_change_at_once() {
    let Some(fixture) = postgres("numbers_follow_the_order_of_commits").await else { return };
    let store = &fixture.store;
    let (ours, theirs) = two_environments(store).await;
    for number in 1..=20 {
        for environment in [ours, theirs] {
            let number = if environment == ours { number } else { number + 100 };
            store.insert_account(&account(environment, number), &audit(environment, number)).await.unwrap();
        }
    }
    let changes = (1..=20).flat_map(|number| [(ours, number), (theirs, number + 100)]).map(|(environment, number)| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut row = account(environment, number);
            row.version = 2;
            store.update_account(&row, 1, &audit(environment, number + 200)).await.unwrap();
        })
    });
    let changes: Vec<_> = changes.collect();
    // A reader that goes along sees every number exactly once.
    let mut seen: Vec<Revision> = Vec::new();
    while seen.len() < 40 {
        let after = seen.last().map_or(0, |row| row.number);
        let read = store.revisions_after(Some(after)).await.unwrap();
        assert_eq!(read.rows.len() as i64, read.head - after, "{read:?}");
        seen.extend(read.rows);
    }
    for change in changes {
        change.await.unwrap();
    }
    assert!(seen.iter().map(|row| row.number).eq(1..=40));
    fixture.finish().await;
}

#[tokio::test]
async fn a_commit_wakes_whoever_listens_and_a_closed_store_ends_that() {
    let Some(fixture) = postgres("a_commit_wakes_whoever_listens").await else { return };
    let (ours, _) = two_environments(&fixture.store).await;
    let other = Store::connect_postgres(&fixture.url).await.unwrap();
    let mut listener = other.listen_for_revisions().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), listener.heard()).await.is_err());
    fixture.store.insert_policy(&policy(ours, 1), &audit(ours, 1)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), listener.heard()).await.unwrap().unwrap();
    let closing = tokio::spawn({
        let other = other.clone();
        async move { other.close().await }
    });
    assert!(tokio::time::timeout(Duration::from_secs(5), listener.heard()).await.unwrap().is_err());
    drop(listener);
    closing.await.unwrap();
    fixture.finish().await;
}

#[tokio::test]
async fn so_many_revisions_are_kept_and_read_at_once() {
    let Some(fixture) = postgres("so_many_revisions_are_kept_and_read_at_once").await else { return };
    let store = &fixture.store;
    let (ours, _) = two_environments(store).await;
    let set = async |version| store.insert_policy(&policy(ours, version), &audit(ours, version as u64)).await.unwrap();
    let first = async || store.revisions_after(Some(0)).await.unwrap().rows[0].number;
    set(1).await;
    let head = |number: i64| format!("UPDATE revision_head SET number = {number}");
    execute_postgres(&fixture.url, &head(REVISIONS_KEPT_MAX - 1)).await;
    set(2).await;
    assert_eq!(first().await, 1, "the oldest of so many stays");
    set(3).await;
    assert_eq!(first().await, REVISIONS_KEPT_MAX, "one more, and it goes");

    let fill = format!(
        "INSERT INTO revisions SELECT number, '{ours}', 'policy', '' FROM generate_series({}, {}) AS number",
        REVISIONS_KEPT_MAX + 2,
        REVISIONS_KEPT_MAX + i64::from(REVISIONS_READ_MAX) + 1
    );
    execute_postgres(&fixture.url, &fill).await;
    let read = store.revisions_after(Some(REVISIONS_KEPT_MAX + 1)).await.unwrap();
    assert_eq!(read.rows.len(), REVISIONS_READ_MAX as usize);
    let read = store.revisions_after(Some(REVISIONS_KEPT_MAX)).await.unwrap();
    assert_eq!(read.rows.len(), REVISIONS_READ_MAX as usize);
    assert_eq!(read.rows[0].number, REVISIONS_KEPT_MAX + 1);
    fixture.finish().await;
}
