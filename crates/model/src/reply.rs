//! What comes back from a model.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Message, Price, ToolCall};

/// A model's turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What it says; may be empty.
    pub text: String,
    /// What it asks for, in its order; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// What the provider wants back unchanged with the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Value>,
    /// Why it ended.
    pub stop: Stop,
    /// What it cost.
    pub usage: Usage,
    /// The model that answered, as the server named it; what was asked for where it did not.
    pub model: String,
    /// The provider's own id of the request, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Reply {
    /// As the message that goes back with the next request.
    pub fn message(&self) -> Message {
        Message::Assistant { text: self.text.clone(), calls: self.calls.clone(), opaque: self.opaque.clone() }
    }
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The model had nothing to add.
    End,
    /// It waits for the results of its calls. Every reply with calls ends like this, whatever the provider said, but one
    /// that was cut.
    ToolCalls,
    /// It was cut at the limit of tokens: text and the last call's arguments may be incomplete.
    Length,
    /// The model or its provider refused.
    Refused,
    /// For a reason that is not known here.
    Other,
}

/// Tokens of one turn as the provider counted them; zero where it did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Read, those from a cache included.
    pub input_tokens: u64,
    /// Written, reasoning included.
    pub output_tokens: u64,
    /// Those of `input_tokens` that came from the provider's cache.
    #[serde(default)]
    pub cached_tokens: u64,
}

impl Usage {
    /// Both together, for a whole run.
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
        }
    }

    /// What that costs, in millionths of the currency that the price is in, rounded up. Cached tokens count in full where
    /// the price has no other for them, so that the figure is never too low.
    pub fn cost_micros(self, price: &Price) -> u64 {
        let cached = self.cached_tokens.min(self.input_tokens);
        let of = |tokens: u64, per_million: u64| u128::from(tokens) * u128::from(per_million);
        let total = of(self.input_tokens - cached, price.input_micros())
            + of(cached, price.cached_input_micros())
            + of(self.output_tokens, price.output_micros());
        u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// A piece of a turn while it is made. Pieces are for people who watch; the [`Reply`] has everything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delta {
    /// More text.
    Text(String),
    /// More of what the model thinks aloud, where its provider shows it.
    Reasoning(String),
    /// It begins to ask for a call; `index` counts the calls of this turn from 0.
    CallBegun {
        /// Which call.
        index: usize,
        /// The tool's name.
        name: String,
    },
    /// More of the text of a call's arguments.
    CallArguments {
        /// Which call.
        index: usize,
        /// The piece.
        text: String,
    },
}
