//! Environments: the isolation boundary.

use std::sync::Arc;

use quartermaster_store::Store;
use quartermaster_store_model::{AuditRow, EnvironmentRow, Narrowing, Outcome, Revocable, Role, StoreError};
use quartermaster_types::{Clock, Code, EnvironmentId, IdSource, Problem, RequestId, TokenId};
use quartermaster_vault::{ApiToken, RootKey};
use secrecy::SecretString;

use crate::accounts::EnvironmentKey;
use crate::limits::PAGE_LIMIT_MAX;
use crate::tokens::{NewToken, name_mistake, token_row};
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

impl Gateway {
    /// Makes an environment and its first admin token (operators only).
    ///
    /// The caller's environment records that it was made; the new one records its token.
    pub async fn create_environment(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        name: &str,
    ) -> Result<(EnvironmentId, SecretString), Problem> {
        rights::require_operator(actor, "makes environments")?;
        self.require_switched_on(actor).await?;
        if let Some(detail) = name_mistake(name) {
            return Err(crate::mistaken("The environment cannot be made.", vec![("/name".to_owned(), detail)]));
        }
        let id: EnvironmentId = self.inner.ids.next();
        let (_, wrapped_key) = self.inner.root_key.new_data_key(id).map_err(vault_problem)?;
        let environment = EnvironmentRow { id, name: name.to_owned(), wrapped_key, created_at: self.inner.clock.now() };
        let (token, text) = self.new_token_row(id, first_token(), false)?;
        let made = self
            .change(actor, request_id, "environment.create")
            .target(id)
            .after(&serde_json::json!({"id": id, "name": name}))
            .row();
        let mut token_made = self
            .change(actor, request_id, "token.create")
            .target(token.id)
            .after(&serde_json::json!({"name": token.name, "role": "admin"}))
            .row();
        token_made.environment_id = id;
        self.inner.store.insert_environment(&environment).await.map_err(|error| match error {
            StoreError::Conflict(_) => {
                Problem::caller(Code::Conflict, format!("An environment with the name {name} exists."))
            }
            other => storage_problem(other),
        })?;
        self.inner.store.insert_token(&token, Some(&token_made)).await.map_err(half_made)?;
        self.inner.audit.commit(made).await.map_err(|_| crate::not_recorded())?;
        Ok((id, text))
    }

    /// The data key of an environment, unwrapped once and then held.
    pub(crate) async fn data_key(&self, environment: EnvironmentId) -> Result<Arc<EnvironmentKey>, Problem> {
        if let Some(key) = self.inner.data_keys.get(&environment) {
            return Ok(key);
        }
        let ticket = self.inner.data_keys.ticket();
        let row = self.inner.store.find_environment(environment).await.map_err(storage_problem)?.ok_or_else(|| {
            tracing::error!(%environment, "the environment of a token is not there");
            Problem::gateway(Code::Internal, "The environment of this token is not there.")
        })?;
        let key = self.inner.root_key.unwrap_data_key(environment, &row.wrapped_key).map_err(vault_problem)?;
        let key = Arc::new(EnvironmentKey { id: environment, key });
        self.inner.data_keys.insert(ticket, environment, Arc::clone(&key));
        Ok(key)
    }
}

/// The environment is there, and nobody has a token for it.
fn half_made(error: StoreError) -> Problem {
    storage_problem(error);
    Problem::gateway(Code::Internal, "The environment was made, but its first token could not be stored.")
        .with_hint("Make another environment, with another name; nothing can be done with this one.")
}

fn first_token() -> NewToken {
    NewToken {
        name: "first admin".to_owned(),
        role: Role::Admin,
        narrowing: Narrowing::default(),
        email: None,
        expires_at: None,
    }
}

/// Creates the first environment (`default`) and its operator token in an empty store: `qm init`.
///
/// Refuses when the store has an environment already, and changes nothing then.
pub async fn initialise(store: &Store, root_key: &RootKey, clock: &Clock) -> Result<SecretString, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    if !store.list_environments().await.map_err(|error| text(&error))?.is_empty() {
        return Err("the store has an environment already: it was initialised before".to_owned());
    }
    let ids = IdSource::new(clock.clone(), crate::seed()?);
    let id: EnvironmentId = ids.next();
    let (_, wrapped_key) = root_key.new_data_key(id).map_err(|error| text(&error))?;
    let now = clock.now();
    let row = EnvironmentRow { id, name: "default".to_owned(), wrapped_key, created_at: now };
    let made = ApiToken::generate().map_err(|error| text(&error))?;
    let token = token_row(ids.next(), id, first_token(), true, &made, now);
    store.insert_environment(&row).await.map_err(|error| text(&error))?;
    store.insert_token(&token, None).await.map_err(|error| text(&error))?;
    Ok(made.text)
}

/// Makes an operator token in the first environment of a store that no gateway works on: `qm token recover`. With
/// `revoke_others` every other operator token is revoked; says how many.
///
/// Gateways that run on the same PostgreSQL database meanwhile hear of it.
pub async fn recover_operator(
    store: &Store,
    clock: &Clock,
    revoke_others: bool,
) -> Result<(TokenId, SecretString, u32), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let environments = store.list_environments().await.map_err(|error| text(&error))?;
    let Some(first) = environments.first() else { return Err("the store has no environment yet".to_owned()) };
    let ids = IdSource::new(clock.clone(), crate::seed()?);
    let made = ApiToken::generate().map_err(|error| text(&error))?;
    let new = NewToken { name: "recovered operator".to_owned(), ..first_token() };
    let row = token_row(ids.next(), first.id, new, true, &made, clock.now());
    let record = |environment, action, target| local_record(&ids, clock, environment, action, (row.id, target));
    let audit = record(first.id, "token.create", row.id);
    store.insert_token(&row, Some(&audit)).await.map_err(|error| text(&error))?;
    let mut revoked = 0;
    for environment in environments.iter().filter(|_| revoke_others) {
        let mut after = None;
        loop {
            let page = store.list_tokens(environment.id, after, PAGE_LIMIT_MAX as u32).await;
            let page = page.map_err(|error| text(&error))?;
            for token in page.iter().filter(|token| token.operator && token.revoked_at.is_none() && token.id != row.id)
            {
                let audit = record(environment.id, "token.revoke", token.id);
                let revocable = Revocable::AllButLastOperator;
                let done = store.revoke_token(environment.id, token.id, clock.now(), revocable, &audit).await;
                done.map_err(|error| text(&error))?;
                revoked += 1;
            }
            match page.last() {
                Some(last) => after = Some(last.id),
                None => break,
            }
        }
    }
    Ok((row.id, made.text, revoked))
}

/// The audit record of a change by somebody who has the data folder: in the name of the token that came of it.
fn local_record(
    ids: &IdSource,
    clock: &Clock,
    environment_id: EnvironmentId,
    action: &str,
    (token_id, target): (TokenId, TokenId),
) -> AuditRow {
    AuditRow {
        id: ids.next(),
        environment_id,
        at: clock.now(),
        request_id: ids.next(),
        token_id,
        session: None,
        door: "local",
        action: action.to_owned(),
        account_id: None,
        target: Some(target.to_string()),
        arguments: None,
        before: None,
        after: None,
        decision: None,
        outcome: Outcome::Ok,
        code: None,
        upstream_calls: 0,
        duration_ms: 0,
    }
}
