//! Plans: making, listing, reading, executing and discarding them; and the undo of runs.

use http::{HeaderMap, Method};
use quartermaster_types::{AccountId, PlanId, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{Client, header};
use crate::error::ClientError;
use crate::runs::Run;

/// A new plan.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// On which account.
    pub account: AccountId,
    /// The writes, as `POST /plan` takes them.
    pub calls: Vec<Value>,
    /// Why.
    pub reason: Option<String>,
    /// How long it can be executed, in seconds.
    pub expires_in_seconds: Option<u64>,
    /// The session in which ids were read; the token's own without it.
    pub session: Option<String>,
}

/// A plan as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Id; `None` of an undo that was only rehearsed.
    #[serde(default)]
    pub id: Option<PlanId>,
    /// The account that it changes.
    pub account_id: AccountId,
    /// The token that made it.
    pub token_id: TokenId,
    /// `ready`, `executed`, `discarded` or `expired`.
    pub state: String,
    /// What executing it has to name.
    pub hash: String,
    /// Why it was made.
    #[serde(default)]
    pub reason: Option<String>,
    /// The run that it undoes.
    #[serde(default)]
    pub undoes: Option<RunId>,
    /// The run that executes it.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// Its rows, counted.
    #[serde(default)]
    pub totals: PlanTotals,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be executed.
    pub expires_at: Timestamp,
    /// When it was executed or discarded.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

/// The rows of a plan, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanTotals {
    /// All of them.
    pub rows: u64,
    /// Those that change something.
    pub changes: u64,
    /// Those whose record is as asked already.
    pub unchanged: u64,
    /// Those that would be refused.
    pub refused: u64,
    /// Those that name nobody, or several.
    pub unresolved: u64,
    /// Of the changes, those that wait for an approval.
    pub need_approval: u64,
    /// Of the changes, those that cannot be undone.
    pub not_undoable: u64,
}

/// A plan with its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What lists show.
    #[serde(flatten)]
    pub summary: PlanSummary,
    /// What executing it costs.
    #[serde(default)]
    pub cost: PlanCost,
    /// Its rows.
    #[serde(default)]
    pub rows: Vec<PlanRow>,
}

/// What executing a plan costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanCost {
    /// Calls to the vendor when all goes as planned.
    pub upstream_calls: u64,
    /// Calls in the worst case.
    pub upstream_calls_at_most: u64,
    /// What the worst case is.
    pub worst_case: String,
    /// Seconds when all goes as planned, where they can be reckoned.
    pub seconds: Option<u64>,
    /// Seconds in the worst case.
    pub seconds_at_most: Option<u64>,
    /// The vendor's limit as it stood.
    pub rate_budget: Value,
    /// Calls that making the plan took.
    pub calls_made: u64,
}

/// One row of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRow {
    /// Its number, from 1.
    pub number: u32,
    /// The method.
    pub method: String,
    /// The record for people.
    pub who: String,
    /// Its id.
    #[serde(default)]
    pub id: Option<String>,
    /// `changes`, `unchanged`, `refused` or `unresolved`.
    pub forecast: String,
    /// What is different afterwards: `member`, `before`, `after`.
    #[serde(default)]
    pub diff: Vec<Map<String, Value>>,
    /// `method`, or `because`.
    #[serde(default)]
    pub undoable: Option<Map<String, Value>>,
    /// Whether it waits for an approval.
    #[serde(default)]
    pub needs_approval: bool,
    /// Why it cannot be done.
    #[serde(default)]
    pub problem: Option<Value>,
    /// What there is to know besides.
    #[serde(default)]
    pub note: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How a plan is to be executed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Execution {
    /// Leave out rows that cannot be done.
    pub skip_unresolved: bool,
    /// Go on past rows that were changed since.
    pub go_on: bool,
}

impl Client {
    /// Makes a plan; changes nothing.
    pub async fn make_plan(&self, plan: &NewPlan) -> Result<Plan, ClientError> {
        let mut body = json!({"integrated_account_id": plan.account, "calls": plan.calls});
        if let Some(reason) = &plan.reason {
            body["reason"] = json!(reason);
        }
        if let Some(seconds) = plan.expires_in_seconds {
            body["expires_in_seconds"] = json!(seconds);
        }
        let mut headers = HeaderMap::new();
        if let Some(session) = &plan.session {
            header(&mut headers, "quartermaster-session", session)?;
        }
        Ok(self.send(Method::POST, "/plan", Some(&body), headers).await?.value)
    }

    /// Plans, newest first, up to `limit`.
    pub async fn plans(&self, state: Option<&str>, limit: usize) -> Result<Vec<PlanSummary>, ClientError> {
        let pairs: Vec<_> = state.map(|state| ("state", state.to_owned())).into_iter().collect();
        self.every("/plan", &pairs, limit).await
    }

    /// One plan with its rows.
    pub async fn plan(&self, id: PlanId) -> Result<Plan, ClientError> {
        Ok(self.get(&format!("/plan/{id}")).await?.value)
    }

    /// Starts the run that does exactly what the plan of this hash says.
    pub async fn execute_plan(&self, id: PlanId, hash: &str, how: Execution) -> Result<Run, ClientError> {
        let body = json!({
            "hash": hash, "skip_unresolved": how.skip_unresolved, "stop_on_change": !how.go_on,
        });
        let path = format!("/plan/{id}/execute");
        Ok(self.send(Method::POST, &path, Some(&body), HeaderMap::new()).await?.value)
    }

    /// Decides against a plan.
    pub async fn discard_plan(&self, id: PlanId) -> Result<PlanSummary, ClientError> {
        let path = format!("/plan/{id}/discard");
        Ok(self.send(Method::POST, &path, None, HeaderMap::new()).await?.value)
    }

    /// Makes a plan that undoes a run. With `dry_run` it is only shown.
    pub async fn undo_run(&self, run: RunId, dry_run: bool, reason: Option<&str>) -> Result<Plan, ClientError> {
        let mut body = json!({ "dry_run": dry_run });
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        let path = format!("/run/{run}/undo");
        Ok(self.send(Method::POST, &path, Some(&body), HeaderMap::new()).await?.value)
    }
}
