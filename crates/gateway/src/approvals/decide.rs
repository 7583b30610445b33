//! Deciding: who may, and what a vote does.

use std::sync::Arc;

use quartermaster_store_model::{ApprovalRow, Role, VoteRow, Voted};
use quartermaster_types::{ApprovalId, ApprovalState, Code, Problem, RequestId};
use serde_json::json;

use super::{ApprovalView, Terms, card, may_decide};
use crate::change::Change;
use crate::limits::APPROVAL_REASON_MAX_BYTES;
use crate::{Actor, Gateway, storage_problem};

/// What an approver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub approve: bool,
    /// Numbers of the card's rows that are not to be done, with a yes.
    pub veto: Vec<u32>,
    /// Why; at most [`APPROVAL_REASON_MAX_BYTES`].
    pub reason: Option<String>,
}

impl Gateway {
    /// Decides as the token's own vote: a yes or a no, once. One no denies; as many yes as the quorum wants approve.
    ///
    /// Refused: to whoever asked, to tokens with the role agent, and to those that are no approvers (403); when it is not pending
    /// any more, or the token has voted (409).
    pub async fn decide_approval(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: ApprovalId,
        decision: Decision,
    ) -> Result<ApprovalView, Problem> {
        let row = self.visible_approval(actor, id).await?;
        may_vote(actor, &row, &Terms::of(&row)?)?;
        let audit = self.change(actor, request_id, action(&decision));
        self.vote(&row, format!("token:{}", actor.token_id), &actor.name, decision, audit).await
    }

    /// Counts a vote of somebody who may vote.
    pub(super) async fn vote(
        &self,
        row: &ApprovalRow,
        approver: String,
        name: &str,
        decision: Decision,
        audit: Change,
    ) -> Result<ApprovalView, Problem> {
        let decision = checked(decision, card::read(&row.card)?.rows.len())?;
        let vote = VoteRow {
            approver,
            name: name.to_owned(),
            approve: decision.approve,
            vetoed: decision.veto,
            reason: decision.reason,
            at: self.inner.clock.now(),
        };
        let mut audit = audit
            .target(row.id)
            .after(&json!({"approver": vote.approver, "vetoed": vote.vetoed, "reason": vote.reason}));
        if let Some(session) = &row.session {
            audit = audit.session(session.clone());
        }
        let lasts_ms = Terms::of(row)?.lasts_ms();
        let (environment, id) = (row.environment_id, row.id);
        let voted = self.inner.store.vote_on_approval(environment, id, &vote, lasts_ms, &audit.row()).await;
        match voted.map_err(storage_problem)? {
            Voted::Counted(after) => {
                if after.state != ApprovalState::Pending && after.run_id.is_some() {
                    self.inner.runs.has_work();
                }
                self.approval_view(&after).await
            }
            Voted::Before(_) => Err(Problem::caller(
                Code::Conflict,
                format!("{name} has decided on the approval {id} already; nothing was changed."),
            )
            .with_hint("An approver has one vote, and it stays as it is.")),
            Voted::Closed(found) => Err(closed(&found, found.state_at(vote.at))),
            Voted::Missing => Err(super::no_such_approval(id)),
        }
    }
}

/// The action of a decision in the audit log.
pub(super) fn action(decision: &Decision) -> &'static str {
    if decision.approve { "approval.approve" } else { "approval.deny" }
}

/// Whether the token may decide this approval.
pub(super) fn may_vote(actor: &Actor, row: &ApprovalRow, terms: &Terms) -> Result<(), Problem> {
    let refused = |detail: String, hint: &str| Err(Problem::gateway(Code::PermissionDenied, detail).with_hint(hint));
    if actor.token_id == row.token_id {
        return refused(
            format!("The approval {} was asked for with this very token; whoever asks does not decide.", row.id),
            "Another approver has to decide.",
        );
    }
    if actor.role == Role::Agent {
        return refused(
            "Tokens with the role agent decide no approvals: a model may hold them.".to_owned(),
            "A person has to decide, with a token of an approver or by a link.",
        );
    }
    if !may_decide(actor, &terms.approvers) {
        return refused(
            format!("This token is no approver of the approval {}.", row.id),
            "`approvers` of the approval says who is. A narrowed token is one only when it is named there.",
        );
    }
    Ok(())
}

/// The decision with its vetoes in order, or every mistake in it.
fn checked(mut decision: Decision, rows: usize) -> Result<Decision, Problem> {
    let mut mistakes = Vec::new();
    let reason = decision.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
    decision.reason = reason;
    if let Some(reason) = &decision.reason {
        if reason.len() > APPROVAL_REASON_MAX_BYTES {
            let detail = format!("{} bytes are more than {APPROVAL_REASON_MAX_BYTES}", reason.len());
            mistakes.push(("/reason".to_owned(), detail));
        }
        if reason.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')) {
            mistakes.push(("/reason".to_owned(), "control characters are not allowed".to_owned()));
        }
    }
    for (index, number) in decision.veto.iter().enumerate() {
        if *number == 0 || *number as usize > rows {
            mistakes.push((format!("/veto/{index}"), format!("the card has the rows 1 to {rows}, not {number}")));
        }
    }
    decision.veto.sort_unstable();
    decision.veto.dedup();
    if !decision.approve && !decision.veto.is_empty() {
        mistakes.push((
            "/veto".to_owned(),
            "a veto goes with a yes to the other rows; a no is about all of them".to_owned(),
        ));
    }
    if decision.approve && decision.veto.len() >= rows && mistakes.is_empty() {
        mistakes.push(("/veto".to_owned(), "a veto of every row is a no: deny instead".to_owned()));
    }
    crate::invalid("The decision cannot be taken.", mistakes)?;
    Ok(decision)
}

/// It cannot be decided any more.
fn closed(row: &ApprovalRow, state: ApprovalState) -> Problem {
    let what = match state {
        ApprovalState::Expired if row.decided_at.is_none() && row.expires_at > row.created_at => {
            format!("has expired (it waited until {})", row.expires_at)
        }
        state => format!("is {} already", state.as_str()),
    };
    Problem::caller(Code::Conflict, format!("The approval {} {what}; nothing was changed.", row.id))
        .with_hint("What was decided stays. What is still wanted has to be asked for again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(approve: bool, veto: &[u32], reason: &str) -> Decision {
        Decision { approve, veto: veto.to_vec(), reason: Some(reason.to_owned()) }
    }

    #[test]
    fn a_decision_is_put_in_order() {
        let good = checked(decision(true, &[3, 1, 3], "  fine \n"), 4).unwrap();
        assert_eq!((good.veto.as_slice(), good.reason.as_deref()), ([1, 3].as_slice(), Some("fine")));
        assert_eq!(checked(decision(false, &[], " "), 1).unwrap().reason, None);
    }

    #[test]
    fn every_mistake_is_named() {
        let places = |decision: Decision, rows: usize| {
            let problem = checked(decision, rows).unwrap_err();
            problem.body().errors.iter().map(|error| error.pointer.clone()).collect::<Vec<_>>()
        };
        assert_eq!(places(decision(true, &[0, 2, 4], ""), 3), ["/veto/0", "/veto/2"]);
        assert_eq!(places(decision(false, &[1], ""), 2), ["/veto"]);
        assert_eq!(places(decision(true, &[1, 2], ""), 2), ["/veto"]);
        assert_eq!(places(decision(true, &[1], ""), 1), ["/veto"]);
        assert_eq!(places(decision(true, &[], "a\u{1b}b"), 1), ["/reason"]);
        assert!(checked(decision(true, &[], &"x".repeat(APPROVAL_REASON_MAX_BYTES)), 1).is_ok());
        assert_eq!(places(decision(true, &[], &"x".repeat(APPROVAL_REASON_MAX_BYTES + 1)), 1), ["/reason"]);
    }
}
