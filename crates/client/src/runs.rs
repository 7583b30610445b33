//! Runs: starting, listing, reading, stopping and exporting them.

use bytes::Bytes;
use http::{HeaderMap, Method};
use quartermaster_types::{AccountId, ApprovalNotice, RunId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{Client, header, query};
use crate::error::ClientError;

/// A new run of a playbook.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The name of a playbook that ships, or the whole text of one.
    pub playbook: String,
    /// On which account.
    pub account: AccountId,
    /// What it is started with.
    pub input: Map<String, Value>,
    /// Seconds that rate limits and passing faults are waited out in all; the playbook's own when it is `None`.
    pub patience_seconds: Option<u64>,
}

/// A new run of an agent.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// What is to be reached.
    pub goal: String,
    /// On which accounts; the first one is the run's own.
    pub accounts: Vec<AccountId>,
    /// The model: `NAME` or `NAME/MODEL`.
    pub model: String,
    /// `methods`, `tags`, `limits`, `targets`, `handles`, `dry_run`, as far as they are given.
    pub options: Map<String, Value>,
}

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Id.
    pub id: RunId,
    /// `playbook` or `agent`.
    pub kind: String,
    /// Name of what is run.
    pub name: String,
    /// The account that it works on.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// The token that started it.
    pub token_id: TokenId,
    /// `queued`, `running`, `waiting`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// The session of its calls, as in the audit log.
    #[serde(default)]
    pub session: String,
    /// Entries in its journal.
    #[serde(default)]
    pub entries: u32,
    /// For one that waits: when it goes on.
    #[serde(default)]
    pub waits_until: Option<Timestamp>,
    /// When somebody asked to stop it.
    #[serde(default)]
    pub cancel_requested_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a worker first took it.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
}

impl RunSummary {
    /// Whether nothing comes any more.
    pub fn has_ended(&self) -> bool {
        self.finished_at.is_some()
    }
}

/// A run with its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What lists show.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// What it was started with.
    #[serde(default)]
    pub input: Value,
    /// JSON Pointers to members that are left out of `input`.
    #[serde(default)]
    pub input_left_out: Vec<String>,
    /// What came of it: `decided_by` and `action`.
    #[serde(default)]
    pub outcome: Value,
    /// Rows of the report's table that are left out.
    #[serde(default)]
    pub rows_left_out: u64,
    /// The run that undoes it.
    #[serde(default)]
    pub undone_by: Option<RunId>,
    /// Its steps.
    #[serde(default)]
    pub steps: Vec<RunStep>,
    /// Steps that are left out.
    #[serde(default)]
    pub steps_left_out: u64,
    /// The approvals that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<ApprovalNotice>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStep {
    /// Names it within the run.
    pub key: String,
    /// `call`, `ask` or `wait`.
    pub kind: String,
    /// `under_way`, `done` or `failed`.
    pub state: String,
    /// The account, when it is not the run's own.
    #[serde(default)]
    pub account: Option<String>,
    /// The method.
    #[serde(default)]
    pub method: Option<String>,
    /// Arguments.
    #[serde(default)]
    pub arguments: Option<Map<String, Value>>,
    /// How often it was begun.
    #[serde(default)]
    pub attempts: u32,
    /// When it was first begun.
    pub begun_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// The request, as in the audit log.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub problem: Option<Value>,
    /// For a question to a model: `model`, `text`, `tools`, `usage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Value>,
}

/// Which runs. Empty members do not narrow.
#[derive(Clone, Debug, Default)]
pub struct RunsQuery {
    /// Only in this state.
    pub state: Option<String>,
    /// Only of this name.
    pub name: Option<String>,
}

impl Client {
    /// Starts a run. The same key gives the run that was started under it: so a start whose answer was lost can be repeated.
    pub async fn start_run(&self, run: &NewRun, idempotency_key: &str) -> Result<Run, ClientError> {
        let mut body = json!({"playbook": run.playbook, "integrated_account_id": run.account, "input": run.input});
        if let Some(seconds) = run.patience_seconds {
            body["patience_seconds"] = json!(seconds);
        }
        let mut headers = HeaderMap::new();
        header(&mut headers, "idempotency-key", idempotency_key)?;
        Ok(self.send(Method::POST, "/run", Some(&body), headers).await?.value)
    }

    /// Starts an agent, with the same promise.
    pub async fn start_agent(&self, new: &NewAgent, idempotency_key: &str) -> Result<Run, ClientError> {
        let mut agent = new.options.clone();
        agent.insert("goal".to_owned(), json!(new.goal));
        agent.insert("accounts".to_owned(), json!(new.accounts));
        agent.insert("model".to_owned(), json!(new.model));
        let mut headers = HeaderMap::new();
        header(&mut headers, "idempotency-key", idempotency_key)?;
        Ok(self.send(Method::POST, "/run", Some(&json!({"agent": agent})), headers).await?.value)
    }

    /// Runs, newest first, up to `limit`.
    pub async fn runs(&self, runs: &RunsQuery, limit: usize) -> Result<Vec<RunSummary>, ClientError> {
        let pairs = [("state", runs.state.clone()), ("name", runs.name.clone())];
        let pairs: Vec<_> = pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.every("/run", &pairs, limit).await
    }

    /// One run with its steps.
    pub async fn run(&self, id: RunId) -> Result<Run, ClientError> {
        Ok(self.get(&format!("/run/{id}")).await?.value)
    }

    /// One run with the whole of what came of it, and without input and steps.
    pub async fn run_report(&self, id: RunId) -> Result<Run, ClientError> {
        Ok(self.get(&format!("/run/{id}/report")).await?.value)
    }

    /// Asks to stop a run.
    pub async fn cancel_run(&self, id: RunId) -> Result<RunSummary, ClientError> {
        let path = format!("/run/{id}/cancel");
        Ok(self.send(Method::POST, &path, None, HeaderMap::new()).await?.value)
    }

    /// The whole of a run, as the gateway wrote it: JSON, or a page of HTML.
    pub async fn export_run(&self, id: RunId, as_page: bool) -> Result<Bytes, ClientError> {
        let format = if as_page { "html" } else { "json" };
        let pairs = query([("format", format.to_owned())]);
        self.bytes(&format!("/run/{id}/export{pairs}")).await
    }
}
