//! Every limit of the gateway, in one place. Each bounds something that callers, vendors or time could make grow.

use std::time::Duration;

/// Accounts that are kept ready in memory. An account takes under 400 bytes; the least used go first.
pub const ACCOUNTS_CACHED_MAX: usize = 131_072;
/// Tokens that are kept ready in memory.
pub const ACTORS_CACHED_MAX: usize = 32_768;
/// Compiled plans that are kept: one per distinct definition with its overrides, shared by all accounts that have the same.
pub const PLANS_CACHED_MAX: usize = 1_024;
/// Compiled policies that are kept, one an environment; and what is switched off, one an environment.
pub const POLICIES_CACHED_MAX: usize = 4_096;
/// Things that are switched off in one environment at the same time.
pub const SWITCHES_MAX: usize = 1_000;
/// The longest reason of a switch, in bytes.
pub const SWITCH_REASON_MAX_BYTES: usize = 500;
/// The longest name of a tool, in bytes.
pub const TOOL_NAME_MAX_BYTES: usize = 64;
/// How long changes are counted that have no window: those of a run or session that lasts longer begin anew.
pub const BLAST_KEPT_FOR: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// Runs, sessions, tokens or accounts that the view of a limit shows.
pub const BLAST_SUBJECTS_SHOWN_MAX: u32 = 100;
/// How long the size of a directory is believed; afterwards it has to be seen again.
pub const DIRECTORY_SIZE_TRUSTED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Cases that one test of a policy takes.
pub const POLICY_CASES_MAX: usize = 200;
/// Rows that the card of an approval shows.
pub const CARD_ROWS_MAX: usize = 1_000;
/// The longest card of an approval, in bytes of JSON.
pub const CARD_MAX_BYTES: usize = 1024 * 1024;
/// The longest text in a card, in characters.
pub const CARD_TEXT_MAX_CHARACTERS: usize = 300;
/// The longest value in a card (arguments, a record), in bytes of JSON; of a longer one only the length is shown.
pub const CARD_VALUE_MAX_BYTES: usize = 4 * 1024;
/// The longest reason that an approver gives, in bytes.
pub const APPROVAL_REASON_MAX_BYTES: usize = 1_000;
/// Connections to servers of language models that an environment may have of its own.
pub const MODELS_MAX: u32 = 100;
/// Tokens that a model may write when it is only asked whether it is there; some think before they speak.
pub const MODEL_CHECK_OUTPUT_TOKENS: u32 = 256;
/// Data keys of environments that are kept unwrapped.
pub const DATA_KEYS_CACHED_MAX: usize = 4_096;
/// Bytes of rendered tool lists that are kept.
pub const RENDERED_TOOLS_CACHED_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// How often a replica looks whether others changed what it holds in memory; a change also wakes it.
pub const REVISIONS_POLL_EVERY: Duration = Duration::from_millis(500);
/// How long it waits for the answer to that.
pub const REVISIONS_ANSWER_MAX: Duration = Duration::from_secs(2);
/// For how long after the last answer it believes what it holds. Then everything is read from the store at each call, and where the
/// store does not answer, calls are refused.
pub const REVISIONS_SILENCE_MAX: Duration = Duration::from_secs(3);
/// How often it tries to be woken again, when the connection for that broke and could not be made anew at once.
pub const REVISIONS_LISTEN_RETRY_EVERY: Duration = Duration::from_secs(1);

/// Audit records that wait for the writer. When it is full, callers wait; nothing is dropped.
pub const AUDIT_QUEUE_MAX: usize = 4_096;
/// Audit records in one write.
pub const AUDIT_BATCH_MAX: usize = 200;
/// How long the writer gathers records of reads before it writes them.
pub const AUDIT_GATHER: Duration = Duration::from_millis(50);
/// Audit records that are kept in memory while the store refuses writes; what comes on top is counted as lost.
pub const AUDIT_HELD_MAX: usize = 20_000;
/// How often a store that refuses audit records is tried again.
pub const AUDIT_RETRY_EVERY: Duration = Duration::from_secs(1);
/// Audit records after which their chain gets a signed checkpoint.
pub const AUDIT_CHECKPOINT_RECORDS: usize = 1_000;
/// How long records wait for a checkpoint when there are fewer.
pub const AUDIT_CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// The most audit records that one request drops.
pub const AUDIT_PRUNE_MAX: u64 = 50_000;
/// Audit records that are read at once to verify what is to be dropped.
pub const AUDIT_PRUNE_READ: u32 = 200;
/// Statements on dropped ranges on one page of the export.
pub const AUDIT_PRUNES_ON_PAGE_MAX: u32 = 200;
/// The longest state before or after a write that an audit record keeps.
pub const AUDIT_STATE_MAX_BYTES: usize = 16 * 1024;
/// The longest target (an id) that an audit record keeps.
pub const AUDIT_TARGET_MAX_BYTES: usize = 256;

/// Readings that wait to be noted in the store.
pub const READS_QUEUE_MAX: usize = 1_024;
/// How long readings are gathered before they are written, where nobody waits for that.
pub const READS_GATHER: Duration = Duration::from_millis(50);
/// In each such period an id that a session reads again and again is noted once: by so much other replicas may take it to be
/// older than it is.
pub const READS_NOTE_AGAIN_EVERY: Duration = Duration::from_secs(10 * 60);

/// How long one call may take, waiting for the vendor included.
pub const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// The most that `Prefer: wait=N` can ask for.
pub const PREFER_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a change of a record waits for another change of the same record to end.
pub const CHANGE_WAIT_MAX: Duration = Duration::from_secs(30);
/// Changes of one record that wait for the one that is under way.
pub const CHANGE_QUEUE_MAX: usize = 16;
/// Members of a record that one `expect` names.
pub const EXPECT_MEMBERS_MAX: usize = 20;
/// The longest `expect`, in bytes of JSON.
pub const EXPECT_MAX_BYTES: usize = 8 * 1024;
/// How long `shutdown` waits for writes that are under way.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(100);
/// The longest `quartermaster-session`, in characters.
pub const SESSION_MAX_CHARACTERS: usize = 128;
/// The longest `Idempotency-Key`, in characters.
pub const IDEMPOTENCY_KEY_MAX_CHARACTERS: usize = 255;
/// The longest answer that is kept under an idempotency key, in bytes.
pub const IDEMPOTENCY_ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// How long a write holds its idempotency key without an answer before it counts as cut off by a crash.
pub const IDEMPOTENCY_IN_FLIGHT_MAX: Duration = Duration::from_secs(120);
/// How long the answer under an idempotency key is kept.
pub const IDEMPOTENCY_KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How often forgotten idempotency keys are cleared away.
pub const IDEMPOTENCY_PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often telling other replicas of a rate budget is tried again when several tell at once.
pub const BUDGETS_TELL_TRIES_MAX: usize = 5;
/// How often what is known of rate limits is written to the store.
pub const BUDGETS_KEEP_EVERY: Duration = Duration::from_secs(5);
/// Accounts whose rate limits are written at a time; the others are learned again after a restart.
pub const BUDGETS_KEPT_AT_ONCE_MAX: usize = 500;
/// Windows that start anew sooner than this are not written: they are over before they would be read.
pub const BUDGETS_KEPT_WINDOW_MIN: Duration = Duration::from_secs(30);

/// Smallest and largest `limit` of a configuration list, and what is taken without one.
pub const PAGE_LIMIT_MIN: i64 = 1;
/// The largest.
pub const PAGE_LIMIT_MAX: i64 = 200;
/// The default.
pub const PAGE_LIMIT_DEFAULT: i64 = 50;

/// The longest tenant id, in bytes.
pub const TENANT_ID_MAX_BYTES: usize = 255;
/// The longest token or environment name, in bytes.
pub const NAME_MAX_BYTES: usize = 100;
/// The longest e-mail address, in bytes.
pub const EMAIL_MAX_BYTES: usize = 320;
/// The longest connection value, in bytes.
pub const CONNECTION_VALUE_MAX_BYTES: usize = 2 * 1024;
/// The longest single credential, in bytes (a private key fits).
pub const CREDENTIAL_MAX_BYTES: usize = 16 * 1024;
/// The longest override of an account or environment, in bytes of JSON.
pub const OVERRIDE_MAX_BYTES: usize = 64 * 1024;
/// Accounts, tools or methods that a token's narrowing may name.
pub const NARROWING_MAX_ITEMS: usize = 1_000;

/// Names that an error lists as a help (tools, methods, integrations).
pub const NAMES_IN_HINT_MAX: usize = 20;

/// Runs that one process works on at the same time; the others wait their turn.
pub const RUNS_AT_ONCE_MAX: usize = 8;
/// Calls that one run makes at the same time: as many as a playbook takes rows at once.
pub const RUN_CALLS_AT_ONCE_MAX: usize = 32;
/// For how long a worker holds a run without a sign of life: so long a run stands still when its worker is killed.
pub const RUN_LEASE: Duration = Duration::from_secs(10);
/// How often a worker gives that sign.
pub const RUN_RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often a worker without work, or a watcher, looks whether another process has changed anything.
pub const RUN_POLL_EVERY: Duration = Duration::from_secs(2);
/// How long a worker pauses when others have just taken what it saw.
pub const RUN_CONTENDED_PAUSE: Duration = Duration::from_millis(50);
/// How often a call that another worker may still be making is asked about.
pub const RUN_IN_FLIGHT_RETRY_EVERY: Duration = Duration::from_secs(1);
/// Calls of one run that wait for an approval; it makes no further call until one of them is decided.
pub const RUN_APPROVALS_WAITING_MAX: u32 = 100;
/// The longest definition that a run is started with, in bytes.
pub const RUN_DEFINITION_MAX_BYTES: usize = 256 * 1024;
/// The longest input of a run, in bytes of JSON, with what its machine adds: a list of a hundred thousand people fits.
pub const RUN_INPUT_MAX_BYTES: usize = 16 * 1024 * 1024;
/// The longest member of a run's input that the run is shown with, in bytes of JSON; the export has all.
pub const RUN_INPUT_SHOWN_MAX_BYTES: usize = 64 * 1024;
/// Rows of a report's table that a run is shown with; the report and the export have all.
pub const RUN_ROWS_SHOWN_MAX: usize = 1_000;
/// The longest input of a run whose machine decides on the threads that serve, in bytes; that of a longer one works apart, so that
/// nobody waits for it.
pub const RUN_INLINE_INPUT_MAX_BYTES: usize = 256 * 1024;
/// Runs that wait and whose machine is kept, so that it need not be brought again to where the journal ends.
pub const RUNS_PARKED_MAX: usize = 8;
/// The longest wait for which that is done.
pub const RUN_PARKED_FOR_MAX: Duration = Duration::from_secs(10 * 60);
/// The longest name of a run, in bytes.
pub const RUN_NAME_MAX_BYTES: usize = 200;
/// The most that a run can be told to wait for rate limits and passing faults, in seconds: a year.
pub const RUN_PATIENCE_MAX_SECONDS: u64 = 366 * 24 * 3600;
/// Pieces of what models say that are held for watchers; who is slower misses some.
pub const RUN_DELTAS_HELD_MAX: usize = 1_024;
/// Entries of a journal that are read at once, and told to a watcher at once.
pub const RUN_ENTRIES_PAGE: u32 = 200;
/// Steps of a run that it is shown with; the export has all.
pub const RUN_STEPS_SHOWN_MAX: usize = 1_000;
/// How long one stream of events lasts; the watcher comes back with the number of the last event, and with a token that is
/// looked at anew.
pub const RUN_EVENTS_LAST_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a stream of events is silent before it says that it is still there.
pub const RUN_EVENTS_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Calls that one plan holds.
pub const PLAN_CALLS_MAX: usize = 1_000;
/// The longest plan, in bytes of JSON.
pub const PLAN_MAX_BYTES: usize = 4 * 1024 * 1024;
/// The longest reason of a plan, in bytes.
pub const PLAN_REASON_MAX_BYTES: usize = 1_000;
/// How long a plan can be executed unless it says otherwise.
pub const PLAN_LASTS_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// The shortest and the longest that it can say.
pub const PLAN_LASTS_MIN: Duration = Duration::from_secs(60);
/// The longest.
pub const PLAN_LASTS_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long making a plan may take, rate limits that are waited out included.
pub const PLAN_MAKING_MAX: Duration = Duration::from_secs(100);
/// Records that are read at the same time while a plan is made.
pub const PLAN_READS_AT_ONCE_MAX: usize = 8;
/// Pages of a directory that are read while a plan is made.
pub const PLAN_PAGES_MAX: usize = 1_000;
/// How long a plan that nobody executed is kept after its end.
pub const PLAN_KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Audit records that are looked through for what became of calls whose end a journal lost.
pub const UNDO_AUDIT_MAX: usize = 20_000;

/// Triggers of one environment.
pub const TRIGGERS_MAX: i64 = 500;
/// The longest part of a delivery's body that is kept, in bytes.
pub const DELIVERY_PAYLOAD_MAX_BYTES: usize = 16 * 1024;
/// How often a delivery is looked at anew when its trigger is changed meanwhile.
pub const HOOK_ATTEMPTS_MAX: u32 = 3;
/// When a sender is asked to come back whose trigger has started as many runs as it may in an hour.
pub const HOOK_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Deliveries of strangers (not verified) to one trigger that are written down in a minute; the others are only counted.
pub const REFUSALS_WRITTEN_PER_MINUTE: u32 = 60;
/// Triggers whose strangers are counted at the same time.
pub const REFUSALS_COUNTED_MAX: usize = 4_096;
/// How often a process looks whether another one has made a schedule.
pub const SCHEDULE_POLL_EVERY: Duration = Duration::from_secs(2);
/// Schedules that are looked at in one go.
pub const SCHEDULES_AT_ONCE_MAX: u32 = 100;
/// How late a scheduled time may be taken before it counts as missed.
pub const SCHEDULE_GRACE: Duration = Duration::from_secs(60);
/// How often a schedule that waits for its run before looks whether that has ended.
pub const SCHEDULE_QUEUED_LOOK_EVERY: Duration = Duration::from_secs(5);
/// When a schedule that cannot be read or started is tried again.
pub const SCHEDULE_BROKEN_RETRY: Duration = Duration::from_secs(60);
/// Times that the test of a schedule shows.
pub const SCHEDULE_TIMES_SHOWN: usize = 5;
