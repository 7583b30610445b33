//! Rows to store, and databases to store them in.

use std::sync::atomic::{AtomicU64, Ordering};

use quartermaster_store::Store;
use quartermaster_store::model::{
    AccountRow, AuditRow, EnvironmentOverrideRow, EnvironmentRow, IdempotencyRow, Narrowing, Outcome, PolicyRow, Role,
    TokenRow,
};
use quartermaster_types::{AccountId, AuditId, EnvironmentId, RequestId, Timestamp, TokenId};
use uuid::Uuid;

/// When every test takes place.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

/// An id that sorts by `number`, of the form that the product makes: version 7, dated `number` ms after [`NOW`].
pub(crate) fn id<Id: From<Uuid>>(number: u64) -> Id {
    let at = u64::try_from(NOW.unix_ms()).unwrap() + number;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    Id::from(uuid::Builder::from_unix_timestamp_millis(at, &random).into_uuid())
}

pub(crate) fn environment(number: u64) -> EnvironmentRow {
    EnvironmentRow {
        id: id(number),
        name: format!("environment {number}"),
        wrapped_key: vec![0, 255, u8::try_from(number % 256).unwrap()],
        created_at: NOW,
    }
}

pub(crate) fn token(environment: EnvironmentId, number: u64) -> TokenRow {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    TokenRow {
        id: id(number),
        environment_id: environment,
        name: format!("token {number}"),
        hash,
        prefix: "qm_0123".to_owned(),
        role: Role::Agent,
        operator: false,
        narrowing: Narrowing {
            accounts: Some(vec![id(1), id(2)]),
            tools: None,
            methods: Some(Vec::new()),
            custom: true,
        },
        email: Some("é@b.c".to_owned()),
        expires_at: Some(NOW.plus_ms(1)),
        revoked_at: None,
        created_at: NOW,
    }
}

pub(crate) fn account(environment: EnvironmentId, number: u64) -> AccountRow {
    AccountRow {
        id: id(number),
        environment_id: environment,
        integration: "1password".to_owned(),
        tenant_id: format!("tenant {number}"),
        // Kept as it is: spaces, order, escapes and all.
        connection: r#"{ "region":"com",  "account_id" : "\u00e9é" }"#.to_owned(),
        override_patch: None,
        sandbox: false,
        blocked: true,
        sealed_credentials: (0..=255).collect(),
        credential_version: 1,
        version: 1,
        created_at: NOW,
        updated_at: NOW.plus_ms(5),
    }
}

pub(crate) fn environment_override(environment: EnvironmentId) -> EnvironmentOverrideRow {
    EnvironmentOverrideRow {
        environment_id: environment,
        integration: "1password".to_owned(),
        patch: r#"{"b":1, "a":null}"#.to_owned(),
        version: 1,
        updated_at: NOW,
    }
}

pub(crate) fn policy(environment: EnvironmentId, version: i64) -> PolicyRow {
    PolicyRow {
        environment_id: environment,
        version,
        document: format!("version: 1 # {version} é\n"),
        token_id: token_id(1),
        restored_from: (version > 2).then_some(1),
        created_at: NOW,
    }
}

pub(crate) fn audit(environment: EnvironmentId, number: u64) -> AuditRow {
    AuditRow {
        id: id(number),
        environment_id: environment,
        at: NOW.plus_ms(i64::try_from(number).unwrap()),
        request_id: id(number),
        token_id: id(1),
        session: Some("session".to_owned()),
        door: "tool",
        action: "users.suspend".to_owned(),
        account_id: Some(id(4)),
        target: Some("user".to_owned()),
        arguments: Some(r#"{"id":"user"}"#.to_owned()),
        before: Some(r#"{"state":"ACTIVE"}"#.to_owned()),
        after: Some(r#"{"state":"SUSPENDED"}"#.to_owned()),
        decision: Some(r#"{"decided_by":"a rule"}"#.to_owned()),
        outcome: Outcome::Ok,
        code: None,
        upstream_calls: 2,
        duration_ms: 12,
    }
}

pub(crate) fn idempotency(environment: EnvironmentId, key: &str) -> IdempotencyRow {
    IdempotencyRow {
        environment_id: environment,
        token_id: id(1),
        key: key.to_owned(),
        fingerprint: [9; 32],
        answer: None,
        created_at: NOW,
    }
}

/// Audit ids of a number, for queries.
pub(crate) fn audit_id(number: u64) -> AuditId {
    id(number)
}

/// Account ids of a number.
pub(crate) fn account_id(number: u64) -> AccountId {
    id(number)
}

/// Token ids of a number.
pub(crate) fn token_id(number: u64) -> TokenId {
    id(number)
}

/// Request ids of a number.
pub(crate) fn request_id(number: u64) -> RequestId {
    id(number)
}

/// Two environments, as every test on isolation needs them.
pub(crate) async fn two_environments(store: &Store) -> (EnvironmentId, EnvironmentId) {
    for number in [1, 2] {
        store.insert_environment(&environment(number)).await.unwrap();
    }
    (id(1), id(2))
}

/// An empty SQLite store in a folder of its own.
pub(crate) struct SqliteFixture {
    pub(crate) store: Store,
    pub(crate) path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

pub(crate) async fn sqlite() -> SqliteFixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qm.db");
    SqliteFixture { store: Store::create_sqlite(&path).await.unwrap(), path, _folder: folder }
}

/// An empty PostgreSQL database of its own on the server of `QM_TEST_POSTGRES_URL`.
pub(crate) struct PostgresFixture {
    pub(crate) store: Store,
    pub(crate) url: String,
    server: String,
    database: String,
}

/// `None`, with a line that says so, where there is no server.
#[expect(clippy::print_stderr, reason = "a test that does not run says so")]
pub(crate) async fn postgres(test: &str) -> Option<PostgresFixture> {
    let Some(server) = postgres_server() else {
        eprintln!("skipped {test} on PostgreSQL: QM_TEST_POSTGRES_URL is not set");
        return None;
    };
    let (database, url) = create_postgres_database(&server).await;
    let store = Store::connect_postgres(&url).await.unwrap();
    Some(PostgresFixture { store, url, server, database })
}

/// The URL of the server for tests, when there is one.
#[allow(clippy::disallowed_methods, reason = "tests are told where the server is by the environment")]
pub(crate) fn postgres_server() -> Option<String> {
    std::env::var("QM_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

/// A new database on that server: its name and URL.
pub(crate) async fn create_postgres_database(server: &str) -> (String, String) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let database = format!("qm_test_{}_{count}", std::process::id());
    execute_postgres(server, &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await;
    execute_postgres(server, &format!("CREATE DATABASE {database}")).await;
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(&database);
    (database, url.to_string())
}

/// Runs a statement beside the store.
pub(crate) async fn execute_postgres(url: &str, statement: &str) {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Runs a statement beside the store.
pub(crate) async fn execute_sqlite(path: &std::path::Path, statement: &str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

impl PostgresFixture {
    /// Drops the database.
    pub(crate) async fn finish(self) {
        self.store.close().await;
        execute_postgres(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.database)).await;
    }
}
