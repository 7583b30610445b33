//! Limits of agent runs. What a caller may choose has a least, a most and a default; the rest is fixed.

/// The longest goal, in bytes.
pub const GOAL_MAX_BYTES: usize = 16 * 1024;
/// The most people, or domains, that a run may be bound to: a list of leavers fits.
pub const TARGETS_MAX: usize = 10_000;
/// The longest address or domain of them, in bytes.
pub const TARGET_MAX_BYTES: usize = 320;
/// The most accounts of one run.
pub const ACCOUNTS_MAX: usize = 8;
/// The most tools of one run, over all its accounts.
pub const TOOLS_MAX: usize = 500;
/// Tools up to which a model sees all of them at once; when there are more, it searches.
pub const TOOLS_UNSEARCHED_MAX: usize = 24;
/// The tools that a model sees before its first search: the best for the goal.
pub const TOOLS_PRELOADED: usize = 8;
/// The tools that one search finds.
pub const TOOLS_FOUND_MAX: usize = 8;
/// The most tools that a model sees at once; the ones that it was shown first go.
pub const TOOLS_SHOWN_MAX: usize = 64;
/// The names of tools that are offered for one that is not there.
pub const TOOLS_NEAR_MAX: usize = 3;
/// The longest name of a tool: what every provider takes.
pub const TOOL_NAME_MAX_BYTES: usize = 64;

/// The most turns of a model in one run, unless the caller says otherwise.
pub const ITERATIONS_DEFAULT: u32 = 40;
/// The most that a caller may say.
pub const ITERATIONS_MAX: u32 = 500;
/// Tokens in and out, over the whole run.
pub const TOKENS_DEFAULT: u64 = 1_000_000;
/// The most that a caller may say.
pub const TOKENS_MAX: u64 = 100_000_000;
/// Seconds from the start of a run.
pub const SECONDS_DEFAULT: u64 = 30 * 60;
/// The most that a caller may say.
pub const SECONDS_MAX: u64 = 24 * 3600;
/// Seconds in which rate limits and passing faults are waited out, over the whole run.
pub const WAIT_SECONDS_DEFAULT: u64 = 15 * 60;
/// Calls of tools in one run.
pub const CALLS_DEFAULT: u32 = 200;
/// The most that a caller may say.
pub const CALLS_MAX: u32 = 5_000;
/// Tokens of one answer of the model.
pub const OUTPUT_TOKENS_DEFAULT: u32 = 4_096;
/// The most that a caller may say.
pub const OUTPUT_TOKENS_MAX: u32 = 64_000;
/// Tokens of one result of a tool that the model sees.
pub const RESULT_TOKENS_DEFAULT: u32 = 4_000;
/// The least that a caller may say: a record and how to get the rest have to fit.
pub const RESULT_TOKENS_MIN: u32 = 500;
/// The most that a caller may say.
pub const RESULT_TOKENS_MAX: u32 = 32_000;
/// Tokens of one prompt; older results are left out of longer ones.
pub const CONTEXT_TOKENS_DEFAULT: u32 = 100_000;
/// The least that a caller may say.
pub const CONTEXT_TOKENS_MIN: u32 = 4_000;
/// The most that a caller may say.
pub const CONTEXT_TOKENS_MAX: u32 = 1_000_000;
/// The most money that a caller may allow, in the currency of the model's prices.
pub const COST_MAX: f64 = 1_000_000.0;
/// Bytes that are taken for one token where nobody counts.
pub const BYTES_PER_TOKEN: usize = 4;

/// The calls of one turn that are made; those after it are not.
pub const CALLS_PER_TURN_MAX: usize = 16;
/// The longest arguments of one call, in bytes of JSON.
pub const ARGUMENTS_MAX_BYTES: usize = 64 * 1024;
/// How often the same call may fail the same way; after that it is not sent any more.
pub const SAME_FAILURE_MAX: u32 = 3;
/// How often a call that is not sent any more may be asked for again before the run ends.
pub const LOOP_REFUSALS_MAX: u32 = 3;
/// Turns in a row in which no call worked, before the run ends.
pub const FAILED_TURNS_MAX: u32 = 8;
/// Turns in a row with neither text nor call, before the run ends.
pub const EMPTY_REPLIES_MAX: u32 = 3;
/// How often a model that only talks is asked to go on.
pub const REMINDERS_MAX: u32 = 1;
/// Seconds that one call counts against the time of its run; what it takes longer is waiting for a person's approval, or for
/// another worker after a crash.
pub const CALL_COUNTED_SECONDS: i64 = 120;
/// How often a model is asked again after a fault that passes, or with a shorter prompt.
pub const ASK_ATTEMPTS_MAX: u32 = 4;
/// How often a read is made again after a fault that passes.
pub const READ_ATTEMPTS_MAX: u32 = 3;
/// How often one call or question is made again after a rate limit.
pub const RATE_LIMITED_MAX: u32 = 100;

/// The records that the outcome lists as found.
pub const FOUND_LISTED_MAX: usize = 100;
/// The handles that an error lists.
pub const HANDLES_LISTED_MAX: usize = 20;
/// The claims of a model that are looked at.
pub const CLAIMS_MAX: usize = 50;
/// The longest text in a shortened record, in characters.
pub const SHORT_TEXT_CHARACTERS: usize = 200;
/// The longest list in a shortened record.
pub const SHORT_LIST_ITEMS: usize = 10;
/// How deep a shortened record goes.
pub const SHORT_DEPTH: usize = 4;
/// The longest part of a vendor's own error that a model sees, in characters.
pub const UPSTREAM_TEXT_CHARACTERS: usize = 400;
