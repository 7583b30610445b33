//! One record and the bytes of it that are hashed.

use quartermaster_types::{AccountId, AuditId, EnvironmentId, RequestId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use crate::Hash;
use crate::export::exact_time;

/// The version of the hashed form: its first byte.
pub const RECORD_VERSION: u8 = 1;

/// What stands in place of the previous hash before the first record.
pub const GENESIS: Hash = crate::Hex([0; 32]);

/// The length that stands for an absent value; a present one is never so long.
const ABSENT: u32 = u32::MAX;

/// What of a record is hashed, besides its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// The request.
    pub request_id: RequestId,
    /// Who.
    pub token_id: TokenId,
    /// The session.
    pub session: Option<&'a str>,
    /// The door.
    pub door: &'a str,
    /// What.
    pub action: &'a str,
    /// On which account.
    pub account_id: Option<AccountId>,
    /// On which record.
    pub target: Option<&'a str>,
    /// Arguments, the text as it is stored.
    pub arguments: Option<&'a str>,
    /// State before, the text as it is stored.
    pub before: Option<&'a str>,
    /// State after, the text as it is stored.
    pub after: Option<&'a str>,
    /// What the guards decided, the text as it is stored.
    pub decision: Option<&'a str>,
    /// How it ended.
    pub outcome: &'a str,
    /// The problem code.
    pub code: Option<&'a str>,
    /// Calls to the upstream.
    pub upstream_calls: i64,
    /// Milliseconds that it took.
    pub duration_ms: i64,
}

/// Hashes records; keeps its buffer from one to the next.
#[derive(Debug, Default)]
pub struct RecordHasher {
    bytes: Vec<u8>,
}

impl RecordHasher {
    /// A hasher.
    pub fn new() -> Self {
        Self::default()
    }

    /// SHA-256 of the record at place `sequence` (from 1) after the record with the hash `previous` ([`GENESIS`] before the
    /// first).
    pub fn hash(&mut self, sequence: i64, previous: &Hash, fields: &Fields<'_>) -> Hash {
        crate::Hex(quartermaster_vault::sha256_of(self.bytes(sequence, previous, fields)))
    }

    /// The bytes that are hashed: the version, then each value as its length in four bytes, big-endian, and itself. Numbers
    /// have eight bytes, big-endian; ids their sixteen; an absent value is the length `ff ff ff ff` and nothing.
    pub fn bytes(&mut self, sequence: i64, previous: &Hash, fields: &Fields<'_>) -> &[u8] {
        self.bytes.clear();
        self.bytes.push(RECORD_VERSION);
        self.put(&sequence.to_be_bytes());
        self.put(&previous.0);
        self.put(fields.environment_id.0.as_bytes());
        self.put(fields.id.0.as_bytes());
        self.put(&fields.at.unix_ms().to_be_bytes());
        self.put(fields.request_id.0.as_bytes());
        self.put(fields.token_id.0.as_bytes());
        self.put_text(fields.session);
        self.put(fields.door.as_bytes());
        self.put(fields.action.as_bytes());
        self.put_optional(fields.account_id.as_ref().map(|id| id.0.as_bytes().as_slice()));
        self.put_text(fields.target);
        self.put_text(fields.arguments);
        self.put_text(fields.before);
        self.put_text(fields.after);
        self.put_text(fields.decision);
        self.put(fields.outcome.as_bytes());
        self.put_text(fields.code);
        self.put(&fields.upstream_calls.to_be_bytes());
        self.put(&fields.duration_ms.to_be_bytes());
        &self.bytes
    }

    fn put(&mut self, value: &[u8]) {
        put(&mut self.bytes, value);
    }

    fn put_text(&mut self, value: Option<&str>) {
        self.put_optional(value.map(str::as_bytes));
    }

    fn put_optional(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.put(value),
            None => self.bytes.extend_from_slice(&ABSENT.to_be_bytes()),
        }
    }
}

/// Appends a value with its length. A text of 4 GiB does not come here: every part of a record has a limit far below.
pub(crate) fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
    bytes.extend_from_slice(value);
}

/// One record as it is stored and exported: texts byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its place in the chain, from 1; `None` for a record from before the chain began.
    pub sequence: Option<i64>,
    /// The hash that is stored with it.
    pub hash: Option<Hash>,
    /// Id.
    pub id: AuditId,
    /// When, RFC 3339 with milliseconds.
    #[serde(with = "exact_time")]
    pub at: Timestamp,
    /// The request.
    pub request_id: RequestId,
    /// The token.
    pub token_id: TokenId,
    /// The session.
    pub session: Option<String>,
    /// The door.
    pub door: String,
    /// What.
    pub action: String,
    /// On which account.
    pub account_id: Option<AccountId>,
    /// On which record.
    pub target: Option<String>,
    /// Arguments: a text of JSON, as it is stored.
    pub arguments: Option<String>,
    /// State before: a text of JSON.
    pub before: Option<String>,
    /// State after: a text of JSON.
    pub after: Option<String>,
    /// What the guards decided: a text of JSON.
    pub decision: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// The problem code.
    pub code: Option<String>,
    /// Calls to the upstream.
    pub upstream_calls: i64,
    /// Milliseconds that it took.
    pub duration_ms: i64,
}

/// The latest time that has a text form: the end of the year 9999.
const LATEST_MS: i64 = 253_402_300_799_999;

impl Record {
    /// A time from a column. One that this program cannot have written, and that has no text form, becomes the epoch: the
    /// record then does not fit its hash and is named, instead of keeping the whole log from being read.
    pub fn time_of_column(milliseconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(if (0..=LATEST_MS).contains(&milliseconds) { milliseconds } else { 0 })
    }

    /// What of it is hashed.
    pub fn fields(&self, environment_id: EnvironmentId) -> Fields<'_> {
        Fields {
            environment_id,
            id: self.id,
            at: self.at,
            request_id: self.request_id,
            token_id: self.token_id,
            session: self.session.as_deref(),
            door: &self.door,
            action: &self.action,
            account_id: self.account_id,
            target: self.target.as_deref(),
            arguments: self.arguments.as_deref(),
            before: self.before.as_deref(),
            after: self.after.as_deref(),
            decision: self.decision.as_deref(),
            outcome: &self.outcome,
            code: self.code.as_deref(),
            upstream_calls: self.upstream_calls,
            duration_ms: self.duration_ms,
        }
    }
}
