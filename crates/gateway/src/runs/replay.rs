//! Replaying a run: its machine over its journal, with no upstream. Every decision has to come out as it is written, byte for
//! byte.

use std::fmt;

use quartermaster_types::{Code, Problem};
use serde::Serialize;

use super::export::{EXPORT_FORMAT, RunExport};
use super::machine::{Action, Entry, Kind, Machine};
use super::view::DecidedBy;

/// The first decision that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The entry of the journal; one past the last for the end of the run.
    pub number: u32,
    /// What the journal has, JSON.
    pub recorded: String,
    /// What the machine decides now, JSON, or why it cannot.
    pub decided: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "entry {}: recorded {}, decided {}", self.number, self.recorded, self.decided)
    }
}

/// Replays a run: `None` when every decision is the same. A problem when the export cannot be read or is of another kind of
/// machine.
pub fn replay(kind: &dyn Kind, export: &RunExport) -> Result<Option<Difference>, Problem> {
    if export.format != EXPORT_FORMAT {
        return Err(Problem::caller(
            Code::InvalidArgument,
            format!("The export is not of the form {EXPORT_FORMAT}, the one that this program reads."),
        ));
    }
    if export.run.summary.kind != kind.name() {
        return Err(Problem::caller(Code::Unsupported, format!("This program replays runs of a {}.", kind.name())));
    }
    let mut machine = kind.load(&export.definition, &export.run.input)?;
    let mut number = 0;
    for (expected, exported) in (1..).zip(&export.entries) {
        number = exported.number;
        if number != expected {
            return Ok(Some(Difference {
                number: expected,
                recorded: format!("entry {number}"),
                decided: "the journal has a gap here".to_owned(),
            }));
        }
        if let Some(difference) = check(machine.as_ref(), number, &exported.entry) {
            return Ok(Some(difference));
        }
        if let Err(mismatch) = machine.apply(&exported.entry) {
            let recorded = text(&exported.entry);
            return Ok(Some(Difference { number, recorded, decided: mismatch.to_string() }));
        }
    }
    let Some(outcome) = &export.run.outcome else { return Ok(None) };
    match &outcome.action {
        Some(recorded) if outcome.decided_by == DecidedBy::Machine => {
            Ok(compare(number + 1, recorded, &machine.next()))
        }
        Some(recorded) if outcome.decided_by == DecidedBy::Caller => {
            Ok(machine.stopped().and_then(|decided| compare(number + 1, recorded, &decided)))
        }
        _ => Ok(None),
    }
}

/// Whether what the entry tells was decided.
fn check(machine: &dyn Machine, number: u32, entry: &Entry) -> Option<Difference> {
    match entry {
        Entry::Begun { call, .. } => {
            let action = machine.next();
            let Action::Proceed { calls, .. } = &action else { return compare(number, call, &action) };
            match calls.iter().find(|decided| decided.key == call.key) {
                Some(decided) => compare(number, call, decided),
                None => compare(number, call, &action),
            }
        }
        Entry::Asked { ask, .. } => {
            let action = machine.next();
            let Action::Proceed { asks, .. } = &action else { return compare(number, ask, &action) };
            match asks.iter().find(|decided| decided.key == ask.key) {
                Some(decided) => compare(number, ask, decided),
                None => compare(number, ask, &action),
            }
        }
        Entry::Woken { key, .. } => {
            let action = machine.next();
            let decided = matches!(&action, Action::Proceed { waits, .. } if waits.iter().any(|wait| wait.key == *key));
            if decided { None } else { compare(number, entry, &action) }
        }
        // Answers are not decided; the machine refuses one that it does not wait for.
        Entry::Finished { .. } | Entry::Answered { .. } | Entry::Failed { .. } => None,
    }
}

fn compare(number: u32, recorded: &impl Serialize, decided: &impl Serialize) -> Option<Difference> {
    let (recorded, decided) = (text(recorded), text(decided));
    (recorded != decided).then_some(Difference { number, recorded, decided })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}
