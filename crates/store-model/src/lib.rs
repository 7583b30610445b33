//! Rows and errors that both back ends of the store share. No SQL here.

use quartermaster_types::{AccountId, AuditId, EnvironmentId, RequestId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod approvals;
pub mod chain;
pub mod column;
mod guards;
mod models;
mod plans;
mod reads;
mod revisions;
mod runs;
mod triggers;

pub use approvals::{ApprovalKind, ApprovalQuery, ApprovalRow, Opened, VoteRow, Voted};
pub use guards::{
    BLAST_LIMITS_MAX, Blast, BlastReservation, BlastUsage, BlastUse, DirectorySizeRow, SwitchKind, SwitchRow,
};
pub use models::ModelRow;
pub use plans::{PlanQuery, PlanRow, PlanState};
pub use reads::{READ_IDS_MAX, READS_NOTED_MAX, RateBudgetRow, ReadRow};
pub use revisions::{REVISIONS_KEPT_MAX, REVISIONS_READ_MAX, Revision, Revisions, Stale};
pub use runs::{RUN_ENTRIES_MAX, RunEntryRow, RunLease, RunQuery, RunRow, RunState};
pub use triggers::{
    Acceptance, Accepted, DELIVERIES_KEPT_MAX, DeliveryOutcome, DeliveryRow, ScheduleStep, Started, TriggerKind,
    TriggerRow, TriggerStart,
};

pub use quartermaster_audit_chain as audit_chain;

/// Storage failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with the same key exists.
    #[error("{0} already exists")]
    Conflict(&'static str),
    /// The row was changed by somebody else since it was read.
    #[error("the row was changed meanwhile")]
    Stale,
    /// The disk is full or the database refuses writes.
    #[error("the database does not accept writes: {0}")]
    NoSpace(String),
    /// The data folder or database belongs to a newer version.
    #[error("the database has schema version {found}, this program knows up to {known}: use a newer program")]
    Newer {
        /// What the database says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The database has not been created.
    #[error("there is no database at {0}: run `qm init` first")]
    Missing(String),
    /// Anything else.
    #[error("{operation} failed")]
    Database {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One environment.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentRow {
    /// Id.
    pub id: EnvironmentId,
    /// Unique name.
    pub name: String,
    /// The data key, wrapped by the root key.
    pub wrapped_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a token may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything in its environment.
    Admin,
    /// Accounts read-only, tools and proxy calls.
    Agent,
    /// Reads of configuration and the audit log; no calls.
    Auditor,
}

impl Role {
    /// The stored and spoken form: `admin`, `agent`, `auditor`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Auditor => "auditor",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Admin, Self::Agent, Self::Auditor].into_iter().find(|role| role.as_str() == name)
    }
}

/// How a token is narrowed. `None` does not narrow; an empty list allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowing {
    /// Accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountId>>,
    /// Tool names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// `read`, `write`, `custom` or method names, as in the tools filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Whether raw `/custom` calls are allowed; off unless said.
    #[serde(default)]
    pub custom: bool,
}

/// One API token (never its text).
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRow {
    /// Id.
    pub id: TokenId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Name for people.
    pub name: String,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
    /// The first characters, to recognise it by.
    pub prefix: String,
    /// Role.
    pub role: Role,
    /// Whether it may make environments and other tokens that may.
    pub operator: bool,
    /// Narrowing.
    pub narrowing: Narrowing,
    /// The address of the person behind it.
    pub email: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which tokens may be revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revocable {
    /// Those that make no environments.
    Ordinary,
    /// All but the last one that makes environments.
    AllButLastOperator,
}

/// What came of revoking a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revocation {
    /// It is revoked, now or since earlier.
    Done,
    /// The environment has no such token.
    Missing,
    /// It makes environments, and those were not to be touched; nothing was changed or recorded.
    OfOperator,
    /// It is the last one in the store that makes environments; nothing was changed or recorded.
    OfLastOperator,
}

impl Revocation {
    /// Decides over a token: whether it makes environments and still works, and how many others do.
    pub const fn refusal(revocable: Revocable, operator: bool, works: bool, other_operators: i64) -> Option<Self> {
        match revocable {
            _ if !operator => None,
            Revocable::Ordinary => Some(Self::OfOperator),
            Revocable::AllButLastOperator if works && other_operators == 0 => Some(Self::OfLastOperator),
            Revocable::AllButLastOperator => None,
        }
    }
}

/// One integrated account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountRow {
    /// Id.
    pub id: AccountId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Integration name.
    pub integration: String,
    /// The caller's own name for the tenant.
    pub tenant_id: String,
    /// Connection object, JSON text.
    pub connection: String,
    /// Override (merge patch on the definition), JSON text; `None` for none.
    pub override_patch: Option<String>,
    /// Whether writes are refused.
    pub sandbox: bool,
    /// Whether all calls are refused.
    pub blocked: bool,
    /// Sealed credentials.
    pub sealed_credentials: Vec<u8>,
    /// Counted up when the credentials change; part of the seal.
    pub credential_version: i64,
    /// Counted up at every change; the `ETag`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An environment's override of a definition (merge patch), JSON text.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentOverrideRow {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Integration name.
    pub integration: String,
    /// Merge patch, JSON text.
    pub patch: String,
    /// Counted up at every change.
    pub version: i64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// One version of an environment's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// From 1, without gaps; the highest is in force. The `ETag`.
    pub version: i64,
    /// The document, YAML as it was given.
    pub document: String,
    /// Who set it.
    pub token_id: TokenId,
    /// The version whose document this one brought back.
    pub restored_from: Option<i64>,
    /// When it was set.
    pub created_at: Timestamp,
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Ok,
    /// Done, and nothing had to change.
    Unchanged,
    /// A guard or the token's rights refused it; nothing was sent.
    Refused,
    /// The vendor refused or failed.
    Failed,
}

impl Outcome {
    /// The stored and spoken form: `ok`, `unchanged`, `refused`, `failed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The outcome of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Ok, Self::Unchanged, Self::Refused, Self::Failed].into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// One audit record: who did what, before, after, and how it ended. Never a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Id; records are ordered by it.
    pub id: AuditId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// When.
    pub at: Timestamp,
    /// The request.
    pub request_id: RequestId,
    /// Who: the token.
    pub token_id: TokenId,
    /// The session, when the caller named one.
    pub session: Option<String>,
    /// `tool`, `proxy`, `custom`, `api`, `hook` and `schedule` for what triggers start, or `local` for what was done on the data folder.
    pub door: &'static str,
    /// What: `users.suspend`, `account.create`, `token.revoke`.
    pub action: String,
    /// On which account.
    pub account_id: Option<AccountId>,
    /// On which record.
    pub target: Option<String>,
    /// Arguments, scrubbed, JSON text; cut to `AUDIT_ARGUMENTS_MAX_BYTES`.
    pub arguments: Option<String>,
    /// State before, for changes, JSON text.
    pub before: Option<String>,
    /// State after, for changes, JSON text.
    pub after: Option<String>,
    /// What the guards looked at and what decided, JSON text; `None` where no rule of a policy concerned the call.
    pub decision: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The problem code, when it did not end well.
    pub code: Option<&'static str>,
    /// Calls that were made to the upstream.
    pub upstream_calls: u32,
    /// Milliseconds that it took.
    pub duration_ms: u32,
}

/// The most of a call's arguments that an audit record keeps.
pub const AUDIT_ARGUMENTS_MAX_BYTES: usize = 4096;

/// The most audit records that one append takes.
pub const AUDIT_APPEND_MAX_ROWS: usize = 1000;

/// An audit record as it is read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Id.
    pub id: AuditId,
    /// When.
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
    /// Arguments.
    pub arguments: Option<Value>,
    /// State before.
    pub before: Option<Value>,
    /// State after.
    pub after: Option<Value>,
    /// What the guards looked at and what decided; `None` where no rule of a policy concerned the call.
    pub decision: Option<Value>,
    /// How it ended.
    pub outcome: Outcome,
    /// The problem code.
    pub code: Option<String>,
    /// Calls that were made to the upstream.
    pub upstream_calls: u32,
    /// Milliseconds that it took.
    pub duration_ms: u32,
}

/// Which audit records to read. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only records before this one (exclusive).
    pub before: Option<AuditId>,
    /// Only this account.
    pub account_id: Option<AccountId>,
    /// Only this action.
    pub action: Option<String>,
    /// Only this request.
    pub request_id: Option<RequestId>,
    /// At most so many.
    pub limit: u32,
}

/// One stored answer of a write, for `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Token.
    pub token_id: TokenId,
    /// The caller's key.
    pub key: String,
    /// SHA-256 of route and payload.
    pub fingerprint: [u8; 32],
    /// Status and body once it is done; `None` while in flight. A claim stores none, whatever is given.
    pub answer: Option<(u16, Vec<u8>)>,
    /// When it was claimed.
    pub created_at: Timestamp,
}

/// What claiming an idempotency key found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The key is new; go on, then finish or release it.
    New,
    /// The key is there already.
    Existing(IdempotencyRow),
}
