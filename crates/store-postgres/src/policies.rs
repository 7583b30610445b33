//! Policies: one row a version, never changed.

use quartermaster_store_model::{AuditRow, PolicyRow, Stale, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp};

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct PolicyColumns {
    environment_id: Key,
    version: i64,
    document: String,
    token_id: Key,
    restored_from: Option<i64>,
    created_at: i64,
}

impl From<PolicyColumns> for PolicyRow {
    fn from(columns: PolicyColumns) -> Self {
        Self {
            environment_id: columns.environment_id.id(),
            version: columns.version,
            document: columns.document,
            token_id: columns.token_id.id(),
            restored_from: columns.restored_from,
            created_at: Timestamp::from_unix_ms(columns.created_at),
        }
    }
}

impl PostgresStore {
    /// Adds a version with its audit record. [`StoreError::Stale`] when the version is there already.
    pub async fn insert_policy(&self, row: &PolicyRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "setting the policy";
        let mut transaction = self.begin(OPERATION).await?;
        let added = sqlx::query!(
            "INSERT INTO policies (environment_id, version, document, token_id, restored_from, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (environment_id, version) DO NOTHING",
            Key(row.environment_id.0) as _,
            row.version,
            row.document.as_str(),
            Key(row.token_id.0) as _,
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
        crate::revisions::announce(&mut transaction, row.environment_id, &Stale::Policy, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// One version of an environment's policy; `None` asks for the one in force.
    pub async fn find_policy(
        &self,
        environment: EnvironmentId,
        version: Option<i64>,
    ) -> Result<Option<PolicyRow>, StoreError> {
        let found = sqlx::query_as!(
            PolicyColumns,
            r#"SELECT environment_id AS "environment_id: Key", version, document, token_id AS "token_id: Key",
                      restored_from, created_at
             FROM policies
             WHERE environment_id = $1 AND ($2::bigint IS NULL OR version = $2) ORDER BY version DESC LIMIT 1"#,
            Key(environment.0) as _,
            version
        )
        .fetch_optional(&self.pool)
        .await
        .during("reading the policy")?;
        Ok(found.map(Into::into))
    }

    /// Versions of an environment's policy below `before`, the newest first, at most `limit`.
    pub async fn list_policies(
        &self,
        environment: EnvironmentId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<PolicyRow>, StoreError> {
        let found = sqlx::query_as!(
            PolicyColumns,
            r#"SELECT environment_id AS "environment_id: Key", version, document, token_id AS "token_id: Key",
                      restored_from, created_at
             FROM policies
             WHERE environment_id = $1 AND ($2::bigint IS NULL OR version < $2) ORDER BY version DESC LIMIT $3"#,
            Key(environment.0) as _,
            before,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .during("listing the versions of the policy")?;
        Ok(found.into_iter().map(Into::into).collect())
    }
}
