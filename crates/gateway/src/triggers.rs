//! Triggers: what starts runs by itself. A webhook of another system, or a schedule; what they start works with the rights of a
//! token.

mod accept;
mod change;
mod hook;
mod refusals;
mod schedule;
mod test;
mod view;

use std::sync::Arc;

use quartermaster_store_model::{Role, StoreError, TriggerKind, TriggerRow};
use quartermaster_trigger::{Source, Trigger};
use quartermaster_types::{Code, DeliveryId, Problem, RequestId, TokenId, TriggerId};
use quartermaster_vault::{Secrets, TriggerScope};
use tokio::sync::Notify;

pub use hook::{HookAnswer, HookRequest, HookRun};
pub use test::{TestDelivery, TestStep, TestedItem, TriggerTest};
pub use view::{CreatedTrigger, DeliveryView, TriggerView};

use crate::page::{self, Page, PageQuery};
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

/// The name of a trigger's text in diagnostics.
const FILE_NAME: &str = "trigger.yaml";

/// What the gateway holds for triggers.
#[derive(Default)]
pub(crate) struct Triggers {
    /// A schedule was made or changed.
    changed: Notify,
    refusals: refusals::Refusals,
}

/// A new trigger.
pub struct NewTrigger {
    /// The document, YAML.
    pub document: String,
    /// With whose rights its runs work; those of the caller when `None`.
    pub token: Option<TokenId>,
    /// Whether it starts anything.
    pub enabled: bool,
    /// Secrets that verify deliveries. Where one secret is needed and none is given, one is made and shown once.
    pub secrets: Option<Secrets>,
}

/// A change of a trigger. `None` leaves a part as it is.
#[derive(Default)]
pub struct TriggerChange {
    /// The document, YAML.
    pub document: Option<String>,
    /// With whose rights its runs work.
    pub token: Option<TokenId>,
    /// Whether it starts anything.
    pub enabled: Option<bool>,
    /// New secrets, whole.
    pub secrets: Option<Secrets>,
    /// Whether the secret so far goes on to verify deliveries beside the new one.
    pub keep_previous_secret: bool,
}

impl Gateway {
    /// Triggers by age (admin and auditor whose token is not narrowed).
    pub async fn list_triggers(&self, actor: &Arc<Actor>, page: &PageQuery) -> Result<Page<TriggerView>, Problem> {
        require_reader(actor)?;
        let limit = page::limit(page)?;
        let environment = actor.environment_id.to_string();
        let context: [&[u8]; 2] = [environment.as_bytes(), b"triggers"];
        let after = page::open(&self.inner.cursors, &context, page)?.map(TriggerId);
        let rows = self.inner.store.list_triggers(actor.environment_id, after, limit + 1).await;
        let rows = rows.map_err(storage_problem)?;
        let rows = page::of(&self.inner.cursors, &context, limit, rows, |row| row.id.0, |row| row)?;
        let mut result = Vec::with_capacity(rows.result.len());
        for row in &rows.result {
            result.push(self.trigger_view(row).await?);
        }
        Ok(Page { result, next_cursor: rows.next_cursor, prev_cursor: None, result_count: rows.result_count })
    }

    /// One trigger.
    pub async fn get_trigger(&self, actor: &Arc<Actor>, id: TriggerId) -> Result<TriggerView, Problem> {
        require_reader(actor)?;
        self.trigger_view(&self.trigger_row(actor, id).await?).await
    }

    /// What was delivered to a trigger, newest first: the last ones, whatever came of them.
    pub async fn list_deliveries(
        &self,
        actor: &Arc<Actor>,
        id: TriggerId,
        page: &PageQuery,
    ) -> Result<Page<DeliveryView>, Problem> {
        require_reader(actor)?;
        let row = self.trigger_row(actor, id).await?;
        let limit = page::limit(page)?;
        let (environment, trigger) = (row.environment_id.to_string(), row.id.to_string());
        let context: [&[u8]; 3] = [environment.as_bytes(), b"deliveries", trigger.as_bytes()];
        let before = page::open(&self.inner.cursors, &context, page)?.map(DeliveryId);
        let rows = self.inner.store.list_deliveries(row.environment_id, row.id, before, limit + 1).await;
        let rows = rows.map_err(storage_problem)?;
        page::of(&self.inner.cursors, &context, limit, rows, |row| row.id.0, DeliveryView::of)
    }

    /// Deletes a trigger with its secrets and its list of deliveries; the runs that it started stay.
    pub async fn delete_trigger(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: TriggerId,
    ) -> Result<(), Problem> {
        rights::require_full_admin(actor, "delete triggers")?;
        let row = self.trigger_row(actor, id).await?;
        let before = self.trigger_view(&row).await?;
        let audit = self.change(actor, request_id, "trigger.delete").target(id).before(&before).row();
        let found = self.inner.store.delete_trigger(actor.environment_id, id, &audit).await;
        if found.map_err(storage_problem)? { Ok(()) } else { Err(no_such_trigger(id)) }
    }

    async fn trigger_row(&self, actor: &Actor, id: TriggerId) -> Result<TriggerRow, Problem> {
        let row = self.inner.store.find_trigger(actor.environment_id, id).await.map_err(storage_problem)?;
        row.ok_or_else(|| no_such_trigger(id))
    }

    async fn trigger_view(&self, row: &TriggerRow) -> Result<TriggerView, Problem> {
        let names = self.trigger_secrets(row).await?.names().map(str::to_owned).collect();
        Ok(TriggerView::of(row, names))
    }

    /// The secrets of a trigger, opened; none where it has none.
    async fn trigger_secrets(&self, row: &TriggerRow) -> Result<Secrets, Problem> {
        let Some(sealed) = &row.sealed_secrets else { return Ok(Secrets::default()) };
        let key = self.data_key(row.environment_id).await?;
        key.key.open_trigger(scope(row), sealed).map_err(vault_problem)
    }
}

/// What the sealed secrets of a trigger belong to.
fn scope(row: &TriggerRow) -> TriggerScope {
    TriggerScope { environment: row.environment_id, trigger: row.id, version: row.secret_version }
}

fn kind_of(trigger: &Trigger) -> TriggerKind {
    match trigger.source {
        Source::Webhook(_) => TriggerKind::Webhook,
        Source::Schedule(_) => TriggerKind::Schedule,
    }
}

/// The stored text, loaded; `None` when it does not load any more, which the log says.
fn loaded(row: &TriggerRow) -> Option<Trigger> {
    let (trigger, problems) = quartermaster_trigger::load(FILE_NAME, row.document.as_bytes());
    if trigger.is_none() {
        tracing::error!(trigger = %row.id, %problems, "a stored trigger does not load any more");
    }
    trigger
}

/// Deliveries show what came from other systems, whatever account it is about; so a narrowed token does not see them.
fn require_reader(actor: &Actor) -> Result<(), Problem> {
    rights::require_role(actor, &[Role::Admin, Role::Auditor], "read triggers")?;
    if rights::is_narrowed(&actor.narrowing) {
        return Err(Problem::gateway(Code::PermissionDenied, "A narrowed token may not read triggers."));
    }
    Ok(())
}

fn no_such_trigger(id: TriggerId) -> Problem {
    Problem::caller(Code::NotFound, format!("There is no trigger {id}."))
        .with_hint("List the triggers with GET /trigger.")
}

fn stale(present: Option<i64>) -> Problem {
    let detail = match present {
        Some(present) => format!("The trigger was changed meanwhile: it is at version {present}."),
        None => "The trigger was changed meanwhile.".to_owned(),
    };
    Problem::caller(Code::PreconditionFailed, detail)
        .with_hint("Read the trigger again, look at what changed, and send If-Match with its present version.")
}

fn store_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Stale => stale(None),
        other => storage_problem(other),
    }
}
