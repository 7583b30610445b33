//! What tests of the whole product stand on: a gateway with its API on a free loopback port, a temporary data folder, a
//! simulator as upstream with an account connected to it, tokens of every role, and a small HTTP client.
//!
//! [`TestApp`] checks at its end that no secret that it knows stands in any log line or answer of the process.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test that cannot be set up has failed")]

mod agent;
mod app;
mod client;
mod logs;
mod script;
mod secrets;

pub use agent::{AgentStage, Ran, SCRIPTED, Written};
pub use app::{Builder, TestApp};
pub use client::{Answer, Client, Outgoing};
pub use logs::captured_logs;
pub use quartermaster_model::Wire;
pub use script::ScriptKind;
pub use secrets::Secrets;
