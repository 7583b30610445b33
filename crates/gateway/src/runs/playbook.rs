//! Playbooks as machines of runs.

use std::sync::Arc;

use quartermaster_definition::notation::Diagnostics;
use quartermaster_playbook::{AccountFacts, Playbook, RunFacts, Setting, State, shipped};
use quartermaster_types::{Code, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::{Action, Entry, Kind, Machine, Mismatch, Prepared, Start};

/// Runs of playbooks.
pub struct PlaybookKind;

/// What is stored with a run besides the playbook: what it decides over.
#[derive(Serialize, Deserialize)]
struct Stored {
    input: Map<String, Value>,
    setting: Setting,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patience_seconds: Option<u64>,
}

impl Kind for PlaybookKind {
    fn name(&self) -> &'static str {
        "playbook"
    }

    fn prepare(&self, start: &Start<'_>) -> Result<Prepared, Problem> {
        let playbook = load(text_of(start.definition)?)?;
        let against = playbook.check_against(start.account.plan);
        if against.has_errors() {
            let detail = format!("The playbook {} cannot run on {}.", playbook.name(), start.account.plan.label);
            return Err(refused(&detail, &against));
        }
        let run = RunFacts { id: start.run.to_string(), session: start.session.to_owned(), started_at: start.at };
        let account = AccountFacts { id: start.account.id.to_string(), tenant_id: start.account.tenant_id.to_owned() };
        let setting = Setting::new(run, account, start.account.plan);
        let input = playbook.input(start.input).map_err(|error| {
            let mut problem = Problem::from(error);
            for error in &mut problem.body_mut().errors {
                error.pointer.insert_str(0, "/input");
            }
            problem
        })?;
        let stored = Stored { input, setting, patience_seconds: start.patience_seconds };
        let input = serde_json::to_value(&stored).map_err(|_| unreadable())?;
        Ok(Prepared { name: playbook.name().to_owned(), definition: playbook.text().to_owned(), input })
    }

    fn load(&self, definition: &str, input: &Value) -> Result<Box<dyn Machine>, Problem> {
        let stored = Stored::deserialize(input).map_err(|_| unreadable())?;
        let state = State::new(Arc::new(load(definition)?), stored.setting, &stored.input)?;
        Ok(Box::new(match stored.patience_seconds {
            Some(seconds) => state.with_patience(seconds),
            None => state,
        }))
    }
}

impl Machine for State {
    fn next(&self) -> Action {
        Self::next(self)
    }

    fn stopped(&self) -> Option<Action> {
        Some(Self::stopped(self))
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        Self::apply(self, entry).map_err(|mismatch| Mismatch(mismatch.to_string()))
    }

    fn reduce(&self, key: &str, result: Value) -> Value {
        Self::reduce(self, key, result)
    }
}

/// The text of a playbook that ships, or the text that was given. A name is one word.
fn text_of(given: &str) -> Result<&str, Problem> {
    if let Some(playbook) = shipped::find(given) {
        return Ok(playbook.text);
    }
    if given.contains(char::is_whitespace) || given.contains(':') {
        return Ok(given);
    }
    let known = crate::some_names(shipped::all().iter().map(|playbook| playbook.name));
    Err(Problem::caller(Code::InvalidArgument, "There is no playbook of this name; no run was started.")
        .with_hint(format!("Give one of {known}, or the whole text of a playbook."))
        .with_error("/playbook", "neither the name of a playbook that ships, nor the text of one"))
}

fn load(text: &str) -> Result<Playbook, Problem> {
    let (playbook, diagnostics) = quartermaster_playbook::load("playbook", text.as_bytes());
    playbook.ok_or_else(|| refused("The playbook has mistakes.", &diagnostics))
}

fn refused(detail: &str, diagnostics: &Diagnostics) -> Problem {
    let problem = Problem::caller(Code::InvalidArgument, format!("{detail} No run was started."))
        .with_hint("Correct the places in `errors`; `qm playbook check` shows them in the text.");
    diagnostics.iter().fold(problem, |problem, found| {
        let place = found.location.as_ref().map(|at| format!("line {}, column {}: ", at.line, at.column));
        problem.with_error("/playbook", format!("{}{}", place.unwrap_or_default(), found.message))
    })
}

fn unreadable() -> Problem {
    Problem::gateway(Code::Internal, "The stored run cannot be read or written.")
}
