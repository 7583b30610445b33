//! What a run asks for, and what its journal tells it: the words that every kind of machine shares.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::problem::Problem;

/// What a run needs next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Calls to be made, models to be asked, and times to be waited for; never all empty. Those that are under way are told
    /// again, under the same keys, until their entry is in the journal.
    Proceed {
        /// Calls, in the order of the rows; all of them may be made at the same time.
        calls: Vec<Call>,
        /// Waits, in the order of the rows.
        waits: Vec<Wake>,
        /// Questions to language models.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        asks: Vec<Ask>,
    },
    /// The run came to its end.
    Done {
        /// Whether everything was done.
        outcome: Outcome,
        /// The last report that was made.
        report: Option<Report>,
    },
    /// The run failed.
    Failed {
        /// The step that it failed at.
        step: Option<String>,
        /// Why.
        problem: Problem,
        /// The last report that was made.
        report: Option<Report>,
    },
}

/// One call to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Names the call in the run: `suspend`, `people/12/suspend`, `find/page-2`, `suspend~2` for a second attempt. Visible
    /// ASCII; a call that is made again because its first try was refused or its outcome is unknown has another key.
    pub key: String,
    /// The integrated account; the run's own when it is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Resource.
    pub resource: String,
    /// Method.
    pub method: String,
    /// Arguments.
    pub arguments: Map<String, Value>,
    /// What the record must be like right before a destructive call (`{email, state}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Map<String, Value>>,
    /// When true, nothing is sent: the result is what would be sent and what the guards say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// A time to be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wake {
    /// Names the wait in the run.
    pub key: String,
    /// When it is over.
    pub until: Timestamp,
    /// True when a rate limit or another passing fault is waited out; false when the playbook asks for the wait.
    pub pause: bool,
}

/// A question to a language model. The machine renders the prompt whenever it is asked to; the journal keeps what makes it
/// certain that it is the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Names the question in the run: `turn-3`, `turn-3~2` for a second attempt.
    pub key: String,
    /// The model, as the run was started with it.
    pub model: String,
    /// SHA-256 of the prompt, hexadecimal.
    pub prompt: String,
}

/// What a language model answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// What it says; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The tools that it wants called, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<AskedCall>,
    /// What its provider wants to see again with the next question, unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Value>,
    /// Why it stopped.
    pub stop: Stop,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
}

/// A tool that a model wants called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedCall {
    /// The provider's id of the call; may be empty.
    pub id: String,
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// An object; the raw text where the model wrote something else.
    pub arguments: Value,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It has said what it wanted to say.
    End,
    /// It waits for the tools that it called.
    ToolCalls,
    /// The answer was cut at the most that it may be long.
    Length,
    /// It, or its provider, refused.
    Refused,
    /// Anything else.
    Other,
}

/// What an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Tokens of the prompt that the provider had cached.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Money, in millionths of the currency of the model's prices; `None` where no prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
}

/// One entry of a run's journal, in the order in which things happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// A call is about to be made. May be left out for reads; may stand more than once after a crash.
    Begun {
        /// The call as it was asked for.
        call: Call,
        /// When.
        at: Timestamp,
    },
    /// A call was answered.
    Finished {
        /// The call's key.
        key: String,
        /// When.
        at: Timestamp,
        /// The answer of the gateway's tool door, or what the machine's `reduce` leaves of it.
        result: Value,
        /// The gateway's request id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// A model is about to be asked. May stand more than once after a crash: asking again does no harm.
    Asked {
        /// The question.
        ask: Ask,
        /// When.
        at: Timestamp,
    },
    /// A model answered.
    Answered {
        /// The question's key.
        key: String,
        /// When.
        at: Timestamp,
        /// What it answered.
        reply: Reply,
    },
    /// A call or a question did not work.
    Failed {
        /// Its key.
        key: String,
        /// When.
        at: Timestamp,
        /// Why.
        problem: Problem,
    },
    /// A wait is over.
    Woken {
        /// The wait's key.
        key: String,
        /// When; not before the wait's end.
        at: Timestamp,
    },
}

impl Entry {
    /// The key of the call, question or wait that it is of.
    pub fn key(&self) -> &str {
        match self {
            Self::Begun { call, .. } => &call.key,
            Self::Asked { ask, .. } => &ask.key,
            Self::Finished { key, .. }
            | Self::Answered { key, .. }
            | Self::Failed { key, .. }
            | Self::Woken { key, .. } => key,
        }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Begun { at, .. }
            | Self::Finished { at, .. }
            | Self::Asked { at, .. }
            | Self::Answered { at, .. }
            | Self::Failed { at, .. }
            | Self::Woken { at, .. } => *at,
        }
    }
}

/// An entry that this run cannot have: the journal is of another definition, another input or another version of either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Nothing under this key is waited for.
    #[error("the journal has {key:?}, and the run does not wait for anything of this name")]
    Unexpected {
        /// The key.
        key: String,
    },
    /// The call or question under this key is another one.
    #[error("the journal has something else under {key:?} than the run asks for")]
    OtherCall {
        /// The key.
        key: String,
    },
    /// A wait ended before its time.
    #[error("the wait {key:?} ended before its time")]
    TooEarly {
        /// The key.
        key: String,
    },
    /// The run is at its end.
    #[error("the run is at its end, and the journal goes on with {key:?}")]
    AfterEnd {
        /// The key.
        key: String,
    },
}

/// How a run that came to its end did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was done.
    Complete,
    /// Some rows failed or were not reached, or the report says that it is not complete.
    Partial,
}

/// What a run reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The sentence for the ticket.
    pub text: String,
    /// The machine-readable outcome.
    pub members: Map<String, Value>,
    /// Rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
}

/// Rows of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with a value for every column; `null` where there is none.
    pub rows: Vec<Vec<Value>>,
}

/// Rate limits and passing faults that were waited out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// How many waits.
    pub count: u64,
    /// Seconds in all.
    pub seconds: u64,
}
