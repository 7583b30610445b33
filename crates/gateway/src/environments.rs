//! Environments: the isolation boundary.

use std::sync::Arc;

use quartermaster_store::Store;
use quartermaster_store_model::{EnvironmentRow, Narrowing, Role, StoreError};
use quartermaster_types::{Clock, Code, EnvironmentId, IdSource, Problem, RequestId};
use quartermaster_vault::{ApiToken, RootKey};
use secrecy::SecretString;

use crate::accounts::EnvironmentKey;
use crate::tokens::{NewToken, name_mistake, token_row};
use crate::{Actor, Gateway, storage_problem, vault_problem};

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
        if !actor.operator || actor.role != Role::Admin {
            return Err(Problem::gateway(
                Code::PermissionDenied,
                "Only the operator token, the one that `qm init` printed, makes environments.",
            ));
        }
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
    NewToken { name: "first admin".to_owned(), role: Role::Admin, narrowing: Narrowing::default(), expires_at: None }
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
