//! Plans as callers see them, and as they are stored.

use quartermaster_definition::{Method, Plan};
use quartermaster_engine::Preview;
use quartermaster_playbook::plan::PlannedWork;
use quartermaster_store_model::{PlanRow, PlanState};
use quartermaster_types::{AccountId, Code, PlanId, Problem, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Id; `None` of an undo that was only rehearsed.
    pub id: Option<PlanId>,
    /// The integrated account that it changes.
    pub account_id: AccountId,
    /// The token that made it.
    pub token_id: TokenId,
    /// Where it stands.
    pub state: PlanStatus,
    /// SHA-256 over what will be done and the before-states, 64 hex digits.
    pub hash: String,
    /// Why it was made.
    pub reason: Option<String>,
    /// The run that it undoes.
    pub undoes: Option<RunId>,
    /// The run that executes it.
    pub run_id: Option<RunId>,
    /// Its rows, counted.
    pub totals: PlanTotals,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be executed.
    pub expires_at: Timestamp,
    /// When it was executed or discarded.
    pub ended_at: Option<Timestamp>,
}

/// The rows of a plan, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTotals {
    /// All of them.
    pub rows: usize,
    /// Those that change something.
    pub changes: usize,
    /// Those whose record is as asked already.
    pub unchanged: usize,
    /// Those that the guards or the vendor refuse.
    pub refused: usize,
    /// Those that name nobody, or several.
    pub unresolved: usize,
    /// Of the changes, those that wait for an approval.
    pub need_approval: usize,
    /// Of the changes, those that cannot be undone.
    pub not_undoable: usize,
}

/// A plan with its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// What lists show.
    #[serde(flatten)]
    pub summary: PlanSummary,
    /// What executing it costs.
    pub cost: PlanCost,
    /// Its rows, in the order in which they are done.
    pub rows: Vec<PlanRowView>,
}

/// What executing a plan costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanCost {
    /// Calls to the vendor, reads included, when all goes as planned.
    pub upstream_calls: u64,
    /// Calls in the worst case.
    pub upstream_calls_at_most: u64,
    /// What the worst case is.
    pub worst_case: String,
    /// Seconds when all goes as planned, waits for the rate limit included; `None` when nothing is known to reckon with.
    pub seconds: Option<u64>,
    /// Seconds in the worst case.
    pub seconds_at_most: Option<u64>,
    /// The vendor's limit as it stood when the plan was made; `None` when the vendor tells none.
    pub rate_budget: Option<RateBudget>,
    /// Calls to the vendor that making the plan took.
    pub calls_made: u64,
}

/// What the vendor told of its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateBudget {
    /// Calls in a window.
    pub limit: Option<u64>,
    /// Calls left in this one.
    pub remaining: Option<u64>,
    /// The length of a window.
    pub window_seconds: Option<u64>,
    /// When it starts anew.
    pub reset_at: Option<Timestamp>,
}

/// What a row will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forecast {
    /// It changes its record.
    Changes,
    /// The record is as asked already.
    Unchanged,
    /// It would be refused.
    Refused,
    /// It names nobody, or several.
    Unresolved,
}

/// Whether a row can be undone afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Undoable {
    /// By this method.
    By {
        /// `users.reactivate`.
        method: String,
    },
    /// It cannot.
    Not {
        /// Why.
        because: String,
    },
}

/// A member that is different afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Its name.
    pub member: String,
    /// Its value now; null when it is not there.
    pub before: Value,
    /// Its value afterwards.
    pub after: Value,
}

/// One row of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRowView {
    /// Its number, from 1.
    pub number: u32,
    /// The method, `users.suspend`.
    pub method: String,
    /// Its tool; `None` when there is no such method.
    pub tool: Option<String>,
    /// `write` or `destructive`.
    pub effect: Option<String>,
    /// The record for people.
    pub who: String,
    /// The record's id.
    pub id: Option<String>,
    /// Arguments.
    pub arguments: Map<String, Value>,
    /// By what the record was found.
    pub find: Option<Map<String, Value>>,
    /// What it will do.
    pub forecast: Forecast,
    /// The members of the record that are compared again before it is written.
    pub before: Option<Map<String, Value>>,
    /// The same members afterwards, as far as the definition says.
    pub after: Option<Map<String, Value>>,
    /// What is different afterwards.
    pub diff: Vec<Difference>,
    /// Whether it can be undone.
    pub undoable: Option<Undoable>,
    /// Whether it waits for an approval.
    pub needs_approval: bool,
    /// The rules of the policy that were looked at, and what decided.
    pub policy: Option<Value>,
    /// The exact request, secrets masked.
    pub request: Option<Preview>,
    /// Why it cannot be done.
    pub problem: Option<Problem>,
    /// What there is to know besides.
    pub note: Option<String>,
}

/// What is stored of a plan.
#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) cost: PlanCost,
    pub(super) rows: Vec<PlanRowView>,
    pub(super) work: PlannedWork,
}

impl Undoable {
    /// Whether the definition has an inverse of the method.
    pub(crate) fn of(plan: &Plan, method: &Method) -> Self {
        let inverse = method.transition.as_ref().and_then(|transition| transition.undo.as_deref());
        match inverse {
            Some(inverse) => Self::By { method: format!("{}.{inverse}", method.resource) },
            None => {
                let because = format!("the definition of {} declares no inverse of {}", plan.label, method.full_name());
                Self::Not { because }
            }
        }
    }
}

impl PlanTotals {
    pub(super) fn of(rows: &[PlanRowView]) -> Self {
        let count = |forecast: Forecast| rows.iter().filter(|row| row.forecast == forecast).count();
        let changes = || rows.iter().filter(|row| row.forecast == Forecast::Changes);
        Self {
            rows: rows.len(),
            changes: count(Forecast::Changes),
            unchanged: count(Forecast::Unchanged),
            refused: count(Forecast::Refused),
            unresolved: count(Forecast::Unresolved),
            need_approval: changes().filter(|row| row.needs_approval).count(),
            not_undoable: changes().filter(|row| !matches!(row.undoable, Some(Undoable::By { .. }))).count(),
        }
    }
}

impl PlanSummary {
    pub(super) fn of(row: &PlanRow, now: Timestamp) -> Result<Self, Problem> {
        let totals = serde_json::from_str(&row.summary).map_err(|error| unreadable(row, &error))?;
        Ok(Self {
            id: Some(row.id),
            account_id: row.account_id,
            token_id: row.token_id,
            state: status(row, now),
            hash: hexadecimal(&row.hash),
            reason: row.reason.clone(),
            undoes: row.undoes_run_id,
            run_id: row.run_id,
            totals,
            created_at: row.created_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
        })
    }
}

impl PlanView {
    pub(super) fn of(row: &PlanRow, now: Timestamp) -> Result<Self, Problem> {
        let Document { cost, rows, .. } = document(row)?;
        Ok(Self { summary: PlanSummary::of(row, now)?, cost, rows })
    }
}

pub(super) fn status(row: &PlanRow, now: Timestamp) -> PlanStatus {
    match row.state {
        PlanState::Ready if now >= row.expires_at => PlanStatus::Expired,
        PlanState::Ready => PlanStatus::Ready,
        PlanState::Executed => PlanStatus::Executed,
        PlanState::Discarded => PlanStatus::Discarded,
    }
}

pub(super) fn document(row: &PlanRow) -> Result<Document, Problem> {
    serde_json::from_str(&row.document).map_err(|error| unreadable(row, &error))
}

fn unreadable(row: &PlanRow, error: &serde_json::Error) -> Problem {
    tracing::error!(plan = %row.id, %error, "a stored plan cannot be read");
    Problem::gateway(Code::Internal, "The stored plan cannot be read.")
}

/// 64 digits of a hash.
pub(super) fn hexadecimal(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
}
