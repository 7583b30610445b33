//! The real program, run as a user runs it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod agent;
mod audit;
mod audit_interrupt;
mod audit_large;
mod audit_log;
mod commands;
mod crash;
mod demo;
mod folder;
mod offboard;
mod plan;
mod playbook_run;
mod runs;
mod stage;
mod upstream_ca;
