//! What sessions have read, and what is known of rate limits, on both back ends.

use quartermaster_store::Store;
use quartermaster_store::model::{READ_IDS_MAX, READS_NOTED_MAX, RateBudgetRow, ReadRow};
use quartermaster_types::EnvironmentId;

use crate::support::{NOW, account, account_id, audit, two_environments};

on_both_back_ends![
    a_read_is_found_in_its_scope_and_time_only,
    hashes_that_only_lie_across_others_are_not_found,
    the_longest_row_and_more_rows_than_one_write_takes_are_kept,
    old_reads_are_forgotten,
    a_rate_budget_is_replaced_by_its_next_version_only,
    of_many_who_replace_a_rate_budget_at_once_one_does,
];

fn row(scope: u128, seconds: i64, ids: &[u64]) -> ReadRow {
    ReadRow { scope, at: NOW.plus_ms(seconds * 1000), ids: ids.to_vec() }
}

async fn a_read_is_found_in_its_scope_and_time_only(store: &Store) {
    store.note_reads(&[]).await.unwrap();
    let (ours, theirs) = (u128::MAX, 7);
    store.note_reads(&[row(ours, 0, &[1, 2, u64::MAX]), row(ours, 60, &[2]), row(theirs, 0, &[4])]).await.unwrap();
    let at = async |scope, id, seconds: i64| {
        let found = store.find_read(scope, id, NOW.plus_ms(seconds * 1000)).await.unwrap();
        found.map(|at| at.ms_since(NOW) / 1000)
    };
    assert_eq!(at(ours, 1, -9).await, Some(0));
    assert_eq!(at(ours, 1, 0).await, Some(0), "at the time itself");
    assert_eq!(at(ours, 1, 1).await, None, "too long ago");
    assert_eq!(at(ours, 2, 0).await, Some(60), "the last time counts");
    assert_eq!(at(ours, u64::MAX, 0).await, Some(0));
    assert_eq!(at(ours, 4, 0).await, None, "of another scope");
    assert_eq!(at(theirs, 4, 0).await, Some(0));
    assert_eq!(at(theirs, 1, 0).await, None);
}

async fn hashes_that_only_lie_across_others_are_not_found(store: &Store) {
    store.note_reads(&[row(1, 0, &[0x0102_0304_0506_0708, 0x1112_1314_1516_1718])]).await.unwrap();
    assert_eq!(store.find_read(1, 0x0506_0708_1112_1314, NOW).await.unwrap(), None);
    assert_eq!(store.find_read(1, 0x1112_1314_1516_1718, NOW).await.unwrap(), Some(NOW));
}

async fn the_longest_row_and_more_rows_than_one_write_takes_are_kept(store: &Store) {
    let ids: Vec<u64> = (1..=READ_IDS_MAX as u64).map(|id| id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let mut rows: Vec<ReadRow> = (1..=READS_NOTED_MAX as u64).map(|id| row(2, 0, &[id])).collect();
    rows.push(row(1, 0, &ids));
    store.note_reads(&rows).await.unwrap();
    for id in [ids[0], ids[READ_IDS_MAX / 2], ids[READ_IDS_MAX - 1]] {
        assert_eq!(store.find_read(1, id, NOW).await.unwrap(), Some(NOW), "{id}");
    }
    assert_eq!(store.find_read(2, READS_NOTED_MAX as u64, NOW).await.unwrap(), Some(NOW));
}

async fn old_reads_are_forgotten(store: &Store) {
    store.note_reads(&[row(1, 0, &[1]), row(1, 10, &[2])]).await.unwrap();
    assert_eq!(store.prune_reads(NOW).await.unwrap(), 0);
    assert_eq!(store.prune_reads(NOW.plus_ms(1)).await.unwrap(), 1);
    assert_eq!(store.find_read(1, 1, NOW).await.unwrap(), None);
    assert!(store.find_read(1, 2, NOW).await.unwrap().is_some());
}

fn budget(environment: EnvironmentId, version: i64, state: &str) -> RateBudgetRow {
    RateBudgetRow { environment_id: environment, account_id: account_id(1), version, state: state.to_owned() }
}

async fn a_rate_budget_is_replaced_by_its_next_version_only(store: &Store) {
    let (ours, theirs) = two_environments(store).await;
    assert!(!store.put_rate_budget(&budget(ours, 1, "{}")).await.unwrap(), "there is no such account");
    store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    assert_eq!(store.find_rate_budget(ours, account_id(1)).await.unwrap(), None);
    assert!(!store.put_rate_budget(&budget(ours, 2, "{}")).await.unwrap(), "there is no version 1");
    assert!(store.put_rate_budget(&budget(ours, 1, "{\"a\":1}")).await.unwrap());
    assert!(!store.put_rate_budget(&budget(ours, 1, "{}")).await.unwrap());
    assert!(!store.put_rate_budget(&budget(theirs, 1, "{}")).await.unwrap(), "the account is of another environment");
    assert!(store.put_rate_budget(&budget(ours, 2, "{\"a\":2}")).await.unwrap());
    assert!(!store.put_rate_budget(&budget(ours, 2, "{}")).await.unwrap());
    assert_eq!(store.find_rate_budget(ours, account_id(1)).await.unwrap(), Some(budget(ours, 2, "{\"a\":2}")));
    assert_eq!(store.find_rate_budget(theirs, account_id(1)).await.unwrap(), None);
    assert!(store.delete_account(ours, account_id(1), &audit(ours, 2)).await.unwrap());
    assert_eq!(store.find_rate_budget(ours, account_id(1)).await.unwrap(), None, "it goes with its account");
}

async fn of_many_who_replace_a_rate_budget_at_once_one_does(store: &Store) {
    let (ours, _) = two_environments(store).await;
    store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    for version in 1..=3 {
        let tries = (0..10).map(|number| {
            let store = store.clone();
            tokio::spawn(
                async move { store.put_rate_budget(&budget(ours, version, &number.to_string())).await.unwrap() },
            )
        });
        let mut won = 0;
        for one in tries.collect::<Vec<_>>() {
            won += u32::from(one.await.unwrap());
        }
        assert_eq!(won, 1);
    }
}
