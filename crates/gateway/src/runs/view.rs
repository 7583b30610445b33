//! Runs as callers see them.

use indexmap::IndexMap;
use quartermaster_store_model::{RunRow, RunState};
use quartermaster_types::{AccountId, ApprovalNotice, Code, Problem, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::{Action, Entry, Reply, Table, Usage};
use crate::limits::{RUN_INPUT_SHOWN_MAX_BYTES, RUN_ROWS_SHOWN_MAX, RUN_STEPS_SHOWN_MAX};

/// A run without what it was started with and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Id.
    pub id: RunId,
    /// What kind of machine runs it.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The account that it works on.
    pub account_id: Option<AccountId>,
    /// The token that started it.
    pub token_id: TokenId,
    /// Where it stands.
    pub state: RunState,
    /// The session of its calls, as in the audit log.
    pub session: String,
    /// Entries in its journal.
    pub entries: u32,
    /// For one that waits: when it goes on.
    pub waits_until: Option<Timestamp>,
    /// When somebody asked to stop it.
    pub cancel_requested_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a worker first took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Who ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// The run itself: a replay comes to the same end.
    Machine,
    /// The gateway: it could not go on with the run.
    Gateway,
    /// Somebody stopped it.
    Caller,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Who ended it.
    pub decided_by: DecidedBy,
    /// `done` or `failed`, with the report; `None` for one that was stopped.
    pub action: Option<Action>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// What lists show.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// What it was started with, without members over [`RUN_INPUT_SHOWN_MAX_BYTES`].
    pub input: Value,
    /// JSON Pointers to the members that are left out of `input` here; the export has them.
    #[serde(default)]
    pub input_left_out: Vec<String>,
    /// What came of it, at its end; a table with at most [`RUN_ROWS_SHOWN_MAX`] rows.
    pub outcome: Option<RunOutcome>,
    /// Rows of the report's table that are left out here; the report and the export have all.
    #[serde(default)]
    pub rows_left_out: usize,
    /// The run that undoes it; the last one when there are several.
    #[serde(default)]
    pub undone_by: Option<RunId>,
    /// Its steps, in the order in which they were begun; at most [`RUN_STEPS_SHOWN_MAX`].
    pub steps: Vec<RunStep>,
    /// Steps that are left out here; the export has all.
    pub steps_left_out: usize,
    /// The approvals that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<ApprovalNotice>,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Begun, and no end is written yet. In a run that has ended: nobody knows whether it happened; the audit log may.
    UnderWay,
    /// It worked.
    Done,
    /// It did not.
    Failed,
}

/// One step of a run: a call, a question to a model, or a wait that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStep {
    /// Names it within the run.
    pub key: String,
    /// `call`, `ask` or `wait`.
    pub kind: StepKind,
    /// How it stands.
    pub state: StepState,
    /// The account, when it is not the run's own.
    pub account: Option<String>,
    /// The method, `users.suspend`.
    pub method: Option<String>,
    /// Arguments.
    pub arguments: Option<Map<String, Value>>,
    /// How often it was begun: more than once after a crash.
    pub attempts: u32,
    /// When it was first begun.
    pub begun_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The request, as in the audit log.
    pub request_id: Option<String>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// For a question to a model: which model, and what it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<AskView>,
}

/// A question to a model as a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AskView {
    /// The model.
    pub model: String,
    /// What it said.
    pub text: String,
    /// The tools that it wanted called.
    pub tools: Vec<String>,
    /// What that cost; `None` before the answer.
    pub usage: Option<Usage>,
}

impl AskView {
    fn answered(&mut self, reply: Reply) {
        self.text = reply.text;
        self.tools = reply.calls.into_iter().map(|call| call.name).collect();
        self.usage = Some(reply.usage);
    }
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A call.
    Call,
    /// A question to a language model.
    Ask,
    /// A wait.
    Wait,
}

impl RunSummary {
    pub(crate) fn of(row: &RunRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind.clone(),
            name: row.name.clone(),
            account_id: row.account_id,
            token_id: row.token_id,
            state: row.state,
            session: super::session(row.id),
            entries: row.entries,
            waits_until: row.due_at.filter(|_| row.state == RunState::Waiting),
            cancel_requested_at: row.cancel_requested_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

impl RunView {
    /// As it is shown: what can be large is cut, and what is left out is said.
    pub(crate) fn of(row: &RunRow, mut steps: Vec<RunStep>) -> Result<Self, Problem> {
        let steps_left_out = steps.len().saturating_sub(RUN_STEPS_SHOWN_MAX);
        steps.truncate(RUN_STEPS_SHOWN_MAX);
        let mut view = Self { steps, steps_left_out, ..Self::whole(row)? };
        if row.input.len() > RUN_INPUT_SHOWN_MAX_BYTES {
            leave_out(&mut view.input, "", &mut view.input_left_out);
        }
        if let Some(table) = view.outcome.as_mut().and_then(RunOutcome::table_mut) {
            view.rows_left_out = table.rows.len().saturating_sub(RUN_ROWS_SHOWN_MAX);
            table.rows.truncate(RUN_ROWS_SHOWN_MAX);
        }
        Ok(view)
    }

    /// With all that it was started with and all that came of it, and no steps.
    pub(crate) fn whole(row: &RunRow) -> Result<Self, Problem> {
        let Ok(input) = serde_json::from_str(&row.input) else { return Err(unreadable(row)) };
        let outcome = outcome(row)?;
        let (input_left_out, steps) = (Vec::new(), Vec::new());
        let summary = RunSummary::of(row);
        let undone_by = None;
        Ok(Self {
            summary,
            input,
            input_left_out,
            outcome,
            rows_left_out: 0,
            undone_by,
            steps,
            steps_left_out: 0,
            awaits: Vec::new(),
        })
    }
}

/// What came of a run, whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReportView {
    /// What lists show.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// What came of it, at its end.
    pub outcome: Option<RunOutcome>,
}

impl RunReportView {
    pub(crate) fn of(row: &RunRow) -> Result<Self, Problem> {
        Ok(Self { summary: RunSummary::of(row), outcome: outcome(row)? })
    }
}

impl RunOutcome {
    fn table_mut(&mut self) -> Option<&mut Table> {
        match self.action.as_mut()? {
            Action::Done { report, .. } | Action::Failed { report, .. } => report.as_mut()?.table.as_mut(),
            Action::Proceed { .. } => None,
        }
    }
}

fn outcome(row: &RunRow) -> Result<Option<RunOutcome>, Problem> {
    row.outcome.as_deref().map(serde_json::from_str).transpose().map_err(|_| unreadable(row))
}

fn unreadable(row: &RunRow) -> Problem {
    tracing::error!(run = %row.id, "a stored run cannot be read");
    Problem::gateway(Code::Internal, "The stored run cannot be read.")
}

/// Takes away members that are too long by themselves; notes where they stood.
fn leave_out(value: &mut Value, pointer: &str, left_out: &mut Vec<String>) {
    let Value::Object(members) = value else { return };
    members.retain(|name, member| {
        if member.to_string().len() <= RUN_INPUT_SHOWN_MAX_BYTES {
            return true;
        }
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        if member.is_object() {
            leave_out(member, &pointer, left_out);
            if member.to_string().len() <= RUN_INPUT_SHOWN_MAX_BYTES {
                return true;
            }
        }
        left_out.push(pointer);
        false
    });
}

/// The steps that entries tell of.
pub(crate) fn steps(entries: impl Iterator<Item = Entry>) -> Vec<RunStep> {
    let mut steps: IndexMap<String, RunStep> = IndexMap::new();
    for entry in entries {
        match entry {
            Entry::Begun { call, at } => {
                if let Some(step) = steps.get_mut(&call.key) {
                    step.attempts += 1;
                    continue;
                }
                let mut step = step(call.key, StepKind::Call, StepState::UnderWay, at);
                step.account = call.account;
                step.method = Some(format!("{}.{}", call.resource, call.method));
                step.arguments = Some(call.arguments);
                steps.insert(step.key.clone(), step);
            }
            Entry::Asked { ask, at } => {
                if let Some(step) = steps.get_mut(&ask.key) {
                    step.attempts += 1;
                    continue;
                }
                let mut step = step(ask.key, StepKind::Ask, StepState::UnderWay, at);
                step.ask = Some(AskView { model: ask.model, ..AskView::default() });
                steps.insert(step.key.clone(), step);
            }
            Entry::Answered { key, at, reply } => {
                if let Some(step) = steps.get_mut(&key) {
                    step.state = StepState::Done;
                    step.finished_at = Some(at);
                    step.ask.get_or_insert_default().answered(reply);
                }
            }
            Entry::Finished { key, at, request_id, .. } => {
                if let Some(step) = steps.get_mut(&key) {
                    step.state = StepState::Done;
                    step.finished_at = Some(at);
                    step.request_id = request_id;
                }
            }
            Entry::Failed { key, at, problem } => {
                if let Some(step) = steps.get_mut(&key) {
                    step.state = StepState::Failed;
                    step.finished_at = Some(at);
                    step.request_id.clone_from(&problem.body().instance);
                    step.problem = Some(problem);
                }
            }
            Entry::Woken { key, at } => {
                let mut step = step(key, StepKind::Wait, StepState::Done, at);
                step.finished_at = Some(at);
                steps.insert(step.key.clone(), step);
            }
        }
    }
    steps.into_values().collect()
}

fn step(key: String, kind: StepKind, state: StepState, at: Timestamp) -> RunStep {
    RunStep {
        key,
        kind,
        state,
        account: None,
        method: None,
        arguments: None,
        attempts: 1,
        begun_at: at,
        finished_at: None,
        request_id: None,
        problem: None,
        ask: None,
    }
}
