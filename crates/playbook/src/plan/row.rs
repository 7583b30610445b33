//! One row under way: the write, which expects the record to be as it was, and a read that proves it.

use quartermaster_types::{Code, Origin, Problem, Timestamp};
use serde_json::{Map, Value, json};

use super::{Member, PlannedStep};
use crate::limits::ATTEMPTS_MAX;
use crate::state::calling::is_open;
use crate::state::pending::{Answer, Pending, Request};

/// How a row begins, and begins again after a write that did not happen.
fn first(step: &PlannedStep) -> Stage {
    if step.looks || step.is_done { Stage::Look } else { Stage::Write }
}

/// A row that is being worked on.
#[derive(Clone, Debug)]
pub(super) struct Row {
    stage: Stage,
    pub(super) pending: Pending,
    /// How often each kind of call was asked for: every call has a key of its own.
    asked: [u32; 4],
    /// Writes whose outcome stayed unknown, and that a read showed not to have happened.
    open: u32,
    /// How often the present call was begun: more than once when a worker died over it.
    begun: u32,
    /// A write before this one got no answer: what is found done may be its doing.
    unanswered: bool,
    /// The time and the request of the write.
    wrote: Option<Wrote>,
}

#[derive(Clone, Debug)]
enum Stage {
    Look,
    Write,
    /// The write failed like this, and a read has to tell what became of it.
    Confirm(Problem),
    Proof,
}

#[derive(Clone, Debug)]
struct Wrote {
    at: Timestamp,
    request_id: Option<String>,
}

/// How a row ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// It was changed as planned.
    Done,
    /// The vendor gave no answer, and a read shows that it was changed all the same.
    WorkedAfterAll,
    /// There was nothing to change.
    Unchanged,
    /// The record is not as it was when the plan was made.
    ChangedSince,
    /// It could not be done, or not be proved.
    Failed,
    /// The run ended before it.
    NotReached,
}

impl Ending {
    /// As it stands in reports.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::WorkedAfterAll => "worked_after_all",
            Self::Unchanged => "unchanged",
            Self::ChangedSince => "changed_since",
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
        }
    }
}

/// What came of a row.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) problem: Option<Problem>,
    pub(super) detail: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) request_id: Option<String>,
}

impl Row {
    pub(super) fn begin(step: &PlannedStep) -> Self {
        let stage = first(step);
        let mut asked = [0; 4];
        let pending = ask(step, &stage, &mut asked);
        Self { stage, pending, asked, open: 0, begun: 0, unanswered: false, wrote: None }
    }

    /// The key of the call that is waited for.
    pub(super) fn key(&self) -> &str {
        &self.pending.call.key
    }

    /// A worker is about to make the present call.
    pub(super) fn begun(&mut self) {
        self.begun += 1;
    }

    /// Goes on when something was answered; what came of the row at its end.
    pub(super) fn go_on(&mut self, step: &PlannedStep, now: Timestamp) -> Option<Ended> {
        let ended = self.pending.ended.take()?;
        match std::mem::replace(&mut self.stage, Stage::Look) {
            Stage::Look => self.looked(step, ended, now),
            Stage::Write => self.written(step, ended, now),
            Stage::Confirm(problem) => self.confirmed(step, &problem, ended, now),
            Stage::Proof => Some(self.proved(step, ended, now)),
        }
    }

    fn looked(&mut self, step: &PlannedStep, ended: Result<Answer, Problem>, now: Timestamp) -> Option<Ended> {
        let record = match ended {
            Ok(answer) => record_of(answer),
            Err(problem) if is_gone(&problem) => {
                let detail = format!("{} is not there any more", step.who);
                return Some(changed_since(detail, now));
            }
            Err(problem) => return Some(failed(problem, now)),
        };
        if let Some(detail) = differences(step, &record) {
            return Some(changed_since(detail, now));
        }
        if step.is_done {
            return Some(Ended { at: Some(now), ..plain(Ending::Unchanged) });
        }
        self.turn_to(step, Stage::Write)
    }

    fn written(&mut self, step: &PlannedStep, ended: Result<Answer, Problem>, now: Timestamp) -> Option<Ended> {
        let problem = match ended {
            Ok(answer) => {
                let request_id = answer.request_id.clone();
                self.wrote = Some(Wrote { at: now, request_id: request_id.clone() });
                if answer.result.get("changed") == Some(&json!(false)) {
                    if self.begun > 1 || self.unanswered {
                        let detail = "nobody saw its answer, and it was found done afterwards".to_owned();
                        let ending = plain(Ending::WorkedAfterAll);
                        return Some(Ended { at: Some(now), request_id, detail: Some(detail), ..ending });
                    }
                    let detail = format!("{} was brought there by somebody else since the plan was made", step.who);
                    return Some(Ended { request_id, ..changed_since(detail, now) });
                }
                if step.is_provable() {
                    return self.turn_to(step, Stage::Proof);
                }
                let detail = "the vendor accepted it; there is no read that could prove it".to_owned();
                return Some(Ended { at: Some(now), request_id, detail: Some(detail), ..plain(Ending::Done) });
            }
            Err(problem) => problem,
        };
        if problem.code() == Code::PreconditionFailed && problem.body().origin != Origin::Upstream {
            return Some(changed_since(unexpected(step, &problem), now));
        }
        if is_gone(&problem) && step.read.is_some() {
            return Some(changed_since(format!("{} is not there any more", step.who), now));
        }
        let may_try_again = self.open + 1 < ATTEMPTS_MAX;
        if problem.code() == Code::UngroundedId && step.read.is_some() && may_try_again {
            // Too long ago that it was read.
            self.open += 1;
            return self.turn_to(step, Stage::Look);
        }
        if is_open(problem.code()) && step.is_provable() && may_try_again {
            return self.turn_to(step, Stage::Confirm(problem));
        }
        Some(failed(problem, now))
    }

    /// The read is there: the write took effect, or everything begins again.
    fn confirmed(
        &mut self,
        step: &PlannedStep,
        problem: &Problem,
        ended: Result<Answer, Problem>,
        now: Timestamp,
    ) -> Option<Ended> {
        let took_effect = match ended {
            Ok(answer) => {
                let record = record_of(answer);
                !step.removes && step.after.iter().all(|member| member.is_in(&record))
            }
            Err(read) if is_gone(&read) && step.removes => true,
            Err(_) => return Some(failed(problem.clone(), now)),
        };
        if took_effect {
            let detail = format!("{}; a read afterwards shows that it was done all the same", problem.body().detail);
            let request_id = problem.body().instance.clone();
            return Some(Ended { at: Some(now), request_id, detail: Some(detail), ..plain(Ending::WorkedAfterAll) });
        }
        self.open += 1;
        self.unanswered = true;
        self.turn_to(step, first(step))
    }

    fn proved(&self, step: &PlannedStep, ended: Result<Answer, Problem>, now: Timestamp) -> Ended {
        let wrote = self.wrote.clone();
        let request_id = wrote.as_ref().and_then(|wrote| wrote.request_id.clone());
        let at = Some(wrote.map_or(now, |wrote| wrote.at));
        let problem = match ended {
            Err(problem) if step.removes && is_gone(&problem) => None,
            Err(problem) => Some(problem),
            Ok(answer) => {
                let record = record_of(answer);
                let wrong = step.after.iter().find(|member| !member.is_in(&record));
                match wrong {
                    None if !step.removes => None,
                    _ => Some(unproved(step, wrong, &record)),
                }
            }
        };
        match problem {
            None => Ended { at, request_id, ..plain(Ending::Done) },
            Some(problem) => Ended { at, request_id, ..failed(problem, now) },
        }
    }

    fn turn_to(&mut self, step: &PlannedStep, stage: Stage) -> Option<Ended> {
        // Attempts under one kind go on counting: a rate limit that was waited out has used up a key.
        self.asked[kind(&self.pending.call.key)] = self.pending.asked;
        self.pending = ask(step, &stage, &mut self.asked);
        self.stage = stage;
        self.begun = 0;
        None
    }
}

const KINDS: [&str; 4] = ["look", "write", "confirm", "proof"];

/// Which kind of call a key is of.
fn kind(key: &str) -> usize {
    let name = key.split(['/', '~']).nth(1).unwrap_or_default();
    KINDS.iter().position(|kind| *kind == name).unwrap_or_default()
}

fn ask(step: &PlannedStep, stage: &Stage, asked: &mut [u32; 4]) -> Pending {
    let (kind, is_read) = match stage {
        Stage::Look => (0, true),
        Stage::Write => (1, false),
        Stage::Confirm(_) => (2, true),
        Stage::Proof => (3, true),
    };
    let method = if is_read { step.read.clone().unwrap_or_default() } else { step.method.clone() };
    let arguments = match &step.id {
        Some(id) if is_read => Map::from_iter([("id".to_owned(), json!(id))]),
        _ => step.arguments.clone(),
    };
    let request = Request {
        account: None,
        target: (step.resource.clone(), method),
        arguments,
        expect: if is_read { None } else { step.expects() },
        dry_run: false,
        is_read,
    };
    let pending = Pending::new(format!("{}/{}", step.number, KINDS[kind]), asked[kind], request);
    asked[kind] = pending.asked;
    pending
}

fn record_of(answer: Answer) -> Value {
    match answer.result {
        Value::Object(mut members) => members.remove("result").unwrap_or(Value::Null),
        other => other,
    }
}

fn is_gone(problem: &Problem) -> bool {
    problem.code() == Code::NotFound && problem.body().origin == Origin::Upstream
}

/// The write found a record that is not as it was.
fn unexpected(step: &PlannedStep, problem: &Problem) -> String {
    let errors = problem.body().errors.iter();
    let different: Vec<_> =
        errors.map(|error| format!("{}: {}", error.pointer.trim_start_matches("/expect/"), error.detail)).collect();
    format!("{} was changed since the plan was made: {}", step.who, different.join(", "))
}

/// What of the record is not as it was; `None` when all is.
fn differences(step: &PlannedStep, record: &Value) -> Option<String> {
    let different: Vec<_> = step
        .before
        .iter()
        .filter(|member| !member.is_in(record))
        .map(|member| {
            let found = record.pointer(&member.at).map(super::text).unwrap_or_default();
            format!("{} is {found:?} and was {:?}", member.name, super::text(&member.value))
        })
        .collect();
    (!different.is_empty())
        .then(|| format!("{} was changed since the plan was made: {}", step.who, different.join(", ")))
}

fn unproved(step: &PlannedStep, wrong: Option<&Member>, record: &Value) -> Problem {
    let shows = match wrong {
        Some(member) => {
            let found = record.pointer(&member.at).map(super::text).unwrap_or_default();
            format!("that {} is {found:?}, not {:?}", member.name, super::text(&member.value))
        }
        None => "that the record is still there".to_owned(),
    };
    Problem::upstream(
        Code::UpstreamInvalid,
        format!("{} of {} was accepted, but a read afterwards shows {shows}", step.full_name(), step.who),
    )
    .with_hint("Read the record again in a moment; the change may take time, or the vendor may not do it.")
}

fn plain(ending: Ending) -> Ended {
    Ended { ending, problem: None, detail: None, at: None, request_id: None }
}

fn failed(problem: Problem, now: Timestamp) -> Ended {
    Ended {
        detail: Some(problem.body().detail.clone()),
        at: Some(now),
        request_id: problem.body().instance.clone(),
        problem: Some(problem),
        ..plain(Ending::Failed)
    }
}

fn changed_since(detail: String, now: Timestamp) -> Ended {
    let problem = Problem::gateway(Code::PreconditionFailed, format!("{detail}."))
        .with_hint("Read the record, decide anew, and make another plan.");
    Ended { detail: Some(detail), at: Some(now), problem: Some(problem), ..plain(Ending::ChangedSince) }
}

/// The row that the run did not come to.
pub(super) fn not_reached() -> Ended {
    plain(Ending::NotReached)
}
