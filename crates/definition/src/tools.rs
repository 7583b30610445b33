//! Methods as an LLM sees them: names, schemas and the wire shapes of the providers.

pub mod filter;
pub mod names;
pub mod schema;

#[cfg(test)]
pub(crate) mod fixtures;

pub use filter::{METHOD_GROUPS, ToolFilter, method_matches};
pub use names::{TOOL_NAME_MAX, canonical_of_alias, tool_alias, tool_name, tool_prefix, unique_tool_name};
pub use schema::{
    LIST_LIMIT_MAX, OutputShape, id_argument, input_schema, list_arguments, local_filter_argument, output_schema,
};
