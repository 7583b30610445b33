//! What sessions have read, and what is known of accounts' rate limits.

use quartermaster_types::{AccountId, EnvironmentId, Timestamp};

/// Hashes in one row of what a session read; a longer reading takes several rows.
pub const READ_IDS_MAX: usize = 8_192;

/// Rows of one write.
pub const READS_NOTED_MAX: usize = 256;

/// What a session read of one resource of an account, in one go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadRow {
    /// Keyed hash of environment, session, account and resource.
    pub scope: u128,
    /// When.
    pub at: Timestamp,
    /// Keyed hashes of the ids, at most [`READ_IDS_MAX`].
    pub ids: Vec<u64>,
}

impl ReadRow {
    /// The stored form of the ids.
    pub fn packed(&self) -> Vec<u8> {
        self.ids.iter().flat_map(|id| id.to_be_bytes()).collect()
    }
}

/// What is known of an account's rate limits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RateBudgetRow {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Account.
    pub account_id: AccountId,
    /// Counted up at every change, from 1.
    pub version: i64,
    /// JSON text.
    pub state: String,
}
