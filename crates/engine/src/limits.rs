//! The bounds that the engine keeps. All are per call unless they say otherwise.

use std::time::Duration;

/// Pages that one call reads at most. This and the next two bounds are looked at between pages: a page is never torn.
pub const PAGES_MAX: u32 = 200;

/// No further page is read after so many records, when a local filter is in force.
pub const SCANNED_MAX: u64 = 100_000;

/// No further page is read after so many bytes of records were gathered.
pub const WALK_MAX_BYTES: usize = 16 * 1024 * 1024;

/// A later page is not asked for when less than this is left of the caller's patience.
pub const TIME_RESERVE: Duration = Duration::from_millis(250);

/// Bytes of one answer as it comes over the wire.
pub const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one answer after decompression.
pub const DECOMPRESSED_MAX_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of a token endpoint's answer.
pub const TOKEN_BODY_MAX_BYTES: usize = 64 * 1024;

/// Longest access token.
pub const TOKEN_MAX_BYTES: usize = 16 * 1024;

/// Access tokens kept in this process; those nearest to their end go first.
pub const TOKENS_MAX: usize = 200_000;

/// An access token is renewed this long before it expires, or a tenth of its lifetime before, whichever is less.
pub const TOKEN_RENEW_BEFORE_SECONDS: u64 = 60;

/// No access token is kept longer than this, whatever its answer says.
pub const TOKEN_LIFETIME_MAX_SECONDS: u64 = 30 * 24 * 3600;

/// Longest URL that is sent.
pub const URL_MAX_BYTES: usize = 16 * 1024;

/// Longest cursor that is followed.
pub const CURSOR_MAX_BYTES: usize = 8 * 1024;

/// Deepest JSON Pointer that an argument is placed at in a body.
pub const BODY_DEPTH_MAX: usize = 16;

/// Shortest pause before a rate-limited read is sent again, also when the upstream says 0.
pub const WAIT_MIN: Duration = Duration::from_secs(1);

/// Characters of a vendor's message that a problem's detail repeats.
pub const MESSAGE_MAX_CHARS: usize = 300;

/// Values (texts, numbers, lists, …) that are read out of a success for the definition's conditions. Only the members that they
/// look at count.
pub const CONDITION_VALUES_MAX: usize = quartermaster_expr::VALUES_MAX;

/// Largest body of an error answer that is parsed for its message.
pub const ERROR_PARSE_MAX_BYTES: usize = 1024 * 1024;

/// Members of a record that an answer names when a field that was asked for is in none.
pub const FIELDS_NAMED_MAX: usize = 50;

/// Accounts whose budgets are kept in memory; those whose windows are over go first.
pub const BUDGETS_MAX: usize = 200_000;

/// Windows of one account that are kept apart.
pub const BUDGET_WINDOWS_MAX: usize = 8;

/// Methods of one account of which it is kept in which windows they count.
pub const BUDGET_METHODS_MAX: usize = 256;

/// Sessions, runs and tokens that share one account's budget at a time.
pub const BUDGET_HOLDERS_MAX: usize = 1_024;

/// For how long after its last call somebody counts as one of those who share, in milliseconds.
pub const BUDGET_ACTIVE_MS: i64 = 2_000;

/// For how long a share is kept for somebody who was told when to come back, in milliseconds from then on.
pub const BUDGET_EXPECTED_MS: i64 = 3_000;

/// How much later than told a window is taken to start anew, for a vendor whose answers were found to tell it too early: so much more each
/// time, in milliseconds.
pub const BUDGET_RESET_SLACK_STEP_MS: i64 = 500;

/// The most of that.
pub const BUDGET_RESET_SLACK_MAX_MS: i64 = 2_000;

/// By how much two answers may differ in when a window starts anew and mean the same one, in milliseconds: whole seconds, and the way of the
/// answer.
pub const BUDGET_RESET_APART_MS: i64 = 1_500;

/// How long calls wait for the one that finds out what a new window allows, before they go without.
pub const BUDGET_HOLD_MAX: Duration = Duration::from_secs(2);

/// Reservations of one account.
pub const BUDGET_RESERVATIONS_MAX: usize = 64;

/// The longest that calls are set aside, in milliseconds: one day.
pub const BUDGET_RESERVATION_MAX_MS: i64 = 24 * 60 * 60 * 1000;
