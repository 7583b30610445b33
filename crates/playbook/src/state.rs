//! The interpreter: a machine that a journal drives.
//!
//! It keeps what it has done so far, so that every entry costs the same however long the journal is.

pub(crate) mod calling;
mod finding;
mod frame;
mod local;
pub(crate) mod pending;
mod person;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use quartermaster_types::run::{Action, Entry, Mismatch, Outcome, Report, Waits};
use quartermaster_types::{Code, Problem, Timestamp};
use serde_json::{Map, Value, json};

use crate::input::InvalidInput;
use crate::limits::STEPS_TAKEN_MAX;
use crate::load::Playbook;
use crate::model::MethodName;
use crate::setting::Setting;
use crate::value::{Level, Memory, Scope};
use frame::{Activity, End, Frame};

/// A run at some point of its journal.
#[derive(Clone, Debug)]
pub struct State {
    playbook: Arc<Playbook>,
    setting: Setting,
    /// `input`, `integration`, `account`, `lifecycle`, `run`.
    globals: Map<String, Value>,
    frame: Frame,
    shared: Shared,
}

/// What all parts of a run share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// The time of the last entry.
    pub(crate) now: Timestamp,
    pub(crate) waits: Waits,
    /// What was waited in all, in milliseconds: calls that are refused together wait together, and that counts once.
    waited_ms: i64,
    /// Until when a rate limit holds the calls of an account; `None` is the run's own.
    gates: BTreeMap<Option<String>, Timestamp>,
    pub(crate) patience_seconds: u64,
    pub(crate) report: Option<Report>,
    pub(crate) is_partial: bool,
}

impl Shared {
    /// At the beginning of a run.
    pub(crate) fn new(now: Timestamp, patience_seconds: u64) -> Self {
        Self {
            now,
            waits: Waits::default(),
            waited_ms: 0,
            gates: BTreeMap::new(),
            patience_seconds,
            report: None,
            is_partial: false,
        }
    }

    /// Until when a rate limit holds the calls of this account.
    pub(crate) fn gate(&self, account: Option<&String>) -> Option<Timestamp> {
        self.gates.get(&account.cloned()).copied().filter(|until| *until > self.now)
    }

    /// Notes a wait of so many seconds from `at` on; `account`: all of its calls wait. Gives the end of it, or the seconds
    /// that were waited when there is no patience for it.
    pub(crate) fn wait(
        &mut self,
        account: Option<&Option<String>>,
        at: Timestamp,
        seconds: u64,
    ) -> Result<Timestamp, u64> {
        let until = at.plus_ms(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX));
        let gate = account.and_then(|account| self.gates.get(account)).copied().filter(|gate| *gate > at);
        let added = until.ms_since(gate.unwrap_or(at)).max(0);
        let waited = self.waited_ms.saturating_add(added);
        if waited > i64::try_from(self.patience_seconds.saturating_mul(1000)).unwrap_or(i64::MAX) {
            return Err(self.waits.seconds);
        }
        self.waited_ms = waited;
        self.waits.count += u64::from(gate.is_none());
        self.waits.seconds = ((waited + 500) / 1000).unsigned_abs();
        let until = gate.map_or(until, |gate| gate.max(until));
        if let Some(account) = account {
            self.gates.insert(account.clone(), until);
        }
        Ok(until)
    }
}

/// What steps see of their run.
pub(crate) struct Context<'a> {
    pub(crate) setting: &'a Setting,
    pub(crate) globals: &'a Map<String, Value>,
    pub(crate) shared: &'a mut Shared,
    pub(crate) memory: &'a Memory,
}

impl Context<'_> {
    /// The variables as steps at this level see them.
    pub(crate) fn scope<'s>(&'s self, level: Level<'s>) -> Scope<'s> {
        Scope { globals: self.globals, level, answer: None, memory: self.memory }
    }
}

impl State {
    /// A run at its beginning. `input` is what the caller gave; defaults are filled in.
    ///
    /// # Errors
    /// When the playbook does not take this input: every wrong place.
    pub fn new(playbook: Arc<Playbook>, setting: Setting, input: &Map<String, Value>) -> Result<Self, InvalidInput> {
        let input = playbook.input(input)?;
        let shared = Shared::new(setting.run.started_at, playbook.patience_seconds);
        let mut state = Self { globals: globals(&setting, input), playbook, setting, frame: Frame::main(), shared };
        state.advance();
        Ok(state)
    }

    /// The same run with another patience than the playbook's: seconds that rate limits and passing faults are waited out in
    /// all.
    #[must_use]
    pub fn with_patience(mut self, seconds: u64) -> Self {
        self.shared.patience_seconds = seconds;
        self
    }

    /// The run after these entries: the same as [`Self::apply`] for each.
    ///
    /// # Errors
    /// [`Mismatch`] at the first entry that this run cannot have.
    pub fn replay<'e>(mut self, journal: impl IntoIterator<Item = &'e Entry>) -> Result<Self, Mismatch> {
        journal.into_iter().try_for_each(|entry| self.apply(entry))?;
        Ok(self)
    }

    /// The playbook.
    pub fn playbook(&self) -> &Playbook {
        &self.playbook
    }

    /// What is needed next. Asking does not change anything.
    pub fn next(&self) -> Action {
        if let Activity::Ended(end) = &self.frame.activity {
            let report = self.shared.report.clone();
            return match end {
                End::Finished if self.shared.is_partial => Action::Done { outcome: Outcome::Partial, report },
                End::Finished => Action::Done { outcome: Outcome::Complete, report },
                End::Failed { step, problem } => {
                    Action::Failed { step: step.clone(), problem: problem.clone(), report }
                }
            };
        }
        let (mut calls, mut waits) = (Vec::new(), Vec::new());
        self.frame.gather(&mut calls, &mut waits);
        Action::Proceed { calls, waits, asks: Vec::new() }
    }

    /// How the run would end if it made no further call: rows that were begun fail, others are not reached, and the report is
    /// made where nothing more has to be asked for it.
    #[must_use]
    pub fn stopped(&self) -> Action {
        let problem = Problem::caller(Code::PreconditionFailed, "the run was stopped");
        let mut state = self.clone();
        let playbook = Arc::clone(&self.playbook);
        // Each round ends what is waited for; a step that follows may wait for something else.
        for _ in 0..STEPS_TAKEN_MAX {
            if state.is_ended() {
                break;
            }
            let memory = Memory::default();
            let (setting, globals) = (&state.setting, &state.globals);
            let mut context = Context { setting, globals, shared: &mut state.shared, memory: &memory };
            state.frame.stop(&problem, &playbook.steps);
            state.frame.advance(&playbook.steps, None, &mut context);
        }
        state.next()
    }

    /// Whether the run is at its end.
    pub fn is_ended(&self) -> bool {
        matches!(self.frame.activity, Activity::Ended(_))
    }

    /// What of an answer has to be kept in the journal: the rest is never looked at. Keeping everything gives the same run.
    pub fn reduce(&self, key: &str, answer: Value) -> Value {
        let found = self.frame.step_at(key, &self.playbook.steps);
        match found {
            Some((frame, step)) => frame.reduce(step, answer, &self.setting),
            None => answer,
        }
    }

    /// Goes on by one entry.
    ///
    /// # Errors
    /// [`Mismatch`] when this run cannot have the entry; the run stays as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        let key = entry.key();
        if self.is_ended() {
            return Err(Mismatch::AfterEnd { key: key.to_owned() });
        }
        let playbook = Arc::clone(&self.playbook);
        let unexpected = || Mismatch::Unexpected { key: key.to_owned() };
        let (frame, step) = self.frame.step_at_mut(key, &playbook.steps).ok_or_else(unexpected)?;
        self.shared.now = self.shared.now.max(entry.at());
        let changed = frame.apply(entry, step, &self.setting, &mut self.shared)?;
        if changed {
            self.tell_time();
            self.advance();
        }
        Ok(())
    }

    /// `run.now` and `run.waits`.
    fn tell_time(&mut self) {
        if let Some(Value::Object(run)) = self.globals.get_mut("run") {
            run.insert("now".to_owned(), json!(self.shared.now));
            run.insert("waits".to_owned(), json!(self.shared.waits));
        }
    }

    fn advance(&mut self) {
        let playbook = Arc::clone(&self.playbook);
        let memory = Memory::default();
        let (setting, globals) = (&self.setting, &self.globals);
        let mut context = Context { setting, globals, shared: &mut self.shared, memory: &memory };
        self.frame.advance(&playbook.steps, None, &mut context);
    }
}

fn globals(setting: &Setting, input: Map<String, Value>) -> Map<String, Value> {
    let mut globals = Map::new();
    globals.insert("input".to_owned(), Value::Object(input));
    globals.insert("integration".to_owned(), json!(setting.integration));
    globals.insert("account".to_owned(), json!(setting.account));
    if let Some(lifecycle) = &setting.lifecycle {
        globals.insert("lifecycle".to_owned(), json!(lifecycle));
    }
    let mut run = json!(setting.run);
    run["now"] = json!(setting.run.started_at);
    run["waits"] = json!(Waits::default());
    globals.insert("run".to_owned(), run);
    globals
}

/// The resource and method that a name stands for.
pub(crate) fn resolve(method: &MethodName, setting: &Setting) -> Result<(String, String), Problem> {
    use crate::model::LifecycleMethod;
    let which = match method {
        MethodName::Named { resource, method } => return Ok((resource.clone(), method.clone())),
        MethodName::Lifecycle(which) => *which,
    };
    let name = &setting.integration.name;
    let Some(lifecycle) = &setting.lifecycle else {
        let detail = format!("the integration {name} has no people to work on: its definition has no `lifecycle`");
        return Err(Problem::caller(Code::Unsupported, detail));
    };
    let method = match which {
        LifecycleMethod::List => "list",
        LifecycleMethod::Get => "get",
        LifecycleMethod::Suspend => &lifecycle.suspend,
        LifecycleMethod::Reactivate => lifecycle.reactivate.as_deref().ok_or_else(|| {
            let detail = format!("the lifecycle of the integration {name} has no `reactivate`");
            Problem::caller(Code::Unsupported, detail)
        })?,
    };
    Ok((lifecycle.resource.clone(), method.to_owned()))
}

/// A value of the playbook that could not be computed.
pub(crate) fn broken(what: &str, message: &str) -> Problem {
    Problem::caller(Code::InvalidArgument, format!("{what}: {message}"))
}
