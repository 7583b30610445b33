//! Shapes of runs for the OpenAPI document.

use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// A new run: of a `playbook` on an `integrated_account_id`, or of an `agent`.
#[derive(ToSchema)]
pub(crate) struct NewRun {
    /// What is to be run: the name of a playbook that ships, or the whole text of one (YAML).
    playbook: Option<String>,
    /// A language model that works towards a goal; instead of all others but `patience_seconds`.
    agent: Option<NewAgent>,
    /// The integrated account that the playbook works on.
    #[schema(format = "uuid")]
    integrated_account_id: Option<String>,
    /// What the playbook is started with.
    input: Option<Map<String, Value>>,
    /// Seconds that rate limits and passing faults are waited out in all; the playbook's own `patience` without it.
    patience_seconds: Option<u64>,
}

/// A language model that works towards a goal.
#[derive(ToSchema)]
pub(crate) struct NewAgent {
    /// What is to be reached, in your words; at most 16 KiB.
    goal: String,
    /// The integrated accounts that it works on, 1 to 8; the first one is the run's own.
    #[schema(min_items = 1, max_items = 8)]
    accounts: Vec<String>,
    /// The model: the name of a model connection, or `NAME/MODEL`.
    model: String,
    /// Only these methods are tools: `read`, `write`, `custom`, or names such as `suspend`.
    methods: Option<Vec<String>>,
    /// Only methods with one of these tags are tools.
    tags: Option<Vec<String>>,
    /// How far it may go; what is left out has its default.
    limits: Option<AgentLimits>,
    /// Whom it may change: a list of e-mail addresses and domains (`@company.com`), or the word `any`. The people whose addresses
    /// stand in the goal when left out; nobody when there are none.
    #[schema(value_type = Option<Value>)]
    targets: Option<Value>,
    /// Whether the model sees short handles (`user:3`) instead of ids; yes when left out.
    handles: Option<bool>,
    /// Whether writes are only rehearsed; no when left out.
    dry_run: Option<bool>,
}

/// How far an agent may go. What ends at a limit ends in order, with what was done so far.
#[derive(ToSchema)]
pub(crate) struct AgentLimits {
    /// Turns of the model: 1 to 500, 40 when left out.
    iterations: Option<u32>,
    /// Tokens in and out, over the whole run: 1,000,000 when left out.
    tokens: Option<u64>,
    /// Seconds from its start, without waiting for approvals: at most 86,400, 1,800 when left out.
    seconds: Option<u64>,
    /// Seconds in which rate limits and passing faults are waited out: 900 when left out.
    wait_seconds: Option<u64>,
    /// Calls of tools: 1 to 5,000, 200 when left out.
    calls: Option<u32>,
    /// Money, in the currency of the model's prices; no limit when left out.
    cost: Option<f64>,
    /// Tokens of one answer of the model: at most 64,000, 4,096 when left out.
    output_tokens: Option<u32>,
    /// Tokens of one result that the model sees: 500 to 32,000, 4,000 when left out.
    result_tokens: Option<u32>,
    /// Tokens of one prompt; older results are told in short in longer ones: 4,000 to 1,000,000, 100,000 when left out.
    context_tokens: Option<u32>,
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
    /// `playbook` or `agent`.
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
    /// What it was started with, and what its machine knows besides; without members over 64 KiB.
    input: Value,
    /// JSON Pointers to the members that are left out of `input`; the export has them.
    input_left_out: Vec<String>,
    /// What came of it: `decided_by` (`machine`, `gateway`, `caller`) and `action`; `null` before its end.
    #[schema(required)]
    outcome: Option<Map<String, Value>>,
    /// Rows of the report's table that are left out here, over 1,000; `/run/{id}/report` and the export have all.
    rows_left_out: u64,
    /// The run that undoes it; the last one when there are several.
    #[schema(required, format = "uuid")]
    undone_by: Option<String>,
    /// Its steps, in the order in which they were begun; at most 1,000.
    steps: Vec<RunStep>,
    /// Steps that are left out here; the export has all.
    steps_left_out: u64,
    /// The approvals that it waits for; absent when there are none.
    awaits: Option<Vec<super::ApprovalNotice>>,
}

/// What came of a run, whole; the document adds the members of [`RunSummary`].
#[derive(ToSchema)]
pub(crate) struct RunReport {
    /// What came of it: `decided_by` (`machine`, `gateway`, `caller`) and `action`; `null` before its end.
    #[schema(required)]
    outcome: Option<Map<String, Value>>,
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
