//! Undo: a plan of the inverses of what a run really changed, last first.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use quartermaster_definition::plan::Effect;
use quartermaster_definition::{Method, Plan};
use quartermaster_store_model::{AuditQuery, AuditRecord, Outcome, Role, RunRow};
use quartermaster_types::{AccountId, Code, Problem, RequestId, RunId};
use serde_json::{Map, Value, json};

use super::make::{Draft, Order, Vouched};
use super::{PlanView, find};
use crate::limits::{PLAN_CALLS_MAX, UNDO_AUDIT_MAX};
use crate::runs::machine::{Call, Entry};
use crate::{Actor, Gateway, Target, rights, storage_problem};

/// Audit records that are read at once.
const AUDIT_PAGE: u32 = 200;

/// How a run is to be undone.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    /// The plan is only shown: it is not kept, and cannot be executed.
    pub dry_run: bool,
    /// Why, for whoever reads it.
    pub reason: Option<String>,
}

/// A write that a run made.
struct Wrote {
    call: Call,
    /// The record that the answer brought.
    record: Value,
    /// False when the journal does not know what became of it.
    is_certain: bool,
}

/// A write that a worker began.
struct Begun {
    /// How often: more than once when a worker died over it.
    times: u32,
    /// What it changed, as far as is known.
    wrote: Option<Wrote>,
}

impl Wrote {
    fn id(&self) -> Option<String> {
        find::text_at(&Value::Object(self.call.arguments.clone()), "/id")
    }

    fn target(&self) -> (String, String, Option<String>) {
        (self.call.resource.clone(), self.call.method.clone(), self.id())
    }
}

impl Gateway {
    /// Makes a plan that undoes a run. What cannot be undone is a row of it that says so, before anything is done.
    pub async fn undo_run(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: RunId,
        undo: Undo,
    ) -> Result<PlanView, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Agent], "undo runs")?;
        super::make::check_reason(undo.reason.as_deref())?;
        let run = self.visible_run(actor, id).await?;
        if !run.state.is_end() {
            let detail = format!("The run {id} has not ended, so what it changes is not known yet.");
            return Err(Problem::caller(Code::Conflict, detail)
                .with_hint(format!("Wait for its end, or stop it with POST /run/{id}/cancel.")));
        }
        let account = run.account_id.ok_or_else(|| nothing(id))?;
        let account = self.account(actor, account).await?;
        let plan = Arc::clone(&account.plan.plan);
        let entries = self.journal_of(&run).await?;
        let mut writes = writes(&plan, entries.into_iter().map(|(_, entry)| entry));
        self.settle_uncertain(&run, &mut writes).await?;
        writes.reverse();
        if writes.is_empty() {
            return Err(nothing(id));
        }
        if writes.len() > PLAN_CALLS_MAX {
            let count = writes.len();
            let detail = format!("The run {id} made {count} changes; a plan holds at most {PLAN_CALLS_MAX}.");
            return Err(Problem::caller(Code::Unsupported, detail)
                .with_hint("Its export lists the changes; plan their inverses in several plans."));
        }
        let drafts = writes.iter().map(|wrote| draft(&plan, account.id, wrote)).collect();
        let order = Order { account, session: None, undoes: Some(id) };
        let drawn = self.draw_up(actor, &order, drafts).await?;
        let reason = Some(undo.reason.unwrap_or_else(|| format!("Undoes the run {id} ({}).", run.name)));
        if !undo.dry_run {
            return self.keep_plan(actor, request_id, drawn, reason, None, None).await;
        }
        let row = self.plan_row(actor, &drawn, reason, None)?;
        let mut view = PlanView::of(&row, self.inner.clock.now())?;
        view.summary.id = None;
        let calls = u32::try_from(view.cost.calls_made).unwrap_or(u32::MAX);
        let audit = self.change(actor, request_id, "plan.rehearse").account(row.account_id).target(id);
        let recorded = self.inner.audit.commit(audit.after(&view.summary).upstream_calls(calls).row()).await;
        recorded.map_err(|_| crate::not_recorded())?;
        Ok(view)
    }

    /// Asks the audit log what became of writes whose end the journal lost. What was done is certain then, what was refused falls
    /// out; the others stay uncertain, and their record will tell.
    async fn settle_uncertain(&self, run: &RunRow, writes: &mut Vec<Wrote>) -> Result<(), Problem> {
        let open: HashSet<_> = writes.iter().filter(|wrote| !wrote.is_certain).map(Wrote::target).collect();
        if open.is_empty() {
            return Ok(());
        }
        let actions: HashSet<String> =
            open.iter().map(|(resource, method, _)| format!("{resource}.{method}")).collect();
        let session = crate::runs::session(run.id);
        let mut outcomes: Vec<AuditRecord> = Vec::new();
        for action in actions {
            outcomes.extend(self.records_of(run, &session, action).await?);
        }
        writes.retain_mut(|wrote| {
            if wrote.is_certain {
                return true;
            }
            let (action, id) = (format!("{}.{}", wrote.call.resource, wrote.call.method), wrote.id());
            let known: Vec<_> = outcomes
                .iter()
                .filter(|record| record.action == action && record.target == id)
                .map(|record| record.outcome)
                .collect();
            wrote.is_certain = known.contains(&Outcome::Ok);
            wrote.is_certain || known.iter().all(|outcome| *outcome != Outcome::Refused)
        });
        Ok(())
    }

    async fn records_of(&self, run: &RunRow, session: &str, action: String) -> Result<Vec<AuditRecord>, Problem> {
        let (mut found, mut looked_at, mut before) = (Vec::new(), 0, None);
        while looked_at < UNDO_AUDIT_MAX {
            let query = AuditQuery {
                before,
                account_id: run.account_id,
                action: Some(action.clone()),
                request_id: None,
                limit: AUDIT_PAGE,
            };
            let page = self.inner.store.list_audit(run.environment_id, &query).await.map_err(storage_problem)?;
            let Some(last) = page.last() else { return Ok(found) };
            before = Some(last.id);
            looked_at += page.len();
            let is_older = last.at < run.created_at;
            found.extend(page.into_iter().filter(|record| record.session.as_deref() == Some(session)));
            if is_older {
                return Ok(found);
            }
        }
        Ok(found)
    }
}

/// The writes of a journal that changed something, or may have, in the order in which they were begun.
fn writes(plan: &Plan, entries: impl Iterator<Item = Entry>) -> Vec<Wrote> {
    let mut calls: IndexMap<String, Begun> = IndexMap::new();
    for entry in entries {
        match entry {
            Entry::Begun { call, .. } if is_write(plan, &call) => {
                // Begun and not ended: nobody knows, unless an entry below tells.
                let open = || Wrote { call: call.clone(), record: Value::Null, is_certain: false };
                let known = calls.entry(call.key.clone()).or_insert_with(|| Begun { times: 0, wrote: Some(open()) });
                known.times += 1;
            }
            Entry::Finished { key, mut result, .. } => {
                let Some(Begun { times, wrote }) = calls.get_mut(&key) else { continue };
                let changed = result.get("changed").and_then(Value::as_bool) != Some(false);
                if !changed && *times < 2 {
                    *wrote = None;
                } else if let Some(wrote) = wrote {
                    wrote.record = result.get_mut("result").map(Value::take).unwrap_or_default();
                    // Found done after a worker died over it: most likely by that worker.
                    wrote.is_certain = changed;
                }
            }
            Entry::Failed { key, problem, .. } => {
                let Some(begun) = calls.get_mut(&key) else { continue };
                if !is_open(problem.code()) {
                    begun.wrote = None;
                }
            }
            Entry::Begun { .. } | Entry::Asked { .. } | Entry::Answered { .. } | Entry::Woken { .. } => {}
        }
    }
    let mut writes: Vec<Wrote> = calls.into_values().filter_map(|begun| begun.wrote).collect();
    // An attempt that got no answer and was made again is one change.
    let certain: HashSet<_> = writes.iter().filter(|wrote| wrote.is_certain).map(Wrote::target).collect();
    let mut open = HashSet::new();
    writes.retain(|wrote| wrote.is_certain || (!certain.contains(&wrote.target()) && open.insert(wrote.target())));
    writes
}

fn is_write(plan: &Plan, call: &Call) -> bool {
    let effect = plan.method(&call.resource, &call.method).map(|method| method.effect);
    // A method that the definition has no more is none that can be told to be harmless.
    !call.dry_run && effect != Some(Effect::Read)
}

/// Failures after which the change may have happened.
fn is_open(code: Code) -> bool {
    matches!(
        code,
        Code::UpstreamInvalid
            | Code::UpstreamUnavailable
            | Code::UpstreamTimeout
            | Code::ResponseTooLarge
            | Code::Internal
    )
}

/// The row that takes a write back, or that says why there is none.
fn draft(plan: &Plan, account: AccountId, wrote: &Wrote) -> Draft {
    let call = &wrote.call;
    let name = format!("{}.{}", call.resource, call.method);
    let elsewhere = call.account.as_deref().filter(|named| *named != account.to_string());
    let inverse = inverse(plan, call);
    let refused = match (elsewhere, &inverse) {
        (Some(other), _) => {
            Some(cannot(format!("{name} was called on another integrated account ({other}), and a plan is about one.")))
        }
        (None, None) => Some(cannot(format!(
            "{name} cannot be undone: the definition of {} declares no inverse of it.",
            plan.label
        ))),
        _ => None,
    };
    let note = (!wrote.is_certain).then(|| {
        format!("what became of {name} in the run is not known; it is taken back if the record is as {name} leaves it")
    });
    let mut draft = Draft {
        target: Target::Method { resource: call.resource.clone(), method: call.method.clone() },
        arguments: call.arguments.clone(),
        email: None,
        expect: Map::new(),
        vouched: None,
        refused,
        note,
    };
    let Some((method, left_in)) = inverse.filter(|_| draft.refused.is_none()) else { return draft };
    draft.target = Target::Method { resource: method.resource.clone(), method: method.name.clone() };
    draft.arguments.retain(|name, _| method.arguments.iter().any(|argument| argument.name == *name));
    let lifecycle = plan.lifecycle.as_ref().filter(|lifecycle| lifecycle.resource == method.resource);
    if let Some(email) = lifecycle.and_then(|lifecycle| find::text_at(&wrote.record, &lifecycle.email)) {
        draft.expect.insert("email".to_owned(), json!(email));
    }
    draft.vouched = wrote.id().map(|id| Vouched { resource: method.resource.clone(), id, left_in: Some(left_in) });
    draft
}

/// The method that takes a write back, and the state that the write leads to.
fn inverse<'a>(plan: &'a Plan, call: &Call) -> Option<(&'a Method, String)> {
    let transition = plan.method(&call.resource, &call.method)?.transition.as_ref()?;
    let method = plan.method(&call.resource, transition.undo.as_deref()?)?;
    Some((method, transition.to.clone()))
}

fn cannot(detail: String) -> Problem {
    Problem::gateway(Code::Unsupported, detail).with_hint("The audit log has the record as it was before.")
}

fn nothing(id: RunId) -> Problem {
    Problem::caller(Code::PreconditionFailed, format!("The run {id} changed nothing, so there is nothing to undo."))
        .with_hint(format!("GET /run/{id} shows its steps."))
}
