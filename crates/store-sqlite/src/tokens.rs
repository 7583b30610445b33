//! API tokens.

use quartermaster_store_model::column::{
    CorruptColumn, hash_from_bytes, id_from_bytes, narrowing_from_text, narrowing_to_text, role_from_text,
};
use quartermaster_store_model::{AuditRow, Revocable, Revocation, StoreError, TokenRow};
use quartermaster_types::{EnvironmentId, Timestamp, TokenId};

use crate::SqliteStore;
use crate::columns::{LOWEST, bytes};
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct TokenColumns {
    environment_id: Vec<u8>,
    id: Vec<u8>,
    name: String,
    hash: Vec<u8>,
    prefix: String,
    role: String,
    operator: bool,
    narrowing: String,
    email: Option<String>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<TokenColumns> for TokenRow {
    type Error = CorruptColumn;

    fn try_from(columns: TokenColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: id_from_bytes("tokens.id", &columns.id)?,
            environment_id: id_from_bytes("tokens.environment_id", &columns.environment_id)?,
            name: columns.name,
            hash: hash_from_bytes("tokens.hash", &columns.hash)?,
            prefix: columns.prefix,
            role: role_from_text("tokens.role", &columns.role)?,
            operator: columns.operator,
            narrowing: narrowing_from_text("tokens.narrowing", &columns.narrowing)?,
            email: columns.email,
            expires_at: columns.expires_at.map(Timestamp::from_unix_ms),
            revoked_at: columns.revoked_at.map(Timestamp::from_unix_ms),
            created_at: Timestamp::from_unix_ms(columns.created_at),
        })
    }
}

macro_rules! select_tokens {
    ($condition:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            TokenColumns,
            r#"SELECT environment_id, id, name, hash, prefix, role, operator AS "operator: bool", narrowing,
                      email, expires_at, revoked_at, created_at
               FROM tokens WHERE "# + $condition
            $(, $argument)*
        )
    };
}

impl SqliteStore {
    /// Adds a token, and its audit record in the same transaction.
    pub async fn insert_token(&self, row: &TokenRow, audit: Option<&AuditRow>) -> Result<(), StoreError> {
        const OPERATION: &str = "adding a token";
        let narrowing = narrowing_to_text(&row.narrowing)?;
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        sqlx::query!(
            "INSERT INTO tokens (environment_id, id, name, hash, prefix, role, operator, narrowing, email,
                                 expires_at, revoked_at, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            bytes(&row.environment_id.0),
            bytes(&row.id.0),
            row.name.as_str(),
            row.hash.as_slice(),
            row.prefix.as_str(),
            row.role.as_str(),
            row.operator,
            narrowing,
            row.email.as_deref(),
            row.expires_at.map(Timestamp::unix_ms),
            row.revoked_at.map(Timestamp::unix_ms),
            row.created_at.unix_ms()
        )
        .execute(&mut *transaction)
        .await
        .conflict(OPERATION, "the token")?;
        if let Some(audit) = audit {
            crate::audit::record(&mut transaction, audit, OPERATION).await?;
        }
        transaction.commit().await.during(OPERATION)
    }

    /// The token with this hash, revoked and expired ones included.
    pub async fn find_token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        const OPERATION: &str = "reading a token";
        let found =
            select_tokens!("hash = ?", hash.as_slice()).fetch_optional(&self.inner.readers).await.during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// One token of this environment, revoked and expired ones included.
    pub async fn find_token(&self, environment: EnvironmentId, id: TokenId) -> Result<Option<TokenRow>, StoreError> {
        const OPERATION: &str = "reading a token";
        let found = select_tokens!("environment_id = ? AND id = ?", bytes(&environment.0), bytes(&id.0))
            .fetch_optional(&self.inner.readers)
            .await
            .during(OPERATION)?;
        found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error))
    }

    /// Tokens of an environment, ids above `after`, by id, at most `limit`.
    pub async fn list_tokens(
        &self,
        environment: EnvironmentId,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<TokenRow>, StoreError> {
        const OPERATION: &str = "listing tokens";
        let after = after.map_or(LOWEST, |id| id.0);
        let found = select_tokens!(
            "environment_id = ? AND id > ? ORDER BY id LIMIT ?",
            bytes(&environment.0),
            bytes(&after),
            i64::from(limit)
        )
        .fetch_all(&self.inner.readers)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }

    /// Revokes a token; the first time holds. Only what was done is recorded.
    pub async fn revoke_token(
        &self,
        environment: EnvironmentId,
        id: TokenId,
        at: Timestamp,
        revocable: Revocable,
        audit: &AuditRow,
    ) -> Result<Revocation, StoreError> {
        const OPERATION: &str = "revoking a token";
        let mut writer = self.writer(OPERATION, Durability::Power).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let found = sqlx::query!(
            r#"SELECT operator AS "operator: bool", revoked_at,
                      (SELECT count(*) FROM tokens AS others
                       WHERE others.operator = 1 AND others.revoked_at IS NULL AND others.id <> tokens.id) AS "others!: i64"
               FROM tokens WHERE environment_id = ? AND id = ?"#,
            bytes(&environment.0),
            bytes(&id.0)
        )
        .fetch_optional(&mut *transaction)
        .await
        .during(OPERATION)?;
        let Some(found) = found else { return Ok(Revocation::Missing) };
        let works = found.revoked_at.is_none();
        if let Some(refusal) = Revocation::refusal(revocable, found.operator, works, found.others) {
            return Ok(refusal);
        }
        sqlx::query!(
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE environment_id = ? AND id = ?",
            at.unix_ms(),
            bytes(&environment.0),
            bytes(&id.0)
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| Revocation::Done)
    }
}
