//! Triggers and deliveries as callers see them.

use quartermaster_store_model::{DeliveryOutcome, DeliveryRow, TriggerKind, TriggerRow};
use quartermaster_types::{DeliveryId, RequestId, Timestamp, TokenId, TriggerId};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A trigger (no secret).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerView {
    /// Id.
    pub id: TriggerId,
    /// Its name, once in its environment.
    pub name: String,
    /// What makes it start runs.
    pub kind: TriggerKind,
    /// The document, YAML.
    pub document: String,
    /// With whose rights its runs work.
    pub token_id: TokenId,
    /// Whether it starts anything.
    pub enabled: bool,
    /// Names of the secrets that are stored.
    pub secrets: Vec<String>,
    /// For webhooks: the path that the other system calls.
    pub hook: Option<String>,
    /// For schedules: the next time.
    pub next_at: Option<Timestamp>,
    /// Version; the `ETag` is this in quotes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl TriggerView {
    pub(super) fn of(row: &TriggerRow, secrets: Vec<String>) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            kind: row.kind,
            document: row.document.clone(),
            token_id: row.token_id,
            enabled: row.enabled,
            secrets,
            hook: (row.kind == TriggerKind::Webhook).then(|| format!("/hook/{}", row.id)),
            next_at: row.next_at,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A trigger that was just made.
#[derive(Debug)]
pub struct CreatedTrigger {
    /// The trigger.
    pub trigger: TriggerView,
    /// The secret that was made for it, shown this once; `None` where one was given or none is needed.
    pub secret: Option<SecretString>,
}

/// One delivery, or one scheduled time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Id.
    pub id: DeliveryId,
    /// When.
    pub at: Timestamp,
    /// The request, as in the log.
    pub request_id: RequestId,
    /// What came of it.
    pub outcome: DeliveryOutcome,
    /// In words.
    pub detail: String,
    /// What became of each item.
    pub items: Value,
    /// SHA-256 of the body, hexadecimal.
    pub digest: String,
    /// Length of the body.
    pub body_bytes: u32,
    /// The body, without secrets and cut; null where it was not verified.
    pub payload: Option<String>,
}

impl DeliveryView {
    pub(super) fn of(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            request_id: row.request_id,
            outcome: row.outcome,
            detail: row.detail,
            items: serde_json::from_str(&row.items).unwrap_or_default(),
            digest: row.digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
            body_bytes: row.body_bytes,
            payload: row.payload,
        }
    }
}
