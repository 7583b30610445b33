//! Connections to servers of language models.

use quartermaster_store_model::column::{CorruptColumn, id_from_bytes};
use quartermaster_store_model::{AuditRow, ModelRow, StoreError};
use quartermaster_types::{EnvironmentId, ModelId, Timestamp};

use crate::SqliteStore;
use crate::columns::bytes;
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct ModelColumns {
    environment_id: Vec<u8>,
    id: Vec<u8>,
    name: String,
    settings: String,
    sealed_key: Option<Vec<u8>>,
    key_version: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<ModelColumns> for ModelRow {
    type Error = CorruptColumn;

    fn try_from(columns: ModelColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: id_from_bytes("models.id", &columns.id)?,
            environment_id: id_from_bytes("models.environment_id", &columns.environment_id)?,
            name: columns.name,
            settings: columns.settings,
            sealed_key: columns.sealed_key,
            key_version: columns.key_version,
            version: columns.version,
            created_at: Timestamp::from_unix_ms(columns.created_at),
            updated_at: Timestamp::from_unix_ms(columns.updated_at),
        })
    }
}

impl SqliteStore {
    /// Adds a connection with its audit record. [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_model(&self, row: &ModelRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding a model connection";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        sqlx::query!(
            "INSERT INTO models (environment_id, id, name, settings, sealed_key, key_version, version, created_at,
                                 updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            bytes(&row.environment_id.0),
            bytes(&row.id.0),
            row.name.as_str(),
            row.settings.as_str(),
            row.sealed_key.as_deref(),
            row.key_version,
            row.version,
            row.created_at.unix_ms(),
            row.updated_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "the model connection")?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// The connection of this name.
    pub async fn find_model(&self, environment: EnvironmentId, name: &str) -> Result<Option<ModelRow>, StoreError> {
        const OPERATION: &str = "reading a model connection";
        let found = sqlx::query_as!(
            ModelColumns,
            "SELECT environment_id, id, name, settings, sealed_key, key_version, version, created_at, updated_at
             FROM models WHERE environment_id = ? AND name = ?",
            bytes(&environment.0),
            name
        )
        .fetch_optional(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Connections of an environment by name, at most `limit`.
    pub async fn list_models(&self, environment: EnvironmentId, limit: u32) -> Result<Vec<ModelRow>, StoreError> {
        const OPERATION: &str = "listing model connections";
        let found = sqlx::query_as!(
            ModelColumns,
            "SELECT environment_id, id, name, settings, sealed_key, key_version, version, created_at, updated_at
             FROM models WHERE environment_id = ? ORDER BY name LIMIT ?",
            bytes(&environment.0),
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

    /// Replaces a connection if its version is still `expected_version`, else [`StoreError::Stale`]; its name may change, to
    /// one that is free.
    pub async fn update_model(
        &self,
        row: &ModelRow,
        expected_version: i64,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "changing a model connection";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let done = sqlx::query!(
            "UPDATE models SET name = ?, settings = ?, sealed_key = ?, key_version = ?, version = ?, updated_at = ?
             WHERE environment_id = ? AND id = ? AND version = ?",
            row.name.as_str(),
            row.settings.as_str(),
            row.sealed_key.as_deref(),
            row.key_version,
            row.version,
            row.updated_at.unix_ms(),
            bytes(&row.environment_id.0),
            bytes(&row.id.0),
            expected_version
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "the model connection")?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// Deletes a connection; false when the environment has no such one. Nothing is recorded then.
    pub async fn delete_model(
        &self,
        environment: EnvironmentId,
        id: ModelId,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "deleting a model connection";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let done =
            sqlx::query!("DELETE FROM models WHERE environment_id = ? AND id = ?", bytes(&environment.0), bytes(&id.0))
                .execute(&mut *transaction)
                .await
                .during(OPERATION)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| true)
    }
}
