//! The hashed form against its test vector, and the verifier against everything that can be done to an exported log.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod changes;
mod limits;
mod retention;
mod support;
mod vector;
