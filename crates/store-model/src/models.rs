//! Connections to servers of language models.

use quartermaster_types::{EnvironmentId, ModelId, Timestamp};

/// One connection to a server of language models.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRow {
    /// Id.
    pub id: ModelId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Its name: one of its kind in the environment.
    pub name: String,
    /// Everything that is not secret, JSON text.
    pub settings: String,
    /// Sealed key; `None` for a server that wants none.
    pub sealed_key: Option<Vec<u8>>,
    /// Counted up when the key changes; part of the seal.
    pub key_version: i64,
    /// Counted up at every change; the `ETag`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
