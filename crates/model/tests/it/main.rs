//! Both wire formats over real sockets, against the scripted model and against servers that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod asking;
mod errors;
mod raw;
mod stage;
mod streams;
