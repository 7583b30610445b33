//! Playbooks through their public interface.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod against;
mod audit;
mod bad;
mod journal;
mod limits;
mod offboard;
mod plans;
mod reference;
mod schema;
mod shipped;
mod steps;
mod world;
