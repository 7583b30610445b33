//! Limits of playbooks and their runs. A text is also within the limits of definitions: bytes, values, depth, list entries.

/// The most steps of a playbook, those inside `for_each` included.
pub const STEPS_MAX: usize = 200;
/// How deep `for_each` nests.
pub const FOR_EACH_DEPTH_MAX: usize = 2;
/// The most steps that a run takes outside of rows, and that one row takes: `go_to` can lead in circles.
pub const STEPS_TAKEN_MAX: u32 = 1_000;
/// The most rows of one `for_each` or `find`.
pub const ROWS_MAX: usize = 100_000;
/// The most rows of one `for_each` that are worked on at the same time.
pub const CONCURRENCY_MAX: u64 = 32;
/// Rows at the same time unless the playbook says otherwise.
pub const CONCURRENCY_DEFAULT: u64 = 4;
/// Results of CEL expressions that are remembered while one entry is worked on.
pub const REMEMBERED_MAX: usize = 4_096;
/// The longest result of one call that is kept, in bytes of JSON; `keep` makes it smaller.
pub const RESULT_MAX_BYTES: usize = 256 * 1024;
/// The most pages of one `find`.
pub const PAGES_MAX: u32 = 10_000;
/// How often a write whose outcome stayed unknown is made, when reads show that it did not happen.
pub const ATTEMPTS_MAX: u32 = 3;
/// How often one read that failed for reasons that pass is made.
pub const READ_ATTEMPTS_MAX: u32 = 3;
/// Seconds that rate limits are waited out in a whole run unless the playbook says otherwise.
pub const PATIENCE_DEFAULT_SECONDS: u64 = 3_600;
/// How often one call is made again after a rate limit.
pub const RATE_LIMITED_MAX: u32 = 100;
/// The most columns of a report's table.
pub const COLUMNS_MAX: usize = 50;
/// The longest wait, in seconds: a year.
pub const WAIT_MAX_SECONDS: i64 = 366 * 24 * 3600;
