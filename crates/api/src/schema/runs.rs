//! Shapes of runs for the OpenAPI document.

use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// A new run.
#[derive(ToSchema)]
pub(crate) struct NewRun {
    /// What is to be run: the name of a playbook that ships, or the whole text of one (YAML).
    playbook: String,
    /// The integrated account that it works on.
    #[schema(format = "uuid")]
    integrated_account_id: String,
    /// What the playbook is started with.
    input: Option<Map<String, Value>>,
    /// Seconds that rate limits and passing faults are waited out in all; the playbook's own `patience` without it.
    patience_seconds: Option<u64>,
}

/// Where a run stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum RunState {
    /// Nobody works on it yet.
    Queued,
    /// A worker holds it.
    Running,
    /// It goes on at `waits_until`.
    Waiting,
    /// It came to its end.
    Done,
    /// It could not go on.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

/// A run as lists show it.
#[derive(ToSchema)]
pub(crate) struct RunSummary {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// `playbook`.
    kind: String,
    /// Name of what is run.
    name: String,
    /// The account that it works on.
    #[schema(required, format = "uuid")]
    account_id: Option<String>,
    /// The token that started it.
    #[schema(format = "uuid")]
    token_id: String,
    /// Where it stands.
    state: RunState,
    /// The session of its calls, as in the audit log.
    session: String,
    /// Entries in its journal.
    entries: u32,
    /// For one that waits: when it goes on.
    #[schema(required, format = "date-time")]
    waits_until: Option<String>,
    /// When somebody asked to stop it.
    #[schema(required, format = "date-time")]
    cancel_requested_at: Option<String>,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
    /// When a worker first took it.
    #[schema(required, format = "date-time")]
    started_at: Option<String>,
    /// When it ended.
    #[schema(required, format = "date-time")]
    finished_at: Option<String>,
}

/// One page of runs.
#[derive(ToSchema)]
pub(crate) struct RunPage {
    /// Runs, newest first.
    result: Vec<RunSummary>,
    /// Send it back to get older ones; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of runs here.
    result_count: u64,
}

/// A run with its steps; the document adds the members of [`RunSummary`].
#[derive(ToSchema)]
pub(crate) struct Run {
    /// What it was started with, and what its machine knows besides.
    input: Value,
    /// What came of it: `decided_by` (`machine`, `gateway`, `caller`) and `action`; `null` before its end.
    #[schema(required)]
    outcome: Option<Map<String, Value>>,
    /// The run that undoes it; the last one when there are several.
    #[schema(required, format = "uuid")]
    undone_by: Option<String>,
    /// Its steps, in the order in which they were begun; at most 1,000.
    steps: Vec<RunStep>,
    /// Steps that are left out here; the export has all.
    steps_left_out: u64,
}

/// One step of a run.
#[derive(ToSchema)]
pub(crate) struct RunStep {
    /// Names it within the run.
    key: String,
    /// `call`, `ask` (a question to a language model) or `wait`.
    kind: String,
    /// `under_way`, `done` or `failed`.
    state: String,
    /// The account, when it is not the run's own.
    #[schema(required)]
    account: Option<String>,
    /// The method, `users.suspend`.
    #[schema(required)]
    method: Option<String>,
    /// Arguments.
    #[schema(required)]
    arguments: Option<Map<String, Value>>,
    /// How often it was begun: more than once after a crash.
    attempts: u32,
    /// When it was first begun.
    #[schema(format = "date-time")]
    begun_at: String,
    /// When it ended.
    #[schema(required, format = "date-time")]
    finished_at: Option<String>,
    /// The request, as in the audit log.
    #[schema(required, format = "uuid")]
    request_id: Option<String>,
    /// Why it failed.
    #[schema(required)]
    problem: Option<Map<String, Value>>,
    /// For a question to a model: the `model`, its `text`, the `tools` that it wanted called, and the `usage` in tokens.
    ask: Option<Map<String, Value>>,
}

/// The whole of a run.
#[derive(ToSchema)]
pub(crate) struct RunExport {
    /// The form, `quartermaster-run/1`.
    format: String,
    /// The run with all its steps.
    run: Run,
    /// What was run.
    definition: String,
    /// The journal, in order.
    entries: Vec<Map<String, Value>>,
}

/// The run in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RunPath {
    /// Id of the run.
    #[param(format = "uuid")]
    id: String,
}

/// Which runs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunParameters {
    /// Only in this state: `queued`, `running`, `waiting`, `done`, `failed` or `cancelled`.
    state: Option<String>,
    /// Only of this name.
    name: Option<String>,
}

/// In which form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParameters {
    /// `json`, or `html` for a page.
    format: Option<String>,
}

/// Where to go on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct LastEventId {
    /// The id of the event that was seen last.
    #[param(rename = "last-event-id")]
    last_event_id: Option<u32>,
}
