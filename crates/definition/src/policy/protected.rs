//! Protected records and blast radii: what they say. What they decide stands in `quartermaster_guard`.

use std::collections::HashSet;

use quartermaster_expr::Program;

use super::Matchers;

/// The most entries under `protected`.
pub const POLICY_PROTECTED_MAX: usize = 100;
/// The most addresses, and the most ids, of one entry.
pub const PROTECTED_NAMED_MAX: usize = 500;
/// The most limits under `blast_radius`.
pub const POLICY_BLAST_MAX: usize = 50;
/// The most changes that one limit allows.
pub const BLAST_CHANGES_MAX: u64 = 100_000;
/// The longest window of a limit, in seconds: 30 days.
pub const BLAST_WINDOW_MAX_SECONDS: u64 = 30 * 24 * 60 * 60;
/// The whole, in the parts in which a share is counted.
pub const SHARE_WHOLE: u64 = 1_000_000;

/// Records that nothing may be taken away from.
#[derive(Clone, Debug)]
pub struct Protected {
    /// Unique among all names of the policy.
    pub name: String,
    /// Which calls it is about; without `effects`, those that are destructive.
    pub concerns: Matchers,
    /// E-mail addresses, lower-case.
    pub emails: HashSet<String>,
    /// Ids of records.
    pub ids: HashSet<String>,
    /// Whether the connection's own principal, and the person behind the token, are protected.
    pub is_self: bool,
    /// A condition over the record.
    pub when: Option<Program>,
    /// What the caller is told.
    pub because: String,
}

/// How many changes may be made.
#[derive(Clone, Debug)]
pub struct BlastLimit {
    /// Unique among all names of the policy.
    pub name: String,
    /// Which calls count; without `effects`, those that are destructive.
    pub concerns: Matchers,
    /// Whom they are counted for.
    pub per: Per,
    /// The moving window in seconds; `None`: as long as the run or session lasts.
    pub within_seconds: Option<u64>,
    /// How many.
    pub room: Room,
    /// What the caller is told besides.
    pub because: Option<String>,
}

/// Whom a limit counts for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each run; a call outside of runs counts for its session.
    Run,
    /// Each session; a run is one. Without a name, the token is the session.
    Session,
    /// Each token.
    Token,
    /// Each integrated account.
    Account,
    /// All of the environment.
    Environment,
}

impl Per {
    /// As it stands in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Session => "session",
            Self::Token => "token",
            Self::Account => "account",
            Self::Environment => "environment",
        }
    }
}

/// How many changes a limit has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// So many.
    Max(u64),
    /// This part of the account's directory, in [`SHARE_WHOLE`]ths; rounded up, at least one.
    Share(u64),
}
