//! How a run that has ended did.

use quartermaster_client::Run;
use quartermaster_types::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a run that has ended did.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// It came to its end.
    Done {
        /// Whether something was left undone.
        is_partial: bool,
        /// What it reports.
        report: Option<RunReport>,
    },
    /// It could not go on.
    Failed {
        /// Why.
        problem: Box<Problem>,
        /// What it reported before that.
        report: Option<RunReport>,
    },
    /// Somebody stopped it.
    Stopped {
        /// What it reports of what was done.
        report: Option<RunReport>,
    },
}

/// What a run reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The sentence for the ticket.
    pub text: String,
    /// The machine-readable outcome.
    #[serde(default)]
    pub members: Map<String, Value>,
    /// Rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<RunTable>,
}

/// Rows of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunTable {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with a value for every column; null where there is none.
    pub rows: Vec<Vec<Value>>,
}

/// A run that has not ended, or whose outcome this program cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came of the run cannot be read: {0}")]
pub struct UnreadableEnding(String);

impl Ending {
    /// What the run's outcome says.
    ///
    /// # Errors
    /// When the run has not ended, or its outcome is not of a form that this program knows.
    pub fn of(run: &Run) -> Result<Self, UnreadableEnding> {
        let unreadable = |error: serde_json::Error| UnreadableEnding(error.to_string());
        let action = &run.outcome["action"];
        let report = match &action["report"] {
            Value::Null => None,
            report => Some(RunReport::deserialize(report).map_err(unreadable)?),
        };
        Ok(match (run.summary.state.as_str(), action["action"].as_str()) {
            ("done", _) => Self::Done { is_partial: action["outcome"] == "partial", report },
            ("cancelled", _) => Self::Stopped { report },
            ("failed", Some("failed")) => {
                let problem = Box::new(Problem::deserialize(&action["problem"]).map_err(unreadable)?);
                Self::Failed { problem, report }
            }
            (state, _) => return Err(UnreadableEnding(format!("its state is {state}"))),
        })
    }
}
