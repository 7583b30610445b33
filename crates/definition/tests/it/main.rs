//! The definition language through its public interface.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

mod bad;
mod cases;
mod good;
mod limits;
mod overrides;
mod reference;
mod schema;
mod shipped;
