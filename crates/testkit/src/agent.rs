//! A scripted model beside the gateway: one trajectory is run to its end, and what was written where is told by the simulator's
//! own book.

use std::time::Duration;

use quartermaster_gateway::runs::RunExport;
use quartermaster_model::{Connection, Settings, Wire};
use quartermaster_simulator::model::{self, Running, Script};
use quartermaster_types::RunId;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::app::{Builder, TestApp};
use crate::client::Client;

/// The name of the connection to the scripted model.
pub const SCRIPTED: &str = "scripted";

/// How long a run may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// A gateway, a simulator and a scripted model.
pub struct AgentStage {
    /// The gateway and the simulator.
    pub app: TestApp,
    /// The model.
    pub model: Running,
    /// A client whose token has the role `agent`.
    pub agent: Client,
}

/// One write that reached the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// `suspend` or `reactivate`.
    pub verb: String,
    /// Whose, by e-mail address; the id where the simulator has nobody of it.
    pub whose: String,
    /// The simulator's answer.
    pub status: u16,
}

/// What came of one trajectory.
pub struct Ran {
    /// The run, as the API shows it.
    pub run: Value,
    /// Its export, for a replay.
    pub export: RunExport,
    /// What was written, in order.
    pub written: Vec<Written>,
}

impl Ran {
    /// The machine-readable outcome.
    pub fn outcome(&self) -> &Value {
        &self.run["outcome"]["action"]["report"]["members"]
    }

    /// The sentence for the ticket.
    pub fn text(&self) -> &str {
        self.run["outcome"]["action"]["report"]["text"].as_str().unwrap_or_default()
    }
}

impl AgentStage {
    /// Starts everything, with a model that speaks in this wire format.
    pub async fn start(wire: Wire) -> Self {
        Self::of(Builder::default(), wire).await
    }

    /// The same with something else about the gateway or the simulator.
    pub async fn of(builder: Builder, wire: Wire) -> Self {
        const KEY: &str = "sk-scripted-0123456789abcdef";
        let nothing = Script::from_value(json!({})).expect("a script");
        let config = model::Config { key: Some(KEY.to_owned()), ..model::Config::new(nothing) };
        let model = model::start(config).await.expect("a free port");
        let settings = json!({"wire": wire.as_str(), "base_url": model.base_url(), "model": "scripted-1"});
        let settings: Settings = serde_json::from_value(settings).expect("settings");
        let connection = Connection { name: SCRIPTED.to_owned(), settings, key: Some(SecretString::from(KEY)) };
        let app = builder.upstream(model.address()).model(connection).start().await;
        app.secrets.add("the model's key", KEY);
        let agent = app.client(json!({"role": "agent"})).await;
        Self { app, model, agent }
    }

    /// Starts a run with this script; `options` are further members of `agent`.
    pub async fn begin(&self, script: Value, goal: &str, options: Value) -> RunId {
        self.model.control().set_script(Script::from_value(script).expect("a script"));
        let mut agent = match options {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        agent.insert("goal".to_owned(), json!(goal));
        agent.entry("accounts").or_insert_with(|| json!([self.app.account]));
        agent.entry("model").or_insert_with(|| json!(SCRIPTED));
        let started = self.agent.post("/run", &json!({ "agent": agent })).await.expect(201);
        started["id"].as_str().and_then(|id| id.parse().ok()).expect("a run has an id")
    }

    /// Runs one trajectory to its end.
    pub async fn run(&self, script: Value, goal: &str, options: Value) -> Ran {
        let before = self.app.simulator.control().seen().len();
        let id = self.begin(script, goal, options).await;
        let run = self.ended(id).await;
        let export = self.agent.get(&format!("/run/{id}/export")).await.expect(200);
        let export = serde_json::from_value(export).expect("an export");
        Ran { run, export, written: self.written(before) }
    }

    /// The run, once it has ended.
    pub async fn ended(&self, id: RunId) -> Value {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let run = self.agent.get(&format!("/run/{id}")).await.expect(200);
            if !run["finished_at"].is_null() {
                return run;
            }
            assert!(tokio::time::Instant::now() < until, "the run does not end: {run:#}");
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// The writes that reached the simulator after its first `before` requests.
    pub fn written(&self, before: usize) -> Vec<Written> {
        let people = self.app.simulator.control().people();
        let seen = self.app.simulator.control().seen();
        let writes = seen.into_iter().skip(before).filter_map(|seen| {
            let (path, verb) = seen.path_and_query.rsplit_once(':').filter(|_| seen.method == "POST")?;
            let id = path.rsplit('/').next().unwrap_or_default();
            let whose = people.iter().find(|person| person.id == id).map_or(id, |person| &person.email);
            Some(Written { verb: verb.to_owned(), whose: whose.to_owned(), status: seen.status })
        });
        writes.collect()
    }
}
