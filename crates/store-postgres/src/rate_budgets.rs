//! What is known of accounts' rate limits.

use quartermaster_store_model::{RateBudgetRow, Stale, StoreError};
use quartermaster_types::{AccountId, EnvironmentId};

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

impl PostgresStore {
    /// What is known of an account's rate limits.
    pub async fn find_rate_budget(
        &self,
        environment: EnvironmentId,
        account: AccountId,
    ) -> Result<Option<RateBudgetRow>, StoreError> {
        let found = sqlx::query!(
            "SELECT version, state FROM rate_budgets WHERE environment_id = $1 AND account_id = $2",
            Key(environment.0) as _,
            Key(account.0) as _
        )
        .fetch_optional(&self.pool)
        .await
        .during("reading a rate budget")?;
        Ok(found.map(|columns| RateBudgetRow {
            environment_id: environment,
            account_id: account,
            version: columns.version,
            state: columns.state,
        }))
    }

    /// Puts version `row.version` in the place of the one before it (1: of none). False when that is not the present one, or when
    /// there is no such account; nothing is changed then. Other replicas are told.
    pub async fn put_rate_budget(&self, row: &RateBudgetRow) -> Result<bool, StoreError> {
        const OPERATION: &str = "writing a rate budget";
        let mut transaction = self.begin(OPERATION).await?;
        let done = if row.version == 1 {
            sqlx::query!(
                "INSERT INTO rate_budgets (environment_id, account_id, version, state)
                 SELECT environment_id, id, 1, $3 FROM accounts WHERE environment_id = $1 AND id = $2 FOR KEY SHARE
                 ON CONFLICT (environment_id, account_id) DO NOTHING",
                Key(row.environment_id.0) as _,
                Key(row.account_id.0) as _,
                row.state.as_str()
            )
            .execute(&mut *transaction)
            .await
        } else {
            sqlx::query!(
                "UPDATE rate_budgets SET version = $3::bigint, state = $4
                 WHERE environment_id = $1 AND account_id = $2 AND version = $3::bigint - 1",
                Key(row.environment_id.0) as _,
                Key(row.account_id.0) as _,
                row.version,
                row.state.as_str()
            )
            .execute(&mut *transaction)
            .await
        };
        if done.during(OPERATION)?.rows_affected() == 0 {
            return Ok(false);
        }
        let stale = Stale::RateBudget(row.account_id);
        crate::revisions::announce(&mut transaction, row.environment_id, &stale, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| true)
    }
}
