//! Methods as an LLM sees them: names, schemas and the wire shapes of the providers.

pub mod filter;
pub mod format;
pub mod names;
mod pointer;
mod provider;
mod rewrite;
pub mod schema;
pub mod search;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

pub use filter::{METHOD_GROUPS, SEARCH_MAX_BYTES, ToolFilter, method_matches};
pub use format::{ToolFormat, render, render_methods};
pub use names::{
    TOOL_NAME_MAX, argument_alias, canonical_of_alias, tool_alias, tool_name, tool_prefix, unique_tool_name,
};
pub use schema::{
    LIST_LIMIT_MAX, OutputShape, id_argument, input_schema, list_arguments, local_filter_argument, output_schema,
};
