//! An environment's policy: one document, its versions, and the compiled form that calls are decided by.

mod blast;
mod cases;
mod door;
mod record;

use std::sync::Arc;

use quartermaster_definition::policy::{Policy, load_policy};
use quartermaster_store_model::{PolicyRow, Role, Stale, StoreError};
use quartermaster_types::{Code, EnvironmentId, Problem, RequestId, Timestamp, TokenId};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use blast::Counted;
pub use blast::{BlastSubjectView, BlastView};
pub use cases::{CaseResult, PolicyTest};
pub(crate) use door::{Guarded, unread};
pub(crate) use record::{read_of, reader_of};

use crate::page::{self, Page, PageQuery};
use crate::{Actor, Gateway, rights, storage_problem};

/// The name of a policy in diagnostics.
const FILE_NAME: &str = "policy.yaml";

/// The compiled policy of an environment; version 0 is the one of an environment that never had any.
pub(crate) struct InForce {
    version: i64,
    /// `Err`: the stored document does not compile any more; then no call is made.
    policy: Result<Policy, String>,
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PolicyView {
    /// From 1; 0 while there is none. The `ETag` is this in quotes.
    pub version: i64,
    /// The YAML document; empty while there is none.
    pub document: String,
    /// Who set it.
    pub token_id: Option<TokenId>,
    /// The version whose document this one brought back.
    pub restored_from: Option<i64>,
    /// When it was set.
    pub created_at: Option<Timestamp>,
}

/// A version in a list: without its document.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PolicyVersionView {
    /// From 1.
    pub version: i64,
    /// Length of the document.
    pub document_bytes: usize,
    /// Who set it.
    pub token_id: TokenId,
    /// The version whose document this one brought back.
    pub restored_from: Option<i64>,
    /// When it was set.
    pub created_at: Timestamp,
}

/// What checking a document found.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PolicyCheck {
    /// Whether the document could be set.
    pub valid: bool,
    /// `{level, rule, message, help, pointer, line, column}` each.
    pub problems: Value,
    /// The same for people, with an excerpt of the text.
    pub text: String,
}

impl Gateway {
    /// The policy in force (admin and auditor); version 0 with an empty document while there is none.
    pub async fn get_policy(&self, actor: &Arc<Actor>, version: Option<i64>) -> Result<PolicyView, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "read the policy")?;
        match (self.policy_row(actor, version).await?, version) {
            (Some(row), _) => Ok(view(row)),
            (None, None) => Ok(PolicyView {
                version: 0,
                document: String::new(),
                token_id: None,
                restored_from: None,
                created_at: None,
            }),
            (None, Some(version)) => Err(no_such_version(version)),
        }
    }

    /// The versions of the policy, the newest first (admin and auditor).
    pub async fn list_policy_versions(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
    ) -> Result<Page<PolicyVersionView>, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "read the policy")?;
        let limit = page::limit(page)?;
        let environment = actor.environment_id.to_string();
        let context: [&[u8]; 2] = [environment.as_bytes(), b"policy"];
        let before = page::open(&self.inner.cursors, &context, page)?;
        let before = before.and_then(|before| i64::try_from(before.as_u128()).ok());
        let rows = self.inner.store.list_policies(actor.environment_id, before, limit + 1).await;
        let rows = rows.map_err(storage_problem)?;
        let key = |row: &PolicyRow| Uuid::from_u128(u128::from(row.version.unsigned_abs()));
        page::of(&self.inner.cursors, &context, limit, rows, key, |row| PolicyVersionView {
            version: row.version,
            document_bytes: row.document.len(),
            token_id: row.token_id,
            restored_from: row.restored_from,
            created_at: row.created_at,
        })
    }

    /// Sets the policy: a new version, in force for every call that comes after. `expected`: the version that must be the
    /// present one (0: none yet), else 412.
    ///
    /// A document with mistakes is refused with all of them, and nothing changes.
    pub async fn put_policy(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        expected: Option<i64>,
        document: String,
    ) -> Result<PolicyView, Problem> {
        self.require_administrator(actor, "set the policy").await?;
        self.set_policy(actor, request_id, expected, document, None).await
    }

    /// Sets the document of an earlier version again, as a new version.
    pub async fn restore_policy(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        expected: Option<i64>,
        version: i64,
    ) -> Result<PolicyView, Problem> {
        self.require_administrator(actor, "set the policy").await?;
        let row = self.policy_row(actor, Some(version)).await?.ok_or_else(|| no_such_version(version))?;
        self.set_policy(actor, request_id, expected, row.document, Some(version)).await
    }

    async fn set_policy(
        &self,
        actor: &Actor,
        request_id: RequestId,
        expected: Option<i64>,
        document: String,
        restored_from: Option<i64>,
    ) -> Result<PolicyView, Problem> {
        let policy = compile(&document)?;
        let present = self.policy_row(actor, None).await?.map_or(0, |row| row.version);
        if expected.is_some_and(|expected| expected != present) {
            return Err(changed_meanwhile(present));
        }
        let row = PolicyRow {
            environment_id: actor.environment_id,
            version: present + 1,
            document,
            token_id: actor.token_id,
            restored_from,
            created_at: self.inner.clock.now(),
        };
        let rules: Vec<&str> = policy.rules.iter().map(|rule| rule.name.as_str()).collect();
        let action = if restored_from.is_some() { "policy.restore" } else { "policy.set" };
        // The document itself stays in the table of versions.
        let audit = self
            .change(actor, request_id, action)
            .target(row.version)
            .before(&json!({"version": present}))
            .after(&json!({"version": row.version, "restored_from": restored_from, "rules": rules}))
            .row();
        let inserted = self.inner.store.insert_policy(&row, &audit).await;
        self.forget(actor.environment_id, &Stale::Policy);
        inserted.map_err(|error| match error {
            StoreError::Stale => changed_meanwhile(row.version),
            other => storage_problem(other),
        })?;
        Ok(view(row))
    }

    /// What is wrong with a document; nothing is set (admin and auditor).
    pub fn check_policy(&self, actor: &Actor, document: &str) -> Result<PolicyCheck, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "check policies")?;
        let (policy, diagnostics) = load_policy(FILE_NAME, document);
        let mut told = diagnostics.to_json();
        Ok(PolicyCheck {
            valid: policy.is_some(),
            problems: told.get_mut("problems").map(Value::take).unwrap_or_default(),
            text: diagnostics.render(false),
        })
    }

    async fn policy_row(&self, actor: &Actor, version: Option<i64>) -> Result<Option<PolicyRow>, Problem> {
        self.inner.store.find_policy(actor.environment_id, version).await.map_err(storage_problem)
    }

    /// The compiled policy of an environment: from memory when it was used before, without any SQL.
    pub(crate) async fn policy_in_force(&self, environment: EnvironmentId) -> Result<Arc<InForce>, Problem> {
        if let Some(held) = self.inner.policies.get(&environment) {
            return Ok(held);
        }
        let ticket = self.inner.policies.ticket();
        let row = self.inner.store.find_policy(environment, None).await.map_err(storage_problem)?;
        let in_force = Arc::new(match row {
            None => InForce { version: 0, policy: Ok(Policy::default()) },
            Some(row) => {
                let (policy, diagnostics) = load_policy(FILE_NAME, &row.document);
                InForce { version: row.version, policy: policy.ok_or_else(|| diagnostics.to_string()) }
            }
        });
        if let Err(why) = &in_force.policy {
            tracing::error!(%environment, version = in_force.version, why, "a stored policy does not compile any more");
        }
        self.inner.policies.insert(ticket, environment, Arc::clone(&in_force));
        Ok(in_force)
    }
}

/// The policy, or a problem with every mistake and its place.
fn compile(document: &str) -> Result<Policy, Problem> {
    let (policy, diagnostics) = load_policy(FILE_NAME, document);
    policy.ok_or_else(|| {
        let problem = Problem::caller(Code::InvalidArgument, "The policy has mistakes; nothing was changed.")
            .with_hint("Correct the places in `errors`. `qm policy check FILE` shows each in its line.");
        let errors =
            diagnostics.iter().filter(|item| item.level == quartermaster_definition::diagnostics::Level::Error);
        errors.fold(problem, |problem, item| {
            let place = item.location.as_ref().map(|at| format!("line {}, column {}: ", at.line, at.column));
            let help = item.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            problem.with_error("/document", format!("{}{}{help}", place.unwrap_or_default(), item.message))
        })
    })
}

fn changed_meanwhile(present: i64) -> Problem {
    Problem::caller(Code::PreconditionFailed, format!("The policy was changed meanwhile: it is at version {present}."))
        .with_hint("Read the policy again, and set it with the `etag` of that.")
}

fn no_such_version(version: i64) -> Problem {
    Problem::caller(Code::NotFound, format!("The policy of this environment has no version {version}."))
        .with_hint("List the versions with GET /policy/version.")
}

fn view(row: PolicyRow) -> PolicyView {
    PolicyView {
        version: row.version,
        document: row.document,
        token_id: Some(row.token_id),
        restored_from: row.restored_from,
        created_at: Some(row.created_at),
    }
}
