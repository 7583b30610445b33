//! An engine, an account and what it takes to call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quartermaster_definition::Plan;
use quartermaster_egress::{AllowedUpstreams, Client};
use quartermaster_engine::{
    Answer, Call, Engine, Exchange, Failure, ListAnswer, ListOptions, Preview, RawAnswer, RawRequest, SingleAnswer,
};
use quartermaster_types::{AccountId, Clock, Problem, Timestamp};
use quartermaster_vault::Secrets;
use serde_json::{Map, Value, json};

/// 2026-11-23T14:00:00Z.
pub const NOW: Timestamp = Timestamp::from_unix_ms(1_795_442_400_000);

/// The secrets of the test account; no answer may ever show one.
pub const CLIENT_SECRET: &str = "s3cr3t/with+odd chars";
pub const API_KEY: &str = "key-0123456789abcdef";

/// Everything that a test needs to make calls.
pub struct World {
    pub engine: Engine,
    pub clock: Clock,
    pub plan: Arc<Plan>,
    pub connection: Map<String, Value>,
    pub secrets: BTreeMap<String, String>,
    pub credential_version: i64,
    pub account: AccountId,
    pub opened: AtomicU32,
    pub exchanges: Arc<Mutex<Vec<Exchange>>>,
    pub holder: Option<u64>,
    pub deadline: Duration,
    pub before: Option<Bytes>,
    pub wait: Option<Duration>,
}

pub fn account(number: u32) -> AccountId {
    format!("{number:032x}").parse().unwrap()
}

pub fn secrets() -> BTreeMap<String, String> {
    [
        ("client_id", "the-client"),
        ("client_secret", CLIENT_SECRET),
        ("api_key", API_KEY),
        ("username", "user@acme.test"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl World {
    /// A world in which only `address` may be reached.
    pub fn new(plan: Plan, address: std::net::SocketAddr) -> Self {
        Self::with_clock(plan, address, Clock::manual(NOW))
    }

    /// The same under a clock that others may move.
    pub fn with_clock(plan: Plan, address: std::net::SocketAddr, clock: Clock) -> Self {
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let told = exchanges.clone();
        let allowed = AllowedUpstreams::parse([address.to_string().as_str()]).unwrap();
        let observer = Arc::new(move |exchange: &Exchange| told.lock().unwrap().push(exchange.clone()));
        Self {
            engine: Engine::new(Client::new(allowed), clock.clone(), Some(observer)),
            clock,
            plan: Arc::new(plan),
            connection: json!({"tenant": "t 1"}).as_object().unwrap().clone(),
            secrets: secrets(),
            credential_version: 1,
            account: account(1),
            opened: AtomicU32::new(0),
            exchanges,
            holder: None,
            deadline: Duration::from_secs(10),
            before: None,
            wait: None,
        }
    }

    fn open(&self) -> Secrets {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Secrets::new(self.secrets.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect())
    }

    /// Runs `body` with a call of `method`.
    pub async fn with_call<T>(
        &self,
        method: &str,
        arguments: Value,
        list: ListOptions,
        body: impl AsyncFnOnce(&Engine, Call<'_>) -> T,
    ) -> T {
        let (resource, name) = method.split_once('.').unwrap_or(("users", method));
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let credentials = || -> Result<Secrets, Problem> { Ok(self.open()) };
        let call = Call {
            account: self.account,
            credential_version: self.credential_version,
            holder: self.holder,
            pass: None,
            then: 0,
            plan: &self.plan,
            method: self.plan.method(resource, name).unwrap(),
            connection: &self.connection,
            credentials: &credentials,
            arguments: &arguments,
            list,
            deadline: self.deadline,
            before: self.before.clone(),
            wait: self.wait,
        };
        body(&self.engine, call).await
    }

    pub async fn execute(&self, method: &str, arguments: Value, list: ListOptions) -> Result<Answer, Failure> {
        self.with_call(method, arguments, list, async |engine, call| engine.execute(call).await).await
    }

    /// A list that works.
    pub async fn list(&self, arguments: Value, list: ListOptions) -> ListAnswer {
        match self.execute("list", arguments, list).await {
            Ok(Answer::List(answer)) => answer,
            other => panic!("not a list: {other:?}"),
        }
    }

    /// A call that works and returns one value.
    pub async fn single(&self, method: &str, arguments: Value) -> SingleAnswer {
        match self.execute(method, arguments, ListOptions::default()).await {
            Ok(Answer::Single(answer)) => answer,
            other => panic!("not a single answer: {other:?}"),
        }
    }

    /// A call that does not work; its problem shows no secret.
    pub async fn failure(&self, method: &str, arguments: Value) -> Failure {
        let failure = self.execute(method, arguments, ListOptions::default()).await.expect_err("a failure");
        self.assert_no_secret(&serde_json::to_string(&failure.problem).unwrap());
        failure
    }

    pub async fn preview(&self, method: &str, arguments: Value, list: ListOptions) -> Result<Preview, Problem> {
        self.with_call(method, arguments, list, async |engine, call| engine.preview(&call)).await
    }

    pub async fn raw(&self, request: RawRequest) -> Result<RawAnswer, Failure> {
        self.with_call("list", json!({}), ListOptions::default(), async |engine, call| engine.raw(&call, request).await)
            .await
    }

    /// Whether the plan has the method `resource.name`.
    pub fn knows(&self, method: &str) -> bool {
        method.split_once('.').is_some_and(|(resource, name)| self.plan.method(resource, name).is_some())
    }

    /// The name of a secret whose value stands in `text`. User names and ids are none.
    pub fn shown_secret(&self, text: &str) -> Option<&str> {
        let secret = |(name, value): &(&String, &String)| {
            !matches!(name.as_str(), "client_id" | "username") && text.contains(value.as_str())
        };
        self.secrets.iter().find(secret).map(|(name, _)| name.as_str())
    }

    pub fn assert_no_secret(&self, text: &str) {
        assert_eq!(self.shown_secret(text), None, "in {text}");
    }
}

/// `limit` alone.
pub fn limit(limit: u32) -> ListOptions {
    ListOptions { limit: Some(limit), ..ListOptions::default() }
}

/// The records as the caller gets them.
pub fn records(answer: &ListAnswer) -> Vec<Value> {
    let joined: Vec<&str> = answer.pieces.iter().map(|piece| std::str::from_utf8(piece).unwrap()).collect();
    let records: Vec<Value> = serde_json::from_str(&format!("[{}]", joined.join(","))).unwrap();
    assert_eq!(records.len() as u64, answer.count);
    records
}

/// Ids as texts.
pub fn ids(answer: &ListAnswer) -> Vec<String> {
    answer.ids.iter().map(|id: &Bytes| String::from_utf8(id.to_vec()).unwrap()).collect()
}

/// `{"id":"1"},{"id":"2"}` for a page.
pub fn people(range: std::ops::Range<u32>) -> String {
    range.map(|number| format!(r#"{{"id":"{number}","email":"P{number}@Acme.test"}}"#)).collect::<Vec<_>>().join(",")
}
