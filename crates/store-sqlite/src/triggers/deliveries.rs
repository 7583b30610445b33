//! What was delivered to triggers: the last ones of each.

use quartermaster_store_model::column::{
    CorruptColumn, audit_text, count_from_integer, delivery_outcome_from_text, hash_from_bytes, id_from_bytes,
};
use quartermaster_store_model::{DELIVERIES_KEPT_MAX, DeliveryRow, StoreError};
use quartermaster_types::{DeliveryId, EnvironmentId, Timestamp, TriggerId};
use sqlx::sqlite::SqliteConnection;

use crate::SqliteStore;
use crate::columns::{HIGHEST, bytes};
use crate::connection::{Durability, begin};
use crate::error::ResultExt;

struct DeliveryColumns {
    environment_id: Vec<u8>,
    trigger_id: Vec<u8>,
    id: Vec<u8>,
    at: i64,
    request_id: Vec<u8>,
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
            id: id_from_bytes("deliveries.id", &columns.id)?,
            environment_id: id_from_bytes("deliveries.environment_id", &columns.environment_id)?,
            trigger_id: id_from_bytes("deliveries.trigger_id", &columns.trigger_id)?,
            at: Timestamp::from_unix_ms(columns.at),
            request_id: id_from_bytes("deliveries.request_id", &columns.request_id)?,
            outcome: delivery_outcome_from_text("deliveries.outcome", &columns.outcome)?,
            detail: columns.detail,
            items: columns.items,
            digest: hash_from_bytes("deliveries.digest", &columns.digest)?,
            body_bytes: count_from_integer("deliveries.body_bytes", columns.body_bytes)?,
            payload: columns.payload,
        })
    }
}

impl SqliteStore {
    /// Writes down a delivery that starts nothing. False when the environment has no such trigger any more.
    pub async fn insert_delivery(&self, row: &DeliveryRow) -> Result<bool, StoreError> {
        const OPERATION: &str = "writing down a delivery";
        let mut writer = self.writer(OPERATION, Durability::Process).await?;
        let mut transaction = begin(&mut writer, OPERATION).await?;
        let known = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM triggers WHERE environment_id = ? AND id = ?) AS "any!: bool""#,
            bytes(&row.environment_id.0),
            bytes(&row.trigger_id.0)
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
        let before = before.map_or(HIGHEST, |id| id.0);
        let found = sqlx::query_as!(
            DeliveryColumns,
            "SELECT environment_id, trigger_id, id, at, request_id, outcome, detail, items, digest, body_bytes, payload
             FROM deliveries WHERE environment_id = ?1 AND trigger_id = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4",
            bytes(&environment.0),
            bytes(&trigger.0),
            bytes(&before),
            limit
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

/// Writes down a delivery, and drops those of its trigger that are too many.
pub(super) async fn add(
    transaction: &mut SqliteConnection,
    row: &DeliveryRow,
    operation: &'static str,
) -> Result<(), StoreError> {
    let (environment, trigger) = (bytes(&row.environment_id.0), bytes(&row.trigger_id.0));
    sqlx::query!(
        "INSERT INTO deliveries (environment_id, trigger_id, id, at, request_id, outcome, detail, items, digest, body_bytes,
                                 payload)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        environment,
        trigger,
        bytes(&row.id.0),
        row.at.unix_ms(),
        bytes(&row.request_id.0),
        row.outcome.as_str(),
        audit_text(&row.detail),
        audit_text(&row.items),
        row.digest.as_slice(),
        i64::from(row.body_bytes),
        row.payload.as_deref().map(audit_text)
    )
    .execute(&mut *transaction)
    .await
    .during(operation)?;
    sqlx::query!(
        "DELETE FROM deliveries WHERE environment_id = ?1 AND trigger_id = ?2 AND id <= (
           SELECT id FROM deliveries WHERE environment_id = ?1 AND trigger_id = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        environment,
        trigger,
        DELIVERIES_KEPT_MAX
    )
    .execute(transaction)
    .await
    .during(operation)
    .map(|_| ())
}
