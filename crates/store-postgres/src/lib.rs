//! PostgreSQL back end: a pool of connections to one database, which several replicas may share.

mod accounts;
mod approvals;
mod audit;
mod audit_chain;
mod columns;
mod environments;
mod error;
mod guards;
mod idempotency;
mod key;
mod models;
mod plans;
mod policies;
mod rate_budgets;
mod reads;
mod revisions;
mod runs;
mod schema;
mod tokens;
mod triggers;

use std::str::FromStr;
use std::time::Duration;

use quartermaster_store_model::StoreError;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgTransaction};

use crate::error::ResultExt;

pub use revisions::RevisionListener;
pub use schema::SCHEMA_VERSION;

/// The most connections that one replica holds.
pub const CONNECTIONS_MAX: u32 = 10;

/// How long a caller waits for a connection before it is told that the database cannot be had.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection stays open unused.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

const CONNECTING: &str = "connecting to the database";

/// The PostgreSQL store. Clones share the connections.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Connects to an existing database and brings its schema up to date; several replicas may do so at once.
    /// [`StoreError::Newer`] when a later program wrote it.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url).during(CONNECTING)?.disable_statement_logging();
        schema::migrate(&options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // No statement of the store takes long; one that waits for ever would hold its caller for ever.
                    sqlx::query("SET statement_timeout = '30s'").execute(connection).await.map(|_| ())
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Closes all connections; waits for running statements.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Reads a row, to show that the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM environments) AS "any!""#)
            .fetch_one(&self.pool)
            .await
            .during("asking the database for a row")
            .map(|_: bool| ())
    }

    async fn begin(&self, operation: &'static str) -> Result<PgTransaction<'static>, StoreError> {
        self.pool.begin().await.during(operation)
    }
}
