//! What concerns the SQLite file only: making, opening, sharing and filling it.

use std::collections::BTreeMap;
use std::path::Path;

use quartermaster_store::Store;
use quartermaster_store::model::{AuditQuery, StoreError};

use crate::support::{account, audit, environment, execute_sqlite, id, sqlite, two_environments};

/// The bytes of every file in a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[tokio::test]
async fn creating_leaves_one_private_file_once_closed() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = sqlite().await;
    fixture.store.insert_environment(&environment(1)).await.unwrap();
    let permissions = std::fs::metadata(&fixture.path).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    fixture.store.close().await;
    let names: Vec<String> = contents(fixture.path.parent().unwrap()).into_keys().collect();
    assert_eq!(names, ["qm.db"]);
}

#[tokio::test]
async fn creating_twice_is_refused_and_changes_nothing() {
    let fixture = sqlite().await;
    fixture.store.insert_environment(&environment(1)).await.unwrap();
    fixture.store.close().await;
    let before = contents(fixture.path.parent().unwrap());
    assert!(matches!(Store::create_sqlite(&fixture.path).await, Err(StoreError::Conflict(_))));
    assert_eq!(contents(fixture.path.parent().unwrap()), before);
}

#[tokio::test]
async fn of_two_that_create_at_once_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qm.db");
    // In one process both use the same draft; across processes they meet at the link. Either way one gets a database.
    let (first, second) = tokio::join!(Store::create_sqlite(&path), Store::create_sqlite(&path));
    assert_eq!(u32::from(first.is_ok()) + u32::from(second.is_ok()), 1);
    for outcome in [first, second] {
        match outcome {
            Ok(store) => store.insert_environment(&environment(1)).await.unwrap(),
            Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn opening_needs_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.db");
    assert!(matches!(Store::open_sqlite(&missing).await, Err(StoreError::Missing(_))));
    assert!(!missing.exists());

    let empty = folder.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(Store::open_sqlite(&empty).await, Err(StoreError::Missing(_))));

    let other = folder.path().join("other.db");
    std::fs::write(&other, "a text that is no database, long enough to be read as one".repeat(100)).unwrap();
    assert!(matches!(Store::open_sqlite(&other).await, Err(StoreError::Database { .. })));

    let foreign = folder.path().join("foreign.db");
    drop(std::fs::File::create(&foreign).unwrap());
    execute_sqlite(&foreign, "CREATE TABLE theirs (a INTEGER)").await;
    assert!(matches!(Store::open_sqlite(&foreign).await, Err(StoreError::Missing(_))));
}

#[tokio::test]
async fn creating_needs_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let result = Store::create_sqlite(&folder.path().join("missing/qm.db")).await;
    assert!(matches!(result, Err(StoreError::Database { .. })));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let fixture = sqlite().await;
    fixture.store.close().await;
    execute_sqlite(&fixture.path, "UPDATE _sqlx_migrations SET version = version + 9000").await;
    let outcome = Store::open_sqlite(&fixture.path).await;
    assert!(matches!(outcome, Err(StoreError::Newer { found: 9001.., known: ..9000 })));
    execute_sqlite(&fixture.path, "UPDATE _sqlx_migrations SET version = version - 9000").await;
    Store::open_sqlite(&fixture.path).await.unwrap();
}

#[tokio::test]
async fn rows_survive_closing_and_opening() {
    let fixture = sqlite().await;
    let (ours, _) = two_environments(&fixture.store).await;
    fixture.store.insert_account(&account(ours, 1), &audit(ours, 1)).await.unwrap();
    fixture.store.append_audit(&[audit(ours, 2)]).await.unwrap();
    fixture.store.close().await;
    let store = Store::open_sqlite(&fixture.path).await.unwrap();
    assert_eq!(store.find_account(ours, id(1)).await.unwrap(), Some(account(ours, 1)));
    let records = store.list_audit(ours, &AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap();
    assert_eq!(records.len(), 2);
}

#[tokio::test]
async fn a_second_opener_shares_the_file_unharmed() {
    let fixture = sqlite().await;
    let (ours, _) = two_environments(&fixture.store).await;
    let second = Store::open_sqlite(&fixture.path).await.unwrap();
    let write = async |store: &Store, start: u64| {
        for number in start..start + 50 {
            store.append_audit(&[audit(ours, number)]).await.unwrap();
            store.insert_account(&account(ours, number), &audit(ours, number + 1_000)).await.unwrap();
        }
    };
    tokio::join!(write(&fixture.store, 1), write(&second, 101));
    for store in [&fixture.store, &second] {
        assert_eq!(store.list_accounts(ours, None, None, None, 1_000).await.unwrap().len(), 100);
        let all = AuditQuery { limit: 1_000, ..AuditQuery::default() };
        assert_eq!(store.list_audit(ours, &all).await.unwrap().len(), 200);
        store.close().await;
    }
    assert_intact(&fixture.path).await;
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let fixture = sqlite().await;
    let (ours, _) = two_environments(&fixture.store).await;
    let Store::Sqlite(file) = &fixture.store else { unreachable!() };
    file.limit_size(40 * 8192).await.unwrap();
    let mut written = 0;
    let refusal = loop {
        let number = written + 1;
        let mut row = account(ours, number);
        row.sealed_credentials = vec![1; 4_000];
        match fixture.store.insert_account(&row, &audit(ours, number)).await {
            Ok(()) => written = number,
            Err(error) => break error,
        }
        assert!(written < 1_000, "the limit does not hold");
    };
    assert!(matches!(refusal, StoreError::NoSpace(_)), "{refusal:?}");
    assert!(written > 0);
    let batch: Vec<_> = (5_000..5_500).map(|number| audit(ours, number)).collect();
    assert!(matches!(fixture.store.append_audit(&batch).await, Err(StoreError::NoSpace(_))));
    let bulk: Vec<_> = (5_000..5_500).map(|number| account(ours, number)).collect();
    assert!(matches!(fixture.store.insert_accounts_bulk(&bulk).await, Err(StoreError::NoSpace(_))));

    // Reads go on; all that was acknowledged is there, with its record, and nothing else.
    fixture.store.ping().await.unwrap();
    let count = async |store: &Store| {
        let accounts = store.list_accounts(ours, None, None, None, 10_000).await.unwrap().len() as u64;
        let all = AuditQuery { limit: 10_000, ..AuditQuery::default() };
        (accounts, store.list_audit(ours, &all).await.unwrap().len() as u64)
    };
    assert_eq!(count(&fixture.store).await, (written, written));
    // With room again, writes go on.
    file.limit_size(1 << 30).await.unwrap();
    fixture.store.insert_account(&account(ours, 9_000), &audit(ours, 9_000)).await.unwrap();
    fixture.store.close().await;
    let store = Store::open_sqlite(&fixture.path).await.unwrap();
    assert_eq!(count(&store).await, (written + 1, written + 1));
    store.close().await;
    assert_intact(&fixture.path).await;
}

/// SQLite's own check of the whole file.
pub(crate) async fn assert_intact(path: &Path) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    let orphan = sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut connection).await.unwrap();
    assert!(orphan.is_none());
    connection.close().await.unwrap();
}
