//! What callers are told of an approval.

use serde::{Deserialize, Serialize};

use crate::{ApprovalId, Timestamp};

/// Where an approval stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody has decided, or not enough approvers have.
    Pending,
    /// Enough approvers said yes.
    Approved,
    /// An approver said no.
    Denied,
    /// Its time ran out, or what it was about changed; it lets nothing through.
    Expired,
    /// What was approved was done.
    Used,
}

impl ApprovalState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Denied, Self::Expired, Self::Used];

    /// The stored and spoken form: `pending`, `approved`, `denied`, `expired`, `used`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Used => "used",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// The approval that a call waits for, as the problem `approval_required` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalNotice {
    /// Its id.
    pub id: ApprovalId,
    /// Where it can be read, a path of this API. It lets nobody decide: that takes a token of an approver.
    pub url: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// How long it waits for a decision; once approved, how long it can be used.
    pub expires_at: Timestamp,
}
