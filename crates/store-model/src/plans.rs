//! Plans: sets of writes with their before-states, executed once or not at all.

use quartermaster_types::{AccountId, EnvironmentId, PlanId, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// Where a plan stands. One that is past its time is still `ready` here: time decides, not a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// It was made, and nothing was done.
    Ready,
    /// A run does it, or has done it.
    Executed,
    /// Somebody decided against it.
    Discarded,
}

impl PlanState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Executed, Self::Discarded];

    /// The stored form: `ready`, `executed`, `discarded`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Executed => "executed",
            Self::Discarded => "discarded",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRow {
    /// Id; plans are ordered by it.
    pub id: PlanId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The token that made it.
    pub token_id: TokenId,
    /// The integrated account that it changes.
    pub account_id: AccountId,
    /// Why it was made, in the words of whoever made it.
    pub reason: Option<String>,
    /// Where it stands.
    pub state: PlanState,
    /// SHA-256 over what will be done and the before-states.
    pub hash: [u8; 32],
    /// Its totals, JSON text: what lists show.
    pub summary: String,
    /// The whole of it, JSON text; empty in lists.
    pub document: String,
    /// The run that it undoes.
    pub undoes_run_id: Option<RunId>,
    /// The run that executes it; set exactly when it was executed.
    pub run_id: Option<RunId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be executed.
    pub expires_at: Timestamp,
    /// When it was executed or discarded.
    pub ended_at: Option<Timestamp>,
}

/// Which plans to read. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanQuery {
    /// Only plans before this one (exclusive).
    pub before: Option<PlanId>,
    /// Only in this state.
    pub state: Option<PlanState>,
    /// Only those that this token made.
    pub token_id: Option<TokenId>,
    /// At most so many.
    pub limit: u32,
}
