//! The wire shapes in which tools are handed out, and what each provider accepts.

use quartermaster_types::FieldError;

use super::provider;
use crate::plan::{Method, Plan};
use crate::tools::filter::{ToolFilter, refused};

/// Whose wire shape.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ToolFormat {
    /// Ours, with everything.
    #[default]
    Default,
    /// OpenAI chat completions.
    OpenAi,
    /// The same with `strict: true`.
    OpenAiStrict,
    /// Anthropic messages.
    Anthropic,
    /// Gemini function declarations.
    Gemini,
    /// Mistral chat.
    Mistral,
    /// Amazon Bedrock Converse.
    Bedrock,
    /// Cohere chat, version 1.
    Cohere,
    /// `tools/list` of the Model Context Protocol.
    Mcp,
}

impl ToolFormat {
    /// Every format.
    pub const ALL: [Self; 9] = [
        Self::Default,
        Self::OpenAi,
        Self::OpenAiStrict,
        Self::Anthropic,
        Self::Gemini,
        Self::Mistral,
        Self::Bedrock,
        Self::Cohere,
        Self::Mcp,
    ];

    /// The value of `format=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::OpenAi => "openai",
            Self::OpenAiStrict => "openai_strict",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Mistral => "mistral",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
            Self::Mcp => "mcp",
        }
    }

    /// Reads the value of `format=`; an unknown one is refused with the known ones.
    pub fn parse(name: &str) -> Result<Self, FieldError> {
        let names: Vec<&str> = Self::ALL.iter().map(|format| format.as_str()).collect();
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| refused("format", "format", name, &names))
    }

    /// Whether names must start with a letter.
    pub const fn needs_alias(self) -> bool {
        matches!(self, Self::Gemini | Self::Cohere)
    }

    /// Most tools that the provider takes in one request; `None` where no number is known.
    pub const fn tools_max(self) -> Option<usize> {
        match self {
            Self::OpenAi | Self::OpenAiStrict => Some(128),
            Self::Gemini => Some(512),
            _ => None,
        }
    }

    /// Longest description, in characters; `None` where no number is known.
    pub const fn description_max_chars(self) -> Option<usize> {
        match self {
            Self::OpenAi | Self::OpenAiStrict => Some(1024),
            _ => None,
        }
    }
}

/// The tools that `filter` asks for, as JSON. The same plan, format and filter give the same bytes.
///
/// [`ToolFormat::Default`]: `{"result":[…]}`. The others: exactly what stands in the provider's `tools` field.
///
/// A filter value that means nothing in this plan is an error that names the ones that do, and so is a selection of more tools
/// than the provider takes: nothing is left out without a word.
pub fn render(plan: &Plan, format: ToolFormat, filter: &ToolFilter) -> Result<Vec<u8>, FieldError> {
    render_methods(plan, format, &filter.select(plan)?)
}

/// The same for methods that were selected already, for instance by what a token may use.
pub fn render_methods(plan: &Plan, format: ToolFormat, methods: &[&Method]) -> Result<Vec<u8>, FieldError> {
    if let Some(most) = format.tools_max().filter(|most| methods.len() > *most) {
        return Err(FieldError {
            pointer: "/format".into(),
            detail: format!(
                "{} takes at most {most} tools in one request and {} are selected; narrow them with `methods`, `tags`, `search` or `limit`",
                format.as_str(),
                methods.len()
            ),
        });
    }
    let value = provider::tools(plan, format, methods);
    // Values made of maps with text keys always serialise.
    Ok(serde_json::to_vec(&value).unwrap_or_default())
}
