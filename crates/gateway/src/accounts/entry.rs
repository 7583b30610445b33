//! Accounts as calls need them: small, and shared where they are the same.

use std::sync::Arc;

use quartermaster_definition::Plan;
use quartermaster_store_model::AccountRow;
use quartermaster_types::{AccountId, Code, EnvironmentId, Problem};
use quartermaster_vault::{DataKey, SealScope, Secrets};
use serde_json::{Map, Value};

use crate::plans::{PlanEntry, PlanKey, with_override_errors};
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

/// One account, ready for calls. About 300 bytes with a 100-byte connection and 150 bytes of sealed credentials; the
/// plan and the data key are shared.
pub(crate) struct AccountEntry {
    pub(crate) id: AccountId,
    pub(crate) environment_id: EnvironmentId,
    pub(crate) plan: Arc<PlanEntry>,
    data_key: Arc<DataKey>,
    /// The connection object with defaults filled in, as JSON text: a parsed one takes six times the memory.
    connection: Box<str>,
    sealed: Box<[u8]>,
    credential_version: i64,
    /// What the engine caches access tokens under; see [`access_version`].
    pub(crate) access_version: i64,
    pub(crate) sandbox: bool,
    pub(crate) blocked: bool,
}

impl AccountEntry {
    /// The connection object.
    pub(crate) fn connection(&self) -> Result<Map<String, Value>, Problem> {
        serde_json::from_str(&self.connection).map_err(|error| {
            tracing::error!(account = %self.id, %error, "a stored connection is not a JSON object");
            Problem::gateway(Code::Internal, "The stored connection of this account cannot be read.")
        })
    }

    /// The credentials, opened for one call.
    pub(crate) fn credentials(&self) -> Result<Secrets, Problem> {
        let scope = SealScope { environment: self.environment_id, account: self.id, version: self.credential_version };
        self.data_key.open(scope, &self.sealed).map_err(vault_problem)
    }
}

/// Changes whenever an access token for the old state must not be used for the new one: other credentials, another
/// connection, or another plan (which may name another host). The upper half is the credentials' version.
pub(crate) fn access_version(credential_version: i64, connection: &str, plan: &Plan) -> i64 {
    let digest = crate::sha256(&[connection.as_bytes(), plan.version.as_bytes()]);
    let [a, b, c, d, ..] = digest;
    (credential_version << 32) | i64::from(u32::from_be_bytes([a, b, c, d]))
}

/// The connection with the defaults of fields that are absent.
pub(crate) fn with_defaults(mut connection: Map<String, Value>, plan: &Plan) -> Map<String, Value> {
    for field in &plan.connection_fields {
        if let Some(default) = &field.default
            && !connection.contains_key(&field.name)
        {
            connection.insert(field.name.clone(), default.clone());
        }
    }
    connection
}

impl Gateway {
    /// The account for this actor: from memory when it was used before, without any SQL.
    ///
    /// An account that is absent, of another environment, or hidden by the token's narrowing gives the same problem.
    pub(crate) async fn account(&self, actor: &Actor, id: AccountId) -> Result<Arc<AccountEntry>, Problem> {
        if !rights::sees_account(actor, id) {
            return Err(rights::no_such_account(id));
        }
        if let Some(entry) = self.inner.accounts.get(&id) {
            return if entry.environment_id == actor.environment_id {
                Ok(entry)
            } else {
                Err(rights::no_such_account(id))
            };
        }
        let ticket = self.inner.accounts.ticket();
        let row = self.inner.store.find_account(actor.environment_id, id).await.map_err(storage_problem)?;
        let row = row.ok_or_else(|| rights::no_such_account(id))?;
        let plan = self.plan_of(&row).await?;
        let entry = Arc::new(self.entry(&row, plan).await?);
        self.inner.accounts.insert(ticket, id, Arc::clone(&entry));
        Ok(entry)
    }

    /// The entry of a row under a plan.
    pub(crate) async fn entry(&self, row: &AccountRow, plan: Arc<PlanEntry>) -> Result<AccountEntry, Problem> {
        let connection: Map<String, Value> = serde_json::from_str(&row.connection).map_err(|error| {
            tracing::error!(account = %row.id, %error, "a stored connection is not a JSON object");
            Problem::gateway(Code::Internal, "The stored connection of this account cannot be read.")
        })?;
        let connection = Value::Object(with_defaults(connection, &plan.plan)).to_string();
        Ok(AccountEntry {
            id: row.id,
            environment_id: row.environment_id,
            data_key: self.data_key(row.environment_id).await?,
            sealed: row.sealed_credentials.clone().into_boxed_slice(),
            credential_version: row.credential_version,
            access_version: access_version(row.credential_version, &connection, &plan.plan),
            connection: connection.into_boxed_str(),
            sandbox: row.sandbox,
            blocked: row.blocked,
            plan,
        })
    }

    /// The plan of a stored account.
    async fn plan_of(&self, row: &AccountRow) -> Result<Arc<PlanEntry>, Problem> {
        let key = self
            .plan_key(row.environment_id, &row.integration, row.override_patch.as_deref())
            .await?
            .ok_or_else(|| {
                Problem::gateway(
                    Code::Unsupported,
                    format!("This gateway has no definition of {}, which the account belongs to.", row.integration),
                )
            })?;
        self.inner.plans.get(&key).map_err(|errors| {
            tracing::error!(account = %row.id, ?errors, "the overrides of an account do not fit its definition any more");
            let problem = Problem::gateway(
                Code::Unsupported,
                "The overrides of this account do not fit the definition of its integration any more.",
            )
            .with_hint("An admin has to change the account's or the environment's override.");
            with_override_errors(problem, errors)
        })
    }

    /// The key of a plan; `None` when there is no such integration.
    pub(crate) async fn plan_key(
        &self,
        environment: EnvironmentId,
        integration: &str,
        account_patch: Option<&str>,
    ) -> Result<Option<PlanKey>, Problem> {
        let Some(name) = self.inner.plans.name(integration) else { return Ok(None) };
        let row =
            self.inner.store.find_environment_override(environment, integration).await.map_err(storage_problem)?;
        Ok(Some(PlanKey {
            integration: name,
            environment_patch: row.map(|row| row.patch).filter(|patch| patch != "{}").map(Arc::from),
            account_patch: account_patch.map(Arc::from),
        }))
    }
}
