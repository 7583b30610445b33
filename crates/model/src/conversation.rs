//! What goes to a model: the conversation so far, and what it may ask for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::{MESSAGES_MAX, OUTPUT_TOKENS_MAX, TOOL_NAME_MAX_BYTES, TOOLS_MAX};

/// One turn asked of a model. The same request gives the same bytes over the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The model's id as its server knows it.
    pub model: String,
    /// What the model is told before everything else; empty for nothing.
    pub system: String,
    /// The conversation, oldest first. The last message is the user's or has tool results.
    pub messages: Vec<Message>,
    /// Tools that the model may ask for, at most [`crate::limits::TOOLS_MAX`].
    pub tools: Vec<ToolSpec>,
    /// Whether it has to ask for one.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// Most tokens that the model may write in this turn.
    pub max_output_tokens: u32,
    /// 0 to 2; nothing is sent for `None`, which some models insist on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

impl Request {
    /// Checks the limits, and that there is something to answer.
    pub(crate) fn check(&self) -> Result<(), String> {
        crate::settings::check_model(&self.model).map_err(|reason| format!("the model's id {reason}"))?;
        if self.messages.len() > MESSAGES_MAX {
            return Err(format!("the conversation has {} messages; at most {MESSAGES_MAX}", self.messages.len()));
        }
        if matches!(self.messages.last(), None | Some(Message::Assistant { .. })) {
            return Err("the conversation has to end with the user's words or with results".to_owned());
        }
        if self.tools.len() > TOOLS_MAX {
            return Err(format!("{} tools are offered; at most {TOOLS_MAX}", self.tools.len()));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        for tool in &self.tools {
            let name = &tool.name;
            if name.is_empty() || name.len() > TOOL_NAME_MAX_BYTES || !name.bytes().all(plain) {
                return Err(format!(
                    "a tool is called {name:?}; expected 1 to {TOOL_NAME_MAX_BYTES} letters, digits, `_` and `-`"
                ));
            }
        }
        if !(1..=OUTPUT_TOKENS_MAX).contains(&self.max_output_tokens) {
            return Err(format!(
                "{} output tokens are asked for; expected 1 to {OUTPUT_TOKENS_MAX}",
                self.max_output_tokens
            ));
        }
        if self.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err("the temperature is not between 0 and 2".to_owned());
        }
        Ok(())
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// What the user says.
    User {
        /// The text.
        text: String,
    },
    /// What the model said: a [`crate::Reply`] given back.
    Assistant {
        /// Its text; may be empty.
        text: String,
        /// The calls that it asked for; may be empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
        /// What the provider wants back unchanged (signed reasoning, for instance): [`crate::Reply::opaque`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Value>,
    },
    /// What the calls of the message before gave: one for each.
    ToolResults {
        /// In any order.
        results: Vec<ToolResult>,
    },
}

/// A call that a model asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Never empty, one of its kind in the conversation: the provider's id, or one made up where it gave none.
    pub id: String,
    /// The tool's name as the model wrote it; there may be no such tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Arguments,
}

/// The arguments of a call, as an object or, where the model wrote no JSON object, as it wrote them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Arguments {
    /// An object.
    Object(Map<String, Value>),
    /// Anything else.
    Malformed(String),
}

impl Arguments {
    /// From the text that a model wrote. No text at all means no arguments.
    pub fn parse(text: &str) -> Self {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Self::Object(Map::new());
        }
        match serde_json::from_str(trimmed) {
            Ok(Value::Object(object)) => Self::Object(object),
            _ => Self::Malformed(text.to_owned()),
        }
    }

    /// From a value that came as JSON already.
    pub fn from_value(value: Value) -> Self {
        match value {
            Value::Object(object) => Self::Object(object),
            Value::Null => Self::Object(Map::new()),
            Value::String(text) => Self::parse(&text),
            other => Self::Malformed(other.to_string()),
        }
    }

    /// The object, unless they are malformed.
    pub fn object(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Object(object) => Some(object),
            Self::Malformed(_) => None,
        }
    }

    /// As text: the object as JSON, or what the model wrote.
    pub fn text(&self) -> String {
        match self {
            Self::Object(object) => serde_json::to_string(object).unwrap_or_default(),
            Self::Malformed(text) => text.clone(),
        }
    }
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// [`ToolCall::id`].
    pub call_id: String,
    /// [`ToolCall::name`].
    pub name: String,
    /// What the model reads.
    pub content: String,
    /// Whether the call failed. A provider without a place for this gets the content alone.
    #[serde(default)]
    pub is_error: bool,
}

/// A tool as a model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Letters, digits, `_` and `-`, at most [`crate::limits::TOOL_NAME_MAX_BYTES`].
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments: an object's.
    pub input_schema: Value,
}

/// Whether a model has to ask for a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It must not.
    None,
    /// It must, any of them.
    Required,
    /// It must, this one.
    Tool(String),
}
