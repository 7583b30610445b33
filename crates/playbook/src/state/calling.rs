//! The step `call`: one call, and a read that settles what became of a write.

use quartermaster_types::{Code, Problem, Timestamp};
use serde_json::{Map, Value, json};

use super::frame::Done;
use super::pending::{Answer, Pending, Request};
use super::{Shared, broken, person, resolve};
use crate::limits::{ATTEMPTS_MAX, RESULT_MAX_BYTES};
use crate::model::{CallStep, Confirm};
use crate::setting::Setting;
use crate::value::{Scope, evaluate_all};

/// A call step under way.
#[derive(Clone, Debug)]
pub(crate) struct Calling {
    base: String,
    pub(crate) pending: Pending,
    /// How often the write failed in a way that leaves its outcome open.
    open: u32,
    /// The write and its problem, while a read settles it.
    confirming: Option<(Pending, Problem)>,
    /// How often that was asked.
    confirmed: u32,
}

impl Calling {
    pub(crate) fn begin(
        step: &CallStep,
        key: String,
        scope: &Scope<'_>,
        setting: &Setting,
        shared: &Shared,
    ) -> Result<Self, Problem> {
        let argument = |message: String| broken("`call`", &message);
        let request = Request {
            account: step.account.as_ref().map(|account| account.text(scope)).transpose().map_err(argument)?,
            target: resolve(&step.method, setting)?,
            arguments: evaluate_all(&step.with, scope).map_err(argument)?,
            expect: match &step.expect[..] {
                [] => None,
                expect => Some(evaluate_all(expect, scope).map_err(argument)?),
            },
            dry_run: step.dry_run,
            is_read: step.method.is_read() || step.dry_run,
        };
        let pending = Pending::gated(key.clone(), 0, request, shared);
        Ok(Self { base: key, pending, open: 0, confirming: None, confirmed: 0 })
    }

    /// Ends what is waited for with a problem, and asks for nothing more.
    pub(crate) fn stop(&mut self, problem: &Problem) {
        self.confirming = None;
        self.pending.ended = Some(Err(problem.clone()));
    }

    /// What of an answer is looked at.
    pub(crate) fn reduce(&self, step: &CallStep, mut answer: Value) -> Value {
        if step.keep.is_empty() || self.confirming.is_some() {
            return answer;
        }
        match answer.get_mut("result") {
            Some(Value::Array(records)) => records.iter_mut().for_each(|record| keep(record, &step.keep)),
            Some(record) => keep(record, &step.keep),
            None => keep(&mut answer, &step.keep),
        }
        answer
    }

    /// What came of it; `None` while something is waited for.
    pub(crate) fn go_on(
        &mut self,
        step: &CallStep,
        scope: &Scope<'_>,
        setting: &Setting,
        shared: &Shared,
    ) -> Option<Done> {
        let now = shared.now;
        let ended = self.pending.ended.take()?;
        if let Some((write, problem)) = self.confirming.take() {
            return self.settle(step, write, problem, ended, scope, setting, now);
        }
        match ended {
            Ok(answer) => Some(self.answered(step, answer, setting, now)),
            Err(problem) => self.failed(step, problem, scope, setting, shared),
        }
    }

    fn answered(&self, step: &CallStep, answer: Answer, setting: &Setting, now: Timestamp) -> Done {
        let result = self.reduce(step, answer.result);
        let length = result.to_string().len();
        if length > RESULT_MAX_BYTES {
            let detail = format!(
                "the result has {length} bytes, at most {RESULT_MAX_BYTES} are kept: name the members that matter under `keep`"
            );
            return Done::failed(Problem::gateway(Code::ResponseTooLarge, detail));
        }
        let changed = match result.get("changed") {
            // It is so, and whether this call made it so is not known.
            Some(Value::Null) => Value::Null,
            changed => json!(changed.and_then(Value::as_bool).unwrap_or(!step.method.is_read() && !step.dry_run)),
        };
        let mut value = Map::new();
        value.insert("outcome".to_owned(), json!("ok"));
        let record = if step.dry_run { None } else { result.get("result") };
        let record = record.unwrap_or(&result);
        if let (true, false, Some(lifecycle)) = (step.method.is_lifecycle(), step.dry_run, &setting.lifecycle) {
            match person::read(record, lifecycle) {
                Ok(person) => value.insert("person".to_owned(), person),
                Err(pointer) if step.method.is_read() && !record.is_array() => {
                    return Done::failed(no_such_member(&pointer));
                }
                Err(_) => None,
            };
        }
        for name in ["next_cursor", "scanned", "is_partial", "stopped_because"] {
            if let Some(member) = result.get(name).filter(|_| !step.dry_run) {
                value.insert(name.to_owned(), member.clone());
            }
        }
        value.insert("result".to_owned(), record.clone());
        value.insert("changed".to_owned(), changed);
        value.insert("at".to_owned(), json!(now));
        value.insert("request_id".to_owned(), json!(answer.request_id));
        Done { value, turn: None, problem: None }
    }

    /// Either that was it, or a read has to tell what became of it.
    fn failed(
        &mut self,
        step: &CallStep,
        problem: Problem,
        scope: &Scope<'_>,
        setting: &Setting,
        shared: &Shared,
    ) -> Option<Done> {
        let confirm = match &step.confirm {
            Some(confirm) if is_open(problem.code()) && self.open + 1 < ATTEMPTS_MAX => confirm,
            _ => return Some(Done::failed(problem)),
        };
        let request = match self.request(confirm, scope, setting) {
            Ok(request) => request,
            Err(problem) => return Some(Done::failed(problem)),
        };
        self.open += 1;
        let read = Pending::gated(format!("{}/confirm", self.base), self.confirmed, request, shared);
        self.confirmed = read.asked;
        let write = std::mem::replace(&mut self.pending, read);
        self.confirming = Some((write, problem));
        None
    }

    fn request(&self, confirm: &Confirm, scope: &Scope<'_>, setting: &Setting) -> Result<Request, Problem> {
        Ok(Request {
            account: self.pending.call.account.clone(),
            target: resolve(&confirm.method, setting)?,
            arguments: evaluate_all(&confirm.with, scope).map_err(|message| broken("`confirm`", &message))?,
            expect: None,
            dry_run: false,
            is_read: true,
        })
    }

    /// The read is there: the write took effect, or is made again.
    fn settle(
        &mut self,
        step: &CallStep,
        write: Pending,
        problem: Problem,
        read: Result<Answer, Problem>,
        scope: &Scope<'_>,
        setting: &Setting,
        now: Timestamp,
    ) -> Option<Done> {
        self.confirmed = self.pending.asked;
        let answer = match read {
            Ok(answer) => answer,
            Err(problem) => return Some(Done::failed(problem)),
        };
        let Some(confirm) = &step.confirm else { return Some(Done::failed(problem)) };
        let record = answer.result.get("result").unwrap_or(&answer.result);
        let mut seen = Map::from_iter([("result".to_owned(), record.clone())]);
        if let (true, Some(lifecycle)) = (confirm.method.is_lifecycle(), &setting.lifecycle) {
            match person::read(record, lifecycle) {
                Ok(person) => seen.insert("person".to_owned(), person),
                Err(pointer) => return Some(Done::failed(no_such_member(&pointer))),
            };
        }
        let seen = Value::Object(seen);
        let took_effect = match (Scope { answer: Some(&seen), ..*scope }).holds(&confirm.that) {
            Ok(took_effect) => took_effect,
            Err(message) => return Some(Done::failed(broken("`confirm: that`", &message))),
        };
        self.pending = write;
        // An id that has to be read again was refused before anything was sent: the state is somebody else's work.
        if took_effect && problem.code() != Code::UngroundedId {
            let mut done = self.answered(step, answer, setting, now);
            if done.problem.is_none() {
                done.value.insert("changed".to_owned(), Value::Null);
            }
            return Some(done);
        }
        self.pending.ask();
        None
    }
}

/// Whether a read and another attempt can help: the outcome is not known, or the id has to be read (again) first.
pub(crate) fn is_open(code: Code) -> bool {
    matches!(
        code,
        Code::UpstreamInvalid
            | Code::UpstreamUnavailable
            | Code::UpstreamTimeout
            | Code::ResponseTooLarge
            | Code::Internal
            | Code::UngroundedId
            | Code::Conflict
    )
}

pub(super) fn no_such_member(pointer: &str) -> Problem {
    Problem::upstream(Code::UpstreamInvalid, format!("the directory's answer has a record without {pointer}"))
}

/// Leaves only the named members of a record.
pub(super) fn keep(record: &mut Value, names: &[String]) {
    if let Value::Object(members) = record {
        members.retain(|name, _| names.contains(name));
    }
}
