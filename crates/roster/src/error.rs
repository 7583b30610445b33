//! Why a playbook did not come to its end.

use quartermaster_client::ClientError;

use crate::journal::JournalError;
use crate::roster::RosterError;

/// A playbook failed as a whole. What failed for one person only stands in the report instead.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A call failed.
    #[error("{operation}: {source}")]
    Call {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        source: ClientError,
    },
    /// The list of people cannot be read.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The integration does not say how people are listed and suspended.
    #[error("the integration {0} has no people to offboard or audit: its definition has no `lifecycle`")]
    NoLifecycle(String),
    /// The vendor accepted the suspension, and the read afterwards shows another state.
    #[error("{email} was to be suspended and the call was accepted, but a read afterwards shows {state}")]
    NotConfirmed {
        /// The address.
        email: String,
        /// The state found.
        state: String,
    },
    /// The directory could not be read to its end, so nothing can be said of people who were not seen.
    #[error("the directory could not be read to its end ({reason}); {people} people were read, nobody was changed")]
    DirectoryIncomplete {
        /// Why.
        reason: String,
        /// How many people were read.
        people: u64,
    },
    /// Records lack what the definition promises.
    #[error("the directory's answer has a record without {pointer}")]
    BadRecord {
        /// The pointer that leads nowhere.
        pointer: String,
    },
    /// The rate limit asks for more patience than was allowed.
    #[error(
        "rate limited: {waited_seconds} s were waited, another {needed_seconds} s are asked for, {limit_seconds} s are allowed"
    )]
    OutOfPatience {
        /// Seconds waited so far.
        waited_seconds: u64,
        /// Seconds that the next wait would take.
        needed_seconds: u64,
        /// Seconds allowed in all.
        limit_seconds: u64,
    },
    /// The user stopped the work before anything could be reported.
    #[error("interrupted")]
    Interrupted,
    /// The report cannot be written.
    #[error("the report cannot be rendered: {0}")]
    Render(String),
}

impl AgentError {
    /// Says what was being done when a call failed.
    pub(crate) fn call(operation: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Call { operation, source }
    }
}

/// The report of a run cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It lacks what the playbook that ships puts into it: the run is of another one, or of another version of it.
    #[error("the report of the run cannot be read: {0}")]
    Unreadable(String),
}

impl ReportError {
    pub(crate) fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Unreadable(error.to_string())
    }
}
