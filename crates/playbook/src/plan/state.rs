//! The machine of a plan's run.

use std::sync::Arc;

use quartermaster_types::{Code, Problem};
use serde_json::Value;

use super::row::{self, Ended, Ending, Row};
use super::{PlanInput, PlannedWork};
use crate::limits::PATIENCE_DEFAULT_SECONDS;
use crate::state::Shared;
use quartermaster_types::run::{Action, Entry, Mismatch, Outcome};

/// A run of a plan at some point of its journal.
#[derive(Clone, Debug)]
pub struct PlanState {
    pub(super) work: Arc<PlannedWork>,
    pub(super) input: PlanInput,
    /// What came of the rows so far; the next one is under way.
    pub(super) ended: Vec<Ended>,
    /// `None` at the end.
    row: Option<Row>,
    pub(super) shared: Shared,
    /// The step that ended the run before its time, and why.
    pub(super) stopped: Option<(String, Problem)>,
}

impl PlanState {
    /// A run at its beginning.
    pub fn new(work: Arc<PlannedWork>, input: PlanInput) -> Self {
        let shared = Shared::new(input.run.started_at, PATIENCE_DEFAULT_SECONDS);
        let row = work.steps.first().map(Row::begin);
        Self { work, input, ended: Vec::new(), row, shared, stopped: None }
    }

    /// Records that the plan read: (resource, id). The run may write to them.
    pub fn grounds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.work.steps.iter().filter_map(|step| Some((step.resource.as_str(), step.id.as_deref()?)))
    }

    /// What is needed next. Asking does not change anything.
    pub fn next(&self) -> Action {
        if let Some(row) = &self.row {
            let (mut calls, mut waits) = (Vec::new(), Vec::new());
            row.pending.gather(&mut calls, &mut waits);
            return Action::Proceed { calls, waits, asks: Vec::new() };
        }
        let report = Some(self.report());
        match &self.stopped {
            Some((step, problem)) => Action::Failed { step: Some(step.clone()), problem: problem.clone(), report },
            None => Action::Done { outcome: self.outcome(), report },
        }
    }

    fn outcome(&self) -> Outcome {
        let all = |ended: &Ended| matches!(ended.ending, Ending::Done | Ending::WorkedAfterAll | Ending::Unchanged);
        if self.work.left_out.is_empty() && self.ended.iter().all(all) { Outcome::Complete } else { Outcome::Partial }
    }

    /// What of an answer has to be kept in the journal: of a record, the members that the plan is about.
    pub fn reduce(&self, key: &str, mut answer: Value) -> Value {
        let step = self.row.as_ref().filter(|row| row.key() == key).map(|_| &self.work.steps[self.ended.len()]);
        if let (Some(step), Some(Value::Object(record))) = (step, answer.get_mut("result")) {
            let kept = step.before.iter().chain(&step.after).map(|member| first_part(&member.at)).collect::<Vec<_>>();
            record.retain(|name, _| kept.contains(name));
        }
        answer
    }

    /// Goes on by one entry.
    ///
    /// # Errors
    /// [`Mismatch`] when this run cannot have the entry; the run stays as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        let key = || entry.key().to_owned();
        let row = self.row.as_mut().ok_or_else(|| Mismatch::AfterEnd { key: key() })?;
        if !row.pending.has_key(entry.key()) {
            return Err(Mismatch::Unexpected { key: key() });
        }
        let went_on = row.pending.apply(entry, &mut self.shared)?;
        if matches!(entry, Entry::Begun { .. }) {
            row.begun();
        }
        if went_on {
            self.shared.now = self.shared.now.max(entry.at());
            self.go_on();
        }
        Ok(())
    }

    fn go_on(&mut self) {
        let Some(row) = &mut self.row else { return };
        let step = &self.work.steps[self.ended.len()];
        let key = row.key().to_owned();
        let Some(ended) = row.go_on(step, self.shared.now) else { return };
        let stops = ended
            .problem
            .as_ref()
            .filter(|problem| self.input.stop_on_change || concerns_all(problem.code()))
            .map(|problem| (key, problem.clone()));
        self.ended.push(ended);
        self.row = match stops {
            Some(stopped) => {
                self.stopped = Some(stopped);
                let left = self.work.steps.len() - self.ended.len();
                self.ended.extend(std::iter::repeat_with(row::not_reached).take(left));
                None
            }
            None => self.work.steps.get(self.ended.len()).map(Row::begin),
        };
    }
}

/// The first part of a pointer: the member of the record that has it all in it.
fn first_part(pointer: &str) -> String {
    let part = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    part.replace("~1", "/").replace("~0", "~")
}

/// Whether every further row would meet the same.
fn concerns_all(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::AccountNeedsReauth
            | Code::AccountBlocked
            | Code::SwitchedOff
            | Code::SandboxWrite
            | Code::BlastRadiusExceeded
            | Code::RateLimited
            | Code::Unavailable
            | Code::UpstreamForbidden
    )
}
