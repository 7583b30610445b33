//! What an audit found and did, and its forms: CSV, JSON and a page of HTML. (Tables and YAML are the command line's.)

mod csv_form;
mod from_run;
mod html;

use quartermaster_client::Run;
use quartermaster_types::{AccountId, Code, RunId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ending::RunReport;
use crate::error::ReportError;
use crate::roster::BadLine;

/// How long, and how often, a run waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Times that a rate limit or a passing fault made the work stand still.
    pub count: u64,
    /// Seconds that it stood still, in all.
    pub seconds: u64,
}

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Always `audit`.
    pub kind: String,
    /// The run.
    pub run: RunId,
    /// The result in a sentence or two.
    pub text: String,
    /// Whether every line could be used and everything that was to be done was done.
    pub is_complete: bool,
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
    /// When the run began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why it stopped before its end; `null` when it did not.
    pub stopped: Option<String>,
    /// The code of that, one of the problems.
    pub stopped_code: Option<Code>,
    /// Figures.
    pub counts: Counts,
    /// Rate limits waited out.
    pub waits: Waits,
    /// One entry for each different address.
    pub people: Vec<Line>,
    /// Lines that were not used, and lines with oddities.
    pub bad_lines: Vec<BadLine>,
    /// Remarks on how the list was understood.
    pub notes: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// To report only.
    Report,
    /// To suspend those who are active.
    Suspend,
}

/// Figures of an audit. People are counted once, however often the list has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Lines of the list, without the header and empty ones.
    pub rows: usize,
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
    pub directory_pages: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing, and nothing was to be done.
    None,
    /// Suspended by this run.
    Suspended,
    /// To be suspended, and somebody else had done it by then.
    Unchanged,
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
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        }
    }
}

impl Report {
    /// What a run of the playbook `audit` reports. `is_complete`: the run says that everything was done.
    ///
    /// # Errors
    /// When the report lacks what the playbook that ships puts into it.
    pub fn of(run: &Run, report: RunReport, is_complete: bool) -> Result<Self, ReportError> {
        from_run::read(run, report, is_complete)
    }

    /// As CSV, one line a person and one a bad line, with a header.
    pub fn to_csv(&self) -> Result<String, ReportError> {
        csv_form::render(self)
    }

    /// As one JSON object, indented.
    pub fn to_json(&self) -> Result<String, ReportError> {
        serde_json::to_string_pretty(self).map_err(ReportError::render)
    }

    /// As a page of HTML that needs no other file and no network.
    pub fn to_html(&self) -> Result<String, ReportError> {
        html::render(self)
    }
}

#[cfg(test)]
mod tests;
