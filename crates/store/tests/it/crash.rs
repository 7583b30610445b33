//! `kill -9` in the middle of writes: whatever was acknowledged is there afterwards, and each change has its record.
//!
//! The writer is this test binary, run again for one ignored test; it names each acknowledged write on its output.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use quartermaster_store::Store;
use quartermaster_store::model::AuditQuery;

use crate::sqlite_file::assert_intact;
use crate::support::{account, audit, environment, id};

/// Names the file for the process that is killed.
const FILE: &str = "QM_TEST_CRASH_FILE";

/// Acknowledged writes before the kill, in each round.
const ROUNDS: [usize; 3] = [7, 40, 90];

/// Records in one of the writer's batches.
const BATCH: u64 = 20;

/// Numbers from here on belong to accounts and their records, those below to batches.
const ACCOUNTS: u64 = 1_000_000_000;

#[tokio::test]
#[ignore = "the process that is killed; started by the test below"]
async fn write_until_killed() {
    #[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = Store::open_sqlite(Path::new(&path)).await.unwrap();
    let environment = id(1);
    let all = AuditQuery { limit: u32::MAX, ..AuditQuery::default() };
    let mut step = store.list_audit(environment, &all).await.unwrap().len() as u64;
    loop {
        step += 1;
        let first = step * BATCH;
        let batch: Vec<_> = (first..first + BATCH).map(|number| audit(environment, number)).collect();
        store.append_audit(&batch).await.unwrap();
        acknowledge("batch", first);
        let number = ACCOUNTS + step;
        store.insert_account(&account(environment, number), &audit(environment, number)).await.unwrap();
        acknowledge("account", number);
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn acknowledge(kind: &str, number: u64) {
    use std::io::Write;
    println!("\ndone {kind} {number}");
    std::io::stdout().flush().unwrap();
}

/// Starts the writer, kills it after so many acknowledgements, and gives all that it acknowledged.
fn kill_after(path: &Path, acknowledgements: usize) -> Vec<(String, u64)> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["crash::write_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        if let ["done", kind, number] = words[..] {
            acknowledged.push((kind.to_owned(), number.parse().unwrap()));
        }
        if acknowledged.len() == acknowledgements {
            // SIGKILL; what it still wrote into the pipe until then counts as acknowledged too.
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    acknowledged
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qm.db");
    let store = Store::create_sqlite(&path).await.unwrap();
    store.insert_environment(&environment(1)).await.unwrap();
    store.close().await;
    let mut acknowledged = Vec::new();
    for round in ROUNDS {
        let path = path.clone();
        let more = tokio::task::spawn_blocking(move || kill_after(&path, round)).await.unwrap();
        assert!(more.len() >= round, "the writer ended by itself after {} writes", more.len());
        acknowledged.extend(more);
        check(&folder.path().join("qm.db"), &acknowledged).await;
    }
}

async fn check(path: &Path, acknowledged: &[(String, u64)]) {
    let store = Store::open_sqlite(path).await.unwrap();
    let environment = id(1);
    let all = AuditQuery { limit: u32::MAX, ..AuditQuery::default() };
    let records: std::collections::HashSet<_> =
        store.list_audit(environment, &all).await.unwrap().into_iter().map(|record| record.id).collect();
    for (kind, number) in acknowledged {
        if kind == "account" {
            assert_eq!(
                store.find_account(environment, id(*number)).await.unwrap(),
                Some(account(environment, *number))
            );
            assert!(records.contains(&id(*number)));
        } else {
            assert!((*number..*number + BATCH).all(|number| records.contains(&id(number))));
        }
    }
    // A change and its record stand together, acknowledged or not, and a batch is there as a whole.
    let accounts = store.list_accounts(environment, None, None, None, u32::MAX).await.unwrap();
    assert!(accounts.iter().all(|account| records.contains(&quartermaster_types::AuditId(account.id.0))));
    assert_eq!((records.len() - accounts.len()) as u64 % BATCH, 0);
    let report = crate::chain::verify(&store, environment, &[0; 32]).await;
    assert!(report.intact && report.records == records.len() as u64, "{:?}", report.findings);
    store.close().await;
    assert_intact(path).await;
}
