//! Prints what the store costs: `cargo run --profile release-fast -p quartermaster-store --example measure -- FOLDER [URL]`
//! measures SQLite in a file that it makes in FOLDER and, given a URL, an empty PostgreSQL database.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool of the developers: it prints, and stops when lost"
)]

use std::path::Path;
use std::time::Instant;

use quartermaster_store::Store;
use quartermaster_store::model::{
    AccountRow, AuditQuery, AuditRow, EnvironmentRow, IdempotencyRow, Narrowing, Outcome, Role, TokenRow,
};
use quartermaster_types::{Clock, EnvironmentId, IdSource, Timestamp};

const ACCOUNTS: usize = 100_000;
const READS: usize = 2_000;
const BATCHES: usize = 500;
const BATCH_ROWS: usize = 200;
const CLAIMS: usize = 200;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap();
    let path = Path::new(&folder).join("measure.db");
    let store = Store::create_sqlite(&path).await.unwrap();
    println!("SQLite");
    measure(&store).await;
    store.close().await;
    let began = Instant::now();
    let store = Store::open_sqlite(&path).await.unwrap();
    store.ping().await.unwrap();
    println!("  open and first read with all that: {:.1} ms", milliseconds(began));
    store.close().await;
    if let Some(url) = arguments.next() {
        let store = Store::connect_postgres(&url).await.unwrap();
        println!("PostgreSQL");
        measure(&store).await;
        store.close().await;
    }
}

async fn measure(store: &Store) {
    let ids = IdSource::new(Clock::System, 1);
    let environment: EnvironmentId = ids.next();
    let row = EnvironmentRow { id: environment, name: "default".into(), wrapped_key: vec![1; 60], created_at: NOW };
    store.insert_environment(&row).await.unwrap();

    let accounts: Vec<_> = (0..ACCOUNTS).map(|number| account(&ids, environment, number)).collect();
    let began = Instant::now();
    store.insert_accounts_bulk(&accounts).await.unwrap();
    println!("  {ACCOUNTS} accounts in bulk: {:.0} ms", milliseconds(began));

    let tokens: Vec<_> = (0..100).map(|number| token(&ids, environment, number)).collect();
    let began = Instant::now();
    for token in &tokens {
        store.insert_token(token, Some(&audit(&ids, environment))).await.unwrap();
    }
    println!("  a token with its record, durable: {:.0} us", microseconds(began, tokens.len()));

    let began = Instant::now();
    for number in 0..READS {
        let id = accounts[number * 7_919 % ACCOUNTS].id;
        assert!(store.find_account(environment, id).await.unwrap().is_some());
    }
    println!("  an account by id: {:.0} us", microseconds(began, READS));
    let began = Instant::now();
    for number in 0..READS {
        assert!(store.find_token_by_hash(&tokens[number % 100].hash).await.unwrap().is_some());
    }
    println!("  a token by hash: {:.0} us", microseconds(began, READS));
    let began = Instant::now();
    assert_eq!(store.list_accounts(environment, None, None, Some("tenant 99999"), 10).await.unwrap().len(), 1);
    println!("  the last account's tenant: {:.0} us", microseconds(began, 1));

    let began = Instant::now();
    for number in 0..CLAIMS {
        let row = IdempotencyRow {
            environment_id: environment,
            token_id: tokens[0].id,
            key: format!("key {number}"),
            fingerprint: [1; 32],
            answer: None,
            created_at: NOW,
        };
        store.claim_idempotency(&row).await.unwrap();
    }
    println!("  a claim of an idempotency key, durable: {:.0} us", microseconds(began, CLAIMS));
    measure_audit(store, &ids, environment).await;
}

async fn measure_audit(store: &Store, ids: &IdSource, environment: EnvironmentId) {
    let mut costs = Vec::with_capacity(BATCHES);
    let mut last = None;
    for _ in 0..BATCHES {
        let rows: Vec<_> = (0..BATCH_ROWS).map(|_| audit(ids, environment)).collect();
        let began = Instant::now();
        store.append_audit(&rows).await.unwrap();
        costs.push(microseconds(began, BATCH_ROWS));
        last = rows.last().map(|row| row.request_id);
    }
    costs.sort_by(f64::total_cmp);
    let mean = costs.iter().sum::<f64>() / BATCHES as f64;
    println!(
        "  audit, batches of {BATCH_ROWS}: best {:.2}, median {:.2}, mean {mean:.2}, worst {:.2} us a row",
        costs[0],
        costs[BATCHES / 2],
        costs[BATCHES - 1]
    );
    let query = AuditQuery { request_id: last, limit: 100, ..AuditQuery::default() };
    let began = Instant::now();
    assert_eq!(store.list_audit(environment, &query).await.unwrap().len(), 1);
    println!("  the record of a request among {}: {:.1} ms", BATCHES * BATCH_ROWS, milliseconds(began));
    let began = Instant::now();
    let page = store.list_audit(environment, &AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap();
    println!("  the newest {} records: {:.1} ms", page.len(), milliseconds(began));
}

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

fn microseconds(began: Instant, count: usize) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / count as f64
}

fn account(ids: &IdSource, environment: EnvironmentId, number: usize) -> AccountRow {
    AccountRow {
        id: ids.next(),
        environment_id: environment,
        integration: "directory".to_owned(),
        tenant_id: format!("tenant {number}"),
        connection: r#"{"region":"com","account_id":"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}"#.to_owned(),
        override_patch: None,
        sandbox: false,
        blocked: false,
        sealed_credentials: vec![7; 220],
        credential_version: 1,
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn token(ids: &IdSource, environment: EnvironmentId, number: u8) -> TokenRow {
    TokenRow {
        id: ids.next(),
        environment_id: environment,
        name: "agent".to_owned(),
        hash: [number; 32],
        prefix: "qm_abcd".to_owned(),
        role: Role::Agent,
        operator: false,
        narrowing: Narrowing::default(),
        email: None,
        expires_at: None,
        revoked_at: None,
        created_at: NOW,
    }
}

/// A record like that of a list call.
fn audit(ids: &IdSource, environment: EnvironmentId) -> AuditRow {
    AuditRow {
        id: ids.next(),
        environment_id: environment,
        at: NOW,
        request_id: ids.next(),
        token_id: ids.next(),
        session: Some("agent session 42".to_owned()),
        door: "tool",
        action: "users.list".to_owned(),
        account_id: Some(ids.next()),
        target: None,
        arguments: Some(r#"{"state":"ACTIVE","limit":25}"#.to_owned()),
        before: None,
        after: None,
        decision: None,
        outcome: Outcome::Ok,
        code: None,
        upstream_calls: 1,
        duration_ms: 12,
    }
}
