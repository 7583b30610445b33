//! The machine against a directory in memory and a scripted model: outcomes, and every cut of every journal.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod bad;
mod gold;
mod journal;
mod limits;
mod targets;
mod tools;
mod world;
