//! Idempotency keys and the answers kept under them.

use quartermaster_store_model::column::{CorruptColumn, count_from_integer, hash_from_bytes};
use quartermaster_store_model::{Claim, IdempotencyRow, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp, TokenId};

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

/// How often a claim is made anew when the key was given back in between.
const CLAIM_ATTEMPTS_MAX: u32 = 5;

impl PostgresStore {
    /// Claims a key. Between a claim that finds the key taken and the look at it the key may be given back: then the
    /// claim is made anew.
    pub async fn claim_idempotency(&self, row: &IdempotencyRow) -> Result<Claim, StoreError> {
        const OPERATION: &str = "claiming an idempotency key";
        for _ in 0..CLAIM_ATTEMPTS_MAX {
            let done = sqlx::query!(
                "INSERT INTO idempotency_keys (environment_id, token_id, key, fingerprint, created_at)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                Key(row.environment_id.0) as _,
                Key(row.token_id.0) as _,
                row.key.as_str(),
                row.fingerprint.as_slice(),
                row.created_at.unix_ms()
            )
            .execute(&self.pool)
            .await
            .during(OPERATION)?;
            if done.rows_affected() == 1 {
                return Ok(Claim::New);
            }
            let found = sqlx::query_as!(
                KeyColumns,
                "SELECT fingerprint, answer_status, answer_body, created_at FROM idempotency_keys
                 WHERE environment_id = $1 AND token_id = $2 AND key = $3",
                Key(row.environment_id.0) as _,
                Key(row.token_id.0) as _,
                row.key.as_str()
            )
            .fetch_optional(&self.pool)
            .await
            .during(OPERATION)?;
            if let Some(found) = found {
                return found
                    .into_row(row)
                    .map(Claim::Existing)
                    .map_err(|error| StoreError::database(OPERATION, error));
            }
        }
        Err(StoreError::database(OPERATION, "the key is claimed and given back again and again"))
    }

    /// Stores the answer under a claimed key; the first answer stays.
    pub async fn finish_idempotency(
        &self,
        environment: EnvironmentId,
        token: TokenId,
        key: &str,
        status: u16,
        body: &[u8],
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "keeping an answer under an idempotency key";
        sqlx::query!(
            "UPDATE idempotency_keys SET answer_status = $1, answer_body = $2
             WHERE environment_id = $3 AND token_id = $4 AND key = $5 AND answer_status IS NULL",
            i64::from(status),
            body,
            Key(environment.0) as _,
            Key(token.0) as _,
            key
        )
        .execute(&self.pool)
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
        sqlx::query!(
            "DELETE FROM idempotency_keys
             WHERE environment_id = $1 AND token_id = $2 AND key = $3 AND created_at = $4
               AND answer_status IS NULL",
            Key(environment.0) as _,
            Key(token.0) as _,
            key,
            claimed_at.unix_ms()
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Forgets keys that were claimed before `before`; says how many.
    pub async fn prune_idempotency(&self, before: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "forgetting old idempotency keys";
        sqlx::query!("DELETE FROM idempotency_keys WHERE created_at < $1", before.unix_ms())
            .execute(&self.pool)
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
