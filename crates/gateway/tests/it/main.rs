//! The gateway in one process, with a simulated vendor over real sockets and a SQLite file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod accounts;
mod approvals;
mod audit;
mod blast;
mod calls;
mod concurrency;
mod cursors;
mod expect;
mod grounding;
mod house;
mod idempotency;
mod isolation;
mod planning;
mod policy;
mod postgres;
mod protected;
mod replicas;
mod runs;
mod scenarios;
mod switches;
mod tokens;
mod tools;
mod triggers;
