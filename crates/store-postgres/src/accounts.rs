//! Integrated accounts.

use quartermaster_store_model::{AccountRow, AuditRow, Stale, StoreError};
use quartermaster_types::{AccountId, EnvironmentId, Timestamp};

use crate::PostgresStore;
use crate::columns::column;
use crate::error::ResultExt;
use crate::key::Key;

/// Rows in one statement of a bulk insert: some hundred kilobytes at a time.
const BULK_ROWS: usize = 500;

struct AccountColumns {
    environment_id: Key,
    id: Key,
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

impl From<AccountColumns> for AccountRow {
    fn from(columns: AccountColumns) -> Self {
        Self {
            id: columns.id.id(),
            environment_id: columns.environment_id.id(),
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
        }
    }
}

macro_rules! select_accounts {
    ($condition:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            AccountColumns,
            r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key", integration, tenant_id, connection, override_patch,
                      sandbox, blocked, sealed_credentials, credential_version,
                      version, created_at, updated_at
               FROM accounts WHERE "# + $condition
            $(, $argument)*
        )
    };
}

impl PostgresStore {
    /// Adds an account with its audit record.
    pub async fn insert_account(&self, row: &AccountRow, audit: &AuditRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding an account";
        let mut transaction = self.begin(OPERATION).await?;
        sqlx::query!(
            "INSERT INTO accounts (environment_id, id, integration, tenant_id, connection, override_patch, sandbox,
                                   blocked, sealed_credentials, credential_version, version, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            Key(row.environment_id.0) as _,
            Key(row.id.0) as _,
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
        let mut transaction = self.begin(OPERATION).await?;
        for chunk in rows.chunks(BULK_ROWS) {
            sqlx::query!(
                "INSERT INTO accounts (environment_id, id, integration, tenant_id, connection, override_patch, sandbox,
                                       blocked, sealed_credentials, credential_version, version, created_at,
                                       updated_at)
                 SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                                      $7::boolean[], $8::boolean[], $9::bytea[], $10::bigint[], $11::bigint[],
                                      $12::bigint[], $13::bigint[])",
                column(chunk, |row| Key(row.environment_id.0)) as _,
                column(chunk, |row| Key(row.id.0)) as _,
                column(chunk, |row| row.integration.as_str()) as Vec<&str>,
                column(chunk, |row| row.tenant_id.as_str()) as Vec<&str>,
                column(chunk, |row| row.connection.as_str()) as Vec<&str>,
                column(chunk, |row| row.override_patch.as_deref()) as Vec<Option<&str>>,
                &column(chunk, |row| row.sandbox),
                &column(chunk, |row| row.blocked),
                column(chunk, |row| row.sealed_credentials.as_slice()) as Vec<&[u8]>,
                &column(chunk, |row| row.credential_version),
                &column(chunk, |row| row.version),
                &column(chunk, |row| row.created_at.unix_ms()),
                &column(chunk, |row| row.updated_at.unix_ms())
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
        let found = select_accounts!("environment_id = $1 AND id = $2", Key(environment.0) as _, Key(id.0) as _)
            .fetch_optional(&self.pool)
            .await
            .during(OPERATION)?;
        Ok(found.map(Into::into))
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
        let after = after.map_or(Key::LOWEST, |id| Key(id.0));
        let (environment, limit) = (Key(environment.0), i64::from(limit));
        let found = match (integration, tenant_id) {
            (None, None) => {
                select_accounts!(
                    "environment_id = $1 AND id > $2 ORDER BY id LIMIT $3",
                    environment as _,
                    after as _,
                    limit
                )
                .fetch_all(&self.pool)
                .await
            }
            (Some(integration), None) => {
                select_accounts!(
                    "environment_id = $1 AND integration = $2 AND id > $3 ORDER BY id LIMIT $4",
                    environment as _,
                    integration,
                    after as _,
                    limit
                )
                .fetch_all(&self.pool)
                .await
            }
            (integration, Some(tenant_id)) => {
                select_accounts!(
                    "environment_id = $1 AND tenant_id = $2 AND id > $3 AND ($4::text IS NULL OR integration = $4)
                     ORDER BY id LIMIT $5",
                    environment as _,
                    tenant_id,
                    after as _,
                    integration,
                    limit
                )
                .fetch_all(&self.pool)
                .await
            }
        };
        Ok(found.during(OPERATION)?.into_iter().map(Into::into).collect())
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
        let mut transaction = self.begin(OPERATION).await?;
        let done = sqlx::query!(
            "UPDATE accounts
             SET integration = $1, tenant_id = $2, connection = $3, override_patch = $4, sandbox = $5, blocked = $6,
                 sealed_credentials = $7, credential_version = $8, version = $9, created_at = $10, updated_at = $11
             WHERE environment_id = $12 AND id = $13 AND version = $14",
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
            Key(row.environment_id.0) as _,
            Key(row.id.0) as _,
            expected_version
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        crate::revisions::announce(&mut transaction, row.environment_id, &Stale::Account(row.id), OPERATION).await?;
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
        let mut transaction = self.begin(OPERATION).await?;
        let done = sqlx::query!(
            "DELETE FROM accounts WHERE environment_id = $1 AND id = $2",
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
        crate::revisions::announce(&mut transaction, environment, &Stale::Account(id), OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| true)
    }
}
