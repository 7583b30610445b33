//! The audit log: appended to by every call, so each microsecond a row counts.
//!
//! A batch is one statement. Measured on batches of 200 rows: rows inside one JSON parameter cost 9 µs a row, a
//! prepared statement for each row within one transaction more than that, many rows of placeholders 2.6 µs. The number of
//! placeholders must be fixed to keep the statement prepared, so there are a few sizes, and the unused rows of a batch
//! stay unbound, which is NULL, and are filtered out.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use quartermaster_store_model::audit_chain::{GENESIS, Hash};
use quartermaster_store_model::chain::extend;
use quartermaster_store_model::column::{
    CorruptColumn, audit_text, audit_value, count_from_integer, earliest_audit_id, id_from_bytes, outcome_from_text,
};
use quartermaster_store_model::{AUDIT_APPEND_MAX_ROWS, AuditQuery, AuditRecord, AuditRow, StoreError};
use quartermaster_types::{EnvironmentId, Timestamp};
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Execute};

use crate::columns::{HIGHEST, LOWEST, bytes};
use crate::connection::{Durability, begin};
use crate::error::ResultExt;
use crate::{SqliteStore, audit_chain};

/// How many rows of placeholders the statements for batches have; a batch takes the first that holds it.
const BATCH_ROWS: [usize; 4] = [16, 64, 256, AUDIT_APPEND_MAX_ROWS];

/// The statements for [`BATCH_ROWS`], made when first needed.
static BATCH_STATEMENTS: [OnceLock<Arc<str>>; BATCH_ROWS.len()] = [const { OnceLock::new() }; BATCH_ROWS.len()];

const COLUMNS: usize = 20;

/// The checked statement for one row, from which those for batches are made.
macro_rules! insert_row {
    ($row:expr, $place:expr) => {
        sqlx::query!(
            "INSERT INTO audit (environment_id, id, at, request_id, token_id, session, door, action, account_id,
                                target, arguments, before, after, decision, outcome, code, upstream_calls,
                                duration_ms, sequence, hash)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            bytes(&$row.environment_id.0),
            bytes(&$row.id.0),
            $row.at.unix_ms(),
            bytes(&$row.request_id.0),
            bytes(&$row.token_id.0),
            $row.session.as_deref().map(audit_text),
            $row.door,
            audit_text(&$row.action),
            $row.account_id.as_ref().map(|id| bytes(&id.0)),
            $row.target.as_deref().map(audit_text),
            $row.arguments.as_deref().map(audit_text),
            $row.before.as_deref().map(audit_text),
            $row.after.as_deref().map(audit_text),
            $row.decision.as_deref().map(audit_text),
            $row.outcome.as_str(),
            $row.code,
            $row.upstream_calls,
            $row.duration_ms,
            $place.0,
            $place.1.0.as_slice()
        )
    };
}

/// Writes one record in the transaction of the change that it speaks of, at the next place of its chain. An id that is
/// there already is an error: the change must not go unrecorded.
pub(crate) async fn record(
    transaction: &mut SqliteConnection,
    row: &AuditRow,
    operation: &'static str,
) -> Result<(), StoreError> {
    let mut tips = audit_chain::tips(transaction, &[row], operation).await?;
    for place in extend(&mut tips, &[row]).unwrap_or_default() {
        insert_row!(row, place).execute(&mut *transaction).await.conflict(operation, "the audit record")?;
    }
    audit_chain::move_to(transaction, &tips, operation).await
}

impl SqliteStore {
    /// Appends audit records, at most [`AUDIT_APPEND_MAX_ROWS`], at the next places of their chains, in one transaction.
    /// Records that are there already stay as they are, so that a batch can be tried again. Outlives the end of the process;
    /// a loss of power can cost the last moments, up to the next durable write.
    pub async fn append_audit(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        const OPERATION: &str = "appending to the audit log";
        if rows.is_empty() {
            return Ok(());
        }
        if rows.len() > AUDIT_APPEND_MAX_ROWS {
            return Err(StoreError::database(OPERATION, TooManyRows(rows.len())));
        }
        let rows: Vec<_> = rows.iter().collect();
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        match append(&mut transaction, &rows, OPERATION).await {
            // Some are there from an earlier try. The failed statement left nothing behind.
            Err(StoreError::Conflict(_)) => {
                let missing = missing(&mut transaction, &rows, OPERATION).await?;
                append(&mut transaction, &missing, OPERATION).await?;
            }
            other => other?,
        }
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
        let below = query.before.map_or(HIGHEST, |id| id.0);
        let from = query.request_id.and_then(earliest_audit_id).map_or(LOWEST, |id| id.0);
        let found = sqlx::query_as!(
            AuditColumns,
            "SELECT id, at, request_id, token_id, session, door, action, account_id, target, arguments, before, after,
                    decision, outcome, code, upstream_calls, duration_ms
             FROM audit
             WHERE environment_id = ?1 AND id < ?2 AND id >= ?3
               AND (?4 IS NULL OR account_id = ?4)
               AND (?5 IS NULL OR action = ?5)
               AND (?6 IS NULL OR request_id = ?6)
             ORDER BY id DESC LIMIT ?7",
            bytes(&environment.0),
            bytes(&below),
            bytes(&from),
            query.account_id.as_ref().map(|id| bytes(&id.0)),
            query.action.as_deref(),
            query.request_id.as_ref().map(|id| bytes(&id.0)),
            query.limit
        )
        .fetch_all(&self.inner.readers)
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

/// Appends rows, none of which is there.
async fn append(
    transaction: &mut SqliteConnection,
    rows: &[&AuditRow],
    operation: &'static str,
) -> Result<(), StoreError> {
    let Some(first) = rows.first() else { return Ok(()) };
    let mut tips = audit_chain::tips(transaction, rows, operation).await?;
    let places = extend(&mut tips, rows).unwrap_or_default();
    let size = BATCH_ROWS.iter().position(|size| rows.len() <= *size).unwrap_or(BATCH_ROWS.len() - 1);
    let statement = BATCH_STATEMENTS[size].get_or_init(|| {
        let single = insert_row!(first, (0_i64, GENESIS)).sql();
        batch_statement(single.as_str(), BATCH_ROWS[size])
    });
    let mut arguments = SqliteArguments::default();
    arguments.reserve(rows.len() * COLUMNS, 0);
    for (row, place) in rows.iter().zip(&places) {
        add_row(&mut arguments, row, place).map_err(|error| StoreError::database(operation, error))?;
    }
    sqlx::query_with(AssertSqlSafe(Arc::clone(statement)), arguments)
        .execute(&mut *transaction)
        .await
        .conflict(operation, "an audit record, or its place in the chain,")?;
    audit_chain::move_to(transaction, &tips, operation).await
}

/// The rows that are not there yet, each once.
async fn missing<'rows>(
    transaction: &mut SqliteConnection,
    rows: &[&'rows AuditRow],
    operation: &'static str,
) -> Result<Vec<&'rows AuditRow>, StoreError> {
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    for row in rows.iter().filter(|row| seen.insert((row.environment_id, row.id))) {
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM audit WHERE environment_id = ? AND id = ?) AS "found!: bool""#,
            bytes(&row.environment_id.0),
            bytes(&row.id.0)
        )
        .fetch_one(&mut *transaction)
        .await
        .during(operation)?;
        if !found {
            missing.push(*row);
        }
    }
    Ok(missing)
}

/// The statement for one row, made to take `rows` rows, of which those without an id are left out.
fn batch_statement(single: &str, rows: usize) -> Arc<str> {
    let (head, placeholders) = single.split_once("VALUES").unwrap_or((single, ""));
    let values = vec![placeholders.trim(); rows].join(", ");
    format!("{head}SELECT * FROM (VALUES {values}) WHERE column2 IS NOT NULL").into()
}

/// Adds the values of one row, in the order of the statement's columns.
fn add_row(arguments: &mut SqliteArguments, row: &AuditRow, place: &(i64, Hash)) -> Result<(), BoxDynError> {
    arguments.add(bytes(&row.environment_id.0))?;
    arguments.add(bytes(&row.id.0))?;
    arguments.add(row.at.unix_ms())?;
    arguments.add(bytes(&row.request_id.0))?;
    arguments.add(bytes(&row.token_id.0))?;
    arguments.add(row.session.as_deref().map(audit_text))?;
    arguments.add(row.door)?;
    arguments.add(audit_text(&row.action))?;
    arguments.add(row.account_id.as_ref().map(|id| bytes(&id.0)))?;
    arguments.add(row.target.as_deref().map(audit_text))?;
    arguments.add(row.arguments.as_deref().map(audit_text))?;
    arguments.add(row.before.as_deref().map(audit_text))?;
    arguments.add(row.after.as_deref().map(audit_text))?;
    arguments.add(row.decision.as_deref().map(audit_text))?;
    arguments.add(row.outcome.as_str())?;
    arguments.add(row.code)?;
    arguments.add(row.upstream_calls)?;
    arguments.add(row.duration_ms)?;
    arguments.add(place.0)?;
    arguments.add(place.1.0.as_slice())
}

struct AuditColumns {
    id: Vec<u8>,
    at: i64,
    request_id: Vec<u8>,
    token_id: Vec<u8>,
    session: Option<String>,
    door: String,
    action: String,
    account_id: Option<Vec<u8>>,
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
            id: id_from_bytes("audit.id", &columns.id)?,
            at: Timestamp::from_unix_ms(columns.at),
            request_id: id_from_bytes("audit.request_id", &columns.request_id)?,
            token_id: id_from_bytes("audit.token_id", &columns.token_id)?,
            session: columns.session,
            door: columns.door,
            action: columns.action,
            account_id: columns.account_id.map(|id| id_from_bytes("audit.account_id", &id)).transpose()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_repeats_the_placeholders() {
        assert_eq!(
            &*batch_statement("INSERT INTO t (a, b)\n VALUES (?, ?)", 2),
            "INSERT INTO t (a, b)\n SELECT * FROM (VALUES (?, ?), (?, ?)) WHERE column2 IS NOT NULL"
        );
    }
}
