//! Named limits of what goes to a model and what comes back.

use std::time::Duration;

/// Most messages of one request.
pub const MESSAGES_MAX: usize = 4096;
/// Most tools of one request: what the strictest provider takes.
pub const TOOLS_MAX: usize = 128;
/// Longest name of a tool, in bytes.
pub const TOOL_NAME_MAX_BYTES: usize = 64;
/// Largest request body, in bytes.
pub const REQUEST_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Largest answer, in bytes, as a whole or as a stream.
pub const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Longest line of a streamed answer, in bytes.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;
/// Most that is read of an answer that is an error, in bytes; of a larger one nothing is.
pub const ERROR_BODY_MAX_BYTES: usize = 64 * 1024;
/// Most calls of one reply.
pub const CALLS_MAX: usize = 128;
/// Most output tokens that may be asked for.
pub const OUTPUT_TOKENS_MAX: u32 = 1_000_000;
/// From sending the request to the last byte of the answer.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);
/// From sending the request to the head of a streamed answer.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(300);
/// From one piece of a streamed answer to the next.
pub const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Longest pause that a provider may ask for and be believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest name of a connection, in bytes.
pub const NAME_MAX_BYTES: usize = 64;
/// Longest name of a model, in bytes.
pub const MODEL_NAME_MAX_BYTES: usize = 256;
/// Longest base URL, in bytes.
pub const BASE_URL_MAX_BYTES: usize = 1024;
/// Most additional query parameters of a connection.
pub const QUERY_MAX: usize = 8;
/// Longest name or value of a query parameter, in bytes.
pub const QUERY_TEXT_MAX_BYTES: usize = 256;
/// Longest key, in bytes.
pub const KEY_MAX_BYTES: usize = 4096;
/// Most of a provider's own words in an error, in bytes.
pub const ERROR_TEXT_MAX_BYTES: usize = 1024;
