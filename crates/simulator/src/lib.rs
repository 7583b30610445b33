//! Stand-ins for upstreams, faithful to their public documentation, over real sockets.
//!
//! This crate shares no code with the gateway: it is written from the documents, so that a misreading in a definition
//! and one here do not cancel out. Vendors' names are at home here.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let running = quartermaster_simulator::start(quartermaster_simulator::Config::default()).await?;
//! println!("{} {}", running.base_url(), running.control().counts().list);
//! # Ok(()) }
//! ```

mod clock;
mod config;
mod control;
mod fault;
mod listen;
pub mod model;
mod onepassword;
mod people;
mod rate;
mod server;

pub use config::{
    Config, ConfigError, EndOfList, ErrorShape, Obfuscation, RateHeaders, RateLimit, SIMULATORS, USERS_MAX,
    parse_duration,
};
pub use control::{Control, Counts, Seen};
pub use onepassword::Operation;
pub use people::{Person, State};
pub use server::{Running, start};
