//! What an audit found and did, and its forms: CSV, JSON and a page of HTML. (Tables and YAML are the command line's.)

mod csv_form;
mod html;

use std::fmt;

use quartermaster_types::{AccountId, Timestamp};
use serde::{Serialize, Serializer};

use crate::error::AgentError;
use crate::patience::Waits;
use crate::roster::BadLine;

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Always `audit`.
    pub kind: &'static str,
    /// Integration name.
    pub integration: String,
    /// Its name for people.
    pub label: String,
    /// The account.
    pub account: AccountId,
    /// The account's tenant.
    pub tenant_id: String,
    /// Name of the list.
    pub source: String,
    /// Whether people were to be suspended.
    pub mode: Mode,
    /// The session under which the gateway's audit log has the calls.
    pub session: String,
    /// When the run began (its first process, when it was interrupted).
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Whether it went on with an interrupted run.
    pub resumed: bool,
    /// Why it stopped before its end; `null` when it did not.
    pub stopped: Option<StopReason>,
    /// Figures.
    pub counts: Counts,
    /// Rate limits waited out, by this process.
    pub waits: Waits,
    /// One entry for each different address.
    pub people: Vec<Line>,
    /// Lines that were not used, and lines with oddities.
    pub bad_lines: Vec<BadLine>,
    /// Remarks on how the list was understood.
    pub notes: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// To report only.
    Report,
    /// To suspend those who are active.
    Suspend,
}

/// Why an audit stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The user stopped it.
    Interrupted,
    /// The rate limit asked for more patience than was allowed.
    RateLimited(String),
    /// The journal could not be written, so nothing more was changed.
    Journal(String),
}

impl fmt::Display for StopReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => formatter.write_str("interrupted"),
            Self::RateLimited(detail) | Self::Journal(detail) => formatter.write_str(detail),
        }
    }
}

impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Figures of an audit. People are counted once, however often the list has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Lines of the list, without the header and empty ones.
    pub rows: u64,
    /// Different addresses.
    pub people: usize,
    /// Addresses on more than one line.
    pub duplicated: usize,
    /// Lines that could not be used.
    pub bad_lines: usize,
    /// Found active.
    pub active: usize,
    /// Found suspended.
    pub suspended: usize,
    /// Found in another state.
    pub other_state: usize,
    /// Not in the directory.
    pub unknown: usize,
    /// Several people in the directory have the address.
    pub ambiguous: usize,
    /// Suspended by this run.
    pub suspended_now: usize,
    /// Had been suspended by somebody between the read and the call.
    pub unchanged: usize,
    /// Could not be suspended.
    pub failed: usize,
    /// Left over because the run stopped early.
    pub not_reached: usize,
    /// People in the directory.
    pub directory_people: u64,
    /// Calls that the pass over the directory took.
    pub directory_pages: u32,
}

/// One person of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The list's line, from 1.
    pub line: u64,
    /// The address as the list writes it.
    pub email: String,
    /// How the directory has it.
    pub finding: Finding,
    /// The person's id.
    pub id: Option<String>,
    /// The person's name.
    pub display_name: Option<String>,
    /// The state that was found.
    pub state_before: Option<String>,
    /// What was done.
    pub action: Action,
    /// The state afterwards, read back; only after a write.
    pub state_after: Option<String>,
    /// When it was done.
    pub at: Option<Timestamp>,
    /// What else there is to say.
    pub detail: Option<String>,
    /// Further lines with the same address.
    pub also_on_lines: Vec<u64>,
}

/// How the directory has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// One person, who has access.
    Active,
    /// One person, who has none.
    Suspended,
    /// One person, in a state that is neither.
    OtherState,
    /// Nobody.
    Unknown,
    /// Several people.
    Ambiguous,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing, and nothing was to be done.
    None,
    /// Suspended by this run.
    Suspended,
    /// To be suspended, and somebody else had done it by then.
    Unchanged,
    /// Suspended by this run before an interrupt, and active again since: left alone.
    ActiveAgain,
    /// To be suspended, and refused.
    Failed,
    /// To be suspended, and left over because the run stopped early.
    NotReached,
}

impl Finding {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::OtherState => "other state",
            Self::Unknown => "unknown",
            Self::Ambiguous => "ambiguous",
        }
    }
}

impl Action {
    /// In words; empty when nothing was done.
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Suspended => "suspended now",
            Self::Unchanged => "was suspended meanwhile",
            Self::ActiveAgain => "active again",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        }
    }
}

impl Report {
    /// Whether every line could be used and everything that was to be done was done.
    pub fn is_complete(&self) -> bool {
        let counts = &self.counts;
        self.stopped.is_none()
            && counts.bad_lines == 0
            && counts.ambiguous == 0
            && counts.failed == 0
            && counts.not_reached == 0
    }

    /// The result in a sentence or two.
    pub fn summary(&self) -> String {
        let counts = &self.counts;
        let mut text = format!(
            "{} {} in the list, {} in {}: {} active, {} suspended, {} unknown",
            counts.people,
            if counts.people == 1 { "person" } else { "people" },
            counts.directory_people,
            self.label,
            counts.active,
            counts.suspended,
            counts.unknown
        );
        for (count, words) in [
            (counts.other_state, "in another state"),
            (counts.ambiguous, "ambiguous"),
            (counts.duplicated, "on several lines"),
            (counts.bad_lines, if counts.bad_lines == 1 { "bad line" } else { "bad lines" }),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {words}"));
            }
        }
        text.push('.');
        if self.mode == Mode::Suspend {
            text.push_str(&format!(" {} suspended by this run", counts.suspended_now));
            for (count, words) in [
                (counts.unchanged, "had been suspended meanwhile"),
                (counts.failed, "failed"),
                (counts.not_reached, "not reached"),
            ] {
                if count > 0 {
                    text.push_str(&format!(", {count} {words}"));
                }
            }
            text.push('.');
        }
        if self.waits.count > 0 {
            let (count, seconds) = (self.waits.count, self.waits.seconds);
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            text.push_str(&format!(" Rate limits were waited out {times}, {seconds} s in all."));
        }
        if let Some(reason) = &self.stopped {
            text.push_str(&format!(" Stopped before the end: {reason}."));
        }
        text
    }

    /// As CSV, one line a person and one a bad line, with a header.
    pub fn to_csv(&self) -> Result<String, AgentError> {
        csv_form::render(self)
    }

    /// As one JSON object, indented.
    pub fn to_json(&self) -> Result<String, AgentError> {
        serde_json::to_string_pretty(self).map_err(|error| AgentError::Render(error.to_string()))
    }

    /// As a page of HTML that needs no other file and no network.
    pub fn to_html(&self) -> Result<String, AgentError> {
        html::render(self)
    }
}

#[cfg(test)]
mod tests;
