//! Checkpoints: signed statements on how far the chain had come.

use quartermaster_types::{EnvironmentId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::export::exact_time;
use crate::record::put;
use crate::{Hash, PublicKey, Signature};

/// The version of the signed form.
const STATEMENT_VERSION: u8 = 1;

/// Keeps signatures of checkpoints from being taken for signatures of anything else.
const PURPOSE: &[u8] = b"quartermaster audit checkpoint";

/// What a checkpoint says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointKind {
    /// The chain reached this place.
    Head,
    /// The records from `first` to here were dropped; the rest goes on from `hash`.
    Prune,
}

impl CheckpointKind {
    /// The stored and spoken form: `head`, `prune`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Prune => "prune",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Head, Self::Prune].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A signed statement: at this time, the chain's record `sequence` had this hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// What it says.
    pub kind: CheckpointKind,
    /// The first record that it covers: the first that was stored then, or the first that was dropped.
    pub first: i64,
    /// The last record that it covers.
    pub sequence: i64,
    /// How many records these are.
    pub count: i64,
    /// Records from before the chain that are stored beside it.
    pub unchained: i64,
    /// When it was signed.
    #[serde(with = "exact_time")]
    pub at: Timestamp,
    /// The hash of record `sequence`.
    pub hash: Hash,
    /// Ed25519 over [`Checkpoint::statement`].
    pub signature: Signature,
}

impl Checkpoint {
    /// The bytes that are signed: the version, then each value with its length, as in a record.
    pub fn statement(&self, environment: EnvironmentId) -> Vec<u8> {
        let mut bytes = vec![STATEMENT_VERSION];
        put(&mut bytes, PURPOSE);
        put(&mut bytes, environment.0.as_bytes());
        put(&mut bytes, self.kind.as_str().as_bytes());
        for number in [self.first, self.sequence, self.count, self.unchained, self.at.unix_ms()] {
            put(&mut bytes, &number.to_be_bytes());
        }
        put(&mut bytes, &self.hash.0);
        bytes
    }

    /// Whether this key signed it for this environment.
    pub fn is_signed(&self, environment: EnvironmentId, key: &PublicKey) -> bool {
        quartermaster_vault::verify_signature(&key.0, &self.statement(environment), &self.signature.0)
    }
}
