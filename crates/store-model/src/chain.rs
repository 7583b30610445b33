//! The chain of the audit log as it is stored, and the places that new records get in it. The same for both back ends.

use quartermaster_audit_chain::{Checkpoint, Fields, GENESIS, Hash, Hex, Record, RecordHasher};
use quartermaster_types::{AuditId, EnvironmentId};
use uuid::Uuid;

use crate::AuditRow;
use crate::column::audit_text;

/// The state of an environment's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditChain {
    /// The last record; 0 before the first.
    pub sequence: i64,
    /// Its hash.
    pub hash: Hash,
    /// Records from before the chain began that are stored beside it.
    pub unchained: i64,
    /// The last record that retention dropped; 0 for none.
    pub pruned: i64,
    /// The record that the last checkpoint is on; 0 for none.
    pub checkpointed: i64,
}

impl AuditChain {
    /// A chain without a record.
    pub const EMPTY: Self = Self { sequence: 0, hash: GENESIS, unchained: 0, pruned: 0, checkpointed: 0 };
}

/// The key that an environment's checkpoints are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditKeyRow {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The public half.
    pub public_key: [u8; 32],
    /// The private half, sealed by the vault.
    pub sealed_key: Vec<u8>,
}

/// A part of the chain, read in one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditChainPart {
    /// The chain in that moment.
    pub chain: AuditChain,
    /// Records, by sequence.
    pub records: Vec<Record>,
    /// Checkpoints on them, by sequence; all that are left when these are the last records.
    pub checkpoints: Vec<Checkpoint>,
}

/// Records that are to be dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPrune {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The signed statement on them: its `first` must be the first record that is stored.
    pub statement: Checkpoint,
    /// The record of the prune.
    pub audit: AuditRow,
}

/// Where an environment's chain ends, while records are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainTip {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The last record.
    pub sequence: i64,
    /// Its hash.
    pub hash: Hash,
}

/// The environments of these rows, each once, in the order in which their chains are locked.
pub fn environments_of(rows: &[&AuditRow]) -> Vec<EnvironmentId> {
    let mut environments: Vec<_> = rows.iter().map(|row| row.environment_id).collect();
    environments.sort_unstable();
    environments.dedup();
    environments
}

/// Gives each row the next place in its environment's chain, with its hash, and moves the tips. `None` when the tip of an
/// environment is missing.
pub fn extend(tips: &mut [ChainTip], rows: &[&AuditRow]) -> Option<Vec<(i64, Hash)>> {
    let mut hasher = RecordHasher::new();
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        let tip = tips.iter_mut().find(|tip| tip.environment_id == row.environment_id)?;
        tip.sequence += 1;
        tip.hash = hash(&mut hasher, tip.sequence, &tip.hash, row);
        places.push((tip.sequence, tip.hash));
    }
    Some(places)
}

/// The hash of a row as it will be stored: with the texts that both back ends can hold.
fn hash(hasher: &mut RecordHasher, sequence: i64, previous: &Hash, row: &AuditRow) -> Hash {
    let text = |value: &'_ Option<String>| value.as_deref().map(audit_text).map(std::borrow::Cow::into_owned);
    // Hardly any text has to be copied; those that have are.
    let has_nul = [&row.session, &row.target, &row.arguments, &row.before, &row.after, &row.decision]
        .into_iter()
        .flatten()
        .chain([&row.action])
        .any(|text| text.contains('\0'));
    if has_nul {
        let clean = AuditRow {
            session: text(&row.session),
            target: text(&row.target),
            arguments: text(&row.arguments),
            before: text(&row.before),
            after: text(&row.after),
            decision: text(&row.decision),
            action: audit_text(&row.action).into_owned(),
            ..row.clone()
        };
        return hasher.hash(sequence, previous, &fields(&clean));
    }
    hasher.hash(sequence, previous, &fields(row))
}

fn fields(row: &AuditRow) -> Fields<'_> {
    Fields {
        environment_id: row.environment_id,
        id: row.id,
        at: row.at,
        request_id: row.request_id,
        token_id: row.token_id,
        session: row.session.as_deref(),
        door: row.door,
        action: &row.action,
        account_id: row.account_id,
        target: row.target.as_deref(),
        arguments: row.arguments.as_deref(),
        before: row.before.as_deref(),
        after: row.after.as_deref(),
        decision: row.decision.as_deref(),
        outcome: row.outcome.as_str(),
        code: row.code,
        upstream_calls: i64::from(row.upstream_calls),
        duration_ms: i64::from(row.duration_ms),
    }
}

/// An id from a column of the log. What cannot be one becomes the nil id, which this program never makes: the record then does not
/// fit its hash and is named, instead of keeping the whole log from being read.
pub fn id_as_found<Id: From<Uuid>>(bytes: &[u8]) -> Id {
    Id::from(Uuid::from_slice(bytes).unwrap_or_default())
}

/// A hash as found: `None` when it cannot be one.
pub fn hash_as_found(bytes: Option<&[u8]>) -> Option<Hash> {
    bytes.and_then(|bytes| bytes.try_into().ok()).map(Hex)
}

/// The id below which a list of records from before the chain begins.
pub const FIRST_AUDIT_ID: AuditId = AuditId(Uuid::nil());
