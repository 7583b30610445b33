//! The step `for_each`: steps for every row, several rows at the same time.

use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value, json};

use super::frame::{Activity, Done, End, Frame};
use super::{Context, broken};
use crate::limits::{CONCURRENCY_MAX, ROWS_MAX};
use crate::model::{ForEach, Step};
use crate::value::{Level, Scope, all_or_null};

/// Rows under way.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    key: String,
    total: usize,
    /// The next row to begin.
    next: usize,
    /// How many rows are worked on at the same time.
    concurrency: usize,
    /// Rows that were taken up and not begun when the run was stopped.
    unbegun: Vec<usize>,
    /// Rows that wait for something, in order.
    pub(crate) active: Vec<(usize, Frame)>,
    /// What came of each row; null while nothing did.
    results: Vec<Value>,
    counts: Counts,
    /// Why no further row is begun.
    halted: Option<Problem>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    done: u64,
    failed: u64,
    skipped: u64,
    not_reached: u64,
}

/// Problems that every further row would have as well.
const HALTING: &[Code] = &[
    Code::RateLimited,
    Code::Unauthenticated,
    Code::AccountNeedsReauth,
    Code::AccountBlocked,
    Code::BlastRadiusExceeded,
    Code::Unavailable,
];

impl Rows {
    pub(crate) fn begin(step: &ForEach, key: String, scope: &Scope<'_>) -> Result<Self, Problem> {
        let rows = scope.rows(&step.rows).map_err(|message| broken("`for_each`", &message))?;
        if rows.len() > ROWS_MAX {
            let message = format!("at most {ROWS_MAX} rows can be worked on, and there are {}", rows.len());
            return Err(broken("`for_each`", &message));
        }
        let concurrency =
            step.concurrency.evaluate(scope).map_err(|message| broken("`for_each: concurrency`", &message))?;
        let concurrency =
            concurrency.as_u64().filter(|rows| (1..=CONCURRENCY_MAX).contains(rows)).ok_or_else(|| {
                broken("`for_each: concurrency`", &format!("a number from 1 to {CONCURRENCY_MAX} is needed"))
            })?;
        Ok(Self {
            key,
            total: rows.len(),
            next: 0,
            concurrency: concurrency as usize,
            unbegun: Vec::new(),
            active: Vec::new(),
            results: vec![Value::Null; rows.len()],
            counts: Counts::default(),
            halted: None,
        })
    }

    /// Goes on with the rows under way and begins further ones; `None` while something is waited for.
    pub(crate) fn go_on(&mut self, step: &ForEach, level: &Level<'_>, context: &mut Context<'_>) -> Option<Done> {
        let mut waiting = Vec::with_capacity(self.active.len());
        for (index, mut frame) in std::mem::take(&mut self.active) {
            frame.advance(&step.steps, Some(level), context);
            match frame.activity {
                Activity::Ended(_) => self.keep(index, &frame, step, level, context),
                _ => waiting.push((index, frame)),
            }
        }
        self.active = waiting;
        while self.halted.is_none() && self.active.len() < self.concurrency && self.next < self.total {
            let index = self.next;
            self.next += 1;
            self.start(index, step, level, context);
        }
        let is_over = self.active.is_empty() && (self.halted.is_some() || self.next >= self.total);
        is_over.then(|| self.finish(step, level, context))
    }

    /// Begins no further row, and ends what those under way wait for with a problem.
    pub(crate) fn stop(&mut self, problem: &Problem, steps: &[Step]) {
        self.halted.get_or_insert_with(|| problem.clone());
        let (begun, unbegun) = std::mem::take(&mut self.active).into_iter().partition(|(_, frame)| frame.is_begun);
        self.active = begun;
        self.unbegun.extend(unbegun.into_iter().map(|(index, _): (usize, Frame)| index));
        for (_, frame) in &mut self.active {
            frame.stop(problem, steps);
        }
    }

    /// Begins a row.
    fn start(&mut self, index: usize, step: &ForEach, level: &Level<'_>, context: &mut Context<'_>) {
        let scope = context.scope(*level);
        let row = scope.rows(&step.rows).ok().and_then(|rows| rows.get(index)).cloned().unwrap_or(Value::Null);
        let wanted = step.when.as_ref().map_or(Ok(true), |when| scope.at_row(&row, |scope| scope.holds(when)));
        let mut frame = Frame::new(format!("{}/{index}/", self.key), Some(row));
        match wanted {
            Ok(true) => frame.advance(&step.steps, Some(level), context),
            Ok(false) => {
                self.counts.skipped += 1;
                self.results[index] = row_value(&frame, step, level, context, "skipped", None);
                return;
            }
            Err(message) => {
                let problem = broken("`for_each: when`", &message);
                frame.activity = Activity::Ended(End::Failed { step: None, problem });
            }
        }
        match frame.activity {
            Activity::Ended(_) => self.keep(index, &frame, step, level, context),
            _ => self.active.push((index, frame)),
        }
    }

    /// Keeps what came of a row that ended.
    fn keep(&mut self, index: usize, frame: &Frame, step: &ForEach, level: &Level<'_>, context: &Context<'_>) {
        let problem = match &frame.activity {
            Activity::Ended(End::Failed { problem, .. }) => Some(problem),
            _ => None,
        };
        // A rate limit that is not waited out any more means that nothing was done.
        let is_untouched = !frame.is_answered && problem.is_some_and(|problem| problem.code() == Code::RateLimited);
        let outcome = match problem {
            None => "done",
            Some(_) if is_untouched => "not_reached",
            Some(_) => "failed",
        };
        self.results[index] = row_value(frame, step, level, context, outcome, problem);
        match problem {
            None => self.counts.done += 1,
            Some(problem) => {
                self.counts.not_reached += u64::from(is_untouched);
                self.counts.failed += u64::from(!is_untouched);
                if step.stop_on_row_error || HALTING.contains(&problem.code()) {
                    self.halted.get_or_insert_with(|| problem.clone());
                }
            }
        }
    }

    fn finish(&mut self, step: &ForEach, level: &Level<'_>, context: &mut Context<'_>) -> Done {
        let scope = context.scope(*level);
        let unbegun = std::mem::take(&mut self.unbegun);
        for index in unbegun.into_iter().chain(self.next..self.total) {
            let row = scope.rows(&step.rows).ok().and_then(|rows| rows.get(index)).cloned();
            // A row that needs nothing has not been missed.
            let wanted = match (&step.when, &row) {
                (Some(when), Some(row)) => scope.at_row(row, |scope| scope.holds(when)).unwrap_or(true),
                _ => true,
            };
            let outcome = if wanted { "not_reached" } else { "skipped" };
            self.counts.not_reached += u64::from(wanted);
            self.counts.skipped += u64::from(!wanted);
            self.results[index] = row_value(&Frame::new(String::new(), row), step, level, context, outcome, None);
        }
        let Counts { done, failed, skipped, not_reached } = self.counts;
        context.shared.is_partial |= failed > 0 || not_reached > 0;
        let mut value = Map::new();
        value.insert("outcome".to_owned(), json!(if self.halted.is_some() { "stopped" } else { "ok" }));
        let counts =
            json!({"all": self.total, "done": done, "failed": failed, "skipped": skipped, "not_reached": not_reached});
        value.insert("counts".to_owned(), counts);
        let halted = self.halted.as_ref().map(Problem::body);
        value.insert("stopped_because".to_owned(), json!(halted.map(|body| &body.detail)));
        value.insert("stopped_code".to_owned(), json!(halted.map(|body| body.code)));
        value.insert("rows".to_owned(), Value::Array(std::mem::take(&mut self.results)));
        Done { value, turn: None, problem: self.halted.take().filter(|_| step.stop_on_row_error) }
    }
}

/// One row of the result.
fn row_value(
    frame: &Frame,
    step: &ForEach,
    level: &Level<'_>,
    context: &Context<'_>,
    outcome: &str,
    problem: Option<&Problem>,
) -> Value {
    let inside = Level { steps: &frame.results, row: frame.row.as_ref(), around: Some(level) };
    let mut value = Map::from_iter([("outcome".to_owned(), json!(outcome))]);
    let error = problem.map(Problem::body).map(|body| json!({"code": body.code, "detail": body.detail}));
    value.insert("error".to_owned(), json!(error));
    let at = matches!(outcome, "done" | "failed").then_some(context.shared.now);
    value.insert("at".to_owned(), json!(at));
    value.extend(all_or_null(&step.collect, &context.scope(inside)));
    Value::Object(value)
}
