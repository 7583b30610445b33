//! Connections to servers of language models.

use quartermaster_store_model::{AuditRow, ModelRow, StoreError};
use quartermaster_types::{EnvironmentId, ModelId, Timestamp};

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct ModelColumns {
    environment_id: Key,
    id: Key,
    name: String,
    settings: String,
    sealed_key: Option<Vec<u8>>,
    key_version: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<ModelColumns> for ModelRow {
    fn from(columns: ModelColumns) -> Self {
        Self {
            id: columns.id.id(),
            environment_id: columns.environment_id.id(),
            name: columns.name,
            settings: columns.settings,
            sealed_key: columns.sealed_key,
            key_version: columns.key_version,
            version: columns.version,
            created_at: Timestamp::from_unix_ms(columns.created_at),
            updated_at: Timestamp::from_unix_ms(columns.updated_at),
        }
    }
}

impl PostgresStore {
    /// Adds a connection with its audit record. [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_model(&self, row: &ModelRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding a model connection";
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "INSERT INTO models (environment_id, id, name, settings, sealed_key, key_version, version, created_at,
                                 updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            Key(row.environment_id.0) as _,
            Key(row.id.0) as _,
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
        let found = sqlx::query_as!(
            ModelColumns,
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", name, settings, sealed_key, key_version,
                      version, created_at, updated_at
             FROM models WHERE environment_id = $1 AND name = $2"#,
            Key(environment.0) as _,
            name
        )
        .fetch_optional(&self.pool)
        .await
        .during("reading a model connection")?;
        Ok(found.map(Into::into))
    }

    /// Connections of an environment by name, at most `limit`.
    pub async fn list_models(&self, environment: EnvironmentId, limit: u32) -> Result<Vec<ModelRow>, StoreError> {
        let found = sqlx::query_as!(
            ModelColumns,
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", name, settings, sealed_key, key_version,
                      version, created_at, updated_at
             FROM models WHERE environment_id = $1 ORDER BY name COLLATE "C" LIMIT $2"#,
            Key(environment.0) as _,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .during("listing model connections")?;
        Ok(found.into_iter().map(Into::into).collect())
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
        let mut transaction = self.begin(OPERATION).await?;
        let done = sqlx::query!(
            "UPDATE models SET name = $1, settings = $2, sealed_key = $3, key_version = $4, version = $5, updated_at = $6
             WHERE environment_id = $7 AND id = $8 AND version = $9",
            row.name.as_str(),
            row.settings.as_str(),
            row.sealed_key.as_deref(),
            row.key_version,
            row.version,
            row.updated_at.unix_ms(),
            Key(row.environment_id.0) as _,
            Key(row.id.0) as _,
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
        let mut transaction = self.begin(OPERATION).await?;
        let done = sqlx::query!(
            "DELETE FROM models WHERE environment_id = $1 AND id = $2",
            Key(environment.0) as _,
            Key(id.0) as _
        )
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
