//! Connections to servers of language models: those of the server, which every environment has, and an environment's own,
//! with their keys in the vault; and the one client that asks them.

mod view;

use std::sync::Arc;

use quartermaster_model::{Client, Connection, Message, ModelReference, Request, Settings, ToolChoice, check_name};
use quartermaster_store_model::{ModelRow, Role, StoreError};
use quartermaster_types::{Code, EnvironmentId, ModelId, Problem, RequestId};
use quartermaster_vault::{ModelScope, Secrets};
use secrecy::SecretString;
use serde_json::Value;

pub use view::{ModelAnswer, ModelChange, ModelList, ModelSource, ModelView, NewModel};

use crate::accounts::merge;
use crate::limits::{MODEL_CHECK_OUTPUT_TOKENS, MODELS_MAX};
use crate::{Actor, Gateway, rights, storage_problem, vault_problem};

/// The name of the key among sealed secrets.
const KEY: &str = "key";

/// What the gateway holds for models.
pub(crate) struct Models {
    pub(crate) client: Client,
    /// The connections that the server was started with; every environment has them.
    server: Vec<Connection>,
}

impl Models {
    pub(crate) fn new(egress: quartermaster_egress::Client, server: Vec<Connection>) -> Self {
        Self { client: Client::new(egress), server }
    }

    fn server(&self, name: &str) -> Option<&Connection> {
        self.server.iter().find(|connection| connection.name == name)
    }
}

impl Gateway {
    /// The connection that a reference names in this environment: the environment's own before the server's.
    pub(crate) async fn model_connection(
        &self,
        environment: EnvironmentId,
        reference: &ModelReference,
    ) -> Result<Connection, Problem> {
        let name = &reference.connection;
        if let Some(row) = self.inner.store.find_model(environment, name).await.map_err(storage_problem)? {
            return self.opened(&row).await;
        }
        if let Some(connection) = self.inner.models.server(name) {
            return Ok(connection.clone());
        }
        let rows = self.inner.store.list_models(environment, MODELS_MAX).await.map_err(storage_problem)?;
        let own = rows.iter().map(|row| row.name.as_str());
        let known = crate::some_names(own.chain(self.inner.models.server.iter().map(|known| known.name.as_str())));
        let known = if known.is_empty() { "There is none yet".to_owned() } else { format!("There are: {known}") };
        Err(Problem::caller(Code::NotFound, format!("There is no model connection {name:?}; nothing was done."))
            .with_hint(format!(
                "{known}. `qm model add` makes one, and so does OPENAI_API_KEY or ANTHROPIC_API_KEY in the server's \
                 environment."
            ))
            .with_error("/agent/model", "NAME of a model connection is expected, or NAME/MODEL"))
    }

    /// A stored connection, its key opened for one request.
    async fn opened(&self, row: &ModelRow) -> Result<Connection, Problem> {
        let settings = settings(row)?;
        let key = match &row.sealed_key {
            None => None,
            Some(sealed) => {
                let scope = ModelScope { environment: row.environment_id, model: row.id, version: row.key_version };
                let data_key = self.data_key(row.environment_id).await?;
                let secrets = data_key.key.open_model(scope, sealed).map_err(vault_problem)?;
                secrets.expose(KEY).map(SecretString::from)
            }
        };
        Ok(Connection { name: row.name.clone(), settings, key })
    }

    /// Seals a key into a row under the row's own version.
    async fn seal_key(&self, row: &mut ModelRow, key: &SecretString) -> Result<(), Problem> {
        let scope = ModelScope { environment: row.environment_id, model: row.id, version: row.key_version };
        let secrets = Secrets::new([(KEY.to_owned(), key.clone())].into());
        let data_key = self.data_key(row.environment_id).await?;
        row.sealed_key = Some(data_key.key.seal_model(scope, &secrets).map_err(vault_problem)?);
        Ok(())
    }

    /// The connections of the environment, then those of the server, each by name (admin and auditor). Keys are never shown.
    pub async fn list_models(&self, actor: &Arc<Actor>) -> Result<ModelList, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "read model connections")?;
        let rows = self.inner.store.list_models(actor.environment_id, MODELS_MAX).await.map_err(storage_problem)?;
        let mut result =
            rows.iter().map(|row| Ok(view::of(row, settings(row)?))).collect::<Result<Vec<_>, Problem>>()?;
        let hidden = |name: &str| rows.iter().any(|row| row.name == name);
        let server = self.inner.models.server.iter().filter(|connection| !hidden(&connection.name));
        result.extend(server.map(view::of_server));
        Ok(ModelList { result_count: result.len(), result, next_cursor: None, prev_cursor: None })
    }

    /// One connection (admin and auditor).
    pub async fn get_model(&self, actor: &Arc<Actor>, name: &str) -> Result<ModelView, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "read model connections")?;
        match self.model_row(actor, name).await? {
            Some(row) => Ok(view::of(&row, settings(&row)?)),
            None => self.inner.models.server(name).map(view::of_server).ok_or_else(|| no_such_model(name)),
        }
    }

    async fn model_row(&self, actor: &Actor, name: &str) -> Result<Option<ModelRow>, Problem> {
        self.inner.store.find_model(actor.environment_id, name).await.map_err(storage_problem)
    }

    /// The row of a connection that can be changed: the environment's own.
    async fn own_model_row(&self, actor: &Actor, name: &str) -> Result<ModelRow, Problem> {
        match self.model_row(actor, name).await? {
            Some(row) => Ok(row),
            None if self.inner.models.server(name).is_some() => Err(servers(name)),
            None => Err(no_such_model(name)),
        }
    }

    /// Makes a connection (admin). The key is sealed at once and never shown again. Nothing is asked of the server; that is
    /// [`Self::check_model`]'s.
    pub async fn create_model(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        new: NewModel,
    ) -> Result<ModelView, Problem> {
        rights::require_full_admin(actor, "make model connections")?;
        let mut mistakes = Vec::new();
        if let Err(reason) = check_name(&new.name) {
            mistakes.push(("/name".to_owned(), reason));
        }
        view::check(&new.settings, new.key.as_ref(), &mut mistakes);
        crate::invalid("The model connection cannot be made.", mistakes)?;
        let held = self.inner.store.list_models(actor.environment_id, MODELS_MAX).await.map_err(storage_problem)?;
        if held.len() >= MODELS_MAX as usize {
            let detail = format!("The environment has {MODELS_MAX} model connections, which is the most.");
            return Err(Problem::caller(Code::Conflict, detail).with_hint("Delete one that nobody uses."));
        }
        let now = self.inner.clock.now();
        let mut row = ModelRow {
            id: self.inner.ids.next::<ModelId>(),
            environment_id: actor.environment_id,
            name: new.name,
            settings: written(&new.settings)?,
            sealed_key: None,
            key_version: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        if let Some(key) = &new.key {
            self.seal_key(&mut row, key).await?;
        }
        let view = view::of(&row, new.settings);
        let audit = self.change(actor, request_id, "model.create").target(&row.name).after(&view).row();
        self.inner.store.insert_model(&row, &audit).await.map_err(|error| taken(error, &row.name))?;
        Ok(view)
    }

    /// Changes a connection (admin). `if_match`: the version that must be present. A change that would send the stored key
    /// elsewhere, or in another way, takes the key again.
    pub async fn update_model(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        name: &str,
        if_match: Option<i64>,
        change: ModelChange,
    ) -> Result<ModelView, Problem> {
        rights::require_full_admin(actor, "change model connections")?;
        let old = self.own_model_row(actor, name).await?;
        if if_match.is_some_and(|expected| expected != old.version) {
            return Err(changed_meanwhile(name));
        }
        let before = settings(&old)?;
        let mut mistakes = Vec::new();
        let mut row = old.clone();
        if let Some(name) = change.name {
            if let Err(reason) = check_name(&name) {
                mistakes.push(("/name".to_owned(), reason));
            }
            row.name = name;
        }
        let mut value = serde_json::to_value(&before).unwrap_or_default();
        merge(&mut value, Value::Object(change.settings));
        let after: Settings = match serde_json::from_value(value) {
            Ok(settings) => settings,
            Err(_) => {
                // The reader's own words could repeat what was given.
                let detail =
                    "after the change, `price` needs the numbers `input` and `output`, and `query` needs texts";
                mistakes.push((String::new(), detail.to_owned()));
                before.clone()
            }
        };
        view::check(&after, change.key.as_ref().and_then(Option::as_ref), &mut mistakes);
        let goes_elsewhere = destination(&before) != destination(&after);
        if goes_elsewhere && old.sealed_key.is_some() && change.key.is_none() {
            let detail =
                "the change sends the key to another place, or in another way; give it again, or null for none";
            mistakes.push(("/key".to_owned(), detail.to_owned()));
        }
        crate::invalid("The model connection cannot be changed.", mistakes)?;
        row.settings = written(&after)?;
        row.version += 1;
        row.updated_at = self.inner.clock.now();
        if let Some(key) = change.key {
            row.key_version += 1;
            row.sealed_key = None;
            if let Some(key) = &key {
                self.seal_key(&mut row, key).await?;
            }
        }
        let (seen, view) = (view::of(&old, before), view::of(&row, after));
        let audit = self.change(actor, request_id, "model.update").target(&row.name).before(&seen).after(&view).row();
        self.inner.store.update_model(&row, old.version, &audit).await.map_err(|error| match error {
            StoreError::Stale => changed_meanwhile(name),
            other => taken(other, &row.name),
        })?;
        Ok(view)
    }

    /// Deletes a connection and its key (admin). Runs that use it fail at their next question.
    pub async fn delete_model(&self, actor: &Arc<Actor>, request_id: RequestId, name: &str) -> Result<(), Problem> {
        rights::require_full_admin(actor, "delete model connections")?;
        let row = self.own_model_row(actor, name).await?;
        let seen = view::of(&row, settings(&row)?);
        let audit = self.change(actor, request_id, "model.delete").target(&row.name).before(&seen).row();
        let found = self.inner.store.delete_model(actor.environment_id, row.id, &audit).await;
        if found.map_err(storage_problem)? { Ok(()) } else { Err(no_such_model(name)) }
    }

    /// Asks a model one short question and tells what came of it (admin). `model`: its id, else the connection's default. What
    /// goes wrong is the problem that a run would get. Costs a few tokens.
    pub async fn check_model(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        name: &str,
        model: Option<String>,
    ) -> Result<ModelAnswer, Problem> {
        rights::require_full_admin(actor, "check model connections")?;
        let reference = ModelReference { connection: name.to_owned(), model };
        let connection = self.model_connection(actor.environment_id, &reference).await;
        let connection = connection.map_err(|problem| match problem.code() {
            Code::NotFound => no_such_model(name),
            _ => problem,
        })?;
        let Some(model) = connection.model_for(&reference) else {
            let mistake = ("/model".to_owned(), "the connection has no default model; name one".to_owned());
            return Err(crate::mistaken("There is nothing to check.", vec![mistake]));
        };
        let begun = self.inner.clock.now();
        let asked = self.inner.models.client.ask(&connection, &question(model), None).await;
        let took_ms = self.inner.clock.now().unix_ms() - begun.unix_ms();
        let problem = asked.as_ref().err().map(quartermaster_model::ModelError::problem);
        let audit = self.change(actor, request_id, "model.check").target(name);
        let audit = match &problem {
            None => audit.row(),
            Some(problem) => audit.outcome(quartermaster_store_model::Outcome::Failed).code(Some(problem.code())).row(),
        };
        self.inner.audit.commit(audit).await.map_err(|_| crate::not_recorded())?;
        match (asked, problem) {
            (Ok(reply), _) => Ok(view::answer(name, &reply, u64::try_from(took_ms).unwrap_or(0))),
            (Err(error), problem) => Err(problem.unwrap_or_else(|| error.problem())),
        }
    }
}

/// The question of a check.
fn question(model: String) -> Request {
    Request {
        model,
        system: String::new(),
        messages: vec![Message::User { text: "Answer with the one word OK.".to_owned() }],
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        max_output_tokens: MODEL_CHECK_OUTPUT_TOKENS,
        temperature: None,
    }
}

/// Where a key goes, and how.
fn destination(settings: &Settings) -> impl PartialEq + use<> {
    (settings.wire, settings.base_url.clone(), settings.key_header(), settings.query.clone())
}

fn settings(row: &ModelRow) -> Result<Settings, Problem> {
    serde_json::from_str(&row.settings).map_err(|error| {
        tracing::error!(%error, model = row.name, "stored settings of a model connection cannot be read");
        let detail = format!("The stored settings of the model connection {} cannot be read.", row.name);
        Problem::gateway(Code::Internal, detail).with_hint("Delete the connection and make it again.")
    })
}

fn written(settings: &Settings) -> Result<String, Problem> {
    serde_json::to_string(settings)
        .map_err(|_| Problem::gateway(Code::Internal, "The settings of the model connection cannot be written."))
}

fn taken(error: StoreError, name: &str) -> Problem {
    match error {
        StoreError::Conflict(_) => {
            Problem::caller(Code::Conflict, format!("The environment has a model connection {name:?} already."))
                .with_hint("Change that one, or take another name.")
        }
        other => storage_problem(other),
    }
}

fn changed_meanwhile(name: &str) -> Problem {
    Problem::caller(Code::PreconditionFailed, format!("The model connection {name:?} was changed meanwhile."))
        .with_hint("Read it again, look at what changed, and send If-Match with its present version.")
}

fn no_such_model(name: &str) -> Problem {
    Problem::caller(Code::NotFound, format!("There is no model connection {name:?} here."))
        .with_hint("GET /model lists those that there are.")
}

fn servers(name: &str) -> Problem {
    let detail = format!("The model connection {name:?} is the server's: it is not changed over the API.");
    Problem::caller(Code::PermissionDenied, detail).with_hint(
        "Its operator changes it where the server is started. A connection of the same name made here takes its place in \
         this environment.",
    )
}
