//! Integrations: what the definitions say, and the overrides of an environment.

use std::sync::Arc;

use quartermaster_definition::Plan;
use quartermaster_store_model::{EnvironmentOverrideRow, Stale, StoreError};
use quartermaster_types::{Code, Problem, RequestId};
use serde_json::{Map, Value, json};

use crate::accounts::destination;
use crate::accounts::{NUL, holds_nul};
use crate::limits::OVERRIDE_MAX_BYTES;
use crate::page::Page;
use crate::plans::{PlanEntry, PlanKey, canonical, override_problem, with_override_errors};
use crate::{Actor, Gateway, storage_problem};

/// An integration as callers see it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct IntegrationView {
    /// Name.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// Category.
    pub category: String,
    /// What it is.
    pub description: Option<String>,
    /// JSON Schema of the connection object.
    pub connection_schema: Value,
    /// JSON Schema of the credentials object.
    pub credentials_schema: Value,
    /// Resource names with their method names.
    pub resources: Map<String, Value>,
    /// Hash of the definition with the environment's override.
    pub version: String,
    /// Which methods make up the life of a person's account, for offboarding and audit; `null` when the integration has none:
    /// `{resource, list_tool, get_tool, find_by_email, id, email, display_name, state, suspend_tool, reactivate_tool, active,
    /// suspended}`; `id`, `email`, `display_name` and `state` are JSON Pointers into a record.
    pub lifecycle: Option<Value>,
}

impl Gateway {
    /// Integrations, by name.
    pub async fn list_integrations(&self, actor: &Arc<Actor>) -> Result<Page<IntegrationView>, Problem> {
        let names: Vec<Arc<str>> = self.inner.plans.names().cloned().collect();
        let mut views = Vec::with_capacity(names.len());
        for name in names {
            views.push(view(&self.environment_plan(actor, &name).await?.plan));
        }
        Ok(Page::whole(views))
    }

    /// One integration.
    pub async fn get_integration(&self, actor: &Arc<Actor>, name: &str) -> Result<IntegrationView, Problem> {
        Ok(view(&self.environment_plan(actor, name).await?.plan))
    }

    /// The plan of an integration with the environment's override.
    async fn environment_plan(&self, actor: &Actor, name: &str) -> Result<Arc<PlanEntry>, Problem> {
        let choice = self.plan_choice(actor.environment_id, name, None).await?;
        let choice = choice.ok_or_else(|| self.no_such_integration(name))?;
        self.inner.plans.get(&choice.key).map_err(|errors| {
            let problem = Problem::gateway(
                Code::Unsupported,
                "The environment's override does not fit the definition of this integration any more.",
            )
            .with_hint("An admin has to change the environment's override.");
            with_override_errors(problem, errors)
        })
    }

    fn no_such_integration(&self, name: &str) -> Problem {
        let known = crate::some_names(self.inner.plans.names().map(|name| &**name));
        Problem::caller(Code::NotFound, format!("There is no integration {name:?}."))
            .with_hint(format!("There are {known}."))
    }

    /// Sets the environment's override of an integration (a merge patch on the definition; checked first).
    ///
    /// `{}` removes it. Every account of the integration in this environment works by it from the next call on.
    pub async fn put_integration_override(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        name: &str,
        patch: Value,
    ) -> Result<IntegrationView, Problem> {
        self.require_administrator(actor, "override definitions").await?;
        let Some(integration) = self.inner.plans.name(name) else { return Err(self.no_such_integration(name)) };
        if !patch.is_object() {
            let detail = "an override is a JSON object: a merge patch on the definition".to_owned();
            return Err(crate::mistaken("The override cannot be taken.", vec![("/override".to_owned(), detail)]));
        }
        if holds_nul(&patch) {
            let mistakes = vec![("/override".to_owned(), NUL.to_owned())];
            return Err(crate::mistaken("The override cannot be taken.", mistakes));
        }
        let text = canonical(&patch);
        if text.len() > OVERRIDE_MAX_BYTES {
            return Err(Problem::caller(
                Code::PayloadTooLarge,
                format!("The override has {} bytes; {OVERRIDE_MAX_BYTES} are the most.", text.len()),
            ));
        }
        let key = PlanKey {
            integration,
            environment_patch: Some(Arc::from(text.as_str())).filter(|text: &Arc<str>| &**text != "{}"),
            account_patch: None,
        };
        let plan = self.inner.plans.get(&key).map_err(override_problem)?;
        self.keeps_destinations(actor, name, &plan).await?;
        self.store_override(actor, request_id, name, text).await?;
        self.forget(actor.environment_id, &Stale::Override(name.to_owned()));
        Ok(view(&plan.plan))
    }

    /// An override for everybody must not send credentials that are stored already to another place, or in another way.
    async fn keeps_destinations(&self, actor: &Actor, name: &str, plan: &PlanEntry) -> Result<(), Problem> {
        let environment = actor.environment_id;
        let choice = self.plan_choice(environment, name, None).await?;
        let before = choice.and_then(|choice| self.inner.plans.get(&choice.key).ok());
        if before.is_some_and(|before| destination::declared(&before.plan) == destination::declared(&plan.plan)) {
            return Ok(());
        }
        let accounts = self.inner.store.list_accounts(environment, None, Some(name), None, 1).await;
        if accounts.map_err(storage_problem)?.is_empty() {
            return Ok(());
        }
        let detail = "The override would send the stored credentials of accounts to another place, or in another way.";
        Err(Problem::caller(Code::Conflict, detail).with_hint(
            "Set `base_url`, `hosts` and `connection.auth` in the override of each account, together with its credentials.",
        ))
    }

    async fn store_override(
        &self,
        actor: &Actor,
        request_id: RequestId,
        name: &str,
        patch: String,
    ) -> Result<(), Problem> {
        let environment_id = actor.environment_id;
        let old = self.inner.store.find_environment_override(environment_id, name).await.map_err(storage_problem)?;
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let mut change = self.change(actor, request_id, "integration.override").target(name).after(&parsed(&patch));
        if let Some(old) = &old {
            change = change.before(&parsed(&old.patch));
        }
        let row = EnvironmentOverrideRow {
            environment_id,
            integration: name.to_owned(),
            patch,
            version: old.map_or(1, |old| old.version + 1),
            updated_at: self.inner.clock.now(),
        };
        self.inner.store.put_environment_override(&row, &change.row()).await.map_err(|error| match error {
            StoreError::Stale => Problem::caller(Code::Conflict, "The override was changed meanwhile; read it again."),
            other => storage_problem(other),
        })
    }
}

fn view(plan: &Plan) -> IntegrationView {
    let resources = plan
        .resources
        .iter()
        .map(|(name, resource)| (name.clone(), resource.methods.keys().cloned().collect::<Value>()))
        .collect();
    IntegrationView {
        name: plan.name.clone(),
        label: plan.label.clone(),
        category: plan.category.clone(),
        description: plan.description.clone(),
        connection_schema: plan.connection_schema.clone(),
        credentials_schema: credentials_schema(plan),
        resources,
        version: plan.version.clone(),
        lifecycle: lifecycle(plan),
    }
}

/// A closed object of texts.
fn credentials_schema(plan: &Plan) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &plan.credential_fields {
        let mut schema = json!({"type": "string", "title": field.label, "writeOnly": true});
        if let Some(description) = &field.description {
            schema["description"] = json!(description);
        }
        properties.insert(field.name.clone(), schema);
        if field.required {
            required.push(field.name.as_str());
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn lifecycle(plan: &Plan) -> Option<Value> {
    use quartermaster_definition::MethodKind;
    let life = plan.lifecycle.as_ref()?;
    let resource = plan.resources.get(&life.resource)?;
    let of_kind = |kind: MethodKind| {
        resource.methods.values().find(|method| method.kind == kind).map(|method| method.tool_name.as_str())
    };
    let tool = |name: &str| resource.methods.get(name).map(|method| method.tool_name.as_str());
    Some(json!({
        "resource": life.resource,
        "list_tool": of_kind(MethodKind::List),
        "get_tool": of_kind(MethodKind::Get),
        "find_by_email": life.find_by_email,
        "id": resource.id.at,
        "email": life.email,
        "display_name": life.display_name,
        "state": resource.state.as_ref().map(|state| state.at.as_str()),
        "suspend_tool": tool(&life.suspend),
        "reactivate_tool": life.reactivate.as_deref().and_then(tool),
        "active": life.active,
        "suspended": life.suspended,
    }))
}
