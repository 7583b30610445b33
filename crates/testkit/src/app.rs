//! A whole gateway for one test.

use std::net::SocketAddr;
use std::sync::Arc;

use quartermaster_api::{Limits, Shutdown};
use quartermaster_egress::AllowedUpstreams;
use quartermaster_engine::Exchange;
use quartermaster_gateway::runs::machine::Kind;
use quartermaster_gateway::{Gateway, Options};
use quartermaster_model::Connection;
use quartermaster_simulator::{Config, Running};
use quartermaster_store::Store;
use quartermaster_types::{AccountId, Clock};
use quartermaster_vault::{RootKey, random_bytes};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::logs;
use crate::secrets::Secrets;

type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// What a [`TestApp`] is made of.
pub struct Builder {
    postgres: Option<String>,
    simulator: Config,
    clock: Clock,
    connect: bool,
    upstreams: Vec<String>,
    definitions: Vec<(String, String)>,
    observer: Option<Observer>,
    runs: Vec<Arc<dyn Kind>>,
    models: Vec<Connection>,
    limits: Limits,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            postgres: None,
            simulator: Config { users: 60, record: true, ..Config::default() },
            clock: Clock::System,
            connect: true,
            upstreams: Vec::new(),
            definitions: Vec::new(),
            observer: None,
            runs: quartermaster_gateway::runs::kinds(),
            models: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Builder {
    /// Rows go to this empty PostgreSQL database instead of a SQLite file.
    pub fn postgres(mut self, url: &str) -> Self {
        self.postgres = Some(url.to_owned());
        self
    }

    /// Another simulator. Without this it has 60 people, no rate limit, and writes down what it is asked.
    pub fn simulator(mut self, config: Config) -> Self {
        self.simulator = Config { record: true, ..config };
        self
    }

    /// Another clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// No account is connected to the simulator.
    pub fn unconnected(mut self) -> Self {
        self.connect = false;
        self
    }

    /// This upstream, `HOST:PORT`, may be reached as well.
    pub fn upstream(mut self, address: SocketAddr) -> Self {
        self.upstreams.push(address.to_string());
        self
    }

    /// The gateway knows this definition besides those that ship.
    pub fn definition(mut self, name: &str, text: &str) -> Self {
        self.definitions.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Told of every exchange with an upstream.
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The gateway runs this kind of machine besides playbooks.
    pub fn runs(mut self, kind: impl Kind + 'static) -> Self {
        self.runs.push(Arc::new(kind));
        self
    }

    /// Every environment has this connection to a language model.
    pub fn model(mut self, connection: Connection) -> Self {
        self.models.push(connection);
        self
    }

    /// The server runs within these limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts everything.
    pub async fn start(self) -> TestApp {
        logs::capture();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let simulator = quartermaster_simulator::start(self.simulator).await.expect("a free port");
        let secrets = Secrets::default();
        secrets.add("the client secret", simulator.client_secret());
        let store = match &self.postgres {
            Some(url) => Store::connect_postgres(url).await.expect("the database answers"),
            None => Store::create_sqlite(&folder.path().join("quartermaster.db")).await.expect("an empty folder"),
        };
        let root_key = || -> [u8; 32] { random_bytes().expect("randomness") };
        let key = root_key();
        let operator_key = RootKey::from_bytes(&key).expect("32 bytes");
        let operator =
            quartermaster_gateway::initialise(&store, &operator_key, &self.clock).await.expect("an empty store");
        let operator = operator.expose_secret().to_owned();
        let mut upstreams = self.upstreams;
        upstreams.push(simulator.address().to_string());
        let allowed = AllowedUpstreams::parse(upstreams.iter().map(String::as_str)).expect("addresses");
        let gateway = Gateway::new(Options {
            store: store.clone(),
            root_key: RootKey::from_bytes(&key).expect("32 bytes"),
            clock: self.clock.clone(),
            client: quartermaster_egress::Client::new(allowed),
            definitions: quartermaster_integrations::all()
                .into_iter()
                .map(|integration| (integration.name.to_owned(), integration.definition.to_owned()))
                .chain(self.definitions)
                .collect(),
            observer: self.observer,
            runs: self.runs,
            models: self.models,
        })
        .expect("the definitions hold");
        gateway.work_on_runs();
        let stopping = gateway.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(quartermaster_api::serve_within(
            self.limits,
            gateway.clone(),
            listener,
            Vec::new(),
            async move {
                let _ = stopped.await;
                stopping.stop_runs();
            },
        ));
        secrets.add("the operator's token", &operator);
        let mut app = TestApp {
            operator: Client::new(address, Some(&operator), secrets.clone()),
            account: AccountId(uuid::Uuid::nil()),
            folder,
            simulator,
            clock: self.clock,
            secrets,
            gateway,
            store,
            stop: Some(stop),
            served: Some(served),
        };
        if self.connect {
            app.account = app.connect(&app.operator, "acme", json!({})).await;
        }
        app
    }
}

/// A running gateway with its API, a simulator as upstream and a connected account.
pub struct TestApp {
    /// The client of the first token: an admin who may make environments.
    pub operator: Client,
    /// The account that is connected to the simulator; nil without one.
    pub account: AccountId,
    /// The upstream.
    pub simulator: Running,
    /// The gateway's clock.
    pub clock: Clock,
    /// What must not show.
    pub secrets: Secrets,
    /// The gateway itself.
    pub gateway: Gateway,
    /// The gateway's rows.
    pub store: Store,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Shutdown>>,
}

impl TestApp {
    /// A gateway with SQLite, a healthy simulator with 60 people and an account connected to it.
    pub async fn start() -> Self {
        Builder::default().start().await
    }

    /// The same with something else about it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.operator.address()
    }

    /// The folder of the database.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The body that connects an account to the simulator, with `changes` merged over its members.
    pub fn account_body(&self, tenant: &str, changes: Value) -> Value {
        let mut body = json!({
            "integration": "1password",
            "tenant_id": tenant,
            "connection": {"region": "com", "account_id": self.simulator.account_id()},
            "credentials": {"client_id": self.simulator.client_id(), "client_secret": self.simulator.client_secret()},
            "override": {"base_url": self.simulator.base_url()},
        });
        if let Value::Object(changes) = changes {
            for (name, value) in changes {
                body[name] = value;
            }
        }
        body
    }

    /// Connects an account to the simulator.
    pub async fn connect(&self, client: &Client, tenant: &str, changes: Value) -> AccountId {
        let account = client.post("/integrated-account", &self.account_body(tenant, changes)).await.expect(201);
        account["id"].as_str().and_then(|id| id.parse().ok()).expect("an account has an id")
    }

    /// A client with a new token; `token` has `role` and perhaps a narrowing.
    pub async fn client(&self, token: Value) -> Client {
        self.client_of(&self.operator, token).await
    }

    /// The same in the environment of `admin`.
    pub async fn client_of(&self, admin: &Client, mut token: Value) -> Client {
        if token["name"].is_null() {
            token["name"] = json!("a test");
        }
        let made = admin.request("POST", "/token").json(&token).shows_secret().send().await.expect(201);
        let text = made["token"].as_str().expect("a new token has a text");
        self.secrets.add("an API token", text);
        admin.with_token(text)
    }

    /// The admin of another environment, which is empty.
    pub async fn stranger(&self, name: &str) -> Client {
        let request = self.operator.request("POST", "/environment").json(&json!({ "name": name })).shows_secret();
        let made = request.send().await.expect(201);
        let text = made["token"].as_str().expect("a new environment has a token");
        self.secrets.add("a stranger's token", text);
        self.operator.with_token(text)
    }

    /// The path of the connected account, with `rest` after it.
    pub fn account_path(&self, rest: &str) -> String {
        format!("/integrated-account/{}{rest}", self.account)
    }

    /// A proxy path with the connected account as parameter.
    pub fn proxy_path(&self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("/proxy/{path}{separator}integrated_account_id={}", self.account)
    }

    /// Calls a tool of the connected account.
    pub async fn call(&self, client: &Client, tool: &str, arguments: Value) -> crate::Answer {
        client.post(&self.account_path(&format!("/tools/{tool}/call")), &json!({ "arguments": arguments })).await
    }

    /// An approval that waits: an agent wants to suspend somebody, and the policy asks a person. The policy is empty afterwards.
    pub async fn approval(&self) -> String {
        let agent = self.client(json!({"role": "agent"})).await;
        let asking = "version: 1\nrules:\n  - {name: ask, effect: require_approval, because: ask a person, \
                      match: {methods: [users.suspend]}}\n";
        // The first version holds nothing back, so that who restores it meets no approval.
        self.operator.put("/policy", &json!({"document": "version: 1"})).await.expect(200);
        self.operator.put("/policy", &json!({"document": asking})).await.expect(200);
        self.call(&agent, "list_all_1_password_users", json!({"email": "a.miller@company.com"})).await.expect(200);
        let id = self.person("a.miller@company.com");
        let held = self.call(&agent, "1_password_users_suspend", json!({"id": id})).await;
        let problem = held.problem(403, "approval_required");
        self.operator.put("/policy", &json!({"document": "version: 1"})).await.expect(200);
        problem["approval"]["id"].as_str().expect("the problem names the approval").to_owned()
    }

    /// The body that starts a rehearsal of an offboarding, which changes nothing.
    pub fn run_body(&self, email: &str) -> Value {
        json!({"playbook": "offboard", "integrated_account_id": self.account, "input": {"email": email, "dry_run": true}})
    }

    /// The id of the person with this e-mail address, out of the simulator's own book.
    pub fn person(&self, email: &str) -> String {
        self.simulator.control().find(email).expect("the simulator knows this person").id
    }

    /// Asks the server to stop, without waiting.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Stops the server and the gateway, and looks for secrets in logs and answers.
    pub async fn finish(mut self) -> Shutdown {
        self.stop();
        let served = self.served.take().expect("it finishes once");
        let shutdown = served.await.expect("the server does not panic");
        self.gateway.shutdown().await;
        shutdown
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let found = self.secrets.found(&logs::captured_logs());
        assert!(found.is_empty(), "secrets show:\n{}", found.join("\n"));
    }
}
