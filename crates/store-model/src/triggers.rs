//! Triggers, what they have started, and what was delivered to them.

use quartermaster_types::{DeliveryId, EnvironmentId, RequestId, RunId, Timestamp, TokenId, TriggerId};
use serde::{Deserialize, Serialize};

use crate::{AuditRow, RunRow};

/// Deliveries that are kept of each trigger; the oldest go first.
pub const DELIVERIES_KEPT_MAX: u32 = 500;

/// What makes a trigger start runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// Another system calls.
    Webhook,
    /// The time has come.
    Schedule,
}

impl TriggerKind {
    /// The stored and spoken form: `webhook`, `schedule`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Schedule => "schedule",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Webhook, Self::Schedule].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerRow {
    /// Id; the last part of a webhook's path.
    pub id: TriggerId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Its name, once in its environment.
    pub name: String,
    /// What makes it start runs.
    pub kind: TriggerKind,
    /// The document, YAML as it was given.
    pub document: String,
    /// With whose rights its runs work.
    pub token_id: TokenId,
    /// Whether it starts anything.
    pub enabled: bool,
    /// Sealed secrets; `None` where it has none.
    pub sealed_secrets: Option<Vec<u8>>,
    /// Counted up when the secrets change; part of the seal.
    pub secret_version: i64,
    /// Counted up at every change; the `ETag`.
    pub version: i64,
    /// The scheduled time that comes next; `None` for webhooks, and for what is switched off.
    pub next_at: Option<Timestamp>,
    /// When it is to be looked at: `next_at`, or later while the run before is waited for.
    pub due_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What came of a delivery, or of a scheduled time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// At least one run was started.
    Started,
    /// A run was started for the same event before.
    Duplicate,
    /// The condition does not hold.
    Ignored,
    /// The sender's question whether somebody is here was answered.
    Answered,
    /// It does not come from who it says, or came before.
    Refused,
    /// An expression failed, or a run could not be started.
    Failed,
    /// The trigger has started as many runs as it may in an hour.
    Limited,
    /// A scheduled time at which nothing was started.
    Skipped,
}

impl DeliveryOutcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Started,
        Self::Duplicate,
        Self::Ignored,
        Self::Answered,
        Self::Refused,
        Self::Failed,
        Self::Limited,
        Self::Skipped,
    ];

    /// The stored and spoken form: `started`, `duplicate`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Limited => "limited",
            Self::Skipped => "skipped",
        }
    }

    /// The outcome of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// One delivery, or one scheduled time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Id; deliveries are ordered by it.
    pub id: DeliveryId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The trigger.
    pub trigger_id: TriggerId,
    /// When.
    pub at: Timestamp,
    /// The request, as in the log.
    pub request_id: RequestId,
    /// What came of it.
    pub outcome: DeliveryOutcome,
    /// In words; never a secret.
    pub detail: String,
    /// What became of each item, JSON text.
    pub items: String,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// Length of the body.
    pub body_bytes: u32,
    /// The body, scrubbed and cut; `None` where it was not verified.
    pub payload: Option<String>,
}

/// A run that a delivery asks for.
#[derive(Clone, Debug)]
pub struct TriggerStart {
    /// The run.
    pub run: RunRow,
    /// Its audit record.
    pub audit: AuditRow,
    /// The event: for one that is known, no run is started.
    pub event: [u8; 32],
    /// Until when it is remembered.
    pub until: Timestamp,
}

/// A step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleStep {
    /// The time that must still be the next one.
    pub expected: Timestamp,
    /// The one after it.
    pub next_at: Option<Timestamp>,
}

/// A verified delivery, or a scheduled time, with what it asks for.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The trigger.
    pub trigger_id: TriggerId,
    /// The version of the trigger that was looked at: what changed since is asked about anew.
    pub version: i64,
    /// The time.
    pub now: Timestamp,
    /// By what the very same delivery is recognised, and until when.
    pub replay: Option<([u8; 32], Timestamp)>,
    /// The runs.
    pub starts: Vec<TriggerStart>,
    /// The most runs of the last hour.
    pub runs_per_hour: u32,
    /// For schedules.
    pub schedule: Option<ScheduleStep>,
}

/// What came of one start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Started {
    /// The run was added.
    New(RunId),
    /// This run was started for the event before.
    Duplicate(RunId),
    /// The trigger has started as many as it may in an hour.
    Limited,
}

/// What came of an acceptance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// Each start, in order; the delivery is written down.
    Done(Vec<Started>),
    /// The very same delivery came before; nothing was done or written.
    Replayed,
    /// The trigger was changed, switched off or deleted, or another replica took this scheduled time; nothing was done or written.
    Stale,
}
