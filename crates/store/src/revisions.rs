//! What processes that share a database hear from one another. A SQLite file has one process, which has nothing to hear.

use quartermaster_store_model::{Revisions, StoreError};

use crate::Store;

/// Hears of changes by other processes.
pub enum RevisionListener {
    /// There are no others.
    Alone,
    /// Over PostgreSQL.
    Postgres(quartermaster_store_postgres::RevisionListener),
}

impl RevisionListener {
    /// Waits until something was changed, or may have been. Fails when nothing can be heard any more: then another listener is
    /// needed. Changes that nobody heard stand in [`Store::revisions_after`] all the same.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Alone => std::future::pending().await,
            Self::Postgres(listener) => listener.heard().await,
        }
    }
}

impl Store {
    /// Whether other processes may work on the same rows, so that what this one holds in memory may be stale.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
    /// Begins to listen for changes.
    pub async fn listen_for_revisions(&self) -> Result<RevisionListener, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(RevisionListener::Alone),
            Self::Postgres(back_end) => back_end.listen_for_revisions().await.map(RevisionListener::Postgres),
        }
    }
    /// Changes of things that processes hold in memory, after this number; `None` asks only for the number of the last one.
    /// None ever where the store is not shared.
    pub async fn revisions_after(&self, after: Option<i64>) -> Result<Revisions, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(Revisions::default()),
            Self::Postgres(back_end) => back_end.revisions_after(after).await,
        }
    }
}
