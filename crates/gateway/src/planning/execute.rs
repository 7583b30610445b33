//! Executing a plan: exactly what it says, once.

use std::sync::Arc;

use quartermaster_playbook::RunFacts;
use quartermaster_playbook::plan::{PlanInput, PlannedWork};
use quartermaster_store_model::{PlanRow, Role, RunRow, RunState};
use quartermaster_types::{Code, PlanId, Problem, RequestId, RunId};
use serde_json::json;

use super::view::{self, PlanStatus, hexadecimal};
use crate::limits::NAMES_IN_HINT_MAX;
use crate::plans::canonical;
use crate::runs::{PLAN_KIND, RunSummary, RunView};
use crate::{Actor, Gateway, rights, storage_problem};

/// How a plan is to be executed.
#[derive(Clone, Debug)]
pub struct ExecutePlan {
    /// The hash of the plan as it was shown.
    pub hash: String,
    /// Whether rows that cannot be done are left out; without it a plan that has any is not executed.
    pub skip_unresolved: bool,
    /// Whether the first row that cannot be done as planned ends the run, and the rest is not done.
    pub stop_on_change: bool,
}

impl Gateway {
    /// Starts the run that does a plan. It works with the rights that this token has at each call.
    pub async fn execute_plan(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: PlanId,
        order: ExecutePlan,
    ) -> Result<RunView, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Agent], "execute plans")?;
        let plan = self.visible_plan(actor, id).await?;
        let now = self.inner.clock.now();
        can_be_executed(&plan, view::status(&plan, now))?;
        if !order.hash.eq_ignore_ascii_case(&hexadecimal(&plan.hash)) {
            let detail = format!("The plan {id} has another hash than the one that was given; nothing was done.");
            return Err(Problem::caller(Code::PreconditionFailed, detail)
                .with_hint("Read the plan, look at what it does, and give its `hash`.")
                .with_error("/hash", "is not the hash of this plan"));
        }
        let work = view::document(&plan)?.work;
        is_worth_doing(&plan, &work, &order)?;
        // It was seen when the plan was made; the account may be gone, or hidden from this token.
        self.account(actor, plan.account_id).await?;
        let run = self.run_of(actor, &plan, &work, &order)?;
        let session = crate::runs::session(run.id);
        let started = self
            .change(actor, request_id, "run.start")
            .session(session.clone())
            .account(plan.account_id)
            .target(run.id)
            .after(&RunSummary::of(&run));
        let executed = self
            .change(actor, request_id, "plan.execute")
            .session(session)
            .account(plan.account_id)
            .target(id)
            .after(&json!({"hash": hexadecimal(&plan.hash), "run_id": run.id}));
        let records = [executed.row(), started.row()];
        if !self.inner.store.execute_plan(id, now, &run, &records).await.map_err(storage_problem)? {
            let plan = self.visible_plan(actor, id).await?;
            can_be_executed(&plan, view::status(&plan, now))?;
            // It was ready a moment ago and is again: that cannot be.
            return Err(Problem::gateway(Code::Internal, "The plan could not be executed; nothing was done."));
        }
        self.inner.runs.has_work();
        RunView::of(&run, Vec::new())
    }

    fn run_of(
        &self,
        actor: &Actor,
        plan: &PlanRow,
        work: &PlannedWork,
        order: &ExecutePlan,
    ) -> Result<RunRow, Problem> {
        let unwritable = |_| Problem::gateway(Code::Internal, "The run of the plan cannot be written.");
        let id: RunId = self.inner.ids.next();
        let now = self.inner.clock.now();
        let input = PlanInput {
            plan: plan.id.to_string(),
            hash: hexadecimal(&plan.hash),
            undoes: work.undoes.clone(),
            run: RunFacts { id: id.to_string(), session: crate::runs::session(id), started_at: now },
            stop_on_change: order.stop_on_change,
        };
        let definition = canonical(&serde_json::to_value(work).map_err(unwritable)?);
        Ok(RunRow {
            id,
            environment_id: actor.environment_id,
            token_id: actor.token_id,
            account_id: Some(plan.account_id),
            kind: PLAN_KIND.to_owned(),
            name: if work.undoes.is_some() { "undo" } else { "plan" }.to_owned(),
            definition,
            input: serde_json::to_string(&input).map_err(unwritable)?,
            state: RunState::Queued,
            due_at: Some(now),
            fence: 0,
            entries: 0,
            cancel_requested_at: None,
            outcome: None,
            created_at: now,
            started_at: None,
            finished_at: None,
        })
    }
}

fn can_be_executed(plan: &PlanRow, status: PlanStatus) -> Result<(), Problem> {
    let id = plan.id;
    Err(match status {
        PlanStatus::Ready => return Ok(()),
        PlanStatus::Executed => {
            let run = plan.run_id.map(|run| run.to_string()).unwrap_or_default();
            Problem::caller(Code::Conflict, format!("The plan {id} was executed already, by the run {run}."))
                .with_hint(format!("A plan is executed once. GET /run/{run} says what came of it."))
        }
        PlanStatus::Discarded => {
            Problem::caller(Code::Conflict, format!("The plan {id} was discarded; nothing was done."))
                .with_hint("Make another plan.")
        }
        PlanStatus::Expired => {
            let at = plan.expires_at;
            Problem::caller(Code::PreconditionFailed, format!("The plan {id} expired at {at}; nothing was done."))
                .with_hint("Make the plan again: the world may have changed since.")
        }
    })
}

fn is_worth_doing(plan: &PlanRow, work: &PlannedWork, order: &ExecutePlan) -> Result<(), Problem> {
    let id = plan.id;
    if !work.left_out.is_empty() && !order.skip_unresolved {
        let count = work.left_out.len();
        let rows = if count == 1 { "row" } else { "rows" };
        let detail = format!("The plan {id} has {count} {rows} that cannot be done; nothing was done.");
        let problem = Problem::caller(Code::PreconditionFailed, detail)
            .with_hint("Make a plan without them, or leave them out with `skip_unresolved: true`.");
        return Err(work.left_out.iter().take(NAMES_IN_HINT_MAX).fold(problem, |problem, row| {
            problem.with_error(format!("/rows/{}", row.number - 1), format!("{}: {}", row.code, row.detail))
        }));
    }
    if work.steps.is_empty() {
        let detail = format!("The plan {id} has no row that can be done; nothing was done.");
        return Err(Problem::caller(Code::PreconditionFailed, detail).with_hint("Its rows say why. Make another plan."));
    }
    Ok(())
}
