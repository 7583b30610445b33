//! The engine over real sockets: a hand-written upstream on one side, calls on the other.

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
