//! Approvals: what a person has to say yes to before it is done, and who says so.
//!
//! An approval is asked for by the pipeline (a rule of the policy), by a step of a run, or for a plan. It is decided by tokens of
//! approvers or by people with a link; never by the token that asked, and never by one with the role agent.

pub(crate) mod card;
mod decide;
mod pass;

use std::sync::Arc;

use quartermaster_definition::policy::Approvers;
use quartermaster_store_model::{ApprovalKind, ApprovalQuery, ApprovalRow, Opened, Role, VoteRow};
use quartermaster_types::{
    AccountId, ApprovalId, ApprovalNotice, ApprovalState, Code, Problem, RequestId, RunId, Timestamp, TokenId,
};
use serde::{Deserialize, Serialize};

pub use card::{Card, CardRow};
pub use decide::Decision;
pub(crate) use pass::{Asking, Required, Taken};

use crate::page::{self, Page, PageQuery};
use crate::{Actor, Gateway, rights, storage_problem};

/// Why approvers are asked and who they are, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// The rule of the policy.
    pub(crate) rule: Option<String>,
    /// The version of the policy.
    pub(crate) policy_version: Option<i64>,
    /// Why.
    pub(crate) because: String,
    /// How long it waits, and then can be used.
    pub(crate) expires_in_seconds: u64,
    /// Who may decide.
    pub(crate) approvers: Approvers,
}

impl Terms {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn lasts_ms(&self) -> i64 {
        i64::try_from(self.expires_in_seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
    }

    fn of(row: &ApprovalRow) -> Result<Self, Problem> {
        serde_json::from_str(&row.terms).map_err(|error| {
            tracing::error!(%error, approval = %row.id, "the stored terms of an approval cannot be read");
            card::unreadable()
        })
    }
}

/// An approval in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApprovalSummary {
    /// Id.
    pub id: ApprovalId,
    /// What it is about.
    pub kind: ApprovalKind,
    /// Where it stands.
    pub state: ApprovalState,
    /// What is to be done, in a sentence.
    pub title: String,
    /// What is to be done, in a word: `users.suspend`.
    pub subject: String,
    /// How many rows the card has.
    pub rows: usize,
    /// The token that asked.
    pub token_id: TokenId,
    /// In which session.
    pub session: Option<String>,
    /// In which run.
    pub run_id: Option<RunId>,
    /// On which account.
    pub account_id: Option<AccountId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it can be decided; once a call is approved, until when it can be made.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
}

/// An approval with its card and the votes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApprovalView {
    /// What lists show.
    #[serde(flatten)]
    pub summary: ApprovalSummary,
    /// What approvers are shown.
    pub card: Card,
    /// The rule of the policy that asks.
    pub rule: Option<String>,
    /// The version of the policy.
    pub policy_version: Option<i64>,
    /// Why approvers are asked.
    pub because: String,
    /// How many have to say yes.
    pub quorum: u32,
    /// Who may decide.
    pub approvers: Approvers,
    /// What was said, in order.
    pub votes: Vec<VoteView>,
    /// Rows that somebody vetoed, ascending.
    pub vetoed: Vec<u32>,
    /// When what was approved was done.
    pub used_at: Option<Timestamp>,
}

/// What one approver said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VoteView {
    /// `token:` and an id, or `person:` and a name.
    pub approver: String,
    /// The name for people.
    pub name: String,
    /// Yes or no.
    pub approve: bool,
    /// Rows that are not to be done.
    pub vetoed: Vec<u32>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Which approvals.
#[derive(Clone, Debug, Default)]
pub struct ApprovalFilter {
    /// State.
    pub state: Option<ApprovalState>,
    /// Run.
    pub run_id: Option<RunId>,
}

/// What callers are told of an approval.
pub(crate) fn notice_of(row: &ApprovalRow, now: Timestamp) -> ApprovalNotice {
    ApprovalNotice {
        id: row.id,
        url: format!("/approval/{}", row.id),
        state: row.state_at(now),
        expires_at: row.expires_at,
    }
}

impl Gateway {
    /// Approvals, newest first: all of the environment for admins and auditors whose token is not narrowed, for others those that
    /// the token asked for.
    pub async fn list_approvals(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
        filter: &ApprovalFilter,
    ) -> Result<Page<ApprovalSummary>, Problem> {
        let limit = page::limit(page)?;
        let own = (!sees_all(actor)).then_some(actor.token_id);
        let environment = actor.environment_id.to_string();
        let whose = own.map(|id| id.to_string()).unwrap_or_default();
        let state = filter.state.map(ApprovalState::as_str).unwrap_or_default();
        let run = filter.run_id.map(|id| id.to_string()).unwrap_or_default();
        let context: [&[u8]; 5] =
            [environment.as_bytes(), b"approvals", whose.as_bytes(), state.as_bytes(), run.as_bytes()];
        let now = self.inner.clock.now();
        let query = ApprovalQuery {
            now,
            before: page::open(&self.inner.cursors, &context, page)?.map(ApprovalId),
            state: filter.state,
            run_id: filter.run_id,
            token_id: own,
            limit: limit + 1,
        };
        let rows = self.inner.store.list_approvals(actor.environment_id, &query).await.map_err(storage_problem)?;
        let page = page::of(&self.inner.cursors, &context, limit, rows, |row| row.id.0, |row| summary(&row, now))?;
        let result: Result<Vec<_>, Problem> = page.result.into_iter().collect();
        Ok(Page { result: result?, next_cursor: page.next_cursor, prev_cursor: None, result_count: page.result_count })
    }

    /// One approval with its card and the votes: for admins and auditors, for whoever may decide it, and for the token that asked.
    pub async fn get_approval(&self, actor: &Arc<Actor>, id: ApprovalId) -> Result<ApprovalView, Problem> {
        let row = self.visible_approval(actor, id).await?;
        self.approval_view(&row).await
    }

    /// Stores an approval that is asked for, unless the same is open.
    pub(crate) async fn ask_for(&self, row: &ApprovalRow, request_id: RequestId) -> Result<Opened, Problem> {
        let mut audit = self
            .change_by(row.environment_id, row.token_id, request_id, "approval.request")
            .target(row.id)
            .after(&serde_json::json!({"kind": row.kind, "subject": row.subject, "expires_at": row.expires_at}));
        if let Some(session) = &row.session {
            audit = audit.session(session.clone());
        }
        if let Some(account) = row.account_id {
            audit = audit.account(account);
        }
        self.inner.store.open_approval(row, &audit.row()).await.map_err(storage_problem)
    }

    async fn visible_approval(&self, actor: &Actor, id: ApprovalId) -> Result<ApprovalRow, Problem> {
        let row = self.inner.store.find_approval(actor.environment_id, id).await.map_err(storage_problem)?;
        let Some(row) = row else { return Err(no_such_approval(id)) };
        let sees = sees_all(actor) || row.token_id == actor.token_id || may_decide(actor, &Terms::of(&row)?.approvers);
        if sees { Ok(row) } else { Err(no_such_approval(id)) }
    }

    pub(crate) async fn approval_view(&self, row: &ApprovalRow) -> Result<ApprovalView, Problem> {
        let votes = self.inner.store.list_approval_votes(row.environment_id, row.id).await.map_err(storage_problem)?;
        let terms = Terms::of(row)?;
        Ok(ApprovalView {
            summary: summary(row, self.inner.clock.now())?,
            card: card::read(&row.card)?,
            rule: terms.rule,
            policy_version: terms.policy_version,
            because: terms.because,
            quorum: row.quorum,
            approvers: terms.approvers,
            vetoed: vetoed(&votes),
            votes: votes.into_iter().map(vote_view).collect(),
            used_at: row.used_at,
        })
    }
}

/// Rows that somebody vetoed.
pub(crate) fn vetoed(votes: &[VoteRow]) -> Vec<u32> {
    let mut rows: Vec<u32> = votes.iter().flat_map(|vote| vote.vetoed.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn vote_view(vote: VoteRow) -> VoteView {
    VoteView {
        approver: vote.approver,
        name: vote.name,
        approve: vote.approve,
        vetoed: vote.vetoed,
        reason: vote.reason,
        at: vote.at,
    }
}

fn summary(row: &ApprovalRow, now: Timestamp) -> Result<ApprovalSummary, Problem> {
    let card = card::read(&row.card)?;
    Ok(ApprovalSummary {
        id: row.id,
        kind: row.kind,
        state: row.state_at(now),
        title: card.title,
        subject: row.subject.clone(),
        rows: card.rows.len(),
        token_id: row.token_id,
        session: row.session.clone(),
        run_id: row.run_id,
        account_id: row.account_id,
        created_at: row.created_at,
        expires_at: row.expires_at,
        decided_at: row.decided_at,
    })
}

/// Whether the actor sees the approvals of others. A card may be about any account, so a narrowed token does not.
fn sees_all(actor: &Actor) -> bool {
    matches!(actor.role, Role::Admin | Role::Auditor) && !rights::is_narrowed(&actor.narrowing)
}

/// Whether the actor is an approver. A token with the role agent never is, whatever list has it: a model may hold it.
fn may_decide(actor: &Actor, approvers: &Approvers) -> bool {
    if actor.role == Role::Agent {
        return false;
    }
    let by_role =
        !rights::is_narrowed(&actor.narrowing) && approvers.roles.iter().any(|role| role == actor.role.as_str());
    by_role || approvers.tokens.contains(&actor.token_id)
}

fn no_such_approval(id: ApprovalId) -> Problem {
    Problem::caller(Code::NotFound, format!("There is no approval {id}."))
        .with_hint("List the approvals that this token sees with GET /approval.")
}
