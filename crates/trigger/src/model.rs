//! A trigger that was loaded.

use quartermaster_expr::Program;
use quartermaster_types::AccountId;
use serde_json::{Map, Value};

use crate::schedule::Schedule;
use crate::verify::Verify;

/// A trigger that was loaded without errors.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Its name, once in its environment.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What makes it start runs.
    pub source: Source,
    /// How long it is remembered which event started which run, in seconds.
    pub dedupe_seconds: u64,
    /// The most runs that it starts in an hour.
    pub runs_per_hour: u64,
    /// What it starts.
    pub run: Run,
    pub(crate) when: Option<Program>,
    pub(crate) for_each: Option<Program>,
    pub(crate) input: Vec<(String, Program)>,
    pub(crate) dedupe_key: Option<Program>,
}

/// What makes a trigger start runs.
#[derive(Clone, Debug)]
pub enum Source {
    /// Another system calls.
    Webhook(Webhook),
    /// The time has come.
    Schedule(Schedule),
}

impl Source {
    /// `webhook` or `schedule`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Schedule(_) => "schedule",
        }
    }
}

/// An inbound webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub(crate) verify: Verify,
    /// The header with the sender's own id of a delivery, in lower case.
    pub(crate) id_header: Option<String>,
    pub(crate) challenge: Option<Challenge>,
}

/// A question of the sender whether somebody is here.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    pub(crate) when: Program,
    pub(crate) answer: Program,
    pub(crate) unsigned: bool,
}

/// What a trigger starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What kind of machine runs it, `playbook`.
    pub kind: &'static str,
    /// A name, or a whole text.
    pub definition: String,
    /// On which account.
    pub account: AccountId,
    /// Inputs that are always the same.
    pub input: Map<String, Value>,
    /// Seconds that rate limits and passing faults are waited out in all; the machine's own when it is `None`.
    pub patience_seconds: Option<u64>,
}

/// What follows when scheduled times went by while nothing was running.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Missed {
    /// One start for all of them.
    #[default]
    Start,
    /// None.
    Skip,
}

/// What follows when the run before is still going.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overlap {
    /// No start.
    #[default]
    Skip,
    /// A start once it has ended.
    Queue,
}
