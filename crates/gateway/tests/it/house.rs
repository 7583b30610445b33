//! A gateway, a simulator and a store for one test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use quartermaster_egress::{AllowedUpstreams, Client};
use quartermaster_gateway::{
    AccountView, Actor, Arguments, AuditFilter, CallAnswer, CallProblem, CallRequest, Door, Gateway, NewAccount,
    NewToken, Options, PageQuery, Target, initialise,
};
use quartermaster_simulator::{Config, Running};
use quartermaster_store::Store;
use quartermaster_store_model::{AuditRecord, Narrowing, Role};
use quartermaster_types::{AccountId, Clock, Problem, Timestamp};
use quartermaster_vault::{RootKey, Secrets};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

pub(crate) struct House {
    pub(crate) simulator: Running,
    pub(crate) gateway: Gateway,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) admin: Arc<Actor>,
    pub(crate) database: PathBuf,
    _folder: tempfile::TempDir,
}

pub(crate) const LIST: &str = "list_all_1_password_users";
pub(crate) const GET: &str = "get_single_1_password_user_by_id";
pub(crate) const SUSPEND: &str = "1_password_users_suspend";
pub(crate) const REACTIVATE: &str = "1_password_users_reactivate";

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let simulator = quartermaster_simulator::start(config).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("quartermaster.db");
        let store = Store::create_sqlite(&database).await.unwrap();
        let clock = Clock::manual(Timestamp::from_unix_ms(1_790_000_000_000));
        let text = initialise(&store, &root_key(), &clock).await.unwrap();
        let gateway = gateway(&simulator, &store, &clock);
        let admin = gateway.authenticate(Some(text.expose_secret())).await.unwrap();
        Self { simulator, gateway, store, clock, admin, database, _folder: folder }
    }

    pub(crate) fn new_account(&self) -> NewAccount {
        new_account(&self.simulator)
    }

    pub(crate) async fn account(&self) -> AccountId {
        self.create(self.new_account()).await.unwrap().id
    }

    pub(crate) async fn create(&self, account: NewAccount) -> Result<AccountView, Problem> {
        self.gateway.create_account(&self.admin, self.gateway.request_id(), account).await
    }

    /// A token of this environment and the actor behind it.
    pub(crate) async fn token(&self, role: Role, narrowing: Narrowing) -> (Arc<Actor>, SecretString) {
        let new = NewToken { name: "a token".to_owned(), role, narrowing, email: None, expires_at: None };
        let (_, text) = self.gateway.create_token(&self.admin, self.gateway.request_id(), new).await.unwrap();
        (self.gateway.authenticate(Some(text.expose_secret())).await.unwrap(), text)
    }

    pub(crate) async fn agent(&self) -> Arc<Actor> {
        self.token(Role::Agent, Narrowing::default()).await.0
    }

    pub(crate) fn request(&self, door: Door, account: AccountId, target: Target, arguments: Value) -> CallRequest {
        CallRequest {
            request_id: self.gateway.request_id(),
            door,
            account,
            target,
            arguments: Arguments::Json(object(arguments)),
            session: None,
            wait: None,
            idempotency_key: None,
            takes_over: None,
            expect: None,
        }
    }

    pub(crate) fn tool_request(&self, account: AccountId, tool: &str, arguments: Value) -> CallRequest {
        self.request(Door::Tool, account, Target::Tool(tool.to_owned()), arguments)
    }

    /// A call through the tool door.
    pub(crate) async fn tool(
        &self,
        actor: &Arc<Actor>,
        account: AccountId,
        tool: &str,
        arguments: Value,
    ) -> Result<Value, Problem> {
        let request = self.tool_request(account, tool, arguments);
        value(self.gateway.call(actor, request).await)
    }

    /// A call through the proxy door.
    pub(crate) async fn proxy(
        &self,
        actor: &Arc<Actor>,
        account: AccountId,
        method: &str,
        arguments: Value,
    ) -> Result<Value, Problem> {
        let target = Target::Method { resource: "users".to_owned(), method: method.to_owned() };
        let request = self.request(Door::Proxy, account, target, arguments);
        value(self.gateway.call(actor, request).await)
    }

    /// The id of a person, found the way an agent does.
    pub(crate) async fn find(&self, actor: &Arc<Actor>, account: AccountId, email: &str) -> String {
        let found = self.tool(actor, account, LIST, json!({"email": email})).await.unwrap();
        assert_eq!(found["result_count"], 1, "{found}");
        found["result"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Audit records, oldest first, once those of reads are written: a busy machine may take longer than the writer gathers.
    pub(crate) async fn audit(&self, filter: AuditFilter) -> Vec<AuditRecord> {
        let page = PageQuery { limit: Some(200), next_cursor: None };
        let mut found: Vec<AuditRecord> = Vec::new();
        for _ in 0..10 {
            tokio::time::sleep(quartermaster_gateway::limits::AUDIT_GATHER * 3).await;
            let records = self.gateway.list_audit(&self.admin, &page, &filter).await.unwrap().result;
            if records.len() == found.len() && !records.is_empty() {
                break;
            }
            found = records;
        }
        found.reverse();
        found
    }

    /// Requests that reached the simulator so far.
    pub(crate) fn sent(&self) -> quartermaster_simulator::Counts {
        self.simulator.control().counts()
    }
}

/// A gateway over this store and simulator: the same as after a restart.
pub(crate) fn gateway(simulator: &Running, store: &Store, clock: &Clock) -> Gateway {
    gateway_to(simulator.address(), store, clock)
}

/// The same for a simulator at this address.
pub(crate) fn gateway_to(simulator: std::net::SocketAddr, store: &Store, clock: &Clock) -> Gateway {
    gateway_asking(simulator, store, clock, None)
}

/// The same with the connection `scripted` to a model at this address.
pub(crate) fn gateway_asking(
    simulator: std::net::SocketAddr,
    store: &Store,
    clock: &Clock,
    model: Option<std::net::SocketAddr>,
) -> Gateway {
    let allowed: Vec<String> = std::iter::once(simulator).chain(model).map(|address| address.to_string()).collect();
    let models = model.map(|address| {
        let settings = json!({"wire": "openai", "base_url": format!("http://{address}/v1"), "model": "scripted-1"});
        let settings = serde_json::from_value(settings).unwrap();
        quartermaster_model::Connection { name: "scripted".to_owned(), settings, key: None }
    });
    Gateway::new(Options {
        store: store.clone(),
        root_key: root_key(),
        clock: clock.clone(),
        client: Client::new(AllowedUpstreams::parse(allowed.iter().map(String::as_str)).unwrap()),
        definitions: vec![(
            "1password".to_owned(),
            include_str!("../../../../integrations/1password/definition.yaml").to_owned(),
        )],
        observer: None,
        runs: vec![
            Arc::new(quartermaster_gateway::runs::PlaybookKind),
            Arc::new(quartermaster_gateway::runs::PlanKind),
            Arc::new(quartermaster_gateway::runs::AgentKind),
            Arc::new(quartermaster_testkit::ScriptKind("script")),
        ],
        models: models.into_iter().collect(),
    })
    .unwrap()
}

/// An account that is connected to this simulator.
pub(crate) fn new_account(simulator: &Running) -> NewAccount {
    NewAccount {
        integration: "1password".to_owned(),
        tenant_id: "acme".to_owned(),
        connection: object(json!({"region": "com", "account_id": simulator.account_id()})),
        credentials: secrets(&[("client_id", simulator.client_id()), ("client_secret", simulator.client_secret())]),
        override_patch: Some(json!({"base_url": simulator.base_url()})),
        sandbox: false,
    }
}

pub(crate) fn root_key() -> RootKey {
    RootKey::from_bytes(&[7; 32]).unwrap()
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

pub(crate) fn secrets(pairs: &[(&str, &str)]) -> Secrets {
    let values: BTreeMap<String, SecretString> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from((*value).to_owned()))).collect();
    Secrets::new(values)
}

/// The body of an answer as a value, or the problem.
pub(crate) fn value(answer: Result<CallAnswer, CallProblem>) -> Result<Value, Problem> {
    answer.map(|answer| serde_json::from_slice(&answer.body.concat()).unwrap()).map_err(|failed| failed.problem)
}
