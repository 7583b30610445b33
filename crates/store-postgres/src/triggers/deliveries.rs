//! What was delivered to triggers: the last ones of each.

use quartermaster_store_model::column::{
    CorruptColumn, audit_text, count_from_integer, delivery_outcome_from_text, hash_from_bytes,
};
use quartermaster_store_model::{DELIVERIES_KEPT_MAX, DeliveryRow, StoreError};
use quartermaster_types::{DeliveryId, EnvironmentId, Timestamp, TriggerId};
use sqlx::postgres::PgConnection;

use crate::PostgresStore;
use crate::error::ResultExt;
use crate::key::Key;

struct DeliveryColumns {
    environment_id: Key,
    trigger_id: Key,
    id: Key,
    at: i64,
    request_id: Key,
    outcome: String,
    detail: String,
    items: String,
    digest: Vec<u8>,
    body_bytes: i64,
    payload: Option<String>,
}

impl TryFrom<DeliveryColumns> for DeliveryRow {
    type Error = CorruptColumn;

    fn try_from(columns: DeliveryColumns) -> Result<Self, CorruptColumn> {
        Ok(Self {
            id: columns.id.id(),
            environment_id: columns.environment_id.id(),
            trigger_id: columns.trigger_id.id(),
            at: Timestamp::from_unix_ms(columns.at),
            request_id: columns.request_id.id(),
            outcome: delivery_outcome_from_text("deliveries.outcome", &columns.outcome)?,
            detail: columns.detail,
            items: columns.items,
            digest: hash_from_bytes("deliveries.digest", &columns.digest)?,
            body_bytes: count_from_integer("deliveries.body_bytes", columns.body_bytes)?,
            payload: columns.payload,
        })
    }
}

impl PostgresStore {
    /// Writes down a delivery that starts nothing. False when the environment has no such trigger any more.
    pub async fn insert_delivery(&self, row: &DeliveryRow) -> Result<bool, StoreError> {
        const OPERATION: &str = "writing down a delivery";
        let mut transaction = self.begin(OPERATION).await?;
        let known = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM triggers WHERE environment_id = $1 AND id = $2) AS "any!""#,
            Key(row.environment_id.0) as _,
            Key(row.trigger_id.0) as _
        )
        .fetch_one(&mut *transaction)
        .await
        .during(OPERATION)?;
        if !known {
            return Ok(false);
        }
        add(&mut transaction, row, OPERATION).await?;
        transaction.commit().await.during(OPERATION).map(|()| true)
    }

    /// Deliveries to a trigger below `before`, the newest first, at most `limit`.
    pub async fn list_deliveries(
        &self,
        environment: EnvironmentId,
        trigger: TriggerId,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        const OPERATION: &str = "listing deliveries";
        let before = before.map_or(Key::HIGHEST, |id| Key(id.0));
        let found = sqlx::query_as!(
            DeliveryColumns,
            r#"SELECT environment_id AS "environment_id: Key", trigger_id AS "trigger_id: Key", id AS "id: Key", at,
                      request_id AS "request_id: Key", outcome, detail, items, digest, body_bytes, payload
               FROM deliveries WHERE environment_id = $1 AND trigger_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4"#,
            Key(environment.0) as _,
            Key(trigger.0) as _,
            before as _,
            i64::from(limit)
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

/// Writes down a delivery, and drops those of its trigger that are too many.
pub(super) async fn add(
    transaction: &mut PgConnection,
    row: &DeliveryRow,
    operation: &'static str,
) -> Result<(), StoreError> {
    let (detail, items) = (audit_text(&row.detail), audit_text(&row.items));
    let payload = row.payload.as_deref().map(audit_text);
    let (environment, trigger) = (Key(row.environment_id.0), Key(row.trigger_id.0));
    sqlx::query!(
        "INSERT INTO deliveries (environment_id, trigger_id, id, at, request_id, outcome, detail, items, digest, body_bytes,
                                 payload)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        environment as _,
        trigger as _,
        Key(row.id.0) as _,
        row.at.unix_ms(),
        Key(row.request_id.0) as _,
        row.outcome.as_str(),
        detail.as_ref(),
        items.as_ref(),
        row.digest.as_slice(),
        i64::from(row.body_bytes),
        payload.as_deref()
    )
    .execute(&mut *transaction)
    .await
    .during(operation)?;
    sqlx::query!(
        "DELETE FROM deliveries WHERE environment_id = $1 AND trigger_id = $2 AND id <= (
           SELECT id FROM deliveries WHERE environment_id = $1 AND trigger_id = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)",
        environment as _,
        trigger as _,
        i64::from(DELIVERIES_KEPT_MAX)
    )
    .execute(transaction)
    .await
    .during(operation)
    .map(|_| ())
}
