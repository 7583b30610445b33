//! Plans: sets of writes that are rehearsed, shown with their before-states, and executed exactly so, once, unless the world
//! changed; and the undo of a run, which is a plan of inverses.

mod cost;
mod execute;
mod find;
mod make;
mod members;
mod record;
mod row;
mod undo;
mod view;

use std::sync::Arc;
use std::time::Duration;

use quartermaster_store_model::{Outcome, PlanQuery, PlanRow, PlanState, Role};
use quartermaster_types::{AccountId, Code, PlanId, Problem, RequestId};
use serde_json::{Map, Value};

use crate::call::Target;
use crate::page::{self, Page, PageQuery};
use crate::runs::RUN_SESSION_PREFIX;
use crate::{Actor, Gateway, rights, storage_problem};

pub use execute::ExecutePlan;
pub use undo::Undo;
pub use view::{
    Difference, Forecast, PlanCost, PlanRowView, PlanStatus, PlanSummary, PlanTotals, PlanView, RateBudget, Undoable,
};

/// A new plan.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// On which account.
    pub account: AccountId,
    /// The writes, in the order in which they are to be done.
    pub calls: Vec<PlannedCall>,
    /// Why, for whoever reads it.
    pub reason: Option<String>,
    /// How long it can be executed.
    pub lasts: Option<Duration>,
    /// The session in which ids were read, as `quartermaster-session` names it.
    pub session: Option<String>,
}

/// One write of a plan.
#[derive(Clone, Debug)]
pub struct PlannedCall {
    /// The method.
    pub target: Target,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// Instead of an id: the exact e-mail address of a person.
    pub email: Option<String>,
    /// What the record must be like.
    pub expect: Map<String, Value>,
}

/// The session in which the gateway itself reads for a plan: nobody can name it.
fn session(id: PlanId) -> String {
    format!("{RUN_SESSION_PREFIX}plan-{id}")
}

impl Gateway {
    /// Plans, newest first: all of the environment for admins and auditors whose token is not narrowed, for others those that
    /// the token made.
    pub async fn list_plans(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
        state: Option<PlanState>,
    ) -> Result<Page<PlanSummary>, Problem> {
        let limit = page::limit(page)?;
        let own = (!crate::runs::sees_all(actor)).then_some(actor.token_id);
        let environment = actor.environment_id.to_string();
        let whose = own.map(|id| id.to_string()).unwrap_or_default();
        let state_name = state.map(PlanState::as_str).unwrap_or_default();
        let context: [&[u8]; 4] = [environment.as_bytes(), b"plans", whose.as_bytes(), state_name.as_bytes()];
        let query = PlanQuery {
            before: page::open(&self.inner.cursors, &context, page)?.map(PlanId),
            state,
            token_id: own,
            limit: limit + 1,
        };
        let rows = self.inner.store.list_plans(actor.environment_id, &query).await.map_err(storage_problem)?;
        let now = self.inner.clock.now();
        let page =
            page::of(&self.inner.cursors, &context, limit, rows, |row| row.id.0, |row| PlanSummary::of(&row, now))?;
        let result = page.result.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Page { result, next_cursor: page.next_cursor, prev_cursor: None, result_count: page.result_count })
    }

    /// One plan with its rows.
    pub async fn get_plan(&self, actor: &Arc<Actor>, id: PlanId) -> Result<PlanView, Problem> {
        PlanView::of(&self.visible_plan(actor, id).await?, self.inner.clock.now())
    }

    /// Decides against a plan. Discarding twice is discarding once; one that was executed stays so.
    pub async fn discard_plan(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: PlanId,
    ) -> Result<PlanSummary, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Agent], "discard plans")?;
        self.visible_plan(actor, id).await?;
        let now = self.inner.clock.now();
        let audit = || self.change(actor, request_id, "plan.discard").target(id);
        let store = &self.inner.store;
        let done = store.discard_plan(actor.environment_id, id, now, &audit().row()).await.map_err(storage_problem)?;
        let row = self.visible_plan(actor, id).await?;
        if !done {
            if let Some(run) = row.run_id {
                return Err(Problem::caller(Code::Conflict, format!("The plan {id} was executed already."))
                    .with_hint(format!("The run {run} does it; POST /run/{run}/cancel stops it.")));
            }
            let recorded = self.inner.audit.commit(audit().outcome(Outcome::Unchanged).row()).await;
            recorded.map_err(|_| crate::not_recorded())?;
        }
        PlanSummary::of(&row, now)
    }

    async fn visible_plan(&self, actor: &Actor, id: PlanId) -> Result<PlanRow, Problem> {
        let row = self.inner.store.find_plan(actor.environment_id, id).await.map_err(storage_problem)?;
        row.filter(|row| crate::runs::sees_all(actor) || row.token_id == actor.token_id).ok_or_else(|| no_such_plan(id))
    }
}

fn no_such_plan(id: PlanId) -> Problem {
    Problem::caller(Code::NotFound, format!("There is no plan {id}.")).with_hint("List the plans with GET /plan.")
}
