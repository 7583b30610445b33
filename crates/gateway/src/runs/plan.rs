//! Plans as machines of runs.

use std::sync::Arc;

use quartermaster_playbook::plan::{PLAN_FORMAT, PlanInput, PlanState, PlannedWork};
use quartermaster_types::{Code, Problem};
use serde::Deserialize;
use serde_json::Value;

use super::machine::{Action, Entry, Kind, Machine, Mismatch, Prepared, Start};

/// The name of the kind.
pub(crate) const PLAN_KIND: &str = "plan";

/// Runs that do plans. They are started by executing a plan, which is made first.
pub struct PlanKind;

impl Kind for PlanKind {
    fn name(&self) -> &'static str {
        PLAN_KIND
    }

    fn prepare(&self, _start: &Start<'_>) -> Result<Prepared, Problem> {
        Err(Problem::caller(Code::Unsupported, "A plan is not started as a run; nothing was done.")
            .with_hint("Make it with POST /plan, and execute it with POST /plan/{id}/execute."))
    }

    fn load(&self, definition: &str, input: &Value) -> Result<Box<dyn Machine>, Problem> {
        let work: PlannedWork = serde_json::from_str(definition).map_err(|_| unreadable())?;
        if work.format != PLAN_FORMAT {
            let detail = format!("The plan is not of the form {PLAN_FORMAT}, the one that this program does.");
            return Err(Problem::gateway(Code::Unsupported, detail));
        }
        let input = PlanInput::deserialize(input).map_err(|_| unreadable())?;
        Ok(Box::new(PlanState::new(Arc::new(work), input)))
    }
}

impl Machine for PlanState {
    fn next(&self) -> Action {
        Self::next(self)
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        Self::apply(self, entry).map_err(|mismatch| Mismatch(mismatch.to_string()))
    }

    fn reduce(&self, key: &str, result: Value) -> Value {
        Self::reduce(self, key, result)
    }

    fn grounds(&self) -> Vec<(String, String)> {
        Self::grounds(self).map(|(resource, id)| (resource.to_owned(), id.to_owned())).collect()
    }
}

fn unreadable() -> Problem {
    Problem::gateway(Code::Internal, "The stored plan of this run cannot be read.")
}
