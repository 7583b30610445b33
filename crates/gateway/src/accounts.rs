//! Integrated accounts: one tenant's connection to one integration.

mod check;
pub(crate) mod destination;
mod entry;
mod verify;

use std::sync::Arc;

use quartermaster_store_model::{AccountRow, Stale, StoreError};
use quartermaster_types::{AccountId, Code, Problem, RequestId, Timestamp};
use quartermaster_vault::{SealScope, Secrets};
use serde_json::{Map, Value};

pub(crate) use check::{NUL, filters, holds_nul, merge};
pub(crate) use entry::{AccountEntry, EnvironmentKey};

use crate::page::{self, Page, PageQuery};
use crate::plans::{PlanEntry, override_problem};
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

/// An account as callers see it (no secret).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AccountView {
    /// Id.
    pub id: AccountId,
    /// Integration.
    pub integration: String,
    /// The caller's own name for the tenant.
    pub tenant_id: String,
    /// Connection object.
    pub connection: Map<String, Value>,
    /// Names of the credentials that are stored.
    pub credentials: Vec<String>,
    /// Override.
    #[serde(rename = "override")]
    pub override_patch: Option<Value>,
    /// Whether writes are refused.
    pub sandbox: bool,
    /// Whether all calls are refused.
    pub blocked: bool,
    /// Version; the `ETag` is this in quotes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A new account.
pub struct NewAccount {
    /// Integration.
    pub integration: String,
    /// Tenant.
    pub tenant_id: String,
    /// Connection object.
    pub connection: Map<String, Value>,
    /// Credentials.
    pub credentials: Secrets,
    /// Override: a merge patch on the definition.
    pub override_patch: Option<Value>,
    /// Whether writes are refused.
    pub sandbox: bool,
}

/// A change of an account. `None` leaves a part as it is.
#[derive(Default)]
pub struct AccountChange {
    /// Tenant.
    pub tenant_id: Option<String>,
    /// Merge patch on the connection object.
    pub connection: Option<Value>,
    /// New credentials, whole.
    pub credentials: Option<Secrets>,
    /// Merge patch on the override; JSON null removes it.
    pub override_patch: Option<Value>,
    /// Sandbox.
    pub sandbox: Option<bool>,
    /// Blocked.
    pub blocked: Option<bool>,
}

impl Gateway {
    /// Creates an account: fields checked, connection verified against the vendor, credentials sealed; on any failure nothing is kept.
    ///
    /// 400 with every mistake at once; 422 `account_rejected` with the vendor's words when it refuses the connection.
    pub async fn create_account(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        account: NewAccount,
    ) -> Result<AccountView, Problem> {
        self.require_administrator(actor, "connect accounts").await?;
        let mut mistakes = Vec::new();
        check::tenant(&account.tenant_id, &mut mistakes);
        let patch = check::override_text(account.override_patch.as_ref(), &mut mistakes);
        let ticket = self.inner.accounts.ticket();
        let choice = self.plan_choice(actor.environment_id, &account.integration, patch.as_deref()).await?;
        let Some(choice) = choice else {
            mistakes.push(("/integration".to_owned(), self.unknown_integration(&account.integration)));
            return Err(crate::mistaken("The account cannot be made.", mistakes));
        };
        let plan = self.inner.plans.get(&choice.key).map_err(override_problem)?;
        let connection = entry::with_defaults(account.connection, &plan.plan);
        check::connection(&connection, &plan.plan, &mut mistakes);
        check::credentials(&account.credentials, &plan.plan, &mut mistakes);
        crate::invalid("The account cannot be made.", mistakes)?;

        let id: AccountId = self.inner.ids.next();
        let now = self.inner.clock.now();
        let mut row = AccountRow {
            id,
            environment_id: actor.environment_id,
            integration: account.integration,
            tenant_id: account.tenant_id,
            connection: Value::Object(connection).to_string(),
            override_patch: patch,
            sandbox: account.sandbox,
            blocked: false,
            sealed_credentials: Vec::new(),
            credential_version: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        self.seal(&mut row, &account.credentials).await?;
        let entry = Arc::new(self.entry(&row, plan, choice.override_version).await?);
        self.verify(&entry, id).await.inspect_err(|_| self.inner.engine.forget(id))?;
        let view = view(&row, credential_names(&account.credentials));
        let audit = self.change(actor, request_id, "account.create").account(id).target(id).after(&view).row();
        self.inner.store.insert_account(&row, &audit).await.map_err(storage_problem)?;
        self.inner.accounts.insert(ticket, id, entry);
        Ok(view)
    }

    /// Seals credentials into a row under the row's own version.
    async fn seal(&self, row: &mut AccountRow, secrets: &Secrets) -> Result<(), Problem> {
        let environment = self.data_key(row.environment_id).await?;
        let scope = SealScope { environment: row.environment_id, account: row.id, version: row.credential_version };
        row.sealed_credentials = environment.key.seal(scope, secrets).map_err(vault_problem)?;
        Ok(())
    }

    fn unknown_integration(&self, name: &str) -> String {
        let known = crate::some_names(self.inner.plans.names().map(|name| &**name));
        format!("there is no integration {name:?}; there are {known}")
    }

    /// One account.
    pub async fn get_account(&self, actor: &Arc<Actor>, id: AccountId) -> Result<AccountView, Problem> {
        let row = self.row(actor, id).await?;
        self.view_of(&row).await
    }

    async fn row(&self, actor: &Actor, id: AccountId) -> Result<AccountRow, Problem> {
        if !rights::sees_account(actor, id) {
            return Err(rights::no_such_account(id));
        }
        let row = self.inner.store.find_account(actor.environment_id, id).await.map_err(storage_problem)?;
        row.ok_or_else(|| rights::no_such_account(id))
    }

    /// The view of a row. The names of the credentials come from opening them; values stay inside.
    async fn view_of(&self, row: &AccountRow) -> Result<AccountView, Problem> {
        Ok(view(row, credential_names(&self.open(row).await?)))
    }

    async fn open(&self, row: &AccountRow) -> Result<Secrets, Problem> {
        let scope = SealScope { environment: row.environment_id, account: row.id, version: row.credential_version };
        self.data_key(row.environment_id).await?.key.open(scope, &row.sealed_credentials).map_err(vault_problem)
    }

    /// Accounts by age, optionally of one integration or tenant. A narrowed token sees only its own.
    pub async fn list_accounts(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
        integration: Option<&str>,
        tenant_id: Option<&str>,
    ) -> Result<Page<AccountView>, Problem> {
        let limit = page::limit(page)?;
        check::filters(&[("integration", integration), ("tenant_id", tenant_id)])?;
        let environment = actor.environment_id.to_string();
        let token = actor.narrowing.accounts.as_ref().map(|_| actor.token_id.to_string()).unwrap_or_default();
        let filters = quartermaster_vault::sha256(&[
            integration.unwrap_or_default().as_bytes(),
            tenant_id.unwrap_or_default().as_bytes(),
        ]);
        let context: [&[u8]; 4] = [environment.as_bytes(), b"accounts", &filters, token.as_bytes()];
        let after = page::open(&self.inner.cursors, &context, page)?.map(AccountId);
        let rows = match &actor.narrowing.accounts {
            None => self
                .inner
                .store
                .list_accounts(actor.environment_id, after, integration, tenant_id, limit + 1)
                .await
                .map_err(storage_problem)?,
            Some(allowed) => self.narrowed_rows(actor, allowed, after, integration, tenant_id, limit + 1).await?,
        };
        let rows = page::of(&self.inner.cursors, &context, limit, rows, |row| row.id.0, |row| row)?;
        let mut result = Vec::with_capacity(rows.result.len());
        for row in &rows.result {
            result.push(self.view_of(row).await?);
        }
        Ok(Page { result, next_cursor: rows.next_cursor, prev_cursor: None, result_count: rows.result_count })
    }

    /// The rows that a narrowed token sees; it names at most `NARROWING_MAX_ITEMS` accounts.
    async fn narrowed_rows(
        &self,
        actor: &Actor,
        allowed: &[AccountId],
        after: Option<AccountId>,
        integration: Option<&str>,
        tenant_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>, Problem> {
        let mut ids: Vec<AccountId> =
            allowed.iter().copied().filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut rows = Vec::new();
        for id in ids {
            let row = self.inner.store.find_account(actor.environment_id, id).await.map_err(storage_problem)?;
            rows.extend(row.filter(|row| {
                integration.is_none_or(|name| name == row.integration)
                    && tenant_id.is_none_or(|tenant| tenant == row.tenant_id)
            }));
            if rows.len() == limit as usize {
                break;
            }
        }
        Ok(rows)
    }

    /// Changes an account; verified again when connection, credentials or override change. `if_match`: the version that must be present.
    pub async fn update_account(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: AccountId,
        if_match: Option<i64>,
        change: AccountChange,
    ) -> Result<AccountView, Problem> {
        let old = self.row(actor, id).await?;
        self.require_administrator(actor, "change accounts").await?;
        if let Some(expected) = if_match
            && expected != old.version
        {
            return Err(stale(expected, Some(old.version)));
        }
        let before = self.view_of(&old).await?;
        let verified_parts =
            change.connection.is_some() || change.credentials.is_some() || change.override_patch.is_some();
        let (row, plan, override_version) = self.changed_row(&old, change).await?;
        if verified_parts {
            let entry = self.entry(&row, plan, override_version).await?;
            // Under an id of its own, so that a trial that fails leaves the account's access token alone.
            let trial: AccountId = self.inner.ids.next();
            let verified = self.verify(&entry, trial).await;
            self.inner.engine.forget(trial);
            verified?;
        }
        let after = self.view_of(&row).await?;
        let audit =
            self.change(actor, request_id, "account.update").account(id).target(id).before(&before).after(&after).row();
        let stored = self.inner.store.update_account(&row, old.version, &audit).await;
        self.forget(actor.environment_id, &Stale::Account(id));
        stored.map_err(|error| match error {
            StoreError::Stale => stale(old.version, None),
            other => storage_problem(other),
        })?;
        Ok(after)
    }

    /// Whether a change would send stored credentials where whoever gave them did not mean them to go.
    async fn goes_elsewhere(
        &self,
        old: &AccountRow,
        plan: &PlanEntry,
        connection: &Map<String, Value>,
    ) -> Result<bool, Problem> {
        let choice = self.plan_choice(old.environment_id, &old.integration, old.override_patch.as_deref()).await?;
        // A plan that does not compile any more sends nothing anywhere, and says nothing of where it once did.
        let Some(before) = choice.and_then(|choice| self.inner.plans.get(&choice.key).ok()) else { return Ok(true) };
        let fields: Map<String, Value> = serde_json::from_str(&old.connection).unwrap_or_default();
        let fields = entry::with_defaults(fields, &before.plan);
        Ok(destination::of(&before.plan, &fields) != destination::of(&plan.plan, connection))
    }

    /// The row after a change, and its plan; everything checked, nothing stored.
    async fn changed_row(
        &self,
        old: &AccountRow,
        change: AccountChange,
    ) -> Result<(AccountRow, Arc<PlanEntry>, i64), Problem> {
        let mut mistakes = Vec::new();
        let mut row = old.clone();
        if let Some(tenant_id) = change.tenant_id {
            check::tenant(&tenant_id, &mut mistakes);
            row.tenant_id = tenant_id;
        }
        if let Some(patch) = change.override_patch {
            let mut value = row.override_patch.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let target = value.get_or_insert(Value::Null);
            merge(target, patch);
            row.override_patch = check::override_text(Some(target), &mut mistakes);
        }
        let choice = self
            .plan_choice(row.environment_id, &row.integration, row.override_patch.as_deref())
            .await?
            .ok_or_else(|| {
                Problem::gateway(Code::Unsupported, format!("This gateway has no definition of {}.", row.integration))
            })?;
        let plan = self.inner.plans.get(&choice.key).map_err(override_problem)?;
        let mut connection: Value = serde_json::from_str(&row.connection).unwrap_or_default();
        if let Some(patch) = change.connection {
            if patch.is_object() {
                merge(&mut connection, patch);
            } else {
                mistakes.push(("/connection".to_owned(), "a JSON object is expected".to_owned()));
            }
        }
        let Value::Object(connection) = connection else {
            return Err(Problem::gateway(Code::Internal, "The stored connection of this account cannot be read."));
        };
        let connection = entry::with_defaults(connection, &plan.plan);
        check::connection(&connection, &plan.plan, &mut mistakes);
        if change.credentials.is_none() && self.goes_elsewhere(old, &plan, &connection).await? {
            mistakes.push((
                "/credentials".to_owned(),
                "the change sends the credentials to another place, or in another way; give them again".to_owned(),
            ));
        }
        let secrets = match change.credentials {
            Some(secrets) => {
                row.credential_version += 1;
                Some(secrets)
            }
            None => None,
        };
        match &secrets {
            Some(secrets) => check::credentials(secrets, &plan.plan, &mut mistakes),
            None => check::credentials(&self.open(old).await?, &plan.plan, &mut mistakes),
        }
        crate::invalid("The account cannot be changed.", mistakes)?;
        if let Some(secrets) = &secrets {
            self.seal(&mut row, secrets).await?;
        }
        row.connection = Value::Object(connection).to_string();
        row.sandbox = change.sandbox.unwrap_or(row.sandbox);
        row.blocked = change.blocked.unwrap_or(row.blocked);
        row.version += 1;
        row.updated_at = self.inner.clock.now();
        Ok((row, plan, choice.override_version))
    }

    /// Deletes an account and its credentials.
    pub async fn delete_account(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: AccountId,
    ) -> Result<(), Problem> {
        let row = self.row(actor, id).await?;
        self.require_administrator(actor, "delete accounts").await?;
        let before = self.view_of(&row).await?;
        let audit = self.change(actor, request_id, "account.delete").account(id).target(id).before(&before).row();
        let found = self.inner.store.delete_account(actor.environment_id, id, &audit).await;
        self.forget(actor.environment_id, &Stale::Account(id));
        self.inner.engine.forget_budget(id);
        if found.map_err(storage_problem)? { Ok(()) } else { Err(rights::no_such_account(id)) }
    }
}

fn credential_names(secrets: &Secrets) -> Vec<String> {
    secrets.names().map(str::to_owned).collect()
}

fn stale(expected: i64, present: Option<i64>) -> Problem {
    let detail = match present {
        Some(present) => format!("The account has version {present}, not {expected}."),
        None => format!("The account was changed meanwhile; version {expected} is no longer the present one."),
    };
    Problem::caller(Code::PreconditionFailed, detail)
        .with_hint("Read the account again, look at what changed, and send If-Match with its present version.")
}

fn view(row: &AccountRow, credentials: Vec<String>) -> AccountView {
    AccountView {
        id: row.id,
        integration: row.integration.clone(),
        tenant_id: row.tenant_id.clone(),
        connection: serde_json::from_str(&row.connection).unwrap_or_default(),
        credentials,
        override_patch: row.override_patch.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        sandbox: row.sandbox,
        blocked: row.blocked,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
