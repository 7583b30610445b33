//! Limits of triggers. A text is also within the limits of definitions: values, depth, list entries.

/// The longest trigger, in bytes.
pub const TRIGGER_MAX_BYTES: usize = 64 * 1024;
/// The longest name of a trigger.
pub const TRIGGER_NAME_MAX: usize = 64;
/// The most runs that one delivery starts (`for_each`).
pub const DELIVERY_ITEMS_MAX: usize = 50;
/// The most signatures that one delivery is looked at for.
pub const SIGNATURES_MAX: usize = 10;
/// The longest header that signatures, tokens and secrets are read from, in bytes.
pub const VERIFIED_HEADER_MAX_BYTES: usize = 8 * 1024;
/// How far a delivery's timestamp may be from the gateway's time unless the trigger says otherwise, in seconds.
pub const TOLERANCE_DEFAULT_SECONDS: u64 = 300;
/// The most that a trigger may say, in seconds.
pub const TOLERANCE_MAX_SECONDS: u64 = 3_600;
/// How far clocks may differ where tokens (JWT) are looked at, in seconds, unless the trigger says otherwise.
pub const LEEWAY_DEFAULT_SECONDS: u64 = 60;
/// The longest life of a token (JWT) that is left, in seconds: so long it is remembered that it was used.
pub const TOKEN_LIFE_MAX_SECONDS: i64 = 24 * 3_600;
/// How long it is remembered which event started which run unless the trigger says otherwise, in seconds.
pub const DEDUPE_DEFAULT_SECONDS: u64 = 30 * 24 * 3_600;
/// The most that a trigger may say, in seconds.
pub const DEDUPE_MAX_SECONDS: u64 = 90 * 24 * 3_600;
/// The longest key by which two deliveries are the same event, in bytes.
pub const DEDUPE_KEY_MAX_BYTES: usize = 1_024;
/// Runs that one trigger starts in an hour unless it says otherwise.
pub const RUNS_PER_HOUR_DEFAULT: u64 = 100;
/// The most that a trigger may say.
pub const RUNS_PER_HOUR_MAX: u64 = 10_000;
/// The longest answer to a challenge, in bytes.
pub const CHALLENGE_ANSWER_MAX_BYTES: usize = 4 * 1_024;
/// The longest patience of a run, in seconds: a year.
pub const PATIENCE_MAX_SECONDS: u64 = 366 * 24 * 3_600;
/// The shortest secret that verifies deliveries, in bytes: shorter ones are guessed.
pub const SECRET_MIN_BYTES: usize = 12;
