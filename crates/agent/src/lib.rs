//! The agent loop: a language model works towards a goal with the tools of integrated accounts.
//!
//! Everything here is pure: no I/O, no clock, no randomness. A [`State`] is a machine over the journal of its run: it tells the
//! next action (ask the model, make calls, wait, end), whoever does that tells it what came of it as journal entries, and the
//! same entries give the same prompts and the same calls, byte for byte. The model is not trusted with anything: what it asks
//! for is checked here and goes through the gateway like everybody's calls, and the outcome is told from the journal.

mod attempts;
mod breaker;
mod conversation;
mod cut;
mod escape;
mod handles;
pub mod limits;
mod outcome;
mod setting;
mod state;
mod targets;
mod toolbox;

pub use conversation::{Message, Prompt, ToolResult, ToolSpec};
pub use setting::{Account, Effect, Limits, Resource, Setting, Tool};
pub use state::State;
pub use targets::Targets;
