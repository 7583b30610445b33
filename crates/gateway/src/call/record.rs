//! The audit record of one call, built once while the call goes on, and the counters that go with it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quartermaster_definition::Method;
use quartermaster_engine::{Answer, Failure};
use quartermaster_store_model::{AUDIT_ARGUMENTS_MAX_BYTES, AuditRow, Outcome};
use quartermaster_types::{Code, Origin, Problem};
use quartermaster_vault::Scrubber;
use serde_json::{Map, Value};

use super::CallRequest;
use crate::accounts::AccountEntry;
use crate::audit::NotCommitted;
use crate::limits::{AUDIT_STATE_MAX_BYTES, AUDIT_TARGET_MAX_BYTES};
use crate::plans::{MethodPlace, PlanEntry};
use crate::policy::Guarded;
use crate::{Actor, Gateway};

/// A record in the making. When it is dropped unfinished (the caller went away), what is known is recorded.
pub(crate) struct Record {
    gateway: Gateway,
    row: Option<AuditRow>,
    counted: Option<(Arc<PlanEntry>, MethodPlace)>,
    started: Instant,
    /// Calls to the vendor that the guards needed.
    guard_calls: u32,
}

/// The action of a call whose method is not known.
const UNKNOWN_ACTION: &str = "call";

impl Record {
    pub(crate) fn begin(gateway: &Gateway, actor: &Actor, request: &CallRequest, started: Instant) -> Self {
        let row = AuditRow {
            id: gateway.inner.ids.next(),
            environment_id: actor.environment_id,
            at: gateway.inner.clock.now(),
            request_id: request.request_id,
            token_id: actor.token_id,
            session: request.session.clone(),
            door: request.door.as_str(),
            action: String::new(),
            account_id: None,
            target: None,
            arguments: None,
            before: None,
            after: None,
            decision: None,
            outcome: Outcome::Failed,
            code: None,
            upstream_calls: 0,
            duration_ms: 0,
        };
        Self { gateway: gateway.clone(), row: Some(row), counted: None, started, guard_calls: 0 }
    }

    fn with(&mut self, change: impl FnOnce(&mut AuditRow)) {
        if let Some(row) = &mut self.row {
            change(row);
        }
    }

    /// The account is known.
    pub(crate) fn account(&mut self, entry: &AccountEntry) {
        self.with(|row| row.account_id = Some(entry.id));
    }

    /// The method is known.
    pub(crate) fn method(&mut self, plan: &Arc<PlanEntry>, place: MethodPlace) {
        self.with(|row| row.action = plan.method(place).full_name());
        self.counted = Some((Arc::clone(plan), place));
    }

    /// What is done, when it is no method of a definition.
    pub(crate) fn action(&mut self, action: String, target: String) {
        self.with(|row| {
            row.action = action;
            row.target = Some(cut(target, AUDIT_TARGET_MAX_BYTES));
        });
    }

    /// The arguments are known to be good. They are scrubbed of the account's secrets when they could hold one.
    pub(crate) fn arguments(
        &mut self,
        entry: &AccountEntry,
        method: &Method,
        arguments: &Map<String, Value>,
    ) -> Result<(), Problem> {
        if arguments.is_empty() {
            return Ok(());
        }
        let mut text = serde_json::to_string(arguments).unwrap_or_default();
        if arguments.iter().any(|(name, value)| could_hold_a_secret(method, name, value)) {
            text = Scrubber::new(&entry.credentials()?).scrub(&text);
        }
        if text.len() > AUDIT_ARGUMENTS_MAX_BYTES {
            // What is left is no JSON object any more, so it is kept as a JSON text.
            text = Value::String(cut(text, AUDIT_ARGUMENTS_MAX_BYTES / 2)).to_string();
        }
        let target = arguments.get("id").filter(|_| method.takes_id).and_then(Value::as_str).map(str::to_owned);
        self.with(|row| {
            row.arguments = Some(text);
            row.target = target.map(|target| cut(target, AUDIT_TARGET_MAX_BYTES));
        });
        Ok(())
    }

    /// What the guards made of it. What was expected of the record comes from the caller, so it is scrubbed like arguments.
    pub(crate) fn guarded(&mut self, entry: &AccountEntry, guarded: &Guarded) {
        self.guard_calls = guarded.upstream_calls;
        let Some(decision) = guarded.decision() else { return };
        let mut text = decision.to_string();
        if guarded.compared.is_some() {
            text = match entry.credentials() {
                Ok(credentials) => Scrubber::new(&credentials).scrub(&text),
                Err(_) => return,
            };
        }
        self.with(|row| row.decision = Some(text));
    }

    /// The guards did not let it through: they refused, or could not read what they need.
    pub(crate) async fn not_let_through(self, problem: &Problem) {
        if problem.body().origin == Origin::Upstream {
            return self.failed(problem, 0).await;
        }
        self.refused(problem).await;
    }

    /// A read that worked.
    pub(crate) async fn done(mut self, upstream_calls: u32) {
        if let Some(row) = self.finish(Outcome::Ok, None, upstream_calls) {
            self.gateway.inner.audit.record(row).await;
        }
    }

    /// A read that failed.
    pub(crate) async fn failed(mut self, problem: &Problem, upstream_calls: u32) {
        if let Some(row) = self.finish(outcome_of(problem, upstream_calls), Some(problem.code()), upstream_calls) {
            self.gateway.inner.audit.record(row).await;
        }
    }

    /// Refused before anything was sent.
    pub(crate) async fn refused(mut self, problem: &Problem) {
        self.gateway.inner.metrics.refused(problem.code());
        if let Some(row) = self.finish(Outcome::Refused, Some(problem.code()), 0) {
            self.gateway.inner.audit.record(row).await;
        }
    }

    /// Answered from the stored answer of an earlier call; nothing was done now.
    pub(crate) async fn replayed(mut self, worked: bool) {
        let outcome = if worked { Outcome::Unchanged } else { Outcome::Failed };
        if let Some(row) = self.finish(outcome, None, 0) {
            self.gateway.inner.audit.record(row).await;
        }
    }

    /// A write that worked: state before and after.
    pub(crate) fn written(mut self, answer: &Answer) -> Self {
        let Answer::Single(single) = answer else {
            let Answer::List(list) = answer else { return self };
            self.settle(Outcome::Ok, None, list.upstream_calls);
            return self;
        };
        let outcome = if single.changed == Some(false) { Outcome::Unchanged } else { Outcome::Ok };
        self.settle(outcome, None, single.upstream_calls);
        self.with(|row| {
            row.before = single.before.as_ref().map(state);
            row.after = Some(state(&single.body));
        });
        self
    }

    /// A raw write that was answered.
    pub(crate) fn sent(mut self) -> Self {
        self.settle(Outcome::Ok, None, 1);
        self
    }

    /// A write that failed.
    pub(crate) fn not_written(mut self, failure: &Failure) -> Self {
        let problem = &failure.problem;
        self.settle(outcome_of(problem, failure.upstream_calls), Some(problem.code()), failure.upstream_calls);
        self.with(|row| row.before = failure.before.as_ref().map(state));
        self
    }

    /// Waits until the record of a write is committed.
    pub(crate) async fn commit(mut self) -> Result<(), NotCommitted> {
        match self.row.take() {
            Some(row) => self.gateway.inner.audit.commit(row).await,
            None => Ok(()),
        }
    }

    /// There is nothing to be recorded.
    pub(crate) fn forget(mut self) {
        self.row = None;
    }

    fn finish(&mut self, outcome: Outcome, code: Option<Code>, upstream_calls: u32) -> Option<AuditRow> {
        self.settle(outcome, code, upstream_calls);
        self.row.take()
    }

    fn settle(&mut self, outcome: Outcome, code: Option<Code>, upstream_calls: u32) {
        let elapsed = self.started.elapsed();
        let guard_calls = self.guard_calls;
        let metrics = &self.gateway.inner.metrics;
        metrics.call_duration.observe(elapsed.as_secs_f64());
        if code == Some(Code::RateLimited) {
            metrics.rate_limited.inc();
            if outcome == Outcome::Refused {
                metrics.rate_budget_refused.inc();
            }
        }
        if let Some((plan, place)) = self.counted.take() {
            plan.metrics(place).count(outcome);
        }
        self.with(|row| {
            if row.action.is_empty() {
                UNKNOWN_ACTION.clone_into(&mut row.action);
            }
            row.outcome = outcome;
            row.code = code.map(Code::as_str);
            row.upstream_calls = upstream_calls + guard_calls;
            row.duration_ms = u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX);
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.row.is_some()
            && let Some(row) = self.finish(Outcome::Failed, None, 0)
        {
            self.gateway.inner.audit.record_now(row);
        }
    }
}

/// A failure without any exchange, not the vendor's fault, is a refusal.
fn outcome_of(problem: &Problem, upstream_calls: u32) -> Outcome {
    if upstream_calls == 0 && problem.body().origin != Origin::Upstream { Outcome::Refused } else { Outcome::Failed }
}

/// Short texts, numbers, listed values and well-formed ids hold no secret; for the others the credentials are opened and compared.
fn could_hold_a_secret(method: &Method, name: &str, value: &Value) -> bool {
    const SECRET_MIN_BYTES: usize = 6;
    match value {
        Value::String(text) => {
            text.len() >= SECRET_MIN_BYTES && !(name == "id" && method.takes_id) && !is_one_of_a_list(method, name)
        }
        Value::Array(_) | Value::Object(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether the definition lists the values that the argument may have.
fn is_one_of_a_list(method: &Method, name: &str) -> bool {
    method.arguments.iter().any(|argument| argument.name == name && argument.schema.get("enum").is_some())
}

/// A record's state as JSON text; one that is too long is only named.
fn state(body: &Bytes) -> String {
    if body.len() > AUDIT_STATE_MAX_BYTES {
        return format!("{{\"omitted_bytes\":{}}}", body.len());
    }
    String::from_utf8_lossy(body).into_owned()
}

/// The first `most` bytes, cut between characters.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate((0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_the_limit_and_between_characters() {
        assert_eq!(cut("abc".to_owned(), 3), "abc");
        assert_eq!(cut("abcd".to_owned(), 3), "abc");
        assert_eq!(cut("aäb".to_owned(), 2), "a");
    }

    #[test]
    fn a_state_is_kept_up_to_the_limit() {
        let at = Bytes::from(vec![b'1'; AUDIT_STATE_MAX_BYTES]);
        assert_eq!(state(&at).len(), AUDIT_STATE_MAX_BYTES);
        let past = Bytes::from(vec![b'1'; AUDIT_STATE_MAX_BYTES + 1]);
        assert_eq!(state(&past), format!("{{\"omitted_bytes\":{}}}", AUDIT_STATE_MAX_BYTES + 1));
    }
}
