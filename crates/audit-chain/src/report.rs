//! What verifying found.

use quartermaster_types::{AuditId, EnvironmentId, Timestamp};
use serde::Serialize;

use crate::PublicKey;

/// The most findings that are named; the others are counted.
pub const FINDINGS_MAX: usize = 100;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A record does not fit its hash and the record before it.
    Changed,
    /// A record cannot be checked, because the one before it does not hold.
    Unlinked,
    /// Records are missing.
    Removed,
    /// A record is there that does not belong to the chain.
    Added,
    /// A record stands in another place than its own.
    Reordered,
    /// The chain does not lead to a signed checkpoint.
    Rewritten,
    /// A checkpoint is not signed by the key, or says what cannot be.
    Checkpoint,
    /// The key is not the expected one.
    Key,
    /// A line cannot be read, or stands where it must not.
    Malformed,
    /// The log stops before its end.
    Incomplete,
}

impl FindingKind {
    /// The spoken form, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unlinked => "unlinked",
            Self::Removed => "removed",
            Self::Added => "added",
            Self::Reordered => "reordered",
            Self::Rewritten => "rewritten",
            Self::Checkpoint => "checkpoint",
            Self::Key => "key",
            Self::Malformed => "malformed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The record, or the first of several.
    pub sequence: Option<i64>,
    /// The last of several.
    pub through: Option<i64>,
    /// The record's id, where there is one record and it is there.
    pub id: Option<AuditId>,
    /// The record's time.
    pub at: Option<Timestamp>,
    /// A sentence.
    pub detail: String,
}

/// A range that retention dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The first.
    pub first: i64,
    /// The last.
    pub through: i64,
    /// When.
    pub at: Timestamp,
}

/// What verifying found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether everything fits.
    pub intact: bool,
    /// Whose log it is.
    pub environment_id: Option<EnvironmentId>,
    /// The key that checkpoints were checked with.
    pub public_key: Option<PublicKey>,
    /// Records of the chain that were read.
    pub records: u64,
    /// The first.
    pub first: Option<i64>,
    /// The last.
    pub last: Option<i64>,
    /// Records from before the chain, which nothing proves.
    pub unchained: u64,
    /// Signed checkpoints on the chain that hold.
    pub checkpoints: u64,
    /// The last record that a signed checkpoint proves.
    pub proven_through: Option<i64>,
    /// When that checkpoint was signed.
    pub proven_at: Option<Timestamp>,
    /// Records after it: they hang together, but whoever can write to the database could have replaced or removed the last ones.
    pub unproven: u64,
    /// What retention dropped, by signed statements; the latest ranges, [`FINDINGS_MAX`] at most.
    pub dropped: Vec<Dropped>,
    /// What is wrong; [`FINDINGS_MAX`] at most.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
}

impl Report {
    pub(crate) fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }
}
