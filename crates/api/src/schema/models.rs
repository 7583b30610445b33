//! Shapes of model connections.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A connection to a server of language models. Its key is never shown.
#[derive(ToSchema)]
pub(crate) struct Model {
    /// Its name: the first part of a reference to a model, `NAME` or `NAME/MODEL`.
    #[schema(example = "local")]
    name: String,
    /// Whose it is: made in this `environment`, or the `server`'s, which every environment has.
    source: ModelSource,
    /// Wire format.
    wire: ModelWire,
    /// Everything before the format's own path.
    #[schema(format = "uri", example = "https://models.example.com/v1")]
    base_url: String,
    /// The model that a reference without one means.
    model: Option<String>,
    /// The header that carries the key, when it is not the format's own.
    key_header: Option<ModelKeyHeader>,
    /// Parameters in the query of every request.
    query: Option<BTreeMap<String, String>>,
    /// How the limit of output tokens is called.
    output_limit: Option<ModelOutputLimit>,
    /// What tokens cost.
    price: Option<ModelPrice>,
    /// Most tokens that a conversation and its answer may have together.
    context_tokens: Option<u32>,
    /// Whether it has a key.
    has_key: bool,
    /// Version, of one made in this environment; the `ETag` is this in quotes.
    version: Option<i64>,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: Option<String>,
    /// When it was last changed.
    #[schema(format = "date-time")]
    updated_at: Option<String>,
}

/// All model connections of an environment.
#[derive(ToSchema)]
pub(crate) struct ModelList {
    /// By name, the environment's own first.
    result: Vec<Model>,
    /// Always `null`: there are never more than one page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of connections.
    result_count: u64,
}

/// A new connection to a server of language models.
#[derive(ToSchema)]
pub(crate) struct NewModel {
    /// Its name: `a`-`z`, digits, `.`, `_`, `-`, at most 64.
    #[schema(example = "local")]
    name: String,
    /// The key; left out for a server that wants none. Sealed at once, never shown again.
    #[schema(write_only)]
    key: Option<String>,
    /// Wire format.
    wire: ModelWire,
    /// Everything before the format's own path. Plain http:// only to addresses that `--allow-upstream` names.
    #[schema(format = "uri", example = "https://models.example.com/v1")]
    base_url: String,
    /// The model that a reference without one means.
    model: Option<String>,
    /// The header that carries the key; `bearer` for `openai` and `x-api-key` for `anthropic` when left out.
    key_header: Option<ModelKeyHeader>,
    /// Parameters in the query of every request; they are shown, so no place for secrets.
    query: Option<BTreeMap<String, String>>,
    /// How the limit of output tokens is called; only `openai` has a choice.
    output_limit: Option<ModelOutputLimit>,
    /// What tokens cost.
    price: Option<ModelPrice>,
    /// Most tokens that a conversation and its answer may have together.
    context_tokens: Option<u32>,
}

/// A JSON Merge Patch on a model connection. What is left out stays.
#[derive(ToSchema)]
pub(crate) struct ModelChange {
    /// Another name.
    name: Option<String>,
    /// Another key; `null` for none any more.
    #[schema(write_only)]
    key: Option<String>,
    /// Wire format.
    wire: Option<ModelWire>,
    /// Everything before the format's own path.
    #[schema(format = "uri")]
    base_url: Option<String>,
    /// The model that a reference without one means.
    model: Option<String>,
    /// The header that carries the key.
    key_header: Option<ModelKeyHeader>,
    /// Merged into the parameters.
    query: Option<BTreeMap<String, Option<String>>>,
    /// How the limit of output tokens is called.
    output_limit: Option<ModelOutputLimit>,
    /// What tokens cost.
    price: Option<ModelPrice>,
    /// Most tokens that a conversation and its answer may have together.
    context_tokens: Option<u32>,
}

/// What a million tokens cost, in a currency of your choice.
#[derive(ToSchema)]
pub(crate) struct ModelPrice {
    /// Tokens read.
    input: f64,
    /// Tokens written.
    output: f64,
    /// Tokens read from the provider's cache; as much as `input` when left out.
    cached_input: Option<f64>,
}

/// Whose a model connection is.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum ModelSource {
    /// Made in this environment.
    Environment,
    /// The server's.
    Server,
}

/// Wire formats of language models.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum ModelWire {
    /// Chat completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

/// Headers that carry a key.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum ModelKeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY`.
    ApiKey,
    /// `x-api-key: KEY`.
    XApiKey,
}

/// Names of the limit of output tokens.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum ModelOutputLimit {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// Which model to check.
#[derive(ToSchema)]
pub(crate) struct ModelCheck {
    /// The model's id; the connection's default when left out.
    model: Option<String>,
}

/// What a model answered to a check.
#[derive(ToSchema)]
pub(crate) struct ModelAnswer {
    /// The connection's name.
    name: String,
    /// The model that answered, as the server named it.
    model: String,
    /// The beginning of what it said.
    said: String,
    /// Why it ended: `end`, `tool_calls`, `length`, `refused` or `other`.
    stop: String,
    /// What it took.
    usage: ModelUsage,
    /// Milliseconds from question to answer.
    took_ms: u64,
}

/// Tokens as the provider counted them; 0 where it did not say.
#[derive(ToSchema)]
pub(crate) struct ModelUsage {
    /// Read.
    input_tokens: u64,
    /// Written.
    output_tokens: u64,
    /// Of those read, from the provider's cache.
    cached_tokens: u64,
}
