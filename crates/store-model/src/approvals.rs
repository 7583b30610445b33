//! Approvals and the votes on them.

use quartermaster_types::{AccountId, ApprovalId, ApprovalState, EnvironmentId, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// What an approval is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    /// One call, once.
    Call,
    /// The calls of a run that a rule is about.
    Run,
    /// A plan.
    Plan,
    /// Rows that a step of a run shows.
    Rows,
}

impl ApprovalKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Call, Self::Run, Self::Plan, Self::Rows];

    /// The stored and spoken form: `call`, `run`, `plan`, `rows`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Run => "run",
            Self::Plan => "plan",
            Self::Rows => "rows",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRow {
    /// Id; approvals are ordered by it.
    pub id: ApprovalId,
    /// Environment.
    pub environment_id: EnvironmentId,
    /// What it is about.
    pub kind: ApprovalKind,
    /// A keyed hash of what it is about. At most one that is pending or approved has the same.
    pub fingerprint: [u8; 32],
    /// A hash of the record as it was when the approval was asked for; `None` where it is about no record.
    pub record_digest: Option<[u8; 32]>,
    /// The token that asked.
    pub token_id: TokenId,
    /// In which session.
    pub session: Option<String>,
    /// In which run.
    pub run_id: Option<RunId>,
    /// The idempotency key of the call that asked, or the step of the run.
    pub step: Option<String>,
    /// On which account.
    pub account_id: Option<AccountId>,
    /// What is to be done, in a word: `users.suspend`, or the name of a step.
    pub subject: String,
    /// What approvers are shown, JSON text.
    pub card: String,
    /// Who may decide and why they are asked, JSON text.
    pub terms: String,
    /// How many have to say yes.
    pub quorum: u32,
    /// Where it stood when it was last written; [`Self::state_at`] knows about the time.
    pub state: ApprovalState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it can be decided; once a call is approved, until when it can be made.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// The one request that was let through.
    pub used_by: Option<String>,
    /// When.
    pub used_at: Option<Timestamp>,
}

impl ApprovalRow {
    /// Where it stands at this moment: what waits for a decision expires, and so does a call that was approved and not made.
    pub fn state_at(&self, now: Timestamp) -> ApprovalState {
        let ends = match self.state {
            ApprovalState::Pending => true,
            ApprovalState::Approved => self.kind == ApprovalKind::Call,
            ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Used => false,
        };
        if ends && self.expires_at <= now { ApprovalState::Expired } else { self.state }
    }

    /// Where it stands after a vote: one no is enough, and so many yes as the quorum wants.
    pub fn state_after(&self, approve: bool, yes: i64) -> ApprovalState {
        match (approve, yes >= i64::from(self.quorum)) {
            (false, _) => ApprovalState::Denied,
            (true, true) => ApprovalState::Approved,
            (true, false) => ApprovalState::Pending,
        }
    }
}

/// What one approver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteRow {
    /// Who, once each: `token:` and an id, or `person:` and a name.
    pub approver: String,
    /// The name for people.
    pub name: String,
    /// Yes or no.
    pub approve: bool,
    /// Rows of the card that are not to be done, from 1, ascending.
    pub vetoed: Vec<u32>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What came of asking for an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is asked for.
    New,
    /// The same was asked for before and is still open; nothing was changed or recorded.
    Open(Box<ApprovalRow>),
}

/// What came of a vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voted {
    /// It counts; the approval as it is now.
    Counted(ApprovalRow),
    /// The approver has voted before; nothing was changed or recorded.
    Before(ApprovalRow),
    /// It is not pending any more; nothing was changed or recorded.
    Closed(ApprovalRow),
    /// The environment has no such approval.
    Missing,
}

/// Which approvals to read. Newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalQuery {
    /// The present moment: states depend on it.
    pub now: Timestamp,
    /// Only approvals before this one (exclusive).
    pub before: Option<ApprovalId>,
    /// Only in this state.
    pub state: Option<ApprovalState>,
    /// Only of this run.
    pub run_id: Option<RunId>,
    /// Only those that this token asked for.
    pub token_id: Option<TokenId>,
    /// At most so many.
    pub limit: u32,
}
