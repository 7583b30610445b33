//! Work on people in the gateway, from the outside: lists of people are read and become the input of a run, the run is followed,
//! and what it reports becomes a report.
//!
//! Nothing is printed here: progress goes out as [`Event`]s, results come back as values, and [`report`] renders them.

pub mod audit;
mod ending;
mod error;
mod event;
mod follow;
mod narrator;
pub mod offboard;
pub mod report;
pub mod roster;

pub use ending::{Ending, RunReport, RunTable, UnreadableEnding};
pub use error::ReportError;
pub use event::{Event, Progress, WaitSource};
pub use follow::{CONNECTIONS_LOST_MAX, follow};
pub use narrator::{Narrator, Telling};
pub use report::Waits;
