//! Triggers: what loads, what verifies, what it starts, and when.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bad;
mod hmac;
mod jwt;
mod mapping;
mod plain;
mod schedule;
mod support;
