//! The HTTP API against a whole gateway, over sockets, with a simulator as upstream.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod accounts;
mod agents;
mod approvals;
mod audit_log;
mod bad_input;
mod calls;
mod coverage;
mod custom;
mod document;
mod hooks;
mod keys;
mod models;
mod odd_upstream;
mod plans;
mod problems;
mod rate_limits;
mod runs;
mod server;
mod storms;
mod tokens;
mod tools;

/// An id that nothing has.
const NOBODY: &str = "01900000-0000-7000-8000-000000000000";
