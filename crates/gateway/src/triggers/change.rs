//! Making and changing triggers: checked whole before anything is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use quartermaster_definition::diagnostics::Level;
use quartermaster_store_model::{Role, TriggerRow};
use quartermaster_trigger::{Source, Trigger};
use quartermaster_types::{Code, EnvironmentId, Problem, RequestId, Timestamp, TokenId, TriggerId};
use quartermaster_vault::Secrets;
use secrecy::SecretString;

use super::{CreatedTrigger, FILE_NAME, NewTrigger, TriggerChange, TriggerView, kind_of, scope, stale, store_problem};
use crate::limits::TRIGGERS_MAX;
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

/// The name of the secret that verifies.
const SECRET: &str = "secret";
/// The name of the one before it.
const PREVIOUS_SECRET: &str = "previous_secret";

impl Gateway {
    /// Makes a trigger: the document checked with every mistake at once, secrets sealed.
    pub async fn create_trigger(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        new: NewTrigger,
    ) -> Result<CreatedTrigger, Problem> {
        rights::require_full_admin(actor, "make triggers")?;
        let trigger = compile(&new.document)?;
        let token_id = new.token.unwrap_or(actor.token_id);
        self.check_rights(actor.environment_id, token_id, &trigger).await?;
        let (secrets, made) = match new.secrets {
            None => made_secret(&trigger)?,
            Some(secrets) => (secrets, None),
        };
        check_secrets(&trigger, &secrets)?;
        let count = self.inner.store.count_triggers(actor.environment_id).await.map_err(storage_problem)?;
        if count >= TRIGGERS_MAX {
            let detail = format!("This environment has {count} triggers, and {TRIGGERS_MAX} are the most.");
            return Err(Problem::caller(Code::Conflict, detail).with_hint("Delete one that is not needed any more."));
        }
        let now = self.inner.clock.now();
        let next_at = if new.enabled { next_time(&trigger, now) } else { None };
        let mut row = TriggerRow {
            id: self.inner.ids.next(),
            environment_id: actor.environment_id,
            name: trigger.name.clone(),
            kind: kind_of(&trigger),
            document: new.document,
            token_id,
            enabled: new.enabled,
            sealed_secrets: None,
            secret_version: 1,
            version: 1,
            next_at,
            due_at: next_at,
            created_at: now,
            updated_at: now,
        };
        self.seal_secrets(&mut row, &secrets).await?;
        let view = TriggerView::of(&row, secrets.names().map(str::to_owned).collect());
        let audit = self.change(actor, request_id, "trigger.create").target(row.id).after(&view).row();
        self.inner.store.insert_trigger(&row, &audit).await.map_err(store_problem)?;
        self.inner.triggers.changed.notify_one();
        Ok(CreatedTrigger { trigger: view, secret: made })
    }

    /// Changes a trigger. `if_match`: the version that must be present.
    pub async fn update_trigger(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        id: TriggerId,
        if_match: Option<i64>,
        change: TriggerChange,
    ) -> Result<TriggerView, Problem> {
        rights::require_full_admin(actor, "change triggers")?;
        let old = self.trigger_row(actor, id).await?;
        if if_match.is_some_and(|expected| expected != old.version) {
            return Err(stale(Some(old.version)));
        }
        let before = self.trigger_view(&old).await?;
        let mut row = old.clone();
        row.document = change.document.unwrap_or(row.document);
        row.token_id = change.token.unwrap_or(row.token_id);
        row.enabled = change.enabled.unwrap_or(row.enabled);
        let trigger = compile(&row.document)?;
        // Switching off always works: also when the token is gone.
        if row.enabled {
            self.check_rights(row.environment_id, row.token_id, &trigger).await?;
        }
        let secrets = self.trigger_secrets(&old).await?;
        let changed_secrets = change.secrets.is_some();
        let secrets = match change.secrets {
            None => secrets,
            Some(new) if change.keep_previous_secret => with_previous(&new, &secrets)?,
            Some(new) => new,
        };
        check_secrets(&trigger, &secrets)?;
        if changed_secrets {
            row.secret_version += 1;
            self.seal_secrets(&mut row, &secrets).await?;
        }
        row.name.clone_from(&trigger.name);
        row.kind = kind_of(&trigger);
        row.version += 1;
        row.updated_at = self.inner.clock.now();
        let same_times = old.enabled && row.enabled && old.document == row.document;
        if !same_times {
            row.next_at = if row.enabled { next_time(&trigger, row.updated_at) } else { None };
            row.due_at = row.next_at;
        }
        let after = TriggerView::of(&row, secrets.names().map(str::to_owned).collect());
        let audit = self.change(actor, request_id, "trigger.update").target(id).before(&before).after(&after).row();
        self.inner.store.update_trigger(&row, old.version, &audit).await.map_err(store_problem)?;
        self.inner.triggers.changed.notify_one();
        Ok(after)
    }

    /// Whether the token is one whose rights runs can work with, and sees the account.
    async fn check_rights(&self, environment: EnvironmentId, token: TokenId, trigger: &Trigger) -> Result<(), Problem> {
        let mut mistakes = Vec::new();
        let account = trigger.run.account;
        match self.actor_of(environment, token).await? {
            None => mistakes.push((
                "/token_id".to_owned(),
                format!("there is no token {token} in this environment that is neither revoked nor expired"),
            )),
            Some(actor) if actor.role == Role::Auditor => {
                mistakes.push(("/token_id".to_owned(), "an auditor's token starts no runs".to_owned()));
            }
            Some(actor) => {
                if let Err(problem) = self.account(&actor, account).await {
                    if problem.code() != Code::NotFound {
                        return Err(problem);
                    }
                    let detail = format!("run: there is no integrated account {account} that the token sees");
                    mistakes.push(("/document".to_owned(), detail));
                }
            }
        }
        crate::invalid("The trigger cannot be kept.", mistakes)
    }

    async fn seal_secrets(&self, row: &mut TriggerRow, secrets: &Secrets) -> Result<(), Problem> {
        if secrets.is_empty() {
            row.sealed_secrets = None;
            return Ok(());
        }
        let key = self.data_key(row.environment_id).await?;
        row.sealed_secrets = Some(key.key.seal_trigger(scope(row), secrets).map_err(vault_problem)?);
        Ok(())
    }
}

/// The trigger, or a problem with every mistake and its place.
fn compile(document: &str) -> Result<Trigger, Problem> {
    let (trigger, diagnostics) = quartermaster_trigger::load(FILE_NAME, document.as_bytes());
    trigger.ok_or_else(|| {
        let problem = Problem::caller(Code::InvalidArgument, "The trigger has mistakes; nothing was changed.")
            .with_hint("Correct the places in `errors`. `qm trigger check FILE` shows each in its line.");
        diagnostics.iter().filter(|item| item.level == Level::Error).fold(problem, |problem, item| {
            let place = item.location.as_ref().map(|at| format!("line {}, column {}: ", at.line, at.column));
            let help = item.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            problem.with_error("/document", format!("{}{}{help}", place.unwrap_or_default(), item.message))
        })
    })
}

fn check_secrets(trigger: &Trigger, secrets: &Secrets) -> Result<(), Problem> {
    let mistakes = match &trigger.source {
        Source::Webhook(webhook) => webhook.secret_mistakes(secrets),
        Source::Schedule(_) => {
            secrets.names().map(|name| (name.to_owned(), "a schedule has no secrets".to_owned())).collect()
        }
    };
    let mistakes = mistakes.into_iter().map(|(name, detail)| (format!("/secrets/{name}"), detail)).collect();
    crate::invalid("The trigger cannot be kept.", mistakes)
}

/// A fresh secret for a trigger that needs one and got none.
fn made_secret(trigger: &Trigger) -> Result<(Secrets, Option<SecretString>), Problem> {
    let Some(webhook) = trigger.webhook().filter(|webhook| webhook.secret_names() == [SECRET]) else {
        return Ok((Secrets::default(), None));
    };
    let bytes = quartermaster_vault::random_bytes::<32>().map_err(vault_problem)?;
    let secret = webhook.secret_of(&bytes);
    Ok((Secrets::new(BTreeMap::from([(SECRET.to_owned(), secret.clone())])), Some(secret)))
}

/// New secrets with the one so far beside them.
fn with_previous(new: &Secrets, old: &Secrets) -> Result<Secrets, Problem> {
    let (Some(secret), Some(previous)) = (new.expose(SECRET), old.expose(SECRET)) else {
        let detail =
            "only a trigger with one secret keeps the one before: give `secrets: {secret: …}` with it".to_owned();
        return Err(crate::mistaken("The trigger cannot be kept.", vec![("/keep_previous_secret".to_owned(), detail)]));
    };
    let pair = [(SECRET, secret), (PREVIOUS_SECRET, previous)];
    Ok(Secrets::new(pair.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()))
}

/// The next time of a schedule.
fn next_time(trigger: &Trigger, after: Timestamp) -> Option<Timestamp> {
    match &trigger.source {
        Source::Schedule(schedule) => schedule.next_after(after),
        Source::Webhook(_) => None,
    }
}
