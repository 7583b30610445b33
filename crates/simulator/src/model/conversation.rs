//! A conversation as a script sees it, the same for both wire formats.

use serde_json::Value;

/// What has been said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    /// Messages of the assistant so far.
    pub(crate) turn: usize,
    /// The first words of the user.
    pub(crate) goal: String,
    /// The last message, as text.
    pub(crate) last_text: String,
    /// Names of the tools that are offered.
    pub(crate) tools: Vec<String>,
    /// Results of tools, oldest first.
    pub(crate) results: Vec<ToolResult>,
}

/// What a tool gave.
#[derive(Clone, Debug)]
pub(crate) struct ToolResult {
    pub(crate) tool: String,
    /// Its content: the first JSON value in it where there is one, else the text.
    pub(crate) content: Value,
}

impl ToolResult {
    pub(crate) fn new(tool: String, text: &str) -> Self {
        Self { tool, content: first_value(text).unwrap_or_else(|| Value::String(text.to_owned())) }
    }
}

/// The text itself as JSON, or the first object or list in it.
fn first_value(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let starts = text.match_indices(['{', '[']).map(|(at, _)| at);
    starts.take(16).find_map(|at| serde_json::Deserializer::from_str(&text[at..]).into_iter().next()?.ok())
}
