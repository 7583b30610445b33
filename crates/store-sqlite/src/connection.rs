//! The connections: their settings, and the one that writes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quartermaster_store_model::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteTransaction};
use tokio::sync::{MappedMutexGuard, MutexGuard};

use crate::SqliteStore;
use crate::error::ResultExt;

/// The most connections that read at once. Warm calls do not read; two cores feed no more.
pub const READERS_MAX: u32 = 4;

/// Bytes in a page of a new file. Audit records are a few hundred bytes: larger pages hold more of them than the usual
/// 4,096 and spill long ones less often, which measured as less time and less space.
pub const PAGE_BYTES: u32 = 8192;

/// How long a statement waits for another process that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages in the write-ahead log before a commit copies them into the file (16 MiB): rarer than the usual thousand, as
/// pages that are appended to again and again are copied once a round only.
const CHECKPOINT_PAGES: u32 = 2048;

/// What the write-ahead log is cut back to after a round, if it had to grow beyond.
const JOURNAL_SIZE_LIMIT_BYTES: u32 = 64 * 1024 * 1024;

/// What a commit outlives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// The end of the process, not of the machine: no wait for the disk.
    Process,
    /// Loss of power: the commit waits until the disk has it.
    Power,
}

/// Settings of every connection.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).foreign_keys(true).disable_statement_logging()
}

/// Settings of a connection that only reads.
pub(crate) fn reader_options(path: &Path) -> SqliteConnectOptions {
    options(path).read_only(true)
}

/// Settings of the connection that writes.
pub(crate) fn writer_options(path: &Path) -> SqliteConnectOptions {
    options(path)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT_BYTES.to_string())
}

/// The one connection that writes.
pub(crate) struct Writer {
    connection: SqliteConnection,
    path: PathBuf,
    /// What commits outlive at present; `None` when a change of it was cut short.
    durability: Option<Durability>,
    pages_max: Option<u64>,
}

impl Writer {
    pub(crate) async fn connect(path: &Path) -> Result<Self, sqlx::Error> {
        let connection = writer_options(path).connect().await?;
        Ok(Self { connection, path: path.to_owned(), durability: None, pages_max: None })
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    pub(crate) async fn close(self) {
        // The file is consistent whether or not this succeeds: what is in the log is folded in at the next opening.
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    pub(crate) async fn limit_pages(&mut self, pages: u64) -> Result<(), sqlx::Error> {
        self.pages_max = Some(pages);
        limit_pages(&mut self.connection, pages).await
    }

    /// SQLite ends a transaction by itself when the disk is full, which the driver does not notice: it then takes the
    /// connection to be in a transaction for ever and begins no other one. Such a connection is replaced.
    async fn recover(&mut self) -> Result<(), sqlx::Error> {
        if !self.connection.is_in_transaction() {
            return Ok(());
        }
        // A rollback may just be under way: this answer comes after it.
        self.connection.ping().await?;
        if !self.connection.is_in_transaction() {
            return Ok(());
        }
        let mut fresh = writer_options(&self.path).connect().await?;
        if let Some(pages) = self.pages_max {
            limit_pages(&mut fresh, pages).await?;
        }
        self.durability = None;
        std::mem::replace(&mut self.connection, fresh).close().await
    }

    async fn set_durability(&mut self, durability: Durability) -> Result<(), sqlx::Error> {
        if self.durability == Some(durability) {
            return Ok(());
        }
        let statement = match durability {
            Durability::Process => "PRAGMA synchronous = NORMAL",
            Durability::Power => "PRAGMA synchronous = FULL",
        };
        self.durability = None;
        sqlx::query(statement).execute(&mut self.connection).await?;
        self.durability = Some(durability);
        Ok(())
    }
}

async fn limit_pages(connection: &mut SqliteConnection, pages: u64) -> Result<(), sqlx::Error> {
    let statement = format!("PRAGMA max_page_count = {pages}");
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.map(|_| ())
}

impl SqliteStore {
    /// Waits for the writer.
    pub(crate) async fn lock_writer(
        &self,
        operation: &'static str,
    ) -> Result<MappedMutexGuard<'_, Writer>, StoreError> {
        MutexGuard::try_map(self.inner.writer.lock().await, Option::as_mut)
            .map_err(|_| StoreError::database(operation, "the store is closed"))
    }

    /// Waits for the writer, whose commits then are as durable as asked.
    pub(crate) async fn writer(
        &self,
        operation: &'static str,
        durability: Durability,
    ) -> Result<MappedMutexGuard<'_, SqliteConnection>, StoreError> {
        let mut writer = self.lock_writer(operation).await?;
        writer.recover().await.during(operation)?;
        writer.set_durability(durability).await.during(operation)?;
        Ok(MappedMutexGuard::map(writer, |writer| &mut writer.connection))
    }
}

/// Begins a transaction that writes. It takes the file's lock at once: one that reads first and writes later could
/// fail half-way when another process wrote in between.
pub(crate) async fn begin<'a>(
    connection: &'a mut SqliteConnection,
    operation: &'static str,
) -> Result<SqliteTransaction<'a>, StoreError> {
    connection.begin_with("BEGIN IMMEDIATE").await.during(operation)
}
