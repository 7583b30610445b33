//! A stand-in for a server of language models that answers from a script, in both wire formats, streaming and not.
//!
//! It has no model inside: what it says next is looked up by what has been said. The turn is the number of the assistant's
//! messages in the request, so a script is a function of the conversation: the same request gives the same bytes, however
//! often and in whatever order conversations come. It checks every request against the public description of its wire
//! format and answers a wrong one as the provider does; every request is kept for the test to look at.

mod anthropic;
mod check;
mod conversation;
mod fault;
mod openai;
mod script;
mod server;
mod template;

pub use script::{Call, Reply, Rule, Script, ScriptError, Stop, Trouble, Usage, When};
pub use server::{Config, Control, Running, Seen, start};

/// The wire formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `POST …/chat/completions`, as OpenAI describes it.
    OpenAi,
    /// `POST …/messages`, as Anthropic describes it.
    Anthropic,
}

impl std::str::FromStr for Wire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "openai" => Ok(Self::OpenAi),
            "anthropic" => Ok(Self::Anthropic),
            other => Err(format!("{other:?} is no wire format; there are openai and anthropic")),
        }
    }
}

/// A short text that stands for a longer one: ids and signatures that depend on nothing else.
fn digest(text: &str) -> String {
    // FNV-1a: nobody's safety hangs on it.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
