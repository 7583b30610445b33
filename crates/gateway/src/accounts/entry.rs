//! Accounts as calls need them: small, and shared where they are the same.

use std::sync::Arc;

use quartermaster_definition::Plan;
use quartermaster_store_model::AccountRow;
use quartermaster_types::{AccountId, Code, EnvironmentId, Problem};
use quartermaster_vault::{DataKey, SealScope, Secrets};
use serde_json::{Map, Value};

use crate::plans::{PlanEntry, PlanKey, with_override_errors};
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

/// What the accounts of an environment share.
pub(crate) struct EnvironmentKey {
    pub(crate) id: EnvironmentId,
    pub(crate) key: DataKey,
}

/// One account, ready for calls. Under 400 bytes with everything, of which the sealed credentials and the connection
/// are some 200; the plan and the environment's key are shared.
pub(crate) struct AccountEntry {
    pub(crate) id: AccountId,
    environment: Arc<EnvironmentKey>,
    pub(crate) plan: Arc<PlanEntry>,
    /// The connection object with defaults filled in, as JSON text (a parsed one takes six times the memory), followed
    /// by the tenant and the sealed credentials.
    texts: Box<[u8]>,
    connection_bytes: u32,
    /// [`crate::limits::TENANT_ID_MAX_BYTES`] at most.
    tenant_bytes: u8,
    pub(crate) sandbox: bool,
    pub(crate) blocked: bool,
    credential_version: i64,
    /// What the engine keeps access tokens under; see [`access_version`].
    pub(crate) access_version: i64,
}

impl AccountEntry {
    /// The environment that the account belongs to.
    pub(crate) fn environment_id(&self) -> EnvironmentId {
        self.environment.id
    }

    /// The connection object.
    pub(crate) fn connection(&self) -> Result<Map<String, Value>, Problem> {
        serde_json::from_slice(&self.texts[..self.connection_bytes as usize]).map_err(|error| {
            tracing::error!(account = %self.id, %error, "a stored connection is not a JSON object");
            Problem::gateway(Code::Internal, "The stored connection of this account cannot be read.")
        })
    }

    /// The caller's own name for the tenant.
    pub(crate) fn tenant_id(&self) -> &str {
        let start = self.connection_bytes as usize;
        std::str::from_utf8(&self.texts[start..start + usize::from(self.tenant_bytes)]).unwrap_or_default()
    }

    /// The credentials, opened for one call.
    pub(crate) fn credentials(&self) -> Result<Secrets, Problem> {
        let scope = SealScope { environment: self.environment.id, account: self.id, version: self.credential_version };
        let start = self.connection_bytes as usize + usize::from(self.tenant_bytes);
        self.environment.key.open(scope, &self.texts[start..]).map_err(vault_problem)
    }
}

/// Bits of an access version that count changes of the environment's override.
const OVERRIDE_VERSION_BITS: u32 = 24;

/// Grows whenever an access token for the old state must not be used for the new one: other credentials, another
/// connection or another override, any of which may mean another host.
fn access_version(account_version: i64, override_version: i64) -> i64 {
    (account_version << OVERRIDE_VERSION_BITS) | (override_version & ((1 << OVERRIDE_VERSION_BITS) - 1))
}

/// Which plan an account works by.
pub(crate) struct PlanChoice {
    pub(crate) key: PlanKey,
    /// Version of the environment's override; 0 for none.
    pub(crate) override_version: i64,
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
            return if entry.environment_id() == actor.environment_id {
                Ok(entry)
            } else {
                Err(rights::no_such_account(id))
            };
        }
        let ticket = self.inner.accounts.ticket();
        let row = self.inner.store.find_account(actor.environment_id, id).await.map_err(storage_problem)?;
        let row = row.ok_or_else(|| rights::no_such_account(id))?;
        let (plan, override_version) = self.plan_of(&row).await?;
        let entry = Arc::new(self.entry(&row, plan, override_version).await?);
        self.restore_budget(&entry).await;
        self.inner.accounts.insert(ticket, id, Arc::clone(&entry));
        Ok(entry)
    }

    /// The entry of a row under a plan.
    pub(crate) async fn entry(
        &self,
        row: &AccountRow,
        plan: Arc<PlanEntry>,
        override_version: i64,
    ) -> Result<AccountEntry, Problem> {
        let connection: Map<String, Value> = serde_json::from_str(&row.connection).map_err(|error| {
            tracing::error!(account = %row.id, %error, "a stored connection is not a JSON object");
            Problem::gateway(Code::Internal, "The stored connection of this account cannot be read.")
        })?;
        let connection = Value::Object(with_defaults(connection, &plan.plan)).to_string();
        let tenant_bytes = u8::try_from(row.tenant_id.len()).map_err(|_| {
            tracing::error!(account = %row.id, "a stored tenant is too long");
            Problem::gateway(Code::Internal, "The stored tenant of this account cannot be read.")
        })?;
        let texts = [connection.as_bytes(), row.tenant_id.as_bytes(), &row.sealed_credentials].concat();
        Ok(AccountEntry {
            id: row.id,
            environment: self.data_key(row.environment_id).await?,
            texts: texts.into_boxed_slice(),
            connection_bytes: connection.len() as u32,
            tenant_bytes,
            sandbox: row.sandbox,
            blocked: row.blocked,
            credential_version: row.credential_version,
            access_version: access_version(row.version, override_version),
            plan,
        })
    }

    /// The plan of a stored account.
    async fn plan_of(&self, row: &AccountRow) -> Result<(Arc<PlanEntry>, i64), Problem> {
        let choice = self
            .plan_choice(row.environment_id, &row.integration, row.override_patch.as_deref())
            .await?
            .ok_or_else(|| {
                Problem::gateway(
                    Code::Unsupported,
                    format!("This gateway has no definition of {}, which the account belongs to.", row.integration),
                )
            })?;
        let plan = self.inner.plans.get(&choice.key).map_err(|errors| {
            tracing::error!(account = %row.id, ?errors, "the overrides of an account do not fit its definition any more");
            let problem = Problem::gateway(
                Code::Unsupported,
                "The overrides of this account do not fit the definition of its integration any more.",
            )
            .with_hint("An admin has to change the account's or the environment's override.");
            with_override_errors(problem, errors)
        })?;
        Ok((plan, choice.override_version))
    }

    /// The plan for an override; `None` when there is no such integration.
    pub(crate) async fn plan_choice(
        &self,
        environment: EnvironmentId,
        integration: &str,
        account_patch: Option<&str>,
    ) -> Result<Option<PlanChoice>, Problem> {
        let Some(name) = self.inner.plans.name(integration) else { return Ok(None) };
        let row =
            self.inner.store.find_environment_override(environment, integration).await.map_err(storage_problem)?;
        let override_version = row.as_ref().map_or(0, |row| row.version);
        let key = PlanKey {
            integration: name,
            environment_patch: row.map(|row| row.patch).filter(|patch| patch != "{}").map(Arc::from),
            account_patch: account_patch.map(Arc::from),
        };
        Ok(Some(PlanChoice { key, override_version }))
    }
}

#[cfg(test)]
mod tests;
