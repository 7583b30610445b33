//! Environments and their overrides of definitions.

use quartermaster_store_model::column::{CorruptColumn, id_from_bytes};
use quartermaster_store_model::{AuditRow, EnvironmentOverrideRow, EnvironmentRow, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp};

use crate::SqliteStore;
use crate::columns::bytes;
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct EnvironmentColumns {
    id: Vec<u8>,
    name: String,
    wrapped_key: Vec<u8>,
    created_at: i64,
}

impl TryFrom<EnvironmentColumns> for EnvironmentRow {
    type Error = CorruptColumn;

    fn try_from(columns: EnvironmentColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: id_from_bytes("environments.id", &columns.id)?,
            name: columns.name,
            wrapped_key: columns.wrapped_key,
            created_at: Timestamp::from_unix_ms(columns.created_at),
        })
    }
}

impl SqliteStore {
    /// Adds an environment. [`StoreError::Conflict`] when its name or id is taken.
    pub async fn insert_environment(&self, row: &EnvironmentRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding an environment";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        sqlx::query!(
            "INSERT INTO environments (id, name, wrapped_key, created_at) VALUES (?, ?, ?, ?)",
            bytes(&row.id.0),
            row.name.as_str(),
            row.wrapped_key.as_slice(),
            row.created_at.unix_ms()
        )
        .execute(&mut *writer)
        .await
        .conflict(OPERATION, "an environment with this name")
        .map(|_| ())
    }

    /// One environment.
    pub async fn find_environment(&self, id: EnvironmentId) -> Result<Option<EnvironmentRow>, StoreError> {
        const OPERATION: &str = "reading an environment";
        let found = sqlx::query_as!(
            EnvironmentColumns,
            "SELECT id, name, wrapped_key, created_at FROM environments WHERE id = ?",
            bytes(&id.0)
        )
        .fetch_optional(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// All environments, by id.
    pub async fn list_environments(&self) -> Result<Vec<EnvironmentRow>, StoreError> {
        const OPERATION: &str = "listing the environments";
        let found = sqlx::query_as!(
            EnvironmentColumns,
            "SELECT id, name, wrapped_key, created_at FROM environments ORDER BY id"
        )
        .fetch_all(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }

    /// An environment's override of an integration.
    pub async fn find_environment_override(
        &self,
        environment: EnvironmentId,
        integration: &str,
    ) -> Result<Option<EnvironmentOverrideRow>, StoreError> {
        let found = sqlx::query!(
            "SELECT patch, version, updated_at FROM environment_overrides WHERE environment_id = ? AND integration = ?",
            bytes(&environment.0),
            integration
        )
        .fetch_optional(&self.inner.readers)
        .await
        .during("reading an environment's override")?;
        Ok(found.map(|columns| EnvironmentOverrideRow {
            environment_id: environment,
            integration: integration.to_owned(),
            patch: columns.patch,
            version: columns.version,
            updated_at: Timestamp::from_unix_ms(columns.updated_at),
        }))
    }

    /// Sets or replaces it.
    pub async fn put_environment_override(
        &self,
        row: &EnvironmentOverrideRow,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "setting an environment's override";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        sqlx::query!(
            "INSERT INTO environment_overrides (environment_id, integration, patch, version, updated_at)
             VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (environment_id, integration) DO UPDATE
             SET patch = excluded.patch, version = excluded.version, updated_at = excluded.updated_at",
            bytes(&row.environment_id.0),
            row.integration.as_str(),
            row.patch.as_str(),
            row.version,
            row.updated_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }
}
