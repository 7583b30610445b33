//! What every playbook needs: a client, an account, and how the integration names the life of a person's account.

use quartermaster_client::{Account, CallOptions, Client, Integration, Lifecycle, ListPage};
use quartermaster_types::{AccountId, Clock};
use serde_json::{Map, Value, json};

use crate::error::AgentError;
use crate::event::{Progress, Stop};
use crate::patience::Patience;
use crate::person::Person;

/// The work's surroundings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Session {
    /// The gateway.
    pub client: Client,
    /// The account that is worked on.
    pub account: Account,
    /// Its integration.
    pub integration: Integration,
    /// The integration's lifecycle.
    pub lifecycle: Lifecycle,
    /// The session whose reads ground the writes.
    pub name: String,
    /// The time.
    pub clock: Clock,
    /// Rate limits.
    pub patience: Patience,
    /// Events.
    pub progress: Progress,
    /// The user's wish to stop.
    pub stop: Stop,
}

impl Session {
    /// Reads account and integration.
    ///
    /// # Errors
    /// [`AgentError::NoLifecycle`] when the integration has no people; [`AgentError::Call`] when the reads fail.
    pub async fn open(
        client: Client,
        account: AccountId,
        clock: Clock,
        patience: Patience,
        progress: Progress,
        stop: Stop,
    ) -> Result<Self, AgentError> {
        let account = client.account(account).await.map_err(AgentError::call("reading the account"))?;
        let integration = client.integration(&account.integration).await;
        let integration = integration.map_err(AgentError::call("reading the integration"))?;
        let lifecycle =
            integration.lifecycle.clone().ok_or_else(|| AgentError::NoLifecycle(integration.name.clone()))?;
        let name = format!("playbook-{}", clock.now().unix_ms());
        Ok(Self { client, account, integration, lifecycle, name, clock, patience, progress, stop })
    }

    pub(crate) fn options(&self) -> CallOptions {
        CallOptions { session: Some(self.name.clone()), ..CallOptions::default() }
    }

    /// One page of people.
    pub(crate) async fn list(&self, arguments: &Map<String, Value>) -> Result<ListPage, AgentError> {
        let tool = &self.lifecycle.list_tool;
        let options = self.options();
        let page = self.patience.read("reading the directory", &self.stop, async || {
            self.client.call_tool(self.account.id, tool, arguments.clone(), &options).await
        });
        Ok(page.await?.value)
    }

    /// One person by id.
    pub(crate) async fn get(&self, id: &str) -> Result<Person, AgentError> {
        let mut arguments = Map::new();
        arguments.insert("id".to_owned(), json!(id));
        let options = self.options();
        let answer = self.patience.read("reading a person", &self.stop, async || {
            let tool = &self.lifecycle.get_tool;
            self.client.call_tool::<Value>(self.account.id, tool, arguments.clone(), &options).await
        });
        Person::read(record(&answer.await?.value), &self.lifecycle)
    }
}

/// The record in the answer of a method that returns one: the answer itself, or what stands under `result`.
pub(crate) fn record(answer: &Value) -> &Value {
    answer.get("result").filter(|result| result.is_object()).unwrap_or(answer)
}
