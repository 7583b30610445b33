//! Runs and their journals.

use quartermaster_types::{AccountId, EnvironmentId, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// The most entries of one run's journal.
pub const RUN_ENTRIES_MAX: u32 = 1_000_000;

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Nobody works on it yet.
    Queued,
    /// A worker holds it, or held it until its lease ended.
    Running,
    /// It goes on at a given time.
    Waiting,
    /// It came to its end.
    Done,
    /// It could not go on.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl RunState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Queued, Self::Running, Self::Waiting, Self::Done, Self::Failed, Self::Cancelled];

    /// The stored and spoken form: `queued`, `running`, `waiting`, `done`, `failed`, `cancelled`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing comes after it.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Id; runs are ordered by it.
    pub id: RunId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The token that started it, with whose rights it works.
    pub token_id: TokenId,
    /// The integrated account that it works on unless a call names another; `None`: every call names one.
    pub account_id: Option<AccountId>,
    /// What kind of machine runs it, `playbook`.
    pub kind: String,
    /// Its name for people.
    pub name: String,
    /// What the machine runs, whole, as it was when the run was started.
    pub definition: String,
    /// What it was started with, JSON text.
    pub input: String,
    /// Where it stands.
    pub state: RunState,
    /// From when on a worker may claim it; `None` at its end.
    pub due_at: Option<Timestamp>,
    /// Counts the claims.
    pub fence: i64,
    /// Entries in its journal.
    pub entries: u32,
    /// When somebody asked to stop it.
    pub cancel_requested_at: Option<Timestamp>,
    /// What came of it, JSON text, at its end.
    pub outcome: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a worker first claimed it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// One entry of a run's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntryRow {
    /// Its place in the journal, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// What the run's machine is told, JSON text.
    pub entry: String,
    /// Which records a call read, JSON text; `None` when it is not about that.
    pub grounds: Option<String>,
}

/// A worker's hold on a run. What is written under it is refused with [`crate::StoreError::Stale`] once another worker has
/// claimed the run, or the run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLease {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The run.
    pub id: RunId,
    /// The number of the claim.
    pub fence: i64,
}

/// Which runs to read. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only runs before this one (exclusive).
    pub before: Option<RunId>,
    /// Only in this state.
    pub state: Option<RunState>,
    /// Only of this name.
    pub name: Option<String>,
    /// Only those that this token started.
    pub token_id: Option<TokenId>,
    /// At most so many.
    pub limit: u32,
}
