//! Playbooks through their public interface.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod offboard;
mod shipped;
mod world;
