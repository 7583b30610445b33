//! The audit log's chain: its lines, its key, dropping old records.

use http::{HeaderMap, Method};
use quartermaster_audit_chain::{Line, PublicKey};
use quartermaster_types::{EnvironmentId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{Client, query};
use crate::error::ClientError;
use crate::model::Page;

/// Records asked for on one page of an export: the most that the gateway gives.
const RECORDS_ON_PAGE: u32 = 200;

/// The key of an audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditKey {
    /// Whose log it is.
    pub environment_id: EnvironmentId,
    /// `ed25519`.
    pub algorithm: String,
    /// The public half.
    pub public_key: PublicKey,
}

/// What was dropped of an audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPruned {
    /// How many records of the chain.
    pub count: i64,
    /// The first; `None` when there was nothing to drop.
    pub first: Option<i64>,
    /// The last.
    pub through: Option<i64>,
    /// Records from before the chain that went with them.
    pub unchained: i64,
    /// Whether older ones are left.
    pub more: bool,
}

impl Client {
    /// One page of the lines of the exported log; from the first line without a cursor.
    pub async fn audit_export(&self, cursor: Option<&str>) -> Result<Page<Line>, ClientError> {
        let pairs = [("limit", RECORDS_ON_PAGE.to_string())].into_iter();
        let pairs = pairs.chain(cursor.map(|cursor| ("next_cursor", cursor.to_owned())));
        Ok(self.get(&format!("/audit-log/export{}", query(pairs))).await?.value)
    }

    /// The key that checkpoints of the log are signed with.
    pub async fn audit_key(&self) -> Result<AuditKey, ClientError> {
        Ok(self.get("/audit-log/key").await?.value)
    }

    /// Drops records from before this time, the oldest first, as many as the gateway drops at once.
    pub async fn prune_audit(&self, before: Timestamp) -> Result<AuditPruned, ClientError> {
        let body = json!({"before": before});
        Ok(self.send(Method::POST, "/audit-log/prune", Some(&body), HeaderMap::new()).await?.value)
    }
}
