//! Triggers: what starts runs by itself, a signed webhook of another system or a schedule, declared as YAML.
//!
//! Everything here is pure: no I/O, no clock, no randomness. [`load()`] a text; tell a [`Webhook`] what was delivered and it says
//! whether it came from who it says; ask the [`Trigger`] which runs that makes; ask a [`Schedule`] when it is due next.

mod build;
mod delivery;
mod language;
mod limits;
mod load;
mod mapping;
mod model;
mod payload;
mod schedule;
mod verify;

pub use delivery::{Delivery, Reason, Refusal, Verified};
pub use limits::*;
pub use load::{load, schema};
pub use mapping::{Considered, Facts, Item};
pub use model::{Missed, Overlap, Run, Source, Trigger, Webhook};
pub use payload::{PayloadError, payload};
pub use schedule::Schedule;
