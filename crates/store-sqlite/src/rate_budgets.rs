//! What is known of accounts' rate limits.

use quartermaster_store_model::{RateBudgetRow, StoreError};
use quartermaster_types::{AccountId, EnvironmentId};

use crate::SqliteStore;
use crate::columns::bytes;
use crate::connection::Durability;
use crate::error::ResultExt;

impl SqliteStore {
    /// What is known of an account's rate limits.
    pub async fn find_rate_budget(
        &self,
        environment: EnvironmentId,
        account: AccountId,
    ) -> Result<Option<RateBudgetRow>, StoreError> {
        let found = sqlx::query!(
            "SELECT version, state FROM rate_budgets WHERE environment_id = ? AND account_id = ?",
            bytes(&environment.0),
            bytes(&account.0)
        )
        .fetch_optional(&self.inner.readers)
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
    /// there is no such account; nothing is changed then. A loss of power can lose it: it is learned again.
    pub async fn put_rate_budget(&self, row: &RateBudgetRow) -> Result<bool, StoreError> {
        const OPERATION: &str = "writing a rate budget";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        let done = if row.version == 1 {
            sqlx::query!(
                "INSERT INTO rate_budgets (environment_id, account_id, version, state)
                 SELECT environment_id, id, 1, ?3 FROM accounts WHERE environment_id = ?1 AND id = ?2
                 ON CONFLICT (environment_id, account_id) DO NOTHING",
                bytes(&row.environment_id.0),
                bytes(&row.account_id.0),
                row.state.as_str()
            )
            .execute(&mut *writer)
            .await
        } else {
            sqlx::query!(
                "UPDATE rate_budgets SET version = ?3, state = ?4
                 WHERE environment_id = ?1 AND account_id = ?2 AND version = ?3 - 1",
                bytes(&row.environment_id.0),
                bytes(&row.account_id.0),
                row.version,
                row.state.as_str()
            )
            .execute(&mut *writer)
            .await
        };
        done.during(OPERATION).map(|done| done.rows_affected() == 1)
    }
}
