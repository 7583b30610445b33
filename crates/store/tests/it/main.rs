//! One suite for both back ends. The PostgreSQL half runs where `QM_TEST_POSTGRES_URL` names a server on which databases
//! may be made; each test gets its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod chain;
#[macro_use]
mod conformance;
mod approvals;
mod crash;
mod guards;
mod models;
mod plans;
mod postgres_database;
mod postgres_tls;
mod reads;
mod revisions;
mod runs;
mod sqlite_file;
mod support;
mod triggers;
