//! Environments and their overrides of definitions.

use quartermaster_store_model::{AuditRow, EnvironmentOverrideRow, EnvironmentRow, Stale, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp};

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct EnvironmentColumns {
    id: Key,
    name: String,
    wrapped_key: Vec<u8>,
    created_at: i64,
}

impl From<EnvironmentColumns> for EnvironmentRow {
    fn from(columns: EnvironmentColumns) -> Self {
        Self {
            id: columns.id.id(),
            name: columns.name,
            wrapped_key: columns.wrapped_key,
            created_at: Timestamp::from_unix_ms(columns.created_at),
        }
    }
}

impl PostgresStore {
    /// Adds an environment. [`StoreError::Conflict`] when its name or id is taken.
    pub async fn insert_environment(&self, row: &EnvironmentRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding an environment";
        sqlx::query!(
            "INSERT INTO environments (id, name, wrapped_key, created_at) VALUES ($1, $2, $3, $4)",
            Key(row.id.0) as _,
            row.name.as_str(),
            row.wrapped_key.as_slice(),
            row.created_at.unix_ms()
        )
        .execute(&self.pool)
        .await
        .conflict(OPERATION, "an environment with this name")
        .map(|_| ())
    }

    /// One environment.
    pub async fn find_environment(&self, id: EnvironmentId) -> Result<Option<EnvironmentRow>, StoreError> {
        const OPERATION: &str = "reading an environment";
        let found = sqlx::query_as!(
            EnvironmentColumns,
            r#"SELECT id AS "id: Key", name, wrapped_key, created_at FROM environments WHERE id = $1"#,
            Key(id.0) as _
        )
        .fetch_optional(&self.pool)
        .await
        .during(OPERATION)?;
        Ok(found.map(Into::into))
    }

    /// All environments, by id.
    pub async fn list_environments(&self) -> Result<Vec<EnvironmentRow>, StoreError> {
        const OPERATION: &str = "listing the environments";
        let found = sqlx::query_as!(
            EnvironmentColumns,
            r#"SELECT id AS "id: Key", name, wrapped_key, created_at FROM environments ORDER BY id"#
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    /// An environment's override of an integration.
    pub async fn find_environment_override(
        &self,
        environment: EnvironmentId,
        integration: &str,
    ) -> Result<Option<EnvironmentOverrideRow>, StoreError> {
        let found = sqlx::query!(
            "SELECT patch, version, updated_at FROM environment_overrides WHERE environment_id = $1 AND integration = $2",
            Key(environment.0) as _,
            integration
        )
        .fetch_optional(&self.pool)
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
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "INSERT INTO environment_overrides (environment_id, integration, patch, version, updated_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (environment_id, integration) DO UPDATE
             SET patch = excluded.patch, version = excluded.version, updated_at = excluded.updated_at",
            Key(row.environment_id.0) as _,
            row.integration.as_str(),
            row.patch.as_str(),
            row.version,
            row.updated_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        crate::revisions::announce(
            &mut transaction,
            row.environment_id,
            &Stale::Override(row.integration.clone()),
            OPERATION,
        )
        .await?;
        transaction.commit().await.during(OPERATION)
    }
}
