//! Playbooks: deterministic work over the HTTP API that needs no model. Offboarding one person, and auditing a list of
//! people against a directory.
//!
//! Nothing is printed here: progress goes out as [`Event`]s, results come back as values, and [`report`] renders them. Rate
//! limits are waited out as the answers' headers say ([`Patience`]); a write is journaled before and after ([`journal`]),
//! so that an interrupted audit goes on without writing twice.

pub mod audit;
mod directory;
mod ending;
mod error;
mod event;
mod follow;
pub mod journal;
mod narrator;
pub mod offboard;
mod patience;
mod person;
pub mod report;
pub mod roster;
mod session;
mod suspend;

pub use ending::{Ending, RunReport, RunTable, UnreadableEnding};
pub use error::{AgentError, ReportError};
pub use event::{Event, Progress, Stop, StopSource, WaitSource};
pub use follow::{CONNECTIONS_LOST_MAX, follow};
pub use narrator::{Narrator, Telling};
pub use patience::{Patience, Waits};
pub use session::Session;
