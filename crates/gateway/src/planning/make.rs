//! Drawing up a plan: every call is rehearsed, its record read as it is now, and what will be done written down.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use quartermaster_playbook::plan::{LeftOut, PLAN_FORMAT, PlannedStep, PlannedWork};
use quartermaster_playbook::{AccountFacts, IntegrationFacts};
use quartermaster_store_model::{PlanRow, PlanState, Role};
use quartermaster_types::{Code, PlanId, Problem, RequestId, RunId};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::find::Found;
use super::record::{Read, Spent, pause};
use super::row::{self, Overlay};
use super::view::{Document, PlanTotals};
use super::{NewPlan, PlanView, cost};
use crate::accounts::AccountEntry;
use crate::call::Rehearsal;
use crate::limits::{
    PLAN_CALLS_MAX, PLAN_LASTS_DEFAULT, PLAN_LASTS_MAX, PLAN_LASTS_MIN, PLAN_MAKING_MAX, PLAN_MAX_BYTES,
    PLAN_READS_AT_ONCE_MAX, PLAN_REASON_MAX_BYTES,
};
use crate::plans::canonical;
use crate::policy::read_of;
use crate::{Actor, Arguments, CallRequest, Door, Gateway, Target, rights, storage_problem};

/// One row on its way into a plan.
pub(super) struct Draft {
    pub(super) target: Target,
    pub(super) arguments: Map<String, Value>,
    pub(super) email: Option<String>,
    pub(super) expect: Map<String, Value>,
    /// The gateway's own books name the record: its id need not have been read in the caller's session.
    pub(super) vouched: Option<Vouched>,
    /// What is wrong with it before anything is looked at.
    pub(super) refused: Option<Problem>,
    pub(super) note: Option<String>,
}

/// A record that a run wrote to.
pub(super) struct Vouched {
    pub(super) resource: String,
    pub(super) id: String,
    /// The state in which the run left it, where the definition says.
    pub(super) left_in: Option<String>,
}

/// A plan that was drawn up.
pub(super) struct Drawn {
    pub(super) id: PlanId,
    pub(super) account: Arc<AccountEntry>,
    pub(super) document: Document,
    pub(super) undoes: Option<RunId>,
}

/// What a plan is drawn up from besides its rows.
pub(super) struct Order<'a> {
    pub(super) account: Arc<AccountEntry>,
    pub(super) session: Option<&'a str>,
    pub(super) undoes: Option<RunId>,
}

impl Gateway {
    /// Makes a plan: every call is rehearsed and its record read; nothing is changed.
    pub async fn make_plan(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        new: NewPlan,
    ) -> Result<PlanView, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Agent], "make plans")?;
        check(&new)?;
        let account = self.account(actor, new.account).await?;
        let drafts = new.calls.into_iter().map(|call| Draft {
            target: call.target,
            arguments: call.arguments,
            email: call.email,
            expect: call.expect,
            vouched: None,
            refused: None,
            note: None,
        });
        let order = Order { account, session: new.session.as_deref(), undoes: None };
        let drawn = self.draw_up(actor, &order, drafts.collect()).await?;
        self.keep_plan(actor, request_id, drawn, new.reason, new.lasts, new.session.clone()).await
    }

    /// Stores a plan that was drawn up, with its audit record.
    pub(super) async fn keep_plan(
        &self,
        actor: &Actor,
        request_id: RequestId,
        drawn: Drawn,
        reason: Option<String>,
        lasts: Option<Duration>,
        session: Option<String>,
    ) -> Result<PlanView, Problem> {
        let row = self.plan_row(actor, &drawn, reason, lasts)?;
        let view = PlanView::of(&row, self.inner.clock.now())?;
        let calls = u32::try_from(drawn.document.cost.calls_made).unwrap_or(u32::MAX);
        let mut audit = self
            .change(actor, request_id, "plan.make")
            .account(row.account_id)
            .target(row.id)
            .after(&view.summary)
            .upstream_calls(calls);
        if let Some(session) = session {
            audit = audit.session(session);
        }
        self.inner.store.insert_plan(&row, &audit.row()).await.map_err(storage_problem)?;
        Ok(view)
    }

    /// The row of a plan that was drawn up.
    pub(super) fn plan_row(
        &self,
        actor: &Actor,
        drawn: &Drawn,
        reason: Option<String>,
        lasts: Option<Duration>,
    ) -> Result<PlanRow, Problem> {
        let unwritable = |_| Problem::gateway(Code::Internal, "The plan cannot be written.");
        let work = serde_json::to_value(&drawn.document.work).map_err(unwritable)?;
        let document = serde_json::to_string(&drawn.document).map_err(unwritable)?;
        if document.len() > PLAN_MAX_BYTES {
            let detail = format!("{} bytes of JSON are more than {PLAN_MAX_BYTES}", document.len());
            return Err(crate::mistaken("The plan is too long.", vec![("/calls".to_owned(), detail)]));
        }
        let totals = PlanTotals::of(&drawn.document.rows);
        let now = self.inner.clock.now();
        let lasts = lasts.unwrap_or(PLAN_LASTS_DEFAULT).as_millis();
        Ok(PlanRow {
            id: drawn.id,
            environment_id: actor.environment_id,
            token_id: actor.token_id,
            account_id: drawn.account.id,
            reason,
            state: PlanState::Ready,
            hash: quartermaster_vault::sha256(&[canonical(&work).as_bytes()]),
            summary: serde_json::to_string(&totals).map_err(unwritable)?,
            document,
            undoes_run_id: drawn.undoes,
            run_id: None,
            created_at: now,
            expires_at: now.plus_ms(i64::try_from(lasts).unwrap_or(i64::MAX)),
            ended_at: None,
        })
    }

    /// Rehearses every row and reads its record. Changes nothing.
    pub(super) async fn draw_up(
        &self,
        actor: &Arc<Actor>,
        order: &Order<'_>,
        drafts: Vec<Draft>,
    ) -> Result<Drawn, Problem> {
        let id: PlanId = self.inner.ids.next();
        let session = super::session(id);
        let deadline = Instant::now() + PLAN_MAKING_MAX;
        let mut spent = Spent::default();
        let emails: Vec<&str> = drafts.iter().filter_map(|draft| draft.email.as_deref()).collect();
        let found = match emails[..] {
            [] => None,
            _ => Some(self.find_people(actor, &order.account, &session, &emails, deadline, &mut spent).await?),
        };
        let rehearsed = self.rehearse_all(actor, order, &session, &drafts, found.as_ref(), deadline).await;
        spent.calls += rehearsed.iter().flatten().map(|one| u64::from(one.guarded.upstream_calls)).sum::<u64>();
        let records = self.read_all(&rehearsed, &drafts, found.as_ref(), deadline, &mut spent).await?;
        let mut overlay = Overlay::new(records);
        let (mut rows, mut steps, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (draft, rehearsal)) in (1..).zip(drafts.iter().zip(rehearsed)) {
            let (row, step) = row::build(number, draft, rehearsal, &order.account, &mut overlay);
            left_out.extend(left_out_of(&row));
            steps.extend(step);
            rows.push(row);
        }
        let cost = cost::of(&steps, &order.account.plan.plan, &spent, self.inner.clock.now());
        let work = work(order, steps, left_out);
        let document = Document { cost, rows, work };
        Ok(Drawn { id, account: Arc::clone(&order.account), document, undoes: order.undoes })
    }

    /// What the guards say of each row, in the session in which its id was read.
    async fn rehearse_all(
        &self,
        actor: &Arc<Actor>,
        order: &Order<'_>,
        own_session: &str,
        drafts: &[Draft],
        found: Option<&Found>,
        deadline: Instant,
    ) -> Vec<Result<Rehearsal, Problem>> {
        let rehearsals = drafts.iter().map(|draft| -> BoxFuture<'_, Result<Rehearsal, Problem>> {
            async move {
                if let Some(problem) = &draft.refused {
                    return Err(problem.clone());
                }
                let mut arguments = draft.arguments.clone();
                let mut session = order.session;
                if let (Some(email), Some(found)) = (&draft.email, found) {
                    let (id, _) = found.one(email)?;
                    arguments.insert("id".to_owned(), Value::String(id.to_owned()));
                    session = Some(own_session);
                }
                if let Some(vouched) = &draft.vouched {
                    self.vouch(actor, order.account.id, own_session, vouched);
                    session = Some(own_session);
                }
                let request = || CallRequest {
                    request_id: self.request_id(),
                    door: Door::Tool,
                    account: order.account.id,
                    target: draft.target.clone(),
                    arguments: Arguments::Json(arguments.clone()),
                    session: session.map(str::to_owned),
                    wait: None,
                    idempotency_key: None,
                    takes_over: None,
                    expect: Some(draft.expect.clone()).filter(|expect| !expect.is_empty()),
                };
                loop {
                    let rehearsal = self.rehearse(actor, request()).await?;
                    // The guards read the record themselves where they have to look at it.
                    let failed = rehearsal.guarded.result.as_ref().err();
                    match failed.and_then(|failed| pause(&failed.problem, deadline)) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => return Ok(rehearsal),
                    }
                }
            }
            .boxed()
        });
        stream::iter(rehearsals.collect::<Vec<_>>()).buffered(PLAN_READS_AT_ONCE_MAX).collect().await
    }

    /// The records of the rows that would be let through, each read once. What concerns the whole account ends it.
    async fn read_all(
        &self,
        rehearsed: &[Result<Rehearsal, Problem>],
        drafts: &[Draft],
        found: Option<&Found>,
        deadline: Instant,
        spent: &mut Spent,
    ) -> Result<HashMap<row::RecordKey, Result<Value, Problem>>, Problem> {
        let mut records = HashMap::new();
        let mut reads: Vec<BoxFuture<'_, (row::RecordKey, Read)>> = Vec::new();
        let mut asked = std::collections::HashSet::new();
        for (rehearsal, draft) in rehearsed.iter().zip(drafts) {
            let Ok(Rehearsal { prepared, guarded, .. }) = rehearsal else { continue };
            let Some(key) = row::record_key(prepared).filter(|_| read_of(prepared).is_some()) else { continue };
            if let Err(failed) = &guarded.result {
                if concerns_all(failed.problem.code()) {
                    return Err(cut_short(failed.problem.clone()));
                }
                if !row::waits_for_approval(&failed.problem) {
                    continue;
                }
            }
            if !asked.insert(key.clone()) {
                continue;
            }
            if let Some(record) = guarded.before.as_ref().and_then(|body| serde_json::from_slice(body).ok()) {
                records.insert(key, Ok(record));
                continue;
            }
            let listed = draft.email.as_deref().and_then(|email| found?.one(email).ok());
            match listed.filter(|(_, record)| row::tells_state(prepared, record)) {
                Some((_, record)) => {
                    records.insert(key, Ok(record.clone()));
                }
                None => reads.push(async move { (key, self.read_for_plan(prepared, deadline).await) }.boxed()),
            }
        }
        let mut reads = stream::iter(reads).buffer_unordered(PLAN_READS_AT_ONCE_MAX);
        while let Some((key, read)) = reads.next().await {
            spent.join(read.spent);
            if let Err(problem) = &read.record
                && concerns_all(problem.code())
            {
                return Err(cut_short(problem.clone()));
            }
            records.insert(key, read.record);
        }
        Ok(records)
    }

    fn vouch(&self, actor: &Actor, account: quartermaster_types::AccountId, session: &str, vouched: &Vouched) {
        let key = quartermaster_guard::SessionKey {
            environment: actor.environment_id,
            session: quartermaster_guard::Session::Named(session),
            account,
        };
        let now = self.inner.clock.now();
        self.inner.ledger.record(&key, &vouched.resource, std::iter::once(vouched.id.as_bytes()), now);
    }
}

fn work(order: &Order<'_>, steps: Vec<PlannedStep>, left_out: Vec<LeftOut>) -> PlannedWork {
    let plan = &order.account.plan.plan;
    PlannedWork {
        format: PLAN_FORMAT.to_owned(),
        account: AccountFacts { id: order.account.id.to_string(), tenant_id: order.account.tenant_id().to_owned() },
        integration: IntegrationFacts { name: plan.name.clone(), label: plan.label.clone() },
        undoes: order.undoes.map(|run| run.to_string()),
        steps,
        left_out,
    }
}

fn left_out_of(row: &super::PlanRowView) -> Option<LeftOut> {
    let problem = row.problem.as_ref()?;
    Some(LeftOut {
        number: row.number,
        method: row.method.clone(),
        who: row.who.clone(),
        code: problem.code(),
        detail: problem.body().detail.clone(),
    })
}

fn check(new: &NewPlan) -> Result<(), Problem> {
    let mut mistakes = Vec::new();
    let calls = new.calls.len();
    if calls == 0 || calls > PLAN_CALLS_MAX {
        mistakes
            .push(("/calls".to_owned(), format!("1 to {PLAN_CALLS_MAX} calls are expected, and there are {calls}")));
    }
    for (number, call) in new.calls.iter().enumerate() {
        if call.email.is_some() && call.arguments.contains_key("id") {
            let detail = "give either `find` or the argument `id`".to_owned();
            mistakes.push((format!("/calls/{number}/find"), detail));
        }
    }
    mistakes.extend(wrong_reason(new.reason.as_deref()));
    if let Some(lasts) = new.lasts
        && !(PLAN_LASTS_MIN..=PLAN_LASTS_MAX).contains(&lasts)
    {
        let (least, most) = (PLAN_LASTS_MIN.as_secs(), PLAN_LASTS_MAX.as_secs());
        let detail = format!("{} is not between {least} and {most}", lasts.as_secs());
        mistakes.push(("/expires_in_seconds".to_owned(), detail));
    }
    crate::invalid("The plan cannot be made.", mistakes)
}

/// Refuses a reason that is too long.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), Problem> {
    crate::invalid("The plan cannot be made.", wrong_reason(reason).into_iter().collect())
}

fn wrong_reason(reason: Option<&str>) -> Option<(String, String)> {
    let wrong = reason.is_some_and(|reason| reason.len() > PLAN_REASON_MAX_BYTES || reason.contains('\0'));
    let detail = || format!("a text of at most {PLAN_REASON_MAX_BYTES} bytes without U+0000 is expected");
    wrong.then(|| ("/reason".to_owned(), detail()))
}

/// Whether what failed one read would fail every other.
fn concerns_all(code: Code) -> bool {
    matches!(
        code,
        Code::RateLimited
            | Code::AccountNeedsReauth
            | Code::UpstreamUnavailable
            | Code::UpstreamTimeout
            | Code::UpstreamForbidden
            | Code::Unavailable
            | Code::Internal
    )
}

fn cut_short(mut problem: Problem) -> Problem {
    let body = problem.body_mut();
    body.detail = format!("No plan was made: reading the records failed. {}", body.detail);
    problem
}
