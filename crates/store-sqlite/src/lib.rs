//! SQLite back end: one file, one connection that writes, a few that read.
//!
//! SQLite takes one writer at a time, so writes queue in the process for the one connection (fairly, and without the
//! polling of a busy database) while readers go on beside them: the journal is a write-ahead log.

mod accounts;
mod approvals;
mod audit;
mod audit_chain;
mod columns;
mod connection;
mod environments;
mod error;
mod guards;
mod idempotency;
mod models;
mod plans;
mod policies;
mod rate_budgets;
mod reads;
mod runs;
mod schema;
mod tokens;
mod triggers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quartermaster_store_model::StoreError;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::Mutex;

use crate::connection::Writer;
use crate::error::ResultExt;

pub use connection::{PAGE_BYTES, READERS_MAX};
pub use schema::SCHEMA_VERSION;

/// The SQLite store. Clones share the connections.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    readers: SqlitePool,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
}

impl SqliteStore {
    /// Creates the file, readable by its owner only, with the present schema. [`StoreError::Conflict`] when it exists
    /// already; nothing is changed then.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        schema::create_file(path).await?;
        Self::open(path).await
    }

    /// Opens an existing file and brings its schema up to date. [`StoreError::Missing`] when there is no database,
    /// [`StoreError::Newer`] when a later program wrote it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let mut writer = schema::open_file(path).await?;
        schema::migrate(writer.connection(), path).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(connection::reader_options(path));
        Ok(Self { inner: Arc::new(Inner { readers, writer: Mutex::new(Some(writer)) }) })
    }

    /// Closes all connections; waits for running statements. The last one to close folds the write-ahead log into
    /// the file.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        if let Some(writer) = self.inner.writer.lock().await.take() {
            writer.close().await;
        }
    }

    /// Reads a row, to show that the file answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM environments) AS "any!: bool""#)
            .fetch_one(&self.inner.readers)
            .await
            .during("asking the database for a row")
            .map(|_: bool| ())
    }

    /// Refuses to let the file grow over so many bytes, rounded up to whole pages: a quota, and the way in which tests
    /// meet a full disk. Holds until the store is closed; never below what is in use.
    pub async fn limit_size(&self, bytes: u64) -> Result<(), StoreError> {
        let mut writer = self.lock_writer("limiting the file's size").await?;
        writer.limit_pages(bytes.div_ceil(u64::from(PAGE_BYTES))).await.during("limiting the file's size")
    }
}

/// The path with `suffix` after its last component.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
