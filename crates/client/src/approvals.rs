//! Approvals: listing, reading and deciding them.

use http::{HeaderMap, Method};
use quartermaster_types::{AccountId, ApprovalId, ApprovalState, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::error::ClientError;

/// An approval as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalSummary {
    /// Id.
    pub id: ApprovalId,
    /// `call`, `run`, `plan` or `rows`.
    pub kind: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// What is to be done, in a sentence.
    pub title: String,
    /// What is to be done, in a word.
    #[serde(default)]
    pub subject: String,
    /// How many rows the card has.
    #[serde(default)]
    pub rows: u64,
    /// The token that asked.
    pub token_id: TokenId,
    /// In which session.
    #[serde(default)]
    pub session: Option<String>,
    /// In which run.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// On which account.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it can be decided; once a call is approved, until when it can be made.
    pub expires_at: Timestamp,
    /// When it was decided.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
}

/// An approval with its card and the votes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// What lists show.
    #[serde(flatten)]
    pub summary: ApprovalSummary,
    /// What approvers are shown.
    pub card: Card,
    /// The rule of the policy that asks.
    #[serde(default)]
    pub rule: Option<String>,
    /// The version of the policy.
    #[serde(default)]
    pub policy_version: Option<i64>,
    /// Why approvers are asked.
    #[serde(default)]
    pub because: String,
    /// How many have to say yes.
    pub quorum: u32,
    /// Who may decide.
    #[serde(default)]
    pub approvers: Value,
    /// What was said, in order.
    #[serde(default)]
    pub votes: Vec<Vote>,
    /// Rows that somebody vetoed.
    #[serde(default)]
    pub vetoed: Vec<u32>,
    /// When what was approved was done.
    #[serde(default)]
    pub used_at: Option<Timestamp>,
}

/// What approvers are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// What is to be done, in a sentence.
    pub title: String,
    /// What there is to know besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What is to be done, one by one.
    pub rows: Vec<CardRow>,
}

/// One thing that is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardRow {
    /// From 1; a veto names it.
    pub number: u32,
    /// To whom or what.
    pub who: String,
    /// What is done.
    pub what: String,
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// What there is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is different afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The method that undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

/// What one approver said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// `token:` and an id, or `person:` and a name.
    pub approver: String,
    /// The name for people.
    pub name: String,
    /// Yes or no.
    pub approve: bool,
    /// Rows that are not to be done.
    #[serde(default)]
    pub vetoed: Vec<u32>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Which approvals. Empty members do not narrow.
#[derive(Clone, Debug, Default)]
pub struct ApprovalsQuery {
    /// Only in this state.
    pub state: Option<ApprovalState>,
    /// Only of this run.
    pub run: Option<RunId>,
}

impl Client {
    /// Approvals, newest first, up to `limit`.
    pub async fn approvals(&self, query: &ApprovalsQuery, limit: usize) -> Result<Vec<ApprovalSummary>, ClientError> {
        let state = query.state.map(|state| state.as_str().to_owned());
        let pairs = [("state", state), ("run_id", query.run.map(|id| id.to_string()))];
        let pairs: Vec<_> = pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.every("/approval", &pairs, limit).await
    }

    /// One approval with its card and the votes.
    pub async fn approval(&self, id: ApprovalId) -> Result<Approval, ClientError> {
        Ok(self.get(&format!("/approval/{id}")).await?.value)
    }

    /// Decides an approval: `veto` has numbers of rows that are not to be done, with a yes.
    pub async fn decide_approval(
        &self,
        id: ApprovalId,
        approve: bool,
        veto: &[u32],
        reason: Option<&str>,
    ) -> Result<Approval, ClientError> {
        let mut body = Map::from_iter([("decision".to_owned(), if approve { "approve" } else { "deny" }.into())]);
        if !veto.is_empty() {
            body.insert("veto".to_owned(), json!(veto));
        }
        if let Some(reason) = reason {
            body.insert("reason".to_owned(), reason.into());
        }
        let path = format!("/approval/{id}/decide");
        Ok(self.send(Method::POST, &path, Some(&Value::Object(body)), HeaderMap::new()).await?.value)
    }
}
