//! The engine over real sockets: a hand-written upstream on one side, calls on the other.

mod auth;
mod bad_upstream;
mod bounds;
mod escaping;
mod filters;
mod paging;
mod plans;
mod raw;
mod single;
mod upstream;
mod waiting;
mod world;
