//! PostgreSQL databases for tests, on the server of `QM_TEST_POSTGRES_URL`.

use std::sync::atomic::{AtomicU64, Ordering};

use quartermaster_store::Store;
use sqlx::Connection;

/// An empty database of its own.
pub(crate) struct Database {
    pub(crate) url: String,
    server: String,
    pub(crate) name: String,
}

impl Database {
    /// `None`, with a line that says so, where there is no server.
    #[expect(clippy::print_stderr, reason = "a test that does not run says so")]
    #[allow(clippy::disallowed_methods, reason = "tests are told where the server is by the environment")]
    pub(crate) async fn new(test: &str) -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let Some(server) = std::env::var("QM_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()) else {
            eprintln!("skipped {test}: QM_TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("qm_gateway_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        execute(&server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Some(Self { url: url.to_string(), server, name })
    }

    pub(crate) async fn connect(&self) -> Store {
        Store::connect_postgres(&self.url).await.unwrap()
    }

    /// Runs a statement beside the store, in this database.
    pub(crate) async fn execute(&self, statement: &str) {
        execute(&self.url, statement).await;
    }

    /// Runs a statement outside this database.
    pub(crate) async fn execute_outside(&self, statement: &str) {
        execute(&self.server, statement).await;
    }

    /// Drops it.
    pub(crate) async fn finish(self) {
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn execute(url: &str, statement: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
