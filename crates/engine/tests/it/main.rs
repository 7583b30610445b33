//! The engine over real sockets: a hand-written upstream on one side, calls on the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "test code fails by panicking, and nobody imports it"
)]

mod auth;
mod bad_upstream;
mod bounds;
mod cases;
mod escaping;
mod filters;
mod paging;
mod plans;
mod raw;
mod simulator;
mod single;
mod upstream;
mod waiting;
mod world;
