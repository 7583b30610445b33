//! A run as a whole: everything that a replay needs, and a page for people.

use askama::Template;
use quartermaster_store_model::RunRow;
use quartermaster_types::{Code, Problem};
use serde::{Deserialize, Serialize};

use super::machine::{Action, Entry, Report, Table};
use super::view::{self, RunStep, RunView, StepKind, StepState};

/// The form of an export; a change that older programs cannot read gets another number.
pub const EXPORT_FORMAT: &str = "quartermaster-run/1";

/// The whole of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunExport {
    /// [`EXPORT_FORMAT`].
    pub format: String,
    /// The run with all its steps.
    pub run: RunView,
    /// What was run.
    pub definition: String,
    /// The journal.
    pub entries: Vec<ExportedEntry>,
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportedEntry {
    /// Its place, from 1.
    pub number: u32,
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
}

impl RunExport {
    pub(crate) fn of(row: &RunRow, entries: Vec<(u32, Entry)>) -> Result<Self, Problem> {
        let mut run = RunView::whole(row)?;
        run.steps = view::steps(entries.iter().map(|(_, entry)| entry.clone()));
        let entries = entries.into_iter().map(|(number, entry)| ExportedEntry { number, entry }).collect();
        Ok(Self { format: EXPORT_FORMAT.to_owned(), run, definition: row.definition.clone(), entries })
    }

    /// The run as a page of HTML: no script, no other file, everything escaped.
    pub fn html(&self) -> Result<String, Problem> {
        let (problem, report) = match self.run.outcome.as_ref().and_then(|outcome| outcome.action.as_ref()) {
            Some(Action::Done { report, .. }) => (None, report.as_ref()),
            Some(Action::Failed { problem, report, .. }) => (Some(problem), report.as_ref()),
            Some(Action::Proceed { .. }) | None => (None, None),
        };
        let table = report.and_then(|report| report.table.as_ref());
        let conversation = conversation(&self.entries);
        let page = Page { export: self, problem, report, table, conversation };
        page.render().map_err(|error| {
            tracing::error!(%error, "the report of a run cannot be written");
            Problem::gateway(Code::Internal, "The report cannot be written.")
        })
    }
}

/// What was said in a run of an agent.
struct Said {
    who: &'static str,
    class: &'static str,
    text: String,
}

/// The longest result of a call on the page, in characters; the export has all that the journal keeps.
const RESULT_SHOWN_CHARACTERS: usize = 1_000;

/// The conversation of a run: what the model said and called, and what it was told. Empty for runs that ask no model.
fn conversation(entries: &[ExportedEntry]) -> Vec<Said> {
    if !entries.iter().any(|exported| matches!(exported.entry, Entry::Asked { .. })) {
        return Vec::new();
    }
    let mut said = Vec::new();
    for exported in entries {
        match &exported.entry {
            Entry::Answered { reply, .. } => {
                if !reply.text.is_empty() {
                    said.push(Said { who: "Model", class: "", text: reply.text.clone() });
                }
                let calls = reply.calls.iter().map(|call| format!("{} {}", call.name, call.arguments));
                said.extend(calls.map(|text| Said { who: "Model calls", class: "code", text }));
            }
            Entry::Finished { key, result, .. } => {
                let text: String = result.to_string().chars().take(RESULT_SHOWN_CHARACTERS).collect();
                said.push(Said { who: "Result", class: "code", text: format!("{key}: {text}") });
            }
            Entry::Failed { key, problem, .. } => {
                said.push(Said { who: "Failed", class: "bad", text: format!("{key}: {problem}") });
            }
            Entry::Begun { .. } | Entry::Asked { .. } | Entry::Woken { .. } => {}
        }
    }
    said
}

#[derive(Template)]
#[template(path = "run.html")]
struct Page<'a> {
    export: &'a RunExport,
    problem: Option<&'a Problem>,
    report: Option<&'a Report>,
    table: Option<&'a Table>,
    conversation: Vec<Said>,
}

impl Page<'_> {
    fn class(step: &RunStep) -> &'static str {
        match step.state {
            StepState::Done => "good",
            StepState::Failed => "bad",
            StepState::UnderWay => "warn",
        }
    }

    fn what(step: &RunStep) -> String {
        match step.kind {
            StepKind::Wait => "wait".to_owned(),
            StepKind::Ask => step.ask.as_ref().map_or_else(String::new, |ask| format!("ask {}", ask.model)),
            StepKind::Call => step.method.clone().unwrap_or_default(),
        }
    }

    fn arguments(step: &RunStep) -> String {
        step.arguments.as_ref().and_then(|arguments| serde_json::to_string(arguments).ok()).unwrap_or_default()
    }

    fn took(step: &RunStep) -> String {
        step.finished_at.map(|at| format!("{} ms", at.ms_since(step.begun_at))).unwrap_or_default()
    }

    fn came(step: &RunStep) -> String {
        match (&step.problem, step.state) {
            (Some(problem), _) => format!("{}: {}", problem.code(), problem.body().detail),
            (None, StepState::UnderWay) => "no end is written".to_owned(),
            (None, _) => "done".to_owned(),
        }
    }
}

/// A value of a table as text.
fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
