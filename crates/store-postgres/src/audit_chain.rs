//! The chains of the audit log: their tips, keys, checkpoints, and reading and dropping parts of them.

use quartermaster_store_model::audit_chain::{Checkpoint, CheckpointKind, Hex, Record};
use quartermaster_store_model::chain::{
    AuditChain, AuditChainPart, AuditKeyRow, AuditPrune, ChainTip, environments_of, hash_as_found,
};
use quartermaster_store_model::column::{CorruptColumn, hash_from_bytes};
use quartermaster_store_model::{AuditRow, StoreError};
use quartermaster_types::{AuditId, EnvironmentId};
use sqlx::postgres::PgConnection;

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

/// The tips of these rows' chains, which begin here where they have not begun yet. The transaction holds their locks until its
/// end: whoever else appends waits and goes on from there. Everybody locks in the same order.
pub(crate) async fn tips(
    transaction: &mut PgConnection,
    rows: &[&AuditRow],
    operation: &'static str,
) -> Result<Vec<ChainTip>, StoreError> {
    let mut tips = Vec::new();
    for environment_id in environments_of(rows) {
        let chain = lock(transaction, environment_id, operation).await?;
        tips.push(ChainTip { environment_id, sequence: chain.sequence, hash: chain.hash });
    }
    Ok(tips)
}

/// The chain, held until the end of the transaction.
async fn lock(
    transaction: &mut PgConnection,
    environment: EnvironmentId,
    operation: &'static str,
) -> Result<AuditChain, StoreError> {
    for _ in 0..2 {
        let found = sqlx::query_as!(
            ChainColumns,
            "SELECT sequence, hash, unchained, pruned, checkpointed FROM audit_chains WHERE environment_id = $1 FOR UPDATE",
            Key(environment.0) as _
        )
        .fetch_optional(&mut *transaction)
        .await
        .during(operation)?;
        if let Some(columns) = found {
            return columns.try_into().map_err(|error: CorruptColumn| StoreError::database(operation, error));
        }
        let chain = AuditChain::EMPTY;
        sqlx::query!(
            "INSERT INTO audit_chains (environment_id, sequence, hash, unchained, pruned, checkpointed)
             VALUES ($1, $2, $3, 0, 0, 0) ON CONFLICT DO NOTHING",
            Key(environment.0) as _,
            chain.sequence,
            chain.hash.0.as_slice()
        )
        .execute(&mut *transaction)
        .await
        .during(operation)?;
    }
    Err(StoreError::database(operation, "the chain of the environment cannot be begun"))
}

/// Moves the tips to where the new records end.
pub(crate) async fn move_to(
    transaction: &mut PgConnection,
    tips: &[ChainTip],
    operation: &'static str,
) -> Result<(), StoreError> {
    for tip in tips {
        sqlx::query!(
            "UPDATE audit_chains SET sequence = $1, hash = $2 WHERE environment_id = $3",
            tip.sequence,
            tip.hash.0.as_slice(),
            Key(tip.environment_id.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(operation)?;
    }
    Ok(())
}

async fn find(
    connection: &mut PgConnection,
    environment: EnvironmentId,
    operation: &'static str,
) -> Result<Option<AuditChain>, StoreError> {
    let found = sqlx::query_as!(
        ChainColumns,
        "SELECT sequence, hash, unchained, pruned, checkpointed FROM audit_chains WHERE environment_id = $1",
        Key(environment.0) as _
    )
    .fetch_optional(connection)
    .await
    .during(operation)?;
    found.map(TryInto::try_into).transpose().map_err(|error: CorruptColumn| StoreError::database(operation, error))
}

struct ChainColumns {
    sequence: i64,
    hash: Vec<u8>,
    unchained: i64,
    pruned: i64,
    checkpointed: i64,
}

impl TryFrom<ChainColumns> for AuditChain {
    type Error = CorruptColumn;

    fn try_from(columns: ChainColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            sequence: columns.sequence,
            hash: Hex(hash_from_bytes("audit_chains.hash", &columns.hash)?),
            unchained: columns.unchained,
            pruned: columns.pruned,
            checkpointed: columns.checkpointed,
        })
    }
}

impl PostgresStore {
    /// The state of an environment's chain; [`AuditChain::EMPTY`] before its first record.
    pub async fn audit_chain(&self, environment: EnvironmentId) -> Result<AuditChain, StoreError> {
        const OPERATION: &str = "reading the audit log's chain";
        let mut connection = self.pool.acquire().await.during(OPERATION)?;
        Ok(find(&mut connection, environment, OPERATION).await?.unwrap_or(AuditChain::EMPTY))
    }

    /// Environments whose chains have gone on since their last checkpoint.
    pub async fn audit_chains_ahead(&self) -> Result<Vec<EnvironmentId>, StoreError> {
        const OPERATION: &str = "looking for chains without a checkpoint";
        sqlx::query_scalar!(
            r#"SELECT environment_id AS "environment_id: Key" FROM audit_chains WHERE sequence > checkpointed"#
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)
        .map(|found| found.into_iter().map(Key::id).collect())
    }

    /// The key that signs an environment's checkpoints.
    pub async fn find_audit_key(&self, environment: EnvironmentId) -> Result<Option<AuditKeyRow>, StoreError> {
        const OPERATION: &str = "reading the audit log's key";
        let found = sqlx::query!(
            "SELECT public_key, sealed_key FROM audit_keys WHERE environment_id = $1",
            Key(environment.0) as _
        )
        .fetch_optional(&self.pool)
        .await
        .during(OPERATION)?;
        let Some(columns) = found else { return Ok(None) };
        let public_key = hash_from_bytes("audit_keys.public_key", &columns.public_key);
        let public_key = public_key.map_err(|error| StoreError::database(OPERATION, error))?;
        Ok(Some(AuditKeyRow { environment_id: environment, public_key, sealed_key: columns.sealed_key }))
    }

    /// Adds it, unless there is one.
    pub async fn insert_audit_key(&self, row: &AuditKeyRow) -> Result<(), StoreError> {
        const OPERATION: &str = "adding the audit log's key";
        sqlx::query!(
            "INSERT INTO audit_keys (environment_id, public_key, sealed_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            Key(row.environment_id.0) as _,
            row.public_key.as_slice(),
            row.sealed_key.as_slice()
        )
        .execute(&self.pool)
        .await
        .during(OPERATION)
        .map(|_| ())
    }

    /// Adds a checkpoint on the head of a chain; one that is there stays.
    pub async fn insert_audit_checkpoint(
        &self,
        environment: EnvironmentId,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "adding a checkpoint of the audit log";
        let mut transaction = self.begin(OPERATION).await?;
        insert_checkpoint(&mut transaction, environment, checkpoint, OPERATION).await?;
        sqlx::query!(
            "UPDATE audit_chains SET checkpointed = greatest(checkpointed, $1) WHERE environment_id = $2",
            checkpoint.sequence,
            Key(environment.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        transaction.commit().await.during(OPERATION)
    }

    /// The statements on what retention dropped, in order; at most `limit`, after this record.
    pub async fn list_audit_prunes(
        &self,
        environment: EnvironmentId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        const OPERATION: &str = "reading what was dropped of the audit log";
        sqlx::query_as!(
            CheckpointColumns,
            "SELECT sequence, kind, first, count, unchained, at, hash, signature FROM audit_checkpoints
             WHERE environment_id = $1 AND sequence > $2 AND kind = 'prune' ORDER BY sequence LIMIT $3",
            Key(environment.0) as _,
            after,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)
        .map(|found| found.into_iter().map(Into::into).collect())
    }

    /// Records after this place, at most `limit`, with the checkpoints on them and the state of the chain, all in one moment.
    pub async fn read_audit_chain(
        &self,
        environment: EnvironmentId,
        after: Option<i64>,
        limit: u32,
    ) -> Result<AuditChainPart, StoreError> {
        const OPERATION: &str = "reading the audit log's chain";
        // One that was given a place below the first is read too, and found.
        let after = after.unwrap_or(i64::MIN);
        let mut moment = self.begin(OPERATION).await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *moment)
            .await
            .during(OPERATION)?;
        let chain = find(&mut moment, environment, OPERATION).await?.unwrap_or(AuditChain::EMPTY);
        let records: Vec<Record> = sqlx::query_as!(
            RecordColumns,
            r#"SELECT sequence, hash, id AS "id: Key", at, request_id AS "request_id: Key", token_id AS "token_id: Key", session,
                      door, action, account_id AS "account_id: Key", target, arguments, before, after, decision, outcome,
                      code, upstream_calls, duration_ms
             FROM audit WHERE environment_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"#,
            Key(environment.0) as _,
            after,
            i64::from(limit)
        )
        .fetch_all(&mut *moment)
        .await
        .during(OPERATION)?
        .into_iter()
        .map(Into::into)
        .collect();
        let is_last = records.len() < limit as usize;
        let until = records.last().and_then(|record| record.sequence).filter(|_| !is_last).unwrap_or(i64::MAX);
        let checkpoints = sqlx::query_as!(
            CheckpointColumns,
            "SELECT sequence, kind, first, count, unchained, at, hash, signature FROM audit_checkpoints
             WHERE environment_id = $1 AND sequence > $2 AND sequence <= $3 AND kind <> 'prune' ORDER BY sequence",
            Key(environment.0) as _,
            after,
            until
        )
        .fetch_all(&mut *moment)
        .await
        .during(OPERATION)?;
        moment.commit().await.during(OPERATION)?;
        Ok(AuditChainPart { chain, records, checkpoints: checkpoints.into_iter().map(Into::into).collect() })
    }

    /// Records outside the chain with ids above this one, by id, at most `limit`.
    pub async fn list_unchained_audit(
        &self,
        environment: EnvironmentId,
        after: AuditId,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        sqlx::query_as!(
            RecordColumns,
            r#"SELECT sequence, hash, id AS "id: Key", at, request_id AS "request_id: Key", token_id AS "token_id: Key", session,
                      door, action, account_id AS "account_id: Key", target, arguments, before, after, decision, outcome,
                      code, upstream_calls, duration_ms
             FROM audit WHERE environment_id = $1 AND sequence IS NULL AND id > $2 ORDER BY id LIMIT $3"#,
            Key(environment.0) as _,
            Key(after.0) as _,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await
        .during("reading the audit log from before its chain")
        .map(|found| found.into_iter().map(Into::into).collect())
    }

    /// Drops the first records of a chain, up to the one that the signed statement names, with those from before the chain and
    /// the checkpoints on them; the statement stays. [`StoreError::Stale`] when the chain does not begin where it says.
    pub async fn prune_audit(&self, prune: &AuditPrune) -> Result<(), StoreError> {
        const OPERATION: &str = "dropping a part of the audit log";
        let (environment, statement) = (prune.environment_id, &prune.statement);
        let mut transaction = self.begin(OPERATION).await?;
        let chain = lock(&mut transaction, environment, OPERATION).await?;
        if statement.first != chain.pruned + 1 || statement.sequence > chain.sequence {
            return Err(StoreError::Stale);
        }
        sqlx::query!(
            "DELETE FROM audit WHERE environment_id = $1 AND (sequence <= $2 OR sequence IS NULL)",
            Key(environment.0) as _,
            statement.sequence
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        sqlx::query!(
            "DELETE FROM audit_checkpoints WHERE environment_id = $1 AND sequence <= $2 AND kind = 'head'",
            Key(environment.0) as _,
            statement.sequence
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        insert_checkpoint(&mut transaction, environment, statement, OPERATION).await?;
        sqlx::query!(
            "UPDATE audit_chains SET pruned = $1, unchained = 0 WHERE environment_id = $2",
            statement.sequence,
            Key(environment.0) as _
        )
        .execute(&mut *transaction)
        .await
        .during(OPERATION)?;
        crate::audit::record(&mut transaction, &prune.audit, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }
}

async fn insert_checkpoint(
    transaction: &mut PgConnection,
    environment: EnvironmentId,
    checkpoint: &Checkpoint,
    operation: &'static str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_checkpoints (environment_id, sequence, kind, first, count, unchained, at, hash, signature)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        Key(environment.0) as _,
        checkpoint.sequence,
        checkpoint.kind.as_str(),
        checkpoint.first,
        checkpoint.count,
        checkpoint.unchained,
        checkpoint.at.unix_ms(),
        checkpoint.hash.0.as_slice(),
        checkpoint.signature.0.as_slice()
    )
    .execute(transaction)
    .await
    .during(operation)
    .map(|_| ())
}

struct CheckpointColumns {
    sequence: i64,
    kind: String,
    first: i64,
    count: i64,
    unchained: i64,
    at: i64,
    hash: Vec<u8>,
    signature: Vec<u8>,
}

/// What cannot be one becomes what nobody signed.
impl From<CheckpointColumns> for Checkpoint {
    fn from(columns: CheckpointColumns) -> Self {
        Self {
            kind: CheckpointKind::from_name(&columns.kind).unwrap_or(CheckpointKind::Head),
            first: columns.first,
            sequence: columns.sequence,
            count: columns.count,
            unchained: columns.unchained,
            at: Record::time_of_column(columns.at),
            hash: hash_as_found(Some(&columns.hash)).unwrap_or(Hex([0; 32])),
            signature: Hex(columns.signature.try_into().unwrap_or([0; 64])),
        }
    }
}

struct RecordColumns {
    sequence: Option<i64>,
    hash: Option<Vec<u8>>,
    id: Key,
    at: i64,
    request_id: Key,
    token_id: Key,
    session: Option<String>,
    door: String,
    action: String,
    account_id: Option<Key>,
    target: Option<String>,
    arguments: Option<String>,
    before: Option<String>,
    after: Option<String>,
    decision: Option<String>,
    outcome: String,
    code: Option<String>,
    upstream_calls: i64,
    duration_ms: i64,
}

impl From<RecordColumns> for Record {
    fn from(columns: RecordColumns) -> Self {
        Self {
            sequence: columns.sequence,
            hash: hash_as_found(columns.hash.as_deref()),
            id: columns.id.id(),
            at: Record::time_of_column(columns.at),
            request_id: columns.request_id.id(),
            token_id: columns.token_id.id(),
            session: columns.session,
            door: columns.door,
            action: columns.action,
            account_id: columns.account_id.map(Key::id),
            target: columns.target,
            arguments: columns.arguments,
            before: columns.before,
            after: columns.after,
            decision: columns.decision,
            outcome: columns.outcome,
            code: columns.code,
            upstream_calls: columns.upstream_calls,
            duration_ms: columns.duration_ms,
        }
    }
}
