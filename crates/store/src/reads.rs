//! What sessions have read, and what is known of accounts' rate limits.

use quartermaster_store_model::{RateBudgetRow, ReadRow, StoreError};
use quartermaster_types::{AccountId, EnvironmentId, Timestamp};

use crate::{Store, either};

impl Store {
    /// Notes what sessions read.
    pub async fn note_reads(&self, rows: &[ReadRow]) -> Result<(), StoreError> {
        either!(self, back_end => back_end.note_reads(rows))
    }
    /// When this id was last read in this scope, since a time; `None`: it was not.
    pub async fn find_read(&self, scope: u128, id: u64, since: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        either!(self, back_end => back_end.find_read(scope, id, since))
    }
    /// Forgets what was read before a time; says how many rows.
    pub async fn prune_reads(&self, before: Timestamp) -> Result<u64, StoreError> {
        either!(self, back_end => back_end.prune_reads(before))
    }

    /// What is known of an account's rate limits.
    pub async fn find_rate_budget(
        &self,
        environment: EnvironmentId,
        account: AccountId,
    ) -> Result<Option<RateBudgetRow>, StoreError> {
        either!(self, back_end => back_end.find_rate_budget(environment, account))
    }
    /// Puts version `row.version` in the place of the one before it (1: of none). False when that is not the present one, or when
    /// there is no such account; nothing is changed then.
    pub async fn put_rate_budget(&self, row: &RateBudgetRow) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.put_rate_budget(row))
    }
}
