//! Playbooks: deterministic work that needs no model, written as YAML steps; their language, its checker and its interpreter.
//!
//! Everything here is pure: no I/O, no clock, no randomness. [`load()`] a text, check it against an integration with
//! [`Playbook::check_against`], and run it as a [`State`]: it tells the next [`Action`], whoever makes calls tells it what came
//! of them as journal [`Entry`]s, and the same entries give the same actions, byte for byte.

mod bind;
mod build;
mod input;
mod language;
mod limits;
mod load;
mod model;
pub mod plan;
mod setting;
pub mod shipped;
mod state;
mod value;

pub use input::InvalidInput;
pub use limits::*;
pub use load::{Playbook, load, schema};
pub use quartermaster_types::run::{Action, Call, Entry, Mismatch, Outcome, Report, Table, Waits, Wake};
pub use setting::{AccountFacts, IntegrationFacts, LifecycleFacts, RunFacts, Setting};
pub use state::State;
