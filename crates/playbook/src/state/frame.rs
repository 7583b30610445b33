//! One list of steps being taken: the playbook's own, or that of one row.

use std::collections::BTreeMap;

use quartermaster_types::run::{Call, Entry, Mismatch, Wake};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value, json};

use super::calling::Calling;
use super::finding::Finding;
use super::rows::Rows;
use super::{Context, Shared, broken, local};
use crate::limits::STEPS_TAKEN_MAX;
use crate::model::{Step, Turn, Verb};
use crate::setting::Setting;
use crate::value::{Level, Scope};

/// Where a list of steps stands.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Stands before the keys of its calls: `people/12/`.
    prefix: String,
    /// Results by the names of steps.
    pub(crate) results: Map<String, Value>,
    pub(crate) row: Option<Value>,
    /// The step that is being taken.
    place: usize,
    /// How often each step was come to.
    visits: BTreeMap<String, u32>,
    taken: u32,
    /// Whether a call was begun.
    pub(crate) is_begun: bool,
    /// Whether a call was answered: then something may have been done.
    pub(crate) is_answered: bool,
    pub(crate) activity: Activity,
}

/// What a list of steps is doing.
#[derive(Clone, Debug)]
pub(crate) enum Activity {
    /// About to take the step at its place.
    Ready,
    Call(Box<Calling>),
    Find(Box<Finding>),
    Wait {
        wake: Wake,
        is_over: bool,
    },
    Rows(Box<Rows>),
    Ended(End),
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Finished,
    Failed { step: Option<String>, problem: Problem },
}

/// What came of a step.
pub(crate) struct Done {
    pub(crate) value: Map<String, Value>,
    /// `None`: the step's own `on_error` decides when there is a problem, and the next step follows when there is none.
    pub(crate) turn: Option<Turn>,
    pub(crate) problem: Option<Problem>,
}

impl Done {
    pub(crate) fn ok(value: Value) -> Self {
        let value = match value {
            Value::Object(value) => value,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { value, turn: None, problem: None }
    }

    pub(crate) fn failed(problem: Problem) -> Self {
        Self { value: Map::new(), turn: None, problem: Some(problem) }
    }
}

impl Frame {
    pub(crate) fn main() -> Self {
        Self::new(String::new(), None)
    }

    pub(crate) fn new(prefix: String, row: Option<Value>) -> Self {
        Self {
            prefix,
            results: Map::new(),
            row,
            place: 0,
            visits: BTreeMap::new(),
            taken: 0,
            is_begun: false,
            is_answered: false,
            activity: Activity::Ready,
        }
    }

    /// The calls and waits that are open.
    pub(crate) fn gather(&self, calls: &mut Vec<Call>, waits: &mut Vec<Wake>) {
        match &self.activity {
            Activity::Call(calling) => calling.pending.gather(calls, waits),
            Activity::Find(finding) => finding.pending.gather(calls, waits),
            Activity::Wait { wake, is_over: false } => waits.push(wake.clone()),
            Activity::Rows(rows) => rows.active.iter().for_each(|(_, frame)| frame.gather(calls, waits)),
            Activity::Wait { .. } | Activity::Ready | Activity::Ended(_) => {}
        }
    }

    fn has_key(&self, key: &str) -> bool {
        match &self.activity {
            Activity::Call(calling) => calling.pending.has_key(key),
            Activity::Find(finding) => finding.pending.has_key(key),
            Activity::Wait { wake, is_over } => !is_over && wake.key == key,
            Activity::Rows(_) | Activity::Ready | Activity::Ended(_) => false,
        }
    }

    /// The list of steps that waits for this key, and its step.
    pub(crate) fn step_at<'s>(&self, key: &str, steps: &'s [Step]) -> Option<(&Self, &'s Step)> {
        let step = steps.get(self.place)?;
        if let (Activity::Rows(rows), Verb::ForEach(each)) = (&self.activity, &step.verb) {
            return rows.active.iter().find_map(|(_, frame)| frame.step_at(key, &each.steps));
        }
        self.has_key(key).then_some((self, step))
    }

    pub(crate) fn step_at_mut<'s>(&mut self, key: &str, steps: &'s [Step]) -> Option<(&mut Self, &'s Step)> {
        let step = steps.get(self.place)?;
        if self.has_key(key) {
            return Some((self, step));
        }
        match (&mut self.activity, &step.verb) {
            (Activity::Rows(rows), Verb::ForEach(each)) => {
                rows.active.iter_mut().find_map(|(_, frame)| frame.step_at_mut(key, &each.steps))
            }
            _ => None,
        }
    }

    /// What of an answer is looked at.
    pub(crate) fn reduce(&self, step: &Step, answer: Value, setting: &Setting) -> Value {
        match (&self.activity, &step.verb) {
            (Activity::Find(finding), Verb::Find(find)) => finding.reduce(find, answer, setting),
            (Activity::Call(calling), Verb::Call(call)) => calling.reduce(call, answer),
            _ => answer,
        }
    }

    /// Takes an entry that has its key; true when something changed.
    pub(crate) fn apply(
        &mut self,
        entry: &Entry,
        step: &Step,
        setting: &Setting,
        shared: &mut Shared,
    ) -> Result<bool, Mismatch> {
        self.is_begun |= matches!(entry, Entry::Begun { .. });
        self.is_answered |= matches!(entry, Entry::Finished { .. });
        match (&mut self.activity, &step.verb) {
            (Activity::Call(calling), _) => calling.pending.apply(entry, shared),
            (Activity::Find(finding), Verb::Find(find)) => finding.apply(entry, find, setting, shared),
            (Activity::Wait { wake, is_over }, _) => match entry {
                Entry::Woken { at, .. } if *at >= wake.until => {
                    *is_over = true;
                    Ok(true)
                }
                Entry::Woken { key, .. } => Err(Mismatch::TooEarly { key: key.clone() }),
                _ => Err(Mismatch::Unexpected { key: entry.key().to_owned() }),
            },
            _ => Err(Mismatch::Unexpected { key: entry.key().to_owned() }),
        }
    }

    /// Ends what is waited for with a problem.
    pub(crate) fn stop(&mut self, problem: &Problem, steps: &[Step]) {
        let step = steps.get(self.place);
        match (&mut self.activity, step.map(|step| &step.verb)) {
            (Activity::Call(calling), _) => calling.stop(problem),
            (Activity::Find(finding), _) => finding.fail(problem.clone()),
            (Activity::Rows(rows), Some(Verb::ForEach(each))) => rows.stop(problem, &each.steps),
            (Activity::Ended(_), _) => {}
            _ => {
                let step = step.map(|step| step.name.clone());
                self.activity = Activity::Ended(End::Failed { step, problem: problem.clone() });
            }
        }
    }

    /// Takes steps until something has to be waited for, or the end is there.
    pub(crate) fn advance(&mut self, steps: &[Step], around: Option<&Level<'_>>, context: &mut Context<'_>) {
        while !matches!(self.activity, Activity::Ended(_)) {
            let Some(step) = steps.get(self.place) else {
                self.activity = Activity::Ended(End::Finished);
                return;
            };
            let done = match &mut self.activity {
                Activity::Ready => self.begin(step, around, context),
                _ => self.go_on(step, around, context),
            };
            match done {
                Some(done) => self.conclude(step, done, around, context),
                None => return,
            }
        }
    }

    /// Begins a step; `None` when it has to wait for something.
    fn begin(&mut self, step: &Step, around: Option<&Level<'_>>, context: &mut Context<'_>) -> Option<Done> {
        self.taken += 1;
        if self.taken > STEPS_TAKEN_MAX {
            let detail = format!("more than {STEPS_TAKEN_MAX} steps were taken: a `go_to` leads in a circle");
            self.activity = Activity::Ended(End::Failed {
                step: Some(step.name.clone()),
                problem: Problem::caller(Code::LoopDetected, detail),
            });
            return None;
        }
        let key = self.key(&step.name);
        let level = Level { steps: &self.results, row: self.row.as_ref(), around };
        let scope = Scope { globals: context.globals, level, answer: None, memory: context.memory };
        match step.when.as_ref().map(|when| scope.holds(when)) {
            Some(Err(message)) => return Some(Done::failed(broken("`when`", &message))),
            Some(Ok(false)) => return Some(Done::ok(json!({"outcome": "skipped"}))),
            Some(Ok(true)) | None => {}
        }
        let begun = match &step.verb {
            Verb::Call(call) => Calling::begin(call, key, &scope, context.setting, context.shared).map(Activity::call),
            Verb::Find(find) => Finding::begin(find, key, &scope, context.setting, context.shared).map(Activity::find),
            Verb::ForEach(each) => Rows::begin(each, key, &scope).map(Activity::rows),
            Verb::WaitFor { .. } | Verb::WaitUntil(_) => match local::wait(&step.verb, key, &scope, context.shared.now)
            {
                Ok(Some(wake)) => Ok(Activity::Wait { wake, is_over: false }),
                Ok(None) => return Some(Done::ok(json!({"outcome": "ok"}))),
                Err(problem) => Err(problem),
            },
            verb => return Some(local::take(verb, &scope, context.shared)),
        };
        match begun {
            Ok(activity) => {
                self.activity = activity;
                self.go_on(step, around, context)
            }
            Err(problem) => Some(Done::failed(problem)),
        }
    }

    /// Goes on with a step that was begun; `None` when it has to wait for something.
    fn go_on(&mut self, step: &Step, around: Option<&Level<'_>>, context: &mut Context<'_>) -> Option<Done> {
        let Self { results, row, activity, .. } = self;
        let level = Level { steps: results, row: row.as_ref(), around };
        let scope = context.scope(level);
        match (activity, &step.verb) {
            (Activity::Call(calling), Verb::Call(call)) => calling.go_on(call, &scope, context.setting, context.shared),
            (Activity::Find(finding), Verb::Find(find)) => finding.go_on(find, &scope),
            (Activity::Rows(rows), Verb::ForEach(each)) => rows.go_on(each, &level, context),
            (Activity::Wait { is_over: true, .. }, _) => {
                Some(Done::ok(json!({"outcome": "ok", "at": context.shared.now})))
            }
            _ => None,
        }
    }

    /// Keeps what came of a step, and goes where that leads.
    fn conclude(&mut self, step: &Step, done: Done, around: Option<&Level<'_>>, context: &mut Context<'_>) {
        self.activity = Activity::Ready;
        let Done { mut value, turn, problem } = done;
        if let Some(problem) = &problem {
            let body = problem.body();
            value.entry("outcome").or_insert_with(|| json!("failed"));
            let error = json!({"code": body.code, "detail": body.detail, "retryable": body.retryable});
            value.insert("error".to_owned(), error);
        }
        self.results.insert(step.name.clone(), Value::Object(value));
        let turn = match (&turn, &problem) {
            (Some(turn), _) => turn,
            (None, Some(_)) => &step.on_error,
            (None, None) => &Turn::Continue,
        };
        let fail = |problem: Problem| Activity::Ended(End::Failed { step: Some(step.name.clone()), problem });
        match turn {
            Turn::Continue => self.place += 1,
            Turn::GoTo(place) => self.place = *place,
            Turn::End => self.activity = Activity::Ended(End::Finished),
            Turn::Stop => {
                let stopped = || {
                    let detail = format!("the playbook stops at its step `{}`", step.name);
                    Problem::caller(Code::PreconditionFailed, detail)
                };
                self.activity = fail(problem.unwrap_or_else(stopped));
            }
            Turn::Fail { text, code } => {
                let level = Level { steps: &self.results, row: self.row.as_ref(), around };
                let scope = context.scope(level);
                let problem = match text.text(&scope) {
                    Ok(text) => Problem::caller(*code, text),
                    Err(message) => broken("`fail`", &message),
                };
                self.activity = fail(problem);
            }
        }
    }

    /// A key that no other call of the run has.
    fn key(&mut self, name: &str) -> String {
        let visits = self.visits.entry(name.to_owned()).or_default();
        *visits += 1;
        match visits {
            1 => format!("{}{name}", self.prefix),
            visits => format!("{}{name}#{visits}", self.prefix),
        }
    }
}

impl Activity {
    fn call(calling: Calling) -> Self {
        Self::Call(Box::new(calling))
    }

    fn find(finding: Finding) -> Self {
        Self::Find(Box::new(finding))
    }

    fn rows(rows: Rows) -> Self {
        Self::Rows(Box::new(rows))
    }
}
