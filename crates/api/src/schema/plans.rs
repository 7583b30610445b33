//! Shapes of plans for the OpenAPI document.

use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// A new plan.
#[derive(ToSchema)]
pub(crate) struct NewPlan {
    /// The integrated account that it changes.
    #[schema(format = "uuid")]
    integrated_account_id: String,
    /// The writes, in the order in which they are to be done.
    #[schema(min_items = 1, max_items = 1000)]
    calls: Vec<PlannedCall>,
    /// Why, for whoever reads it; at most 1,000 bytes.
    reason: Option<String>,
    /// How long it can be executed; an hour unless it says otherwise.
    #[schema(minimum = 60, maximum = 86400)]
    expires_in_seconds: Option<u64>,
}

/// One write of a plan.
#[derive(ToSchema)]
pub(crate) struct PlannedCall {
    /// The tool, by name or alias; or `resource` and `method`.
    tool: Option<String>,
    /// The resource.
    resource: Option<String>,
    /// Its method.
    method: Option<String>,
    /// Arguments.
    arguments: Option<Map<String, Value>>,
    /// Instead of the argument `id`: the person with this e-mail address.
    find: Option<FindPerson>,
    /// What the record must be like: `email`, `state`, `display_name`, another member or a JSON Pointer.
    expect: Option<Map<String, Value>>,
}

/// By what a person is found.
#[derive(ToSchema)]
pub(crate) struct FindPerson {
    /// The exact e-mail address; upper and lower case are the same.
    email: String,
}

/// How a plan is to be executed.
#[derive(ToSchema)]
pub(crate) struct ExecutePlan {
    /// The plan's hash.
    hash: String,
    /// Whether rows that cannot be done are left out; without it a plan that has any is not executed.
    skip_unresolved: Option<bool>,
    /// Whether the first row that cannot be done as planned ends the run; true unless said otherwise.
    stop_on_change: Option<bool>,
}

/// How a run is to be undone.
#[derive(ToSchema)]
pub(crate) struct Undo {
    /// The plan is only shown: it is not kept, and cannot be executed.
    dry_run: Option<bool>,
    /// Why, for whoever reads it.
    reason: Option<String>,
}

/// Where a plan stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum PlanStatus {
    /// It can be executed.
    Ready,
    /// A run does it, or has done it.
    Executed,
    /// Somebody decided against it.
    Discarded,
    /// Its time is over.
    Expired,
}

/// A plan as lists show it.
#[derive(ToSchema)]
pub(crate) struct PlanSummary {
    /// Id; `null` of an undo that was only rehearsed.
    #[schema(required, format = "uuid")]
    id: Option<String>,
    /// The integrated account that it changes.
    #[schema(format = "uuid")]
    account_id: String,
    /// The token that made it.
    #[schema(format = "uuid")]
    token_id: String,
    /// Where it stands.
    state: PlanStatus,
    /// SHA-256 over what will be done and the before-states, 64 hex digits.
    hash: String,
    /// Why it was made.
    #[schema(required)]
    reason: Option<String>,
    /// The run that it undoes.
    #[schema(required, format = "uuid")]
    undoes: Option<String>,
    /// The run that executes it.
    #[schema(required, format = "uuid")]
    run_id: Option<String>,
    /// Its rows, counted.
    totals: PlanTotals,
    /// When it was made.
    #[schema(format = "date-time")]
    created_at: String,
    /// Until when it can be executed.
    #[schema(format = "date-time")]
    expires_at: String,
    /// When it was executed or discarded.
    #[schema(required, format = "date-time")]
    ended_at: Option<String>,
}

/// The rows of a plan, counted.
#[derive(ToSchema)]
pub(crate) struct PlanTotals {
    /// All of them.
    rows: u64,
    /// Those that change something.
    changes: u64,
    /// Those whose record is as asked already.
    unchanged: u64,
    /// Those that the guards or the vendor refuse.
    refused: u64,
    /// Those that name nobody, or several.
    unresolved: u64,
    /// Of the changes, those that wait for an approval.
    need_approval: u64,
    /// Of the changes, those that cannot be undone.
    not_undoable: u64,
}

/// One page of plans.
#[derive(ToSchema)]
pub(crate) struct PlanPage {
    /// Plans, newest first.
    result: Vec<PlanSummary>,
    /// Send it back to get older ones; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of plans here.
    result_count: u64,
}

/// A plan with its rows; the document adds the members of [`PlanSummary`].
#[derive(ToSchema)]
pub(crate) struct Plan {
    /// What executing it costs.
    cost: PlanCost,
    /// Its rows, in the order in which they are done.
    rows: Vec<PlanRow>,
}

/// What executing a plan costs.
#[derive(ToSchema)]
pub(crate) struct PlanCost {
    /// Calls to the vendor, reads included, when all goes as planned.
    upstream_calls: u64,
    /// Calls in the worst case.
    upstream_calls_at_most: u64,
    /// What the worst case is.
    worst_case: String,
    /// Seconds when all goes as planned, waits for the rate limit included; `null` when nothing is known to reckon with.
    #[schema(required)]
    seconds: Option<u64>,
    /// Seconds in the worst case.
    #[schema(required)]
    seconds_at_most: Option<u64>,
    /// The vendor's limit as it stood when the plan was made (`limit`, `remaining`, `window_seconds`, `reset_at`); `null` when
    /// the vendor tells none.
    #[schema(required)]
    rate_budget: Option<Map<String, Value>>,
    /// Calls to the vendor that making the plan took.
    calls_made: u64,
}

/// What a row of a plan will do.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Forecast {
    /// It changes its record.
    Changes,
    /// The record is as asked already.
    Unchanged,
    /// It would be refused.
    Refused,
    /// It names nobody, or several.
    Unresolved,
}

/// A member that is different afterwards.
#[derive(ToSchema)]
pub(crate) struct Difference {
    /// Its name.
    member: String,
    /// Its value now.
    before: Value,
    /// Its value afterwards.
    after: Value,
}

/// One row of a plan.
#[derive(ToSchema)]
pub(crate) struct PlanRow {
    /// Its number, from 1.
    number: u32,
    /// The method, `users.suspend`.
    method: String,
    /// Its tool.
    #[schema(required)]
    tool: Option<String>,
    /// `write` or `destructive`.
    #[schema(required)]
    effect: Option<String>,
    /// The record for people: an e-mail address, a name or the id.
    who: String,
    /// The record's id.
    #[schema(required)]
    id: Option<String>,
    /// Arguments.
    arguments: Map<String, Value>,
    /// By what the record was found.
    #[schema(required)]
    find: Option<Map<String, Value>>,
    /// What it will do.
    forecast: Forecast,
    /// The members of the record that are compared again before it is written.
    #[schema(required)]
    before: Option<Map<String, Value>>,
    /// The same members afterwards, as far as the definition says.
    #[schema(required)]
    after: Option<Map<String, Value>>,
    /// What is different afterwards.
    diff: Vec<Difference>,
    /// `method`: what undoes it; or `because`: why nothing does.
    #[schema(required)]
    undoable: Option<Map<String, Value>>,
    /// Whether it waits for an approval.
    needs_approval: bool,
    /// The rules of the policy that were looked at, and what decided.
    #[schema(required)]
    policy: Option<Map<String, Value>>,
    /// The exact request, secrets masked.
    #[schema(required)]
    request: Option<Map<String, Value>>,
    /// Why it cannot be done.
    #[schema(required)]
    problem: Option<Map<String, Value>>,
    /// What there is to know besides.
    #[schema(required)]
    note: Option<String>,
}

/// The plan in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PlanPath {
    /// Id of the plan.
    #[param(format = "uuid")]
    id: String,
}

/// Which plans.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlanParameters {
    /// Only in this state: `ready`, `executed` or `discarded`.
    state: Option<String>,
}

/// The session in which ids were read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct SessionHeader {
    /// The session in which the ids of the calls were read; the token's own without it.
    #[param(rename = "quartermaster-session")]
    quartermaster_session: Option<String>,
}
