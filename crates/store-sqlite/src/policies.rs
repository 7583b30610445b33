//! Policies: one row a version, never changed.

use quartermaster_store_model::column::{CorruptColumn, id_from_bytes};
use quartermaster_store_model::{AuditRow, PolicyRow, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp};

use crate::SqliteStore;
use crate::columns::bytes;
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct PolicyColumns {
    environment_id: Vec<u8>,
    version: i64,
    document: String,
    token_id: Vec<u8>,
    restored_from: Option<i64>,
    created_at: i64,
}

impl TryFrom<PolicyColumns> for PolicyRow {
    type Error = CorruptColumn;

    fn try_from(columns: PolicyColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            environment_id: id_from_bytes("policies.environment_id", &columns.environment_id)?,
            version: columns.version,
            document: columns.document,
            token_id: id_from_bytes("policies.token_id", &columns.token_id)?,
            restored_from: columns.restored_from,
            created_at: Timestamp::from_unix_ms(columns.created_at),
        })
    }
}

impl SqliteStore {
    /// Adds a version with its audit record. [`StoreError::Stale`] when the version is there already.
    pub async fn insert_policy(&self, row: &PolicyRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "setting the policy";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let added = sqlx::query!(
            "INSERT INTO policies (environment_id, version, document, token_id, restored_from, created_at)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (environment_id, version) DO NOTHING",
            bytes(&row.environment_id.0),
            row.version,
            row.document.as_str(),
            bytes(&row.token_id.0),
            row.restored_from,
            row.created_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if added.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// One version of an environment's policy; `None` asks for the one in force.
    pub async fn find_policy(
        &self,
        environment: EnvironmentId,
        version: Option<i64>,
    ) -> Result<Option<PolicyRow>, StoreError> {
        const OPERATION: &str = "reading the policy";
        let found = sqlx::query_as!(
            PolicyColumns,
            "SELECT environment_id, version, document, token_id, restored_from, created_at FROM policies
             WHERE environment_id = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY version DESC LIMIT 1",
            bytes(&environment.0),
            version
        )
        .fetch_optional(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Versions of an environment's policy below `before`, the newest first, at most `limit`.
    pub async fn list_policies(
        &self,
        environment: EnvironmentId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<PolicyRow>, StoreError> {
        const OPERATION: &str = "listing the versions of the policy";
        let found = sqlx::query_as!(
            PolicyColumns,
            "SELECT environment_id, version, document, token_id, restored_from, created_at FROM policies
             WHERE environment_id = ?1 AND (?2 IS NULL OR version < ?2) ORDER BY version DESC LIMIT ?3",
            bytes(&environment.0),
            before,
            limit
        )
        .fetch_all(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }
}
