//! What sessions have read.

use quartermaster_store_model::{READS_NOTED_MAX, ReadRow, StoreError};
use quartermaster_types::Timestamp;
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::column;
use crate::error::ResultExt;
use crate::key::Key;

impl PostgresStore {
    /// Notes what sessions read, in one statement.
    pub async fn note_reads(&self, rows: &[ReadRow]) -> Result<(), StoreError> {
        const OPERATION: &str = "noting what sessions read";
        for rows in rows.chunks(READS_NOTED_MAX) {
            let packed = column(rows, ReadRow::packed);
            sqlx::query!(
                "INSERT INTO session_reads (scope, at, ids)
                 SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bytea[])",
                column(rows, |row| Key(Uuid::from_u128(row.scope))) as _,
                &column(rows, |row| row.at.unix_ms()),
                column(&packed, Vec::as_slice) as Vec<&[u8]>
            )
            .execute(&self.pool)
            .await
            .during(OPERATION)?;
        }
        Ok(())
    }

    /// When this id was last read in this scope, since a time. Only the first place at which a row has the eight bytes is looked at: where
    /// that happens to lie across two other hashes, which is next to never, the id counts as not read.
    pub async fn find_read(&self, scope: u128, id: u64, since: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let id = id.to_be_bytes();
        let at = sqlx::query_scalar!(
            "SELECT max(at) FROM session_reads WHERE scope = $1 AND at >= $2 AND position($3::bytea in ids) % 8 = 1",
            Key(Uuid::from_u128(scope)) as _,
            since.unix_ms(),
            id.as_slice()
        )
        .fetch_one(&self.pool)
        .await
        .during("asking what a session read")?;
        Ok(at.map(Timestamp::from_unix_ms))
    }

    /// Forgets what was read before a time; says how many rows.
    pub async fn prune_reads(&self, before: Timestamp) -> Result<u64, StoreError> {
        sqlx::query!("DELETE FROM session_reads WHERE at < $1", before.unix_ms())
            .execute(&self.pool)
            .await
            .during("forgetting what sessions read long ago")
            .map(|done| done.rows_affected())
    }
}
