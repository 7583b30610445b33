//! The store: one closed choice of back ends with the same functions, and the conformance suite that holds both to it.

use quartermaster_store_model::*;
use quartermaster_types::{AccountId, EnvironmentId, Timestamp, TokenId};
use std::path::Path;

pub use quartermaster_store_model as model;

/// Where rows are kept.
#[derive(Clone)]
pub enum Store {
    /// One file in the data folder.
    Sqlite(quartermaster_store_sqlite::SqliteStore),
    /// A PostgreSQL database.
    Postgres(quartermaster_store_postgres::PostgresStore),
}

/// What [`Store::claim_idempotency`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The key is new; go on, then call [`Store::finish_idempotency`].
    New,
    /// The key is there already.
    Existing(IdempotencyRow),
}

impl Store {
    /// Creates the SQLite file (refuses when it exists) and runs the migrations.
    pub async fn create_sqlite(path: &Path) -> Result<Self, StoreError> {
        let _ = path;
        todo!()
    }
    /// Opens an existing SQLite file; runs missing migrations; refuses a newer schema ([`StoreError::Newer`]).
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let _ = path;
        todo!()
    }
    /// Connects to PostgreSQL and runs missing migrations; refuses a newer schema.
    pub async fn connect_postgres(url: &str) -> Result<Self, StoreError> {
        let _ = url;
        todo!()
    }
    /// Closes pools; waits for running statements.
    pub async fn close(&self) {
        todo!()
    }
    /// Cheap read that shows that the database answers (`/readyz`).
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Adds an environment. [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_environment(&self, row: &EnvironmentRow) -> Result<(), StoreError> {
        let _ = row;
        todo!()
    }
    /// One environment.
    pub async fn find_environment(&self, id: EnvironmentId) -> Result<Option<EnvironmentRow>, StoreError> {
        let _ = id;
        todo!()
    }
    /// All environments, by id.
    pub async fn list_environments(&self) -> Result<Vec<EnvironmentRow>, StoreError> {
        todo!()
    }

    /// Adds a token; with an audit record in the same transaction (`None` only for `qm init`).
    pub async fn insert_token(&self, row: &TokenRow, audit: Option<&AuditRow>) -> Result<(), StoreError> {
        let _ = (row, audit);
        todo!()
    }
    /// The token with this hash, revoked and expired ones included.
    pub async fn find_token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        let _ = hash;
        todo!()
    }
    /// Tokens of an environment, ids above `after`, by id, at most `limit`.
    pub async fn list_tokens(
        &self,
        environment: EnvironmentId,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<TokenRow>, StoreError> {
        let _ = (environment, after, limit);
        todo!()
    }
    /// Revokes a token; false when the environment has no such token.
    pub async fn revoke_token(
        &self,
        environment: EnvironmentId,
        id: TokenId,
        at: Timestamp,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        let _ = (environment, id, at, audit);
        todo!()
    }

    /// Adds an account with its audit record.
    pub async fn insert_account(&self, row: &AccountRow, audit: &AuditRow) -> Result<(), StoreError> {
        let _ = (row, audit);
        todo!()
    }
    /// Adds many accounts at once without audit records (bench and import), in one transaction.
    pub async fn insert_accounts_bulk(&self, rows: &[AccountRow]) -> Result<(), StoreError> {
        let _ = rows;
        todo!()
    }
    /// One account of this environment.
    pub async fn find_account(
        &self,
        environment: EnvironmentId,
        id: AccountId,
    ) -> Result<Option<AccountRow>, StoreError> {
        let _ = (environment, id);
        todo!()
    }
    /// Accounts of an environment by id, ids above `after`; optionally of one integration or tenant.
    pub async fn list_accounts(
        &self,
        environment: EnvironmentId,
        after: Option<AccountId>,
        integration: Option<&str>,
        tenant_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>, StoreError> {
        let _ = (environment, after, integration, tenant_id, limit);
        todo!()
    }
    /// Replaces an account when its version still is `expected_version` (the row carries the next one); [`StoreError::Stale`] otherwise.
    pub async fn update_account(
        &self,
        row: &AccountRow,
        expected_version: i64,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        let _ = (row, expected_version, audit);
        todo!()
    }
    /// Deletes an account; false when the environment has no such account.
    pub async fn delete_account(
        &self,
        environment: EnvironmentId,
        id: AccountId,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        let _ = (environment, id, audit);
        todo!()
    }

    /// An environment's override of an integration.
    pub async fn find_environment_override(
        &self,
        environment: EnvironmentId,
        integration: &str,
    ) -> Result<Option<EnvironmentOverrideRow>, StoreError> {
        let _ = (environment, integration);
        todo!()
    }
    /// Sets or replaces it.
    pub async fn put_environment_override(
        &self,
        row: &EnvironmentOverrideRow,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        let _ = (row, audit);
        todo!()
    }

    /// Appends audit records in one statement; at most 1,000 a call.
    pub async fn append_audit(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        let _ = rows;
        todo!()
    }
    /// Reads audit records, newest first.
    pub async fn list_audit(
        &self,
        environment: EnvironmentId,
        query: &AuditQuery,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let _ = (environment, query);
        todo!()
    }

    /// Claims an idempotency key.
    pub async fn claim_idempotency(&self, row: &IdempotencyRow) -> Result<Claim, StoreError> {
        let _ = row;
        todo!()
    }
    /// Stores the answer under a claimed key.
    pub async fn finish_idempotency(
        &self,
        environment: EnvironmentId,
        token: TokenId,
        key: &str,
        status: u16,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let _ = (environment, token, key, status, body);
        todo!()
    }
    /// Gives a claimed key back (the call never reached the upstream).
    pub async fn release_idempotency(
        &self,
        environment: EnvironmentId,
        token: TokenId,
        key: &str,
    ) -> Result<(), StoreError> {
        let _ = (environment, token, key);
        todo!()
    }
    /// Forgets keys that were claimed before `before`.
    pub async fn prune_idempotency(&self, before: Timestamp) -> Result<u64, StoreError> {
        let _ = before;
        todo!()
    }
}
