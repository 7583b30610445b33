//! The chain of the audit log: unbroken whatever is written and by whom, and telling on whoever changes the tables.

use quartermaster_store::Store;
use quartermaster_store::model::audit_chain::{
    Checkpoint, CheckpointKind, FindingKind, GENESIS, Header, Hex, Line, Report, Trusted, Verifier,
};
use quartermaster_store::model::chain::{AuditChain, AuditKeyRow, AuditPrune, ChainTip, FIRST_AUDIT_ID, extend};
use quartermaster_store::model::{AuditRow, StoreError};
use quartermaster_types::EnvironmentId;
use quartermaster_vault::{RootKey, SigningKey};

use crate::support::{
    NOW, SqliteFixture, account, audit, environment, execute_postgres, execute_sqlite, id, two_environments,
};

/// Either back end, with a way to do what the product never does.
pub(crate) enum Tables {
    Sqlite(SqliteFixture),
    Postgres(crate::support::PostgresFixture),
}

impl Tables {
    fn store(&self) -> &Store {
        match self {
            Self::Sqlite(fixture) => &fixture.store,
            Self::Postgres(fixture) => &fixture.store,
        }
    }

    /// Another program on the same database; on SQLite, which has one writer, the same.
    async fn second(&self) -> Store {
        match self {
            Self::Sqlite(fixture) => fixture.store.clone(),
            Self::Postgres(fixture) => Store::connect_postgres(&fixture.url).await.unwrap(),
        }
    }

    /// Runs a statement; `{7}` stands for an id.
    async fn execute(&self, statement: &str) {
        let mut text = statement.to_owned();
        for number in 0..200 {
            let id: EnvironmentId = id(number);
            let literal = match self {
                Self::Sqlite(_) => format!("x'{}'", id.0.simple()),
                Self::Postgres(_) => format!("'{id}'::uuid"),
            };
            text = text.replace(&format!("{{{number}}}"), &literal);
        }
        let zeros = "00".repeat(32);
        match self {
            Self::Sqlite(fixture) => {
                execute_sqlite(&fixture.path, &text.replace("ZEROS", &format!("x'{zeros}'"))).await;
            }
            Self::Postgres(fixture) => {
                execute_postgres(&fixture.url, &text.replace("ZEROS", &format!("decode('{zeros}', 'hex')"))).await;
            }
        }
    }

    async fn finish(self) {
        match self {
            Self::Sqlite(fixture) => fixture.store.close().await,
            Self::Postgres(fixture) => fixture.finish().await,
        }
    }
}

macro_rules! on_both_back_ends {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    let tables = super::Tables::Sqlite(crate::support::sqlite().await);
                    super::$name(&tables).await;
                    tables.finish().await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(fixture) = crate::support::postgres(stringify!($name)).await {
                        let tables = super::Tables::Postgres(fixture);
                        super::$name(&tables).await;
                        tables.finish().await;
                    }
                }
            )+
        }
    };
}

on_both_back_ends![
    batches_and_changes_make_one_chain_an_environment,
    the_hashes_are_those_of_the_rows,
    a_batch_that_is_tried_again_leaves_no_gap,
    many_writers_do_not_fork_the_chain,
    whatever_is_done_to_the_table_is_named,
    what_a_checkpoint_covers_cannot_be_taken_away,
    what_is_dropped_leaves_a_chain_that_verifies,
    a_key_is_kept_once,
    a_log_from_before_the_chain_is_counted,
];

fn signing_key() -> SigningKey {
    let (data_key, _) = RootKey::from_bytes(&[7; 32]).unwrap().new_data_key(id(1)).unwrap();
    data_key.new_signing_key(id(1)).unwrap().0
}

fn sign(
    key: &SigningKey,
    environment: EnvironmentId,
    kind: CheckpointKind,
    first: i64,
    chain: &AuditChain,
) -> Checkpoint {
    let mut checkpoint = Checkpoint {
        kind,
        first,
        sequence: chain.sequence,
        count: chain.sequence - first + 1,
        unchained: chain.unchained,
        at: NOW,
        hash: chain.hash,
        signature: Hex([0; 64]),
    };
    checkpoint.signature = Hex(key.sign(&checkpoint.statement(environment)));
    checkpoint
}

/// Reads a chain in small pages and verifies it.
pub(crate) async fn verify(store: &Store, environment: EnvironmentId, key: &[u8; 32]) -> Report {
    let mut verifier = Verifier::new(Trusted::default());
    let chain = store.audit_chain(environment).await.unwrap();
    verifier.line(&Line::Chain(Header::new(environment, Hex(*key), chain.sequence, chain.unchained)));
    for prune in store.list_audit_prunes(environment, 0, 100).await.unwrap() {
        verifier.line(&Line::Checkpoint(prune));
    }
    let mut after = None;
    loop {
        let part = store.read_audit_chain(environment, after, 7).await.unwrap();
        let is_last = part.records.len() < 7;
        for record in part.records {
            let sequence = record.sequence.unwrap();
            after = Some(sequence);
            verifier.line(&Line::Record(record));
            for checkpoint in part.checkpoints.iter().filter(|checkpoint| checkpoint.sequence == sequence) {
                verifier.line(&Line::Checkpoint(checkpoint.clone()));
            }
        }
        if is_last {
            for checkpoint in part.checkpoints.into_iter().filter(|checkpoint| Some(checkpoint.sequence) > after) {
                verifier.line(&Line::Checkpoint(checkpoint));
            }
            let head =
                quartermaster_store::model::audit_chain::Head { sequence: part.chain.sequence, hash: part.chain.hash };
            verifier.line(&Line::Head(head));
            break;
        }
    }
    for record in store.list_unchained_audit(environment, FIRST_AUDIT_ID, 1_000).await.unwrap() {
        verifier.line(&Line::Record(record));
    }
    verifier.line(&Line::End {});
    verifier.finish()
}

fn rows(environment: EnvironmentId, numbers: std::ops::RangeInclusive<u64>) -> Vec<AuditRow> {
    numbers.map(|number| audit(environment, number)).collect()
}

async fn batches_and_changes_make_one_chain_an_environment(tables: &Tables) {
    let store = tables.store();
    let (ours, theirs) = two_environments(store).await;
    let mixed: Vec<_> = rows(ours, 1..=9).into_iter().chain(rows(theirs, 20..=24)).collect();
    store.append_audit(&mixed).await.unwrap();
    store.insert_account(&account(ours, 1), &audit(ours, 10)).await.unwrap();
    let mut with_nul = audit(ours, 11);
    with_nul.target = Some("a\0b".to_owned());
    store.append_audit(&[with_nul]).await.unwrap();
    // What is not done leaves no gap.
    assert!(store.insert_account(&account(ours, 1), &audit(ours, 12)).await.is_err());
    assert!(store.insert_account(&account(ours, 2), &audit(ours, 10)).await.is_err());
    store.insert_account(&account(ours, 3), &audit(ours, 13)).await.unwrap();
    let report = verify(store, ours, &[0; 32]).await;
    assert!(report.intact, "{:?}", report.findings);
    assert_eq!((report.first, report.last), (Some(1), Some(12)));
    let report = verify(store, theirs, &[0; 32]).await;
    assert!(report.intact && report.records == 5);
    assert_eq!(store.audit_chain(id(99)).await.unwrap(), AuditChain::EMPTY);
}

async fn the_hashes_are_those_of_the_rows(tables: &Tables) {
    let store = tables.store();
    let (ours, _) = two_environments(store).await;
    let rows = rows(ours, 1..=3);
    store.append_audit(&rows).await.unwrap();
    let mut tips = [ChainTip { environment_id: ours, sequence: 0, hash: GENESIS }];
    let places = extend(&mut tips, &rows.iter().collect::<Vec<_>>()).unwrap();
    let part = store.read_audit_chain(ours, None, 10).await.unwrap();
    let stored: Vec<_> = part.records.iter().map(|record| (record.sequence.unwrap(), record.hash.unwrap())).collect();
    assert_eq!(stored, places);
    // The same on both back ends, and in every version to come.
    assert_eq!(part.chain.hash.to_string(), "c43836478f1f18df2cddd6e9584c5d913819dcc3a81dbb50fb605fde2258655c");
    assert_eq!(part.records[0].arguments.as_deref(), rows[0].arguments.as_deref());
}

async fn a_batch_that_is_tried_again_leaves_no_gap(tables: &Tables) {
    let store = tables.store();
    let (ours, _) = two_environments(store).await;
    store.append_audit(&rows(ours, 1..=5)).await.unwrap();
    let again: Vec<_> = rows(ours, 1..=9).into_iter().chain(rows(ours, 8..=9)).collect();
    store.append_audit(&again).await.unwrap();
    store.append_audit(&again).await.unwrap();
    let report = verify(store, ours, &[0; 32]).await;
    assert!(report.intact && report.last == Some(9), "{report:?}");
}

async fn many_writers_do_not_fork_the_chain(tables: &Tables) {
    let store = tables.store();
    let (ours, theirs) = two_environments(store).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6_u64 {
        let store = tables.second().await;
        writers.spawn(async move {
            for step in 0..15 {
                let first = 1_000 * (writer + 1) + 10 * step;
                // Both environments in one batch, in either order.
                let (one, other) = if writer % 2 == 0 { (ours, theirs) } else { (theirs, ours) };
                let batch: Vec<_> =
                    rows(one, first..=first + 3).into_iter().chain(rows(other, first + 4..=first + 6)).collect();
                store.append_audit(&batch).await.unwrap();
                let number = first + 7;
                store.insert_account(&account(one, number), &audit(one, number)).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let mut records = 0;
    for environment in [ours, theirs] {
        let report = verify(store, environment, &[0; 32]).await;
        assert!(report.intact, "{:?}", report.findings);
        records += report.records;
    }
    assert_eq!(records, 6 * 15 * 8);
}

/// What is done to the chain of one environment, and the record that has to be named.
const DEEDS: [(&str, FindingKind, i64); 29] = [
    ("UPDATE audit SET id = {150} WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET at = at + 1 WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET at = 9223372036854775807 WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET request_id = {150} WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET token_id = {150} WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET session = NULL WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET door = 'api' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET action = 'users.get' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET account_id = NULL WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET target = 'usex' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET arguments = '{ }' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET before = '' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET after = NULL WHERE sequence = 1", FindingKind::Changed, 1),
    ("UPDATE audit SET decision = '{}' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET outcome = 'undone' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET code = '' WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET upstream_calls = -2 WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET duration_ms = 13 WHERE sequence = 10", FindingKind::Changed, 10),
    ("UPDATE audit SET hash = ZEROS WHERE sequence = 5", FindingKind::Changed, 5),
    ("UPDATE audit SET hash = NULL WHERE sequence = 5", FindingKind::Changed, 5),
    ("DELETE FROM audit WHERE sequence = 1", FindingKind::Removed, 1),
    ("DELETE FROM audit WHERE sequence = 5", FindingKind::Removed, 5),
    ("DELETE FROM audit WHERE sequence = 10", FindingKind::Removed, 10),
    ("UPDATE audit SET sequence = -5 WHERE sequence = 5", FindingKind::Removed, 5),
    ("UPDATE audit SET sequence = 11 WHERE sequence = 5", FindingKind::Removed, 5),
    (
        "UPDATE audit SET sequence = CASE sequence WHEN 5 THEN 1006 ELSE 1005 END WHERE sequence IN (5, 6)",
        FindingKind::Changed,
        5,
    ),
    (
        "INSERT INTO audit SELECT environment_id, {151}, at, request_id, token_id, session, door, action, account_id, target, arguments, before, after, outcome, code, upstream_calls, duration_ms, decision, 11, hash FROM audit WHERE sequence = 10",
        FindingKind::Changed,
        11,
    ),
    (
        "INSERT INTO audit SELECT environment_id, {152}, at, request_id, token_id, session, door, action, account_id, target, arguments, before, after, outcome, code, upstream_calls, duration_ms, decision, NULL, NULL FROM audit WHERE sequence = 5",
        FindingKind::Added,
        0,
    ),
    ("UPDATE audit_chains SET sequence = 11 WHERE sequence = 10", FindingKind::Removed, 11),
];

async fn whatever_is_done_to_the_table_is_named(tables: &Tables) {
    let store = tables.store();
    for number in 1..=DEEDS.len() as u64 {
        store.insert_environment(&environment(number)).await.unwrap();
        store.append_audit(&rows(id(number), 1..=10)).await.unwrap();
    }
    for (number, (deed, kind, sequence)) in DEEDS.iter().enumerate() {
        let number = number as u64 + 1;
        let environment: EnvironmentId = id(number);
        assert!(verify(store, environment, &[0; 32]).await.intact);
        tables.execute(&format!("{deed} AND environment_id = {{{number}}}")).await;
        if deed.contains("1006") {
            let back = "UPDATE audit SET sequence = sequence - 1000 WHERE sequence > 1000";
            tables.execute(&format!("{back} AND environment_id = {{{number}}}")).await;
        }
        let report = verify(store, environment, &[0; 32]).await;
        let named = report.findings.iter().find(|finding| finding.kind == *kind);
        let named = named.unwrap_or_else(|| panic!("{deed}: {:?}", report.findings));
        if *sequence == 0 {
            assert_eq!(named.id, Some(id(152)), "{deed}");
        } else {
            assert_eq!(named.sequence, Some(*sequence), "{deed}: {:?}", report.findings);
        }
    }
}

async fn what_a_checkpoint_covers_cannot_be_taken_away(tables: &Tables) {
    let store = tables.store();
    let (ours, theirs) = two_environments(store).await;
    let key = signing_key();
    store.append_audit(&rows(ours, 1..=10)).await.unwrap();
    assert_eq!(store.audit_chains_ahead().await.unwrap(), [ours]);
    let chain = store.audit_chain(ours).await.unwrap();
    let checkpoint = sign(&key, ours, CheckpointKind::Head, 1, &chain);
    store.insert_audit_checkpoint(ours, &checkpoint).await.unwrap();
    store.insert_audit_checkpoint(ours, &checkpoint).await.unwrap();
    assert_eq!(store.audit_chains_ahead().await.unwrap(), []);
    let report = verify(store, ours, &key.public_key()).await;
    assert!(report.intact && report.proven_through == Some(10) && report.unproven == 0, "{report:?}");
    let part = store.read_audit_chain(ours, Some(8), 1).await.unwrap();
    assert_eq!((part.records.len(), part.checkpoints.len()), (1, 0), "it stands with its record");
    assert_eq!(store.read_audit_chain(theirs, None, 5).await.unwrap().checkpoints, []);
    // Even who moves the head along with it.
    tables.execute("DELETE FROM audit WHERE sequence = 10").await;
    tables
        .execute("UPDATE audit_chains SET sequence = 9, hash = (SELECT hash FROM audit WHERE sequence = 9) WHERE sequence = 10")
        .await;
    let report = verify(store, ours, &key.public_key()).await;
    assert_eq!((report.findings[0].kind, report.findings[0].sequence), (FindingKind::Removed, Some(10)));
    tables.execute("UPDATE audit_checkpoints SET sequence = 9, count = 9").await;
    let report = verify(store, ours, &key.public_key()).await;
    assert_eq!(report.findings[0].kind, FindingKind::Checkpoint);
}

async fn what_is_dropped_leaves_a_chain_that_verifies(tables: &Tables) {
    let store = tables.store();
    let (ours, theirs) = two_environments(store).await;
    let key = signing_key();
    store.append_audit(&rows(ours, 1..=10)).await.unwrap();
    store.append_audit(&rows(theirs, 20..=22)).await.unwrap();
    let prune = |first: i64, through: AuditChain, number: u64| AuditPrune {
        environment_id: ours,
        statement: sign(&key, ours, CheckpointKind::Prune, first, &through),
        audit: audit(ours, number),
    };
    let records = store.read_audit_chain(ours, None, 10).await.unwrap().records;
    let at = |sequence: i64| AuditChain {
        sequence,
        hash: records[usize::try_from(sequence).unwrap() - 1].hash.unwrap(),
        ..AuditChain::EMPTY
    };
    let checkpoint = sign(&key, ours, CheckpointKind::Head, 1, &at(3));
    store.insert_audit_checkpoint(ours, &checkpoint).await.unwrap();
    assert!(matches!(store.prune_audit(&prune(2, at(4), 11)).await, Err(StoreError::Stale)));
    store.prune_audit(&prune(1, at(4), 11)).await.unwrap();
    assert!(matches!(store.prune_audit(&prune(1, at(6), 12)).await, Err(StoreError::Stale)));
    store.prune_audit(&prune(5, at(6), 12)).await.unwrap();
    let report = verify(store, ours, &key.public_key()).await;
    assert!(report.intact, "{:?}", report.findings);
    let dropped: Vec<_> = report.dropped.iter().map(|range| (range.first, range.through)).collect();
    assert_eq!(dropped, [(1, 4), (5, 6)]);
    assert_eq!((report.first, report.last, report.checkpoints), (Some(7), Some(12), 0));
    assert_eq!(verify(store, theirs, &[0; 32]).await.records, 3, "the neighbours keep theirs");
    tables.execute("DELETE FROM audit WHERE sequence = 7").await;
    assert_eq!(verify(store, ours, &key.public_key()).await.findings[0].sequence, Some(7));
}

async fn a_key_is_kept_once(tables: &Tables) {
    let store = tables.store();
    let (ours, theirs) = two_environments(store).await;
    let row = AuditKeyRow { environment_id: ours, public_key: [1; 32], sealed_key: vec![1, 2] };
    assert_eq!(store.find_audit_key(ours).await.unwrap(), None);
    store.insert_audit_key(&row).await.unwrap();
    store.insert_audit_key(&AuditKeyRow { public_key: [2; 32], ..row.clone() }).await.unwrap();
    assert_eq!(store.find_audit_key(ours).await.unwrap(), Some(row));
    assert_eq!(store.find_audit_key(theirs).await.unwrap(), None);
}

async fn a_log_from_before_the_chain_is_counted(tables: &Tables) {
    let store = tables.store();
    let (ours, _) = two_environments(store).await;
    store.append_audit(&rows(ours, 1..=3)).await.unwrap();
    // The tables as they were, and what the migration does to them.
    for statement in [
        "UPDATE audit SET sequence = NULL, hash = NULL",
        "DELETE FROM audit_chains",
        "INSERT INTO audit_chains (environment_id, sequence, hash, unchained, pruned, checkpointed)
         SELECT id, 0, ZEROS, (SELECT count(*) FROM audit WHERE audit.environment_id = environments.id), 0, 0
         FROM environments",
    ] {
        tables.execute(statement).await;
    }
    store.append_audit(&rows(ours, 10..=12)).await.unwrap();
    let report = verify(store, ours, &[0; 32]).await;
    assert!(report.intact, "{:?}", report.findings);
    assert_eq!((report.unchained, report.first, report.last), (3, Some(1), Some(3)));
    let page = store.list_unchained_audit(ours, id(1), 1).await.unwrap();
    assert_eq!(page.iter().map(|record| record.id).collect::<Vec<_>>(), [id(2)]);
    tables.execute("DELETE FROM audit WHERE id = {2}").await;
    assert_eq!(verify(store, ours, &[0; 32]).await.findings[0].kind, FindingKind::Removed);
}
