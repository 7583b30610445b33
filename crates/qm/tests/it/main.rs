//! The real program, run as a user runs it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod audit;
mod audit_interrupt;
mod commands;
mod demo;
mod folder;
mod offboard;
mod stage;
