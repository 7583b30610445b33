//! Speaking to language models: one conversation form, the wire formats behind it, over the gateway's own HTTP client.
//!
//! A [`Request`] is a conversation so far and the tools that the model may ask for; a [`Reply`] is its next turn. Both are
//! plain data, the same for every provider, and can be kept in a journal. A [`Connection`] says where a model is served and
//! in which wire format; a [`ModelReference`] names one. What a provider does wrong ends as a [`ModelError`], which teaches
//! as a problem. What a model does wrong (arguments that are no JSON, a tool that is not there) is no error here: it reaches
//! the loop as it came.

mod client;
mod connection;
mod conversation;
mod discreet;
mod error;
mod failure;
pub mod limits;
mod lines;
mod pause;
mod presets;
mod reference;
mod reply;
mod settings;
mod transport;
mod wires;

pub use client::{Client, Patience};
pub use connection::Connection;
pub use conversation::{Arguments, Message, Request, ToolCall, ToolChoice, ToolResult, ToolSpec};
pub use error::{ErrorKind, ModelError};
pub use presets::{PRESETS, Preset, preset};
pub use reference::ModelReference;
pub use reply::{Delta, Reply, Stop, Usage};
pub use settings::{KeyHeader, OutputLimit, Price, Settings, Wire, check_name};
