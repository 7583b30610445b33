//! What guards keep: kill switches, the changes that blast radii count, the sizes of directories.

use quartermaster_types::{AccountId, EnvironmentId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most limits that one change counts towards.
pub const BLAST_LIMITS_MAX: usize = 50;

/// What a kill switch is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchKind {
    /// Every call of the environment.
    Environment,
    /// Every call on one account.
    Account,
    /// Every call with one token.
    Token,
    /// Every call of one tool, on whichever account.
    Tool,
}

impl SwitchKind {
    /// The stored and spoken form: `environment`, `account`, `token`, `tool`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Account => "account",
            Self::Token => "token",
            Self::Tool => "tool",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Environment, Self::Account, Self::Token, Self::Tool].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Something that is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchRow {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// What it is about.
    pub kind: SwitchKind,
    /// The id of the account or token, the lower-case name of the tool; empty for the environment.
    pub subject: String,
    /// Why, for whoever is refused.
    pub reason: String,
    /// Who switched it off.
    pub token_id: TokenId,
    /// When.
    pub created_at: Timestamp,
}

/// One limit that a change counts towards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlastUse {
    /// The limit's name.
    pub limit: String,
    /// Whom it is counted for: `run:…`, `token:…`, `environment`.
    pub subject: String,
    /// Changes after this moment count; `None`: all of them.
    pub since: Option<Timestamp>,
    /// So many may be counted, this one included.
    pub max: u64,
}

/// A change that asks to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlastReservation {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// The change; one with the same id is the same change, and is counted once.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Every limit that it counts towards; at most [`BLAST_LIMITS_MAX`]. All of them or none count it.
    pub uses: Vec<BlastUse>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blast {
    /// It is counted.
    Counted {
        /// How many each limit has now, in the order of the reservation.
        used: Vec<u64>,
        /// False when one of them had counted this very change before, so that its outcome is that of several attempts.
        is_new: bool,
    },
    /// A limit has no room; nothing was counted.
    Full {
        /// Which, in the order of the reservation.
        place: usize,
        /// How many it has.
        used: u64,
        /// The change that has to leave the window before there is room; `None` where nothing leaves it (`max` is 0).
        frees: Option<Timestamp>,
    },
}

/// How much of a limit somebody has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlastUsage {
    /// The limit's name.
    pub limit: String,
    /// Whom it is counted for.
    pub subject: String,
    /// How many changes.
    pub used: u64,
    /// The oldest of them.
    pub first_at: Timestamp,
    /// The newest.
    pub last_at: Timestamp,
}

/// How many records a whole, unfiltered list of a resource had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorySizeRow {
    /// Environment.
    pub environment_id: EnvironmentId,
    /// Account.
    pub account_id: AccountId,
    /// Resource.
    pub resource: String,
    /// Records.
    pub records: u64,
    /// When the list ended.
    pub at: Timestamp,
}
