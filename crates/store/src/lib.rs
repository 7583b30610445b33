//! The store: one closed choice of back ends with the same functions, and the conformance suite that holds both to it.

mod approvals;
mod guards;
mod models;
mod plans;
mod reads;
mod revisions;
mod runs;
mod triggers;

use std::path::Path;

use quartermaster_store_model::audit_chain::{Checkpoint, Record};
use quartermaster_store_model::chain::{AuditChain, AuditChainPart, AuditKeyRow, AuditPrune};
use quartermaster_store_model::{
    AccountRow, AuditQuery, AuditRecord, AuditRow, EnvironmentOverrideRow, EnvironmentRow, IdempotencyRow, PolicyRow,
    Revocable, Revocation, StoreError, TokenRow,
};
use quartermaster_types::{AccountId, AuditId, EnvironmentId, Timestamp, TokenId};

pub use quartermaster_store_model as model;
pub use quartermaster_store_model::Claim;
pub use revisions::RevisionListener;

/// Where rows are kept.
#[derive(Clone)]
pub enum Store {
    /// One file in the data folder.
    Sqlite(quartermaster_store_sqlite::SqliteStore),
    /// A PostgreSQL database.
    Postgres(quartermaster_store_postgres::PostgresStore),
}

/// Calls the same function of whichever back end there is.
macro_rules! either {
    ($store:expr, $back_end:ident => $call:expr) => {
        match $store {
            Store::Sqlite($back_end) => $call.await,
            Store::Postgres($back_end) => $call.await,
        }
    };
}

pub(crate) use either;

impl Store {
    /// Creates the SQLite file (refuses when it exists) and runs the migrations.
    pub async fn create_sqlite(path: &Path) -> Result<Self, StoreError> {
        quartermaster_store_sqlite::SqliteStore::create(path).await.map(Self::Sqlite)
    }
    /// Opens an existing SQLite file; runs missing migrations; refuses a newer schema ([`StoreError::Newer`]).
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        quartermaster_store_sqlite::SqliteStore::open(path).await.map(Self::Sqlite)
    }
    /// Connects to PostgreSQL and runs missing migrations; refuses a newer schema.
    pub async fn connect_postgres(url: &str) -> Result<Self, StoreError> {
        quartermaster_store_postgres::PostgresStore::connect(url).await.map(Self::Postgres)
    }
    /// Closes pools; waits for running statements.
    pub async fn close(&self) {
        either!(self, back_end => back_end.close());
    }
    /// Cheap read that shows that the database answers (`/readyz`).
    pub async fn ping(&self) -> Result<(), StoreError> {
        either!(self, back_end => back_end.ping())
    }

    /// Adds an environment. [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_environment(&self, row: &EnvironmentRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_environment(row))
    }
    /// One environment.
    pub async fn find_environment(&self, id: EnvironmentId) -> Result<Option<EnvironmentRow>, StoreError> {
        either!(self, back_end => back_end.find_environment(id))
    }
    /// All environments, by id.
    pub async fn list_environments(&self) -> Result<Vec<EnvironmentRow>, StoreError> {
        either!(self, back_end => back_end.list_environments())
    }

    /// Adds a token; with an audit record in the same transaction (`None` only for `qm init`).
    pub async fn insert_token(&self, row: &TokenRow, audit: Option<&AuditRow>) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_token(row, audit))
    }
    /// The token with this hash, revoked and expired ones included.
    pub async fn find_token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        either!(self, back_end => back_end.find_token_by_hash(hash))
    }
    /// Tokens of an environment, ids above `after`, by id, at most `limit`.
    pub async fn list_tokens(
        &self,
        environment: EnvironmentId,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<TokenRow>, StoreError> {
        either!(self, back_end => back_end.list_tokens(environment, after, limit))
    }
    /// One token of this environment, revoked and expired ones included.
    pub async fn find_token(&self, environment: EnvironmentId, id: TokenId) -> Result<Option<TokenRow>, StoreError> {
        either!(self, back_end => back_end.find_token(environment, id))
    }
    /// Revokes a token; the first time holds. However many are revoked at the same moment, one that makes environments stays.
    pub async fn revoke_token(
        &self,
        environment: EnvironmentId,
        id: TokenId,
        at: Timestamp,
        revocable: Revocable,
        audit: &AuditRow,
    ) -> Result<Revocation, StoreError> {
        either!(self, back_end => back_end.revoke_token(environment, id, at, revocable, audit))
    }

    /// Adds an account with its audit record.
    pub async fn insert_account(&self, row: &AccountRow, audit: &AuditRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_account(row, audit))
    }
    /// Adds many accounts at once without audit records (bench and import), in one transaction.
    pub async fn insert_accounts_bulk(&self, rows: &[AccountRow]) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_accounts_bulk(rows))
    }
    /// One account of this environment.
    pub async fn find_account(
        &self,
        environment: EnvironmentId,
        id: AccountId,
    ) -> Result<Option<AccountRow>, StoreError> {
        either!(self, back_end => back_end.find_account(environment, id))
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
        either!(self, back_end => back_end.list_accounts(environment, after, integration, tenant_id, limit))
    }
    /// Replaces an account when its version still is `expected_version` (the row carries the next one); [`StoreError::Stale`] otherwise.
    pub async fn update_account(
        &self,
        row: &AccountRow,
        expected_version: i64,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.update_account(row, expected_version, audit))
    }
    /// Deletes an account; false when the environment has no such account.
    pub async fn delete_account(
        &self,
        environment: EnvironmentId,
        id: AccountId,
        audit: &AuditRow,
    ) -> Result<bool, StoreError> {
        either!(self, back_end => back_end.delete_account(environment, id, audit))
    }

    /// An environment's override of an integration.
    pub async fn find_environment_override(
        &self,
        environment: EnvironmentId,
        integration: &str,
    ) -> Result<Option<EnvironmentOverrideRow>, StoreError> {
        either!(self, back_end => back_end.find_environment_override(environment, integration))
    }
    /// Sets or replaces it.
    pub async fn put_environment_override(
        &self,
        row: &EnvironmentOverrideRow,
        audit: &AuditRow,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.put_environment_override(row, audit))
    }

    /// Adds a version of an environment's policy with its audit record; [`StoreError::Stale`] when that version is there.
    pub async fn insert_policy(&self, row: &PolicyRow, audit: &AuditRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_policy(row, audit))
    }
    /// One version of an environment's policy; `None` asks for the one in force.
    pub async fn find_policy(
        &self,
        environment: EnvironmentId,
        version: Option<i64>,
    ) -> Result<Option<PolicyRow>, StoreError> {
        either!(self, back_end => back_end.find_policy(environment, version))
    }
    /// Versions of an environment's policy below `before`, the newest first, at most `limit`.
    pub async fn list_policies(
        &self,
        environment: EnvironmentId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<PolicyRow>, StoreError> {
        either!(self, back_end => back_end.list_policies(environment, before, limit))
    }

    /// Appends audit records at the next places of their chains, in one transaction; at most 1,000 a call.
    pub async fn append_audit(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        either!(self, back_end => back_end.append_audit(rows))
    }
    /// Reads audit records, newest first.
    pub async fn list_audit(
        &self,
        environment: EnvironmentId,
        query: &AuditQuery,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        either!(self, back_end => back_end.list_audit(environment, query))
    }

    /// The state of an environment's chain.
    pub async fn audit_chain(&self, environment: EnvironmentId) -> Result<AuditChain, StoreError> {
        either!(self, back_end => back_end.audit_chain(environment))
    }
    /// Environments whose chains have gone on since their last checkpoint.
    pub async fn audit_chains_ahead(&self) -> Result<Vec<EnvironmentId>, StoreError> {
        either!(self, back_end => back_end.audit_chains_ahead())
    }
    /// The key that signs an environment's checkpoints.
    pub async fn find_audit_key(&self, environment: EnvironmentId) -> Result<Option<AuditKeyRow>, StoreError> {
        either!(self, back_end => back_end.find_audit_key(environment))
    }
    /// Adds it, unless there is one.
    pub async fn insert_audit_key(&self, row: &AuditKeyRow) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_audit_key(row))
    }
    /// Adds a checkpoint on the head of a chain; one that is there stays.
    pub async fn insert_audit_checkpoint(
        &self,
        environment: EnvironmentId,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.insert_audit_checkpoint(environment, checkpoint))
    }
    /// The statements on what retention dropped, in order; at most `limit`, after this record.
    pub async fn list_audit_prunes(
        &self,
        environment: EnvironmentId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        either!(self, back_end => back_end.list_audit_prunes(environment, after, limit))
    }
    /// Records after this place (from the first when `None`), at most `limit`, with the checkpoints on them and the state of
    /// the chain, all in one moment.
    pub async fn read_audit_chain(
        &self,
        environment: EnvironmentId,
        after: Option<i64>,
        limit: u32,
    ) -> Result<AuditChainPart, StoreError> {
        either!(self, back_end => back_end.read_audit_chain(environment, after, limit))
    }
    /// Records outside the chain with ids above this one, by id, at most `limit`.
    pub async fn list_unchained_audit(
        &self,
        environment: EnvironmentId,
        after: AuditId,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        either!(self, back_end => back_end.list_unchained_audit(environment, after, limit))
    }
    /// Drops the first records of a chain under a signed statement. [`StoreError::Stale`] when the chain does not begin where
    /// it says.
    pub async fn prune_audit(&self, prune: &AuditPrune) -> Result<(), StoreError> {
        either!(self, back_end => back_end.prune_audit(prune))
    }

    /// Claims an idempotency key.
    pub async fn claim_idempotency(&self, row: &IdempotencyRow) -> Result<Claim, StoreError> {
        either!(self, back_end => back_end.claim_idempotency(row))
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
        either!(self, back_end => back_end.finish_idempotency(environment, token, key, status, body))
    }
    /// Gives back a key that was claimed at `claimed_at` (the call never reached the upstream); a claim that somebody else
    /// made since stays.
    pub async fn release_idempotency(
        &self,
        environment: EnvironmentId,
        token: TokenId,
        key: &str,
        claimed_at: Timestamp,
    ) -> Result<(), StoreError> {
        either!(self, back_end => back_end.release_idempotency(environment, token, key, claimed_at))
    }
    /// Forgets keys that were claimed before `before`.
    pub async fn prune_idempotency(&self, before: Timestamp) -> Result<u64, StoreError> {
        either!(self, back_end => back_end.prune_idempotency(before))
    }
}
