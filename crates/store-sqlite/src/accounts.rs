//! Integrated accounts.

use quartermaster_store_model::column::{CorruptColumn, id_from_bytes};
use quartermaster_store_model::{AccountRow, AuditRow, StoreError};
use quartermaster_types::{AccountId, EnvironmentId, Timestamp};

use crate::SqliteStore;
use crate::columns::{LOWEST, bytes, hexadecimal};
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

/// Rows in one statement of a bulk insert: some hundred kilobytes of JSON at a time.
const BULK_ROWS: usize = 500;

struct AccountColumns {
    environment_id: Vec<u8>,
    id: Vec<u8>,
    integration: String,
    tenant_id: String,
    connection: String,
    override_patch: Option<String>,
    sandbox: bool,
    blocked: bool,
    sealed_credentials: Vec<u8>,
    credential_version: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<AccountColumns> for AccountRow {
    type Error = CorruptColumn;

    fn try_from(columns: AccountColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: id_from_bytes("accounts.id", &columns.id)?,
            environment_id: id_from_bytes("accounts.environment_id", &columns.environment_id)?,
            integration: columns.integration,
            tenant_id: columns.tenant_id,
            connection: columns.connection,
            override_patch: columns.override_patch,
            sandbox: columns.sandbox,
            blocked: columns.blocked,
            sealed_credentials: columns.sealed_credentials,
            credential_version: columns.credential_version,
            version: columns.version,
            created_at: Timestamp::from_unix_ms(columns.created_at),
            updated_at: Timestamp::from_unix_ms(columns.updated_at),
        })
    }
}

macro_rules! select_accounts {
    ($condition:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            AccountColumns,
            r#"SELECT environment_id, id, integration, tenant_id, connection, override_patch,
                      sandbox AS "sandbox: bool", blocked AS "blocked: bool", sealed_credentials, credential_version,
                      version, created_at, updated_at
               FROM accounts WHERE "# + $condition
            $(, $argument)*
        )
    };
}

impl SqliteStore {
    /// Adds an account with its audit record.
    pub async fn insert_account(&self, row: &AccountRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding an account";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        sqlx::query!(
            "INSERT INTO accounts (environment_id, id, integration, tenant_id, connection, override_patch, sandbox,
                                   blocked, sealed_credentials, credential_version, version, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            bytes(&row.environment_id.0),
            bytes(&row.id.0),
            row.integration.as_str(),
            row.tenant_id.as_str(),
            row.connection.as_str(),
            row.override_patch.as_deref(),
            row.sandbox,
            row.blocked,
            row.sealed_credentials.as_slice(),
            row.credential_version,
            row.version,
            row.created_at.unix_ms(),
            row.updated_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "the account")?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// Adds many accounts in one transaction, without audit records.
    pub async fn insert_accounts_bulk(&self, rows: &[AccountRow]) -> Result<(), StoreError> {
        const OPERATION: &str = "adding accounts in bulk";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        for chunk in rows.chunks(BULK_ROWS) {
            let chunk: Vec<_> = chunk.iter().map(bulk_columns).collect();
            let json = serde_json::to_string(&chunk).map_err(|error| StoreError::database(OPERATION, error))?;
            sqlx::query!(
                "INSERT INTO accounts (environment_id, id, integration, tenant_id, connection, override_patch, sandbox,
                                       blocked, sealed_credentials, credential_version, version, created_at,
                                       updated_at)
                 SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                        value ->> 6, value ->> 7, unhex(value ->> 8), value ->> 9, value ->> 10, value ->> 11,
                        value ->> 12
                 FROM json_each(?)",
                json
            )
            .execute(&mut *transaction)
            .await
            .conflict(OPERATION, "one of the accounts")?;
        }
        transaction.commit().await.during(OPERATION)
    }

    /// One account of this environment.
    pub async fn find_account(
        &self,
        environment: EnvironmentId,
        id: AccountId,
    ) -> Result<Option<AccountRow>, StoreError> {
        const OPERATION: &str = "reading an account";
        let found = select_accounts!("environment_id = ? AND id = ?", bytes(&environment.0), bytes(&id.0))
            .fetch_optional(&self.inner.readers)
            .await
            .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Accounts of an environment by id, ids above `after`; optionally of one integration or tenant. Each combination
    /// has its own statement, so that each uses its index.
    pub async fn list_accounts(
        &self,
        environment: EnvironmentId,
        after: Option<AccountId>,
        integration: Option<&str>,
        tenant_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>, StoreError> {
        const OPERATION: &str = "listing accounts";
        let after = after.map_or(LOWEST, |id| id.0);
        let (environment, after, limit) = (bytes(&environment.0), bytes(&after), i64::from(limit));
        let readers = &self.inner.readers;
        let found = match (integration, tenant_id) {
            (None, None) => {
                select_accounts!("environment_id = ? AND id > ? ORDER BY id LIMIT ?", environment, after, limit)
                    .fetch_all(readers)
                    .await
            }
            (Some(integration), None) => {
                select_accounts!(
                    "environment_id = ? AND integration = ? AND id > ? ORDER BY id LIMIT ?",
                    environment,
                    integration,
                    after,
                    limit
                )
                .fetch_all(readers)
                .await
            }
            (integration, Some(tenant_id)) => {
                select_accounts!(
                    "environment_id = ?1 AND tenant_id = ?2 AND id > ?3 AND (?4 IS NULL OR +integration = ?4)
                     ORDER BY id LIMIT ?5",
                    environment,
                    tenant_id,
                    after,
                    integration,
                    limit
                )
                .fetch_all(readers)
                .await
            }
        };
        found
            .during(OPERATION)?
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }

    /// Replaces an account when its version still is `expected_version`; [`StoreError::Stale`] when it is another one
    /// or the environment has no such account.
    pub async fn update_account(
        &self,
        row: &AccountRow,
        expected_version: i64,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "changing an account";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let done = sqlx::query!(
            "UPDATE accounts
             SET integration = ?, tenant_id = ?, connection = ?, override_patch = ?, sandbox = ?, blocked = ?,
                 sealed_credentials = ?, credential_version = ?, version = ?, created_at = ?, updated_at = ?
             WHERE environment_id = ? AND id = ? AND version = ?",
            row.integration.as_str(),
            row.tenant_id.as_str(),
            row.connection.as_str(),
            row.override_patch.as_deref(),
            row.sandbox,
            row.blocked,
            row.sealed_credentials.as_slice(),
            row.credential_version,
            row.version,
            row.created_at.unix_ms(),
            row.updated_at.unix_ms(),
            bytes(&row.environment_id.0),
            bytes(&row.id.0),
            expected_version
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// Deletes an account; false when the environment has no such account. Nothing is recorded then.
    pub async fn delete_account(
        &self,
        environment: EnvironmentId,
        id: AccountId,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "deleting an account";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let done = sqlx::query!(
            "DELETE FROM accounts WHERE environment_id = ? AND id = ?",
            bytes(&environment.0),
            bytes(&id.0)
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

/// One row of a bulk insert, in the order of the statement's columns.
fn bulk_columns(row: &AccountRow) -> impl serde::Serialize + use<'_> {
    (
        hexadecimal(bytes(&row.environment_id.0)),
        hexadecimal(bytes(&row.id.0)),
        row.integration.as_str(),
        row.tenant_id.as_str(),
        row.connection.as_str(),
        row.override_patch.as_deref(),
        i64::from(row.sandbox),
        i64::from(row.blocked),
        hexadecimal(&row.sealed_credentials),
        row.credential_version,
        row.version,
        row.created_at.unix_ms(),
        row.updated_at.unix_ms(),
    )
}
