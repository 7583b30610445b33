//! The audit log. A batch is one statement and one round trip: a column of values each, unnested into rows.

use std::borrow::Cow;
use std::collections::HashSet;

use quartermaster_store_model::chain::extend;
use quartermaster_store_model::column::{
    CorruptColumn, audit_text, audit_value, count_from_integer, earliest_audit_id, outcome_from_text,
};
use quartermaster_store_model::{AUDIT_APPEND_MAX_ROWS, AuditQuery, AuditRecord, AuditRow, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp};
use sqlx::postgres::PgConnection;

use crate::columns::column;
use crate::error::ResultExt;
use crate::key::Key;
use crate::{PostgresStore, audit_chain};

/// Writes one record in the transaction of the change that it speaks of, at the next place of its chain. An id that is
/// there already is an error: the change must not go unrecorded.
pub(crate) async fn record(
    transaction: &mut PgConnection,
    row: &AuditRow,
    operation: &'static str,
) -> Result<(), StoreError> {
    append(transaction, &[row], operation).await.map_err(|error| match error {
        StoreError::Conflict(_) => StoreError::Conflict("the audit record"),
        other => other,
    })
}

/// Appends rows, none of which is there, at the next places of their chains: one statement.
async fn append(transaction: &mut PgConnection, rows: &[&AuditRow], operation: &'static str) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut tips = audit_chain::tips(transaction, rows, operation).await?;
    let places = extend(&mut tips, rows).unwrap_or_default();
    sqlx::query!(
        "INSERT INTO audit (environment_id, id, at, request_id, token_id, session, door, action, account_id,
                            target, arguments, before, after, decision, outcome, code, upstream_calls, duration_ms,
                            sequence, hash)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
                              $8::text[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[],
                              $14::text[], $15::text[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bytea[])",
        column(rows, |row| Key(row.environment_id.0)) as _,
        column(rows, |row| Key(row.id.0)) as _,
        &column(rows, |row| row.at.unix_ms()),
        column(rows, |row| Key(row.request_id.0)) as _,
        column(rows, |row| Key(row.token_id.0)) as _,
        column(rows, |row| row.session.as_deref().map(audit_text)) as Vec<Option<Cow<'_, str>>>,
        column(rows, |row| row.door) as Vec<&str>,
        column(rows, |row| audit_text(&row.action)) as Vec<Cow<'_, str>>,
        column(rows, |row| row.account_id.map(|id| Key(id.0))) as _,
        column(rows, |row| row.target.as_deref().map(audit_text)) as Vec<Option<Cow<'_, str>>>,
        column(rows, |row| row.arguments.as_deref().map(audit_text)) as Vec<Option<Cow<'_, str>>>,
        column(rows, |row| row.before.as_deref().map(audit_text)) as Vec<Option<Cow<'_, str>>>,
        column(rows, |row| row.after.as_deref().map(audit_text)) as Vec<Option<Cow<'_, str>>>,
        column(rows, |row| row.decision.as_deref().map(audit_text)) as Vec<Option<Cow<'_, str>>>,
        column(rows, |row| row.outcome.as_str()) as Vec<&str>,
        column(rows, |row| row.code) as Vec<Option<&str>>,
        &column(rows, |row| i64::from(row.upstream_calls)),
        &column(rows, |row| i64::from(row.duration_ms)),
        &column(&places, |place| place.0),
        column(&places, |place| place.1.0.as_slice()) as Vec<&[u8]>
    )
    .execute(&mut *transaction)
    .await
    .conflict(operation, "an audit record, or its place in the chain,")?;
    audit_chain::move_to(transaction, &tips, operation).await
}

/// The rows that are not there yet, each once. Holds the chains, so that nobody adds them in between.
async fn missing<'rows>(
    transaction: &mut PgConnection,
    rows: &[&'rows AuditRow],
    operation: &'static str,
) -> Result<Vec<&'rows AuditRow>, StoreError> {
    audit_chain::tips(transaction, rows, operation).await?;
    let found = sqlx::query!(
        r#"SELECT environment_id AS "environment_id: Key", id AS "id: Key" FROM audit
           WHERE (environment_id, id) IN (SELECT * FROM UNNEST($1::uuid[], $2::uuid[]))"#,
        column(rows, |row| Key(row.environment_id.0)) as _,
        column(rows, |row| Key(row.id.0)) as _
    )
    .fetch_all(transaction)
    .await
    .during(operation)?;
    let mut seen: HashSet<_> = found.into_iter().map(|columns| (columns.environment_id.0, columns.id.0)).collect();
    Ok(rows.iter().copied().filter(|row| seen.insert((row.environment_id.0, row.id.0))).collect())
}

impl PostgresStore {
    /// Appends audit records, at most [`AUDIT_APPEND_MAX_ROWS`], at the next places of their chains, in one transaction.
    /// Records that are there already stay as they are, so that a batch can be tried again.
    pub async fn append_audit(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        const OPERATION: &str = "appending to the audit log";
        if rows.is_empty() {
            return Ok(());
        }
        if rows.len() > AUDIT_APPEND_MAX_ROWS {
            return Err(StoreError::database(OPERATION, TooManyRows(rows.len())));
        }
        let rows: Vec<_> = rows.iter().collect();
        let mut transaction = self.begin(OPERATION).await?;
        match append(&mut transaction, &rows, OPERATION).await {
            Ok(()) => return transaction.commit().await.during(OPERATION),
            Err(StoreError::Conflict(_)) => transaction.rollback().await.during(OPERATION)?,
            Err(error) => return Err(error),
        }
        // Some are there from an earlier try.
        let mut transaction = self.begin(OPERATION).await?;
        let missing = missing(&mut transaction, &rows, OPERATION).await?;
        append(&mut transaction, &missing, OPERATION).await?;
        transaction.commit().await.during(OPERATION)
    }

    /// Reads audit records, newest first. The log has no index besides its own order: a search by account or action
    /// reads back until it has found enough.
    pub async fn list_audit(
        &self,
        environment: EnvironmentId,
        query: &AuditQuery,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        const OPERATION: &str = "reading the audit log";
        let below = query.before.map_or(Key::HIGHEST, |id| Key(id.0));
        let from = query.request_id.and_then(earliest_audit_id).map_or(Key::LOWEST, |id| Key(id.0));
        let found = sqlx::query_as!(
            AuditColumns,
            r#"SELECT id AS "id: Key", at, request_id AS "request_id: Key", token_id AS "token_id: Key", session, door,
                      action, account_id AS "account_id: Key", target, arguments, before, after, decision,
                      outcome, code, upstream_calls, duration_ms
             FROM audit
             WHERE environment_id = $1 AND id < $2 AND id >= $3
               AND ($4::uuid IS NULL OR account_id = $4)
               AND ($5::text IS NULL OR action = $5)
               AND ($6::uuid IS NULL OR request_id = $6)
             ORDER BY id DESC LIMIT $7"#,
            Key(environment.0) as _,
            below as _,
            from as _,
            query.account_id.map(|id| Key(id.0)) as _,
            query.action.as_deref(),
            query.request_id.map(|id| Key(id.0)) as _,
            i64::from(query.limit)
        )
        .fetch_all(&self.pool)
        .await
        .during(OPERATION)?;
        found
            .into_iter()
            .map(|columns| columns.try_into().map_err(|error: CorruptColumn| StoreError::database(OPERATION, error)))
            .collect()
    }
}

/// A batch over the limit.
#[derive(Debug, thiserror::Error)]
#[error("{0} records in one batch, where at most {AUDIT_APPEND_MAX_ROWS} are allowed")]
struct TooManyRows(usize);

struct AuditColumns {
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

impl TryFrom<AuditColumns> for AuditRecord {
    type Error = CorruptColumn;

    fn try_from(columns: AuditColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: columns.id.id(),
            at: Timestamp::from_unix_ms(columns.at),
            request_id: columns.request_id.id(),
            token_id: columns.token_id.id(),
            session: columns.session,
            door: columns.door,
            action: columns.action,
            account_id: columns.account_id.map(Key::id),
            target: columns.target,
            arguments: audit_value(columns.arguments),
            before: audit_value(columns.before),
            after: audit_value(columns.after),
            decision: audit_value(columns.decision),
            outcome: outcome_from_text("audit.outcome", &columns.outcome)?,
            code: columns.code,
            upstream_calls: count_from_integer("audit.upstream_calls", columns.upstream_calls)?,
            duration_ms: count_from_integer("audit.duration_ms", columns.duration_ms)?,
        })
    }
}
