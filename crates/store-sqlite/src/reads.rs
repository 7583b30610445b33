//! What sessions have read.

use quartermaster_store_model::{ReadRow, StoreError};
use quartermaster_types::Timestamp;

use crate::SqliteStore;
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

impl SqliteStore {
    /// Notes what sessions read, in one transaction. A loss of power can lose it: then an id has to be read again.
    pub async fn note_reads(&self, rows: &[ReadRow]) -> Result<(), StoreError> {
        const OPERATION: &str = "noting what sessions read";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        for row in rows {
            let (scope, ids) = (row.scope.to_be_bytes(), row.packed());
            sqlx::query!(
                "INSERT INTO session_reads (scope, at, ids) VALUES (?, ?, ?)",
                scope.as_slice(),
                row.at.unix_ms(),
                ids
            )
            .execute(&mut *transaction)
            .await
            .during(OPERATION)?;
        }
        transaction.commit().await.during(OPERATION)
    }

    /// When this id was last read in this scope, since a time. Only the first place at which a row has the eight bytes is looked at: where
    /// that happens to lie across two other hashes, which is next to never, the id counts as not read.
    pub async fn find_read(&self, scope: u128, id: u64, since: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let (scope, id) = (scope.to_be_bytes(), id.to_be_bytes());
        let at = sqlx::query_scalar!(
            r#"SELECT max(at) AS "at: i64" FROM session_reads WHERE scope = ? AND at >= ? AND instr(ids, ?) % 8 = 1"#,
            scope.as_slice(),
            since.unix_ms(),
            id.as_slice()
        )
        .fetch_one(&self.inner.readers)
        .await
        .during("asking what a session read")?;
        Ok(at.map(Timestamp::from_unix_ms))
    }

    /// Forgets what was read before a time; says how many rows.
    pub async fn prune_reads(&self, before: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "forgetting what sessions read long ago";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        sqlx::query!("DELETE FROM session_reads WHERE at < ?", before.unix_ms())
            .execute(&mut *writer)
            .await
            .during(OPERATION)
            .map(|done| done.rows_affected())
    }
}
