//! What a run of the playbook `offboard` reports.

use quartermaster_client::Run;
use quartermaster_types::{RunId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ending::RunReport;
use crate::error::ReportError;
use crate::report::Waits;

/// The name of the playbook.
pub const PLAYBOOK: &str = "offboard";

/// What was done, ready to go into a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offboarding {
    /// Always `offboarding`.
    pub kind: String,
    /// Integration name.
    pub integration: String,
    /// Its name for people.
    pub label: String,
    /// The account's tenant.
    pub tenant_id: String,
    /// The address as the directory has it.
    pub email: String,
    /// The person's id.
    pub id: String,
    /// The person's name.
    pub display_name: Option<String>,
    /// The state that was found.
    pub state_before: String,
    /// The state afterwards, by a read; the same when nothing had to change. With `dry_run`: the state that it would be.
    pub state_after: String,
    /// Whether this run changed the state (with `dry_run`: whether it would).
    pub changed: bool,
    /// True when nothing was sent that changes anything.
    pub dry_run: bool,
    /// The request that would be sent, and what the guards say to it; only with `dry_run`.
    pub plan: Option<Value>,
    /// When it was done.
    pub at: Timestamp,
    /// The gateway's request id of the suspension.
    pub request_id: Option<String>,
    /// The session under which the gateway's audit log has the calls.
    pub session: String,
    /// Rate limits waited out.
    pub waits: Waits,
    /// The run.
    pub run: RunId,
    /// The sentence for the ticket.
    pub text: String,
}

impl Offboarding {
    /// What the run reports.
    ///
    /// # Errors
    /// When the report lacks what the playbook that ships puts into it.
    pub fn of(run: &Run, report: &RunReport) -> Result<Self, ReportError> {
        let mut members = report.members.clone();
        members.insert("run".to_owned(), json!(run.summary.id));
        members.insert("text".to_owned(), json!(report.text));
        Self::deserialize(Value::Object(members)).map_err(ReportError::unreadable)
    }
}
