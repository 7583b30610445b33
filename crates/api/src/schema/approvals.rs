//! Shapes of approvals for the OpenAPI document.

use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// Where an approval stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum ApprovalState {
    /// Nobody has decided, or not enough approvers have.
    Pending,
    /// Enough approvers said yes.
    Approved,
    /// An approver said no.
    Denied,
    /// Its time ran out, or what it was about changed; it lets nothing through.
    Expired,
    /// What was approved was done.
    Used,
}

/// What an approval is about.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum ApprovalKind {
    /// One call, once.
    Call,
    /// The calls of a run that a rule is about.
    Run,
    /// A plan.
    Plan,
    /// Rows that a step of a run shows.
    Rows,
}

/// The approval that a call waits for.
#[derive(ToSchema)]
pub(crate) struct ApprovalNotice {
    /// Its id.
    #[schema(format = "uuid")]
    id: String,
    /// Where it can be read, a path of this API. It lets nobody decide: that takes a token of an approver.
    url: String,
    /// Where it stands.
    state: ApprovalState,
    /// How long it waits for a decision; once approved, how long it can be used.
    #[schema(format = "date-time")]
    expires_at: String,
}

/// An approval as lists show it.
#[derive(ToSchema)]
pub(crate) struct ApprovalSummary {
    /// Id.
    #[schema(format = "uuid")]
    id: String,
    /// What it is about.
    kind: ApprovalKind,
    /// Where it stands.
    state: ApprovalState,
    /// What is to be done, in a sentence.
    title: String,
    /// What is to be done, in a word: `users.suspend`.
    subject: String,
    /// How many rows the card has.
    rows: u64,
    /// The token that asked.
    #[schema(format = "uuid")]
    token_id: String,
    /// In which session.
    #[schema(required)]
    session: Option<String>,
    /// In which run.
    #[schema(required, format = "uuid")]
    run_id: Option<String>,
    /// On which account.
    #[schema(required, format = "uuid")]
    account_id: Option<String>,
    /// When it was asked for.
    #[schema(format = "date-time")]
    created_at: String,
    /// Until when it can be decided; once a call is approved, until when it can be made.
    #[schema(format = "date-time")]
    expires_at: String,
    /// When it was decided.
    #[schema(required, format = "date-time")]
    decided_at: Option<String>,
}

/// One page of approvals.
#[derive(ToSchema)]
pub(crate) struct ApprovalPage {
    /// Approvals, newest first.
    result: Vec<ApprovalSummary>,
    /// Send it back to get older ones; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Always `null`.
    #[schema(required)]
    prev_cursor: Option<String>,
    /// Number of approvals here.
    result_count: u64,
}

/// An approval with its card and the votes; the document adds the members of [`ApprovalSummary`].
#[derive(ToSchema)]
pub(crate) struct Approval {
    /// What approvers are shown.
    card: Card,
    /// The rule of the policy that asks; `null` where none does.
    #[schema(required)]
    rule: Option<String>,
    /// The version of the policy.
    #[schema(required)]
    policy_version: Option<i64>,
    /// Why approvers are asked.
    because: String,
    /// How many have to say yes.
    quorum: u32,
    /// Who may decide: whoever is in one of the lists.
    approvers: Approvers,
    /// What was said, in order.
    votes: Vec<Vote>,
    /// Rows that somebody vetoed, ascending.
    vetoed: Vec<u32>,
    /// When what was approved was done.
    #[schema(required, format = "date-time")]
    used_at: Option<String>,
}

/// What approvers are shown. No secret is on it.
#[derive(ToSchema)]
pub(crate) struct Card {
    /// What is to be done, in a sentence.
    title: String,
    /// What there is to know besides.
    note: Option<String>,
    /// What is to be done, one by one; at most 1,000.
    rows: Vec<CardRow>,
}

/// One thing that is to be done.
#[derive(ToSchema)]
pub(crate) struct CardRow {
    /// From 1; a veto names it.
    number: u32,
    /// To whom or what.
    who: String,
    /// What is done.
    what: String,
    /// The method, `users.suspend`.
    method: Option<String>,
    /// The arguments, without secrets.
    arguments: Option<Map<String, Value>>,
    /// What there is now.
    before: Option<Map<String, Value>>,
    /// What is different afterwards.
    after: Option<Map<String, Value>>,
    /// The method that undoes it; absent when nothing is known to.
    undo: Option<String>,
}

/// Who may decide.
#[derive(ToSchema)]
pub(crate) struct Approvers {
    /// `admin`, `auditor`: tokens with these roles that are not narrowed.
    roles: Vec<String>,
    /// Tokens.
    #[schema(format = "uuid")]
    tokens: Vec<String>,
    /// People who decide by a link of their own.
    people: Vec<String>,
}

/// What one approver said.
#[derive(ToSchema)]
pub(crate) struct Vote {
    /// `token:` and an id, or `person:` and a name.
    approver: String,
    /// The name for people.
    name: String,
    /// Yes or no.
    approve: bool,
    /// Rows that are not to be done.
    vetoed: Vec<u32>,
    /// Why.
    #[schema(required)]
    reason: Option<String>,
    /// When.
    #[schema(format = "date-time")]
    at: String,
}

/// What an approver says.
#[derive(ToSchema)]
pub(crate) struct ApprovalDecision {
    /// `approve` or `deny`.
    decision: String,
    /// Numbers of the card's rows that are not to be done; with `approve` only, and not all of them.
    veto: Option<Vec<u32>>,
    /// Why, at most 1,000 bytes.
    reason: Option<String>,
}

/// The approval in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApprovalPath {
    /// Id of the approval.
    #[param(format = "uuid")]
    id: String,
}

/// Which approvals.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalParameters {
    /// Only in this state: `pending`, `approved`, `denied`, `expired` or `used`.
    state: Option<String>,
    /// Only of this run.
    #[param(format = "uuid")]
    run_id: Option<String>,
}
