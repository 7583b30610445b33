//! Approvals in the pipeline: a call that a rule requires one for is held back until it has been given, and then passes once.

use bytes::Bytes;
use quartermaster_definition::policy::{ApprovalScope, ApprovalTerms};
use quartermaster_store_model::{ApprovalKind, ApprovalRow, Opened};
use quartermaster_types::{ApprovalId, ApprovalState, Code, EnvironmentId, Problem, RunId};
use serde_json::{Value, json};

use super::card::{self, Card};
use super::{Terms, notice_of};
use crate::call::{CallProblem, Prepared};
use crate::plans::canonical;
use crate::policy::{Guarded, unread};
use crate::runs::RUN_SESSION_PREFIX;
use crate::{Actor, Gateway, storage_problem};

/// What a rule of the policy wants before a call passes.
#[derive(Debug)]
pub(crate) struct Required {
    /// The rule's name.
    pub(crate) rule: String,
    /// What the rule says.
    pub(crate) because: String,
    /// What has to be given.
    pub(crate) terms: ApprovalTerms,
    /// The version of the policy.
    pub(crate) policy_version: i64,
}

impl Required {
    /// Until somebody has looked for the approval.
    pub(crate) fn unmet(&self) -> Problem {
        let detail = format!("An approval is needed by the rule `{}`; nothing was sent.", self.rule);
        Problem::gateway(Code::ApprovalRequired, detail)
    }
}

/// An approval that a call has taken.
#[derive(Debug)]
pub(crate) struct Taken {
    environment_id: EnvironmentId,
    id: ApprovalId,
    by: String,
}

/// What a call asks of the approvals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// To be made: asks for an approval that is not there, and takes one that is.
    Call,
    /// To be rehearsed: looks, and leaves everything as it is.
    Rehearsal,
}

impl Gateway {
    /// Lets a call that needs an approval through when it has been given, and asks for it otherwise. Whatever else the guards
    /// decided stays as it is.
    pub(crate) async fn with_approval(
        &self,
        actor: &Actor,
        prepared: &Prepared,
        mut guarded: Guarded,
        asking: Asking,
    ) -> Guarded {
        let Some(required) = guarded.approval.take() else { return guarded };
        let (before, upstream_calls) = (guarded.before.take(), guarded.upstream_calls);
        let mut pass = Pass { gateway: self, actor, prepared, required: *required, asking, before, upstream_calls };
        let passed = pass.look().await;
        (guarded.before, guarded.upstream_calls) = (pass.before, pass.upstream_calls);
        match passed {
            Ok(passed) => {
                if let Some(why) = &mut guarded.why {
                    why["allowed"] = true.into();
                    why["approval"] = json!({"id": passed.id, "state": passed.state});
                }
                guarded.result = Ok(());
                guarded.taken = passed.taken;
            }
            Err(failed) => {
                if let (Some(why), Some(notice)) = (&mut guarded.why, &failed.problem.body().approval) {
                    why["approval"] = json!({"id": notice.id, "state": notice.state});
                }
                guarded.result = Err(failed);
            }
        }
        guarded
    }

    /// Gives back what a call took: nothing was done with it.
    pub(crate) async fn give_back(&self, taken: Taken) {
        let Taken { environment_id, id, by } = taken;
        if let Err(error) = self.inner.store.give_back_approval(environment_id, id, &by).await {
            tracing::warn!(%error, %id, "an approval could not be given back; it has to be asked for again");
        }
    }
}

/// A call on its way past an approval.
struct Pass<'a> {
    gateway: &'a Gateway,
    actor: &'a Actor,
    prepared: &'a Prepared,
    required: Required,
    asking: Asking,
    /// The record as the guards read it.
    before: Option<Bytes>,
    upstream_calls: u32,
}

/// The approval that lets it through.
struct Passed {
    id: ApprovalId,
    state: ApprovalState,
    taken: Option<Taken>,
}

impl Pass<'_> {
    async fn look(&mut self) -> Result<Passed, CallProblem> {
        let run = run_of(self.prepared);
        let kind = match (self.required.terms.scope, run) {
            (ApprovalScope::Plan, _) => return Err(self.needs_a_plan().into()),
            (ApprovalScope::Run, Some(_)) => ApprovalKind::Run,
            (ApprovalScope::Run, None) | (ApprovalScope::Call, _) => ApprovalKind::Call,
        };
        let fingerprint = self.fingerprint(kind);
        let store = &self.gateway.inner.store;
        let last = store.last_approval(self.actor.environment_id, &fingerprint).await.map_err(storage_problem)?;
        let Some(last) = last else { return Err(self.ask(kind, fingerprint, None).await) };
        let now = self.gateway.inner.clock.now();
        match last.state_at(now) {
            ApprovalState::Pending => Err(self.waits(&last, None).into()),
            ApprovalState::Approved if kind == ApprovalKind::Run => {
                Ok(Passed { id: last.id, state: ApprovalState::Approved, taken: None })
            }
            ApprovalState::Approved => self.take(last).await,
            // A no holds for as long as the question would have stood; in a run to its end.
            ApprovalState::Denied if run.is_some() || last.expires_at > now => Err(self.denied(&last).await.into()),
            ApprovalState::Used if last.used_by.as_deref() == self.key().as_deref() && last.used_by.is_some() => {
                self.take(last).await
            }
            ApprovalState::Expired if run.is_some() && (kind == ApprovalKind::Run || last.step == self.step()) => {
                Err(self.expired(&last).into())
            }
            _ => Err(self.ask(kind, fingerprint, None).await),
        }
    }

    /// What has to be the same for an approval to be about a call. The rule with its terms is part of it: what was approved under
    /// other terms does not count.
    fn fingerprint(&self, kind: ApprovalKind) -> [u8; 32] {
        let method = self.prepared.method();
        let terms = &self.required.terms;
        let asked = json!([self.required.rule, terms.scope, terms.quorum, terms.approvers]).to_string();
        let token = self.actor.token_id;
        let session = self.prepared.session.as_deref().unwrap_or_default();
        let whose: [&[u8]; 5] =
            [b"approval", kind.as_str().as_bytes(), token.0.as_bytes(), session.as_bytes(), asked.as_bytes()];
        if kind == ApprovalKind::Run {
            return self.gateway.fingerprint(self.actor, &whose);
        }
        let arguments = canonical(&Value::Object(self.prepared.arguments.clone()));
        let what: [&[u8]; 4] = [
            self.prepared.entry.id.0.as_bytes(),
            method.resource.as_bytes(),
            method.name.as_bytes(),
            arguments.as_bytes(),
        ];
        self.gateway.fingerprint(self.actor, &[whose.as_slice(), what.as_slice()].concat())
    }

    /// Takes an approved call, unless the record is not any more what was approved.
    async fn take(&mut self, approval: ApprovalRow) -> Result<Passed, CallProblem> {
        let (environment_id, id) = (self.actor.environment_id, approval.id);
        // What this very request took before is not looked at again: it may have made the change.
        if approval.state == ApprovalState::Approved && approval.record_digest != card::digest_of(&self.record().await?)
        {
            if self.asking == Asking::Call {
                self.gateway.inner.store.expire_approval(environment_id, id).await.map_err(storage_problem)?;
            }
            return Err(self.ask(approval.kind, approval.fingerprint, Some(id)).await);
        }
        if self.asking == Asking::Rehearsal {
            return Ok(Passed { id, state: approval.state, taken: None });
        }
        let by = self.key().unwrap_or_else(|| format!("request:{}", self.prepared.request_id));
        let now = self.gateway.inner.clock.now();
        let used =
            self.gateway.inner.store.use_approval(environment_id, id, &by, now).await.map_err(storage_problem)?;
        if !used {
            let problem = Problem::caller(
                Code::Conflict,
                format!("The approval {id} was used by another request at the same moment; nothing was sent."),
            );
            return Err(problem
                .with_hint("One approval lets one call through. Read the state before asking again.")
                .into());
        }
        Ok(Passed { id, state: ApprovalState::Used, taken: Some(Taken { environment_id, id, by }) })
    }

    /// Asks approvers. `outdated`: an approval that does not count any more.
    async fn ask(&mut self, kind: ApprovalKind, fingerprint: [u8; 32], outdated: Option<ApprovalId>) -> CallProblem {
        if self.asking == Asking::Rehearsal {
            return self.would_be_asked(outdated).into();
        }
        let opened = match self.record().await {
            Ok(record) => self.open(kind, fingerprint, &record).await,
            Err(failed) => return failed,
        };
        match opened {
            Ok(approval) => self.waits(&approval, outdated).into(),
            Err(problem) => problem.into(),
        }
    }

    async fn open(&self, kind: ApprovalKind, fingerprint: [u8; 32], record: &Value) -> Result<ApprovalRow, Problem> {
        let mut card = card::of_call(self.prepared, record)?;
        let run = run_of(self.prepared);
        if let (ApprovalKind::Run, Some(run)) = (kind, run) {
            card.note = Some(format!(
                "A yes lets through every call of the run {run} that the rule `{}` is about; the row is the first of them.",
                self.required.rule
            ));
        }
        self.insert(kind, fingerprint, &card, card::digest_of(record).filter(|_| kind == ApprovalKind::Call)).await
    }

    async fn insert(
        &self,
        kind: ApprovalKind,
        fingerprint: [u8; 32],
        card: &Card,
        record_digest: Option<[u8; 32]>,
    ) -> Result<ApprovalRow, Problem> {
        let required = &self.required;
        let terms = Terms {
            rule: Some(required.rule.clone()),
            policy_version: Some(required.policy_version),
            because: required.because.clone(),
            expires_in_seconds: required.terms.expires_in_seconds,
            approvers: required.terms.approvers.clone(),
        };
        let now = self.gateway.inner.clock.now();
        let row = ApprovalRow {
            id: self.gateway.inner.ids.next(),
            environment_id: self.actor.environment_id,
            kind,
            fingerprint,
            record_digest,
            token_id: self.actor.token_id,
            session: self.prepared.session.clone(),
            run_id: run_of(self.prepared),
            step: self.step(),
            account_id: Some(self.prepared.entry.id),
            subject: self.prepared.method().full_name(),
            card: card.text()?,
            terms: terms.text(),
            quorum: required.terms.quorum,
            state: ApprovalState::Pending,
            created_at: now,
            expires_at: now.plus_ms(terms.lasts_ms()),
            decided_at: None,
            used_by: None,
            used_at: None,
        };
        match self.gateway.ask_for(&row, self.prepared.request_id).await? {
            Opened::New => Ok(row),
            Opened::Open(open) => Ok(*open),
        }
    }

    /// The record that the call names, read once.
    async fn record(&mut self) -> Result<Value, CallProblem> {
        if let Some(body) = &self.before {
            return serde_json::from_slice(body).map_err(|_| card::unreadable().into());
        }
        match self.gateway.fresh_record(self.prepared).await {
            Ok(read) => {
                self.upstream_calls += read.upstream_calls;
                self.before = read.body;
                Ok(read.record)
            }
            Err(failure) => {
                self.upstream_calls += failure.upstream_calls;
                let Guarded { result, .. } = unread(failure);
                Err(result.err().unwrap_or_else(|| card::unreadable().into()))
            }
        }
    }

    /// The name under which this request takes an approval, where it has one that a repetition shares.
    fn key(&self) -> Option<String> {
        self.prepared.idempotency_key.as_ref().map(|key| format!("key:{key}"))
    }

    fn step(&self) -> Option<String> {
        self.prepared.idempotency_key.clone()
    }

    fn waits(&self, approval: &ApprovalRow, outdated: Option<ApprovalId>) -> Problem {
        let id = approval.id;
        let before = outdated.map_or_else(String::new, |old| {
            format!("The record changed since the approval {old} was asked for, so that one does not count any more. ")
        });
        let detail = format!("{before}{} The approval {id} was asked for; nothing was sent.", self.wants());
        let hint = format!(
            "Report that this waits for the approval {id}, until {}. Do not look for a way around it. Once GET /approval/{id} \
             says `approved`, make the very same call again in the same session: it passes once.",
            approval.expires_at
        );
        Problem::gateway(Code::ApprovalRequired, detail)
            .with_hint(hint)
            .with_approval(notice_of(approval, self.gateway.inner.clock.now()))
    }

    fn would_be_asked(&self, outdated: Option<ApprovalId>) -> Problem {
        let before = outdated.map_or_else(String::new, |old| {
            format!("The record changed since the approval {old} was asked for, so that one does not count. ")
        });
        Problem::gateway(
            Code::ApprovalRequired,
            format!("{before}{} Nobody was asked by this rehearsal.", self.wants()),
        )
        .with_hint("Making the call asks for the approval; it is sent only once that has been given.")
    }

    fn needs_a_plan(&self) -> Problem {
        let detail =
            format!("{} Here that means: only as part of a plan that was approved. Nothing was sent.", self.wants());
        Problem::gateway(Code::ApprovalRequired, detail)
            .with_hint("Put the calls that are wanted into a plan, and have that approved.")
    }

    /// What the rule wants, in a sentence.
    fn wants(&self) -> String {
        let Required { rule, because, terms, policy_version, .. } = &self.required;
        let of = if terms.quorum == 1 { "an approval".to_owned() } else { format!("the approval of {}", terms.quorum) };
        format!(
            "{} needs {of} by the rule `{rule}` of this environment's policy (version {policy_version}): {because}",
            self.prepared.method().tool_name
        )
    }

    async fn denied(&self, approval: &ApprovalRow) -> Problem {
        let votes = self.gateway.inner.store.list_approval_votes(approval.environment_id, approval.id).await;
        let no = votes.unwrap_or_default().into_iter().find(|vote| !vote.approve);
        let by = no.as_ref().map_or("an approver", |vote| vote.name.as_str());
        let reason = no.as_ref().and_then(|vote| vote.reason.as_deref()).unwrap_or("no reason was given");
        let tool = &self.prepared.method().tool_name;
        let detail = format!("{tool} was denied by {by} (approval {}): {reason}", approval.id);
        Problem::gateway(Code::DeniedByPolicy, detail)
            .with_hint("Do not try again, and do not look for a way around it. Report who denied it and why.")
            .with_approval(notice_of(approval, self.gateway.inner.clock.now()))
    }

    fn expired(&self, approval: &ApprovalRow) -> Problem {
        let tool = &self.prepared.method().tool_name;
        let detail = format!(
            "{tool} was not approved in time: the approval {} waited until {}. Nothing was sent.",
            approval.id, approval.expires_at
        );
        Problem::gateway(Code::DeniedByPolicy, detail)
            .with_hint("Report that nobody decided. A new run asks anew.")
            .with_approval(notice_of(approval, self.gateway.inner.clock.now()))
    }
}

/// The run whose call it is.
fn run_of(prepared: &Prepared) -> Option<RunId> {
    prepared.session.as_deref()?.strip_prefix(RUN_SESSION_PREFIX)?.parse().ok()
}
