//! Idempotency keys and the answers kept under them.

use quartermaster_store_model::column::{CorruptColumn, count_from_integer, hash_from_bytes};
use quartermaster_store_model::{Claim, IdempotencyRow, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp, TokenId};

use crate::SqliteStore;
use crate::columns::bytes;
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

impl SqliteStore {
    /// Claims a key. Outlives a loss of power: a write must not be sent twice because its claim was forgotten.
    pub async fn claim_idempotency(&self, row: &IdempotencyRow) -> Result<Claim, StoreError> {
        const OPERATION: &str = "claiming an idempotency key";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let done = sqlx::query!(
            "INSERT INTO idempotency_keys (environment_id, token_id, key, fingerprint, created_at)
             VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            bytes(&row.environment_id.0),
            bytes(&row.token_id.0),
            row.key.as_str(),
            row.fingerprint.as_slice(),
            row.created_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        if done.rows_affected() == 1 {
            return transaction.commit().await.during(OPERATION).map(|()| Claim::New);
        }
        let found = sqlx::query_as!(
            KeyColumns,
            "SELECT fingerprint, answer_status, answer_body, created_at FROM idempotency_keys
             WHERE environment_id = ? AND token_id = ? AND key = ?",
            bytes(&row.environment_id.0),
            bytes(&row.token_id.0),
            row.key.as_str()
        )
        .fetch_one(&mut *transaction)
        .await
        .during(OPERATION)?;
        found.into_row(row).map(Claim::Existing).map_err(|error| StoreError::database(OPERATION, error))
    }

    /// Stores the answer under a claimed key; the first answer stays. A loss of power can lose it: the key then stays
    /// claimed, and the caller learns that the outcome is not known.
    pub async fn finish_idempotency(
        &self,
        environment: EnvironmentId,
        token: TokenId,
        key: &str,
        status: u16,
        body: &[u8],
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "keeping an answer under an idempotency key";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        sqlx::query!(
            "UPDATE idempotency_keys SET answer_status = ?, answer_body = ?
             WHERE environment_id = ? AND token_id = ? AND key = ? AND answer_status IS NULL",
            status,
            body,
            bytes(&environment.0),
            bytes(&token.0),
            key
        )
        .execute(&mut *writer)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Gives back a key that was claimed at `claimed_at`; one with an answer stays, and so does one that was claimed anew.
    pub async fn release_idempotency(
        &self,
        environment: EnvironmentId,
        token: TokenId,
        key: &str,
        claimed_at: Timestamp,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "giving an idempotency key back";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        sqlx::query!(
            "DELETE FROM idempotency_keys
             WHERE environment_id = ? AND token_id = ? AND key = ? AND created_at = ?
               AND answer_status IS NULL",
            bytes(&environment.0),
            bytes(&token.0),
            key,
            claimed_at.unix_ms()
        )
        .execute(&mut *writer)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Forgets keys that were claimed before `before`; says how many.
    pub async fn prune_idempotency(&self, before: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "forgetting old idempotency keys";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        sqlx::query!("DELETE FROM idempotency_keys WHERE created_at < ?", before.unix_ms())
            .execute(&mut *writer)
            .await
            .during(OPERATION)
            .map(|done| done.rows_affected())
    }
}

struct KeyColumns {
    fingerprint: Vec<u8>,
    answer_status: Option<i64>,
    answer_body: Option<Vec<u8>>,
    created_at: i64,
}

impl KeyColumns {
    /// The kept row under the key of `claim`.
    fn into_row(self, claim: &IdempotencyRow) -> Result<IdempotencyRow, CorruptColumn> {
        let answer = match (self.answer_status, self.answer_body) {
            (Some(status), Some(body)) => Some((count_from_integer("idempotency_keys.answer_status", status)?, body)),
            (None, None) => None,
            _ => return Err(CorruptColumn("idempotency_keys.answer_body")),
        };
        Ok(IdempotencyRow {
            environment_id: claim.environment_id,
            token_id: claim.token_id,
            key: claim.key.clone(),
            fingerprint: hash_from_bytes("idempotency_keys.fingerprint", &self.fingerprint)?,
            answer,
            created_at: Timestamp::from_unix_ms(self.created_at),
        })
    }
}
