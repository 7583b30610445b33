//! The journal of a run.

use quartermaster_store_model::column::{CorruptColumn, count_from_integer};
use quartermaster_store_model::{RUN_ENTRIES_MAX, RunEntryRow, RunLease, StoreError};
use quartermaster_types::{EnvironmentId, RunId, Timestamp};

use super::held;
use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct EntryColumns {
    number: i64,
    at: i64,
    entry: String,
    grounds: Option<String>,
}

impl TryFrom<EntryColumns> for RunEntryRow {
    type Error = CorruptColumn;

    fn try_from(columns: EntryColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            number: count_from_integer("run_entries.number", columns.number)?,
            at: Timestamp::from_unix_ms(columns.at),
            entry: columns.entry,
            grounds: columns.grounds,
        })
    }
}

impl PostgresStore {
    /// Appends entries to the journal of a run, all or none; their numbers go on from those that are there.
    /// [`StoreError::Stale`] when the lease is lost or the first is not the next one; [`StoreError::Conflict`] when the
    /// journal cannot take them.
    pub async fn append_run_entries(&self, lease: &RunLease, entries: &[RunEntryRow]) -> Result<(), StoreError> {
        const OPERATION: &str = "journaling a run";
        let Some(last) = entries.last() else { return Ok(()) };
        if last.number > RUN_ENTRIES_MAX {
            return Err(StoreError::Conflict("the last entry that a journal takes"));
        }
        let mut transaction = self.begin(OPERATION).await?;
        let mut next = held(&mut transaction, lease, OPERATION).await?.entries;
        for entry in entries {
            next += 1;
            if entry.number != next {
                return Err(StoreError::Stale);
            }
            sqlx::query!(
                "INSERT INTO run_entries (environment_id, run_id, number, at, entry, grounds)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                Key(lease.environment_id.0) as _,
                Key(lease.id.0) as _,
                i64::from(entry.number),
                entry.at.unix_ms(),
                entry.entry.as_str(),
                entry.grounds.as_deref()
            )
            .execute(&mut *transaction)
            .await
            .conflict(OPERATION, "the entry")?;
        }
        sqlx::query!(
            "UPDATE runs SET entries = $1 WHERE environment_id = $2 AND id = $3",
            i64::from(next),
            Key(lease.environment_id.0) as _,
            Key(lease.id.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        transaction.commit().await.during(OPERATION)
    }

    /// Entries of a run's journal with numbers above `after`, in order, at most `limit`.
    pub async fn list_run_entries(
        &self,
        environment: EnvironmentId,
        id: RunId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<RunEntryRow>, StoreError> {
        const OPERATION: &str = "reading a journal";
        let found = sqlx::query_as!(
            EntryColumns,
            "SELECT number, at, entry, grounds FROM run_entries
             WHERE environment_id = $1 AND run_id = $2 AND number > $3 ORDER BY number LIMIT $4",
            Key(environment.0) as _,
            Key(id.0) as _,
            i64::from(after),
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }
}
