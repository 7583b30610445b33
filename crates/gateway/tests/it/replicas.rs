//! Several gateways over one PostgreSQL database: what one changes is in force on the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quartermaster_gateway::limits::REVISIONS_SILENCE_MAX;
use quartermaster_gateway::{AccountChange, Actor, Gateway, NewToken, initialise};
use quartermaster_simulator::{Config, Running};
use quartermaster_store_model::{Narrowing, Role};
use quartermaster_types::{AccountId, Clock, Code, Problem};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::house::{LIST, REACTIVATE, SUSPEND, gateway, new_account, object, root_key, value};
use crate::postgres::Database;

/// How soon a change has to be in force everywhere.
const SOON: Duration = Duration::from_secs(1);

/// Two gateways, each with a store of its own, on one database.
pub(crate) struct Replicas {
    pub(crate) simulator: Running,
    pub(crate) database: Database,
    pub(crate) gateways: [Gateway; 2],
    pub(crate) text: SecretString,
    pub(crate) admin: Arc<Actor>,
}

impl Replicas {
    pub(crate) async fn new(test: &str, config: Config) -> Option<Self> {
        let database = Database::new(test).await?;
        let simulator = quartermaster_simulator::start(config).await.unwrap();
        let stores = [database.connect().await, database.connect().await];
        let text = initialise(&stores[0], &root_key(), &Clock::System).await.unwrap();
        let gateways = [0, 1].map(|index| gateway(&simulator, &stores[index], &Clock::System));
        for gateway in &gateways {
            until("it follows", async || gateway.metrics().contains("\nqm_revisions_followed 1\n")).await;
        }
        let admin = gateways[0].authenticate(Some(text.expose_secret())).await.unwrap();
        Some(Self { simulator, database, gateways, text, admin })
    }

    pub(crate) async fn account(&self) -> AccountId {
        let gateway = &self.gateways[0];
        gateway.create_account(&self.admin, gateway.request_id(), new_account(&self.simulator)).await.unwrap().id
    }

    pub(crate) async fn token(&self, role: Role) -> (quartermaster_types::TokenId, SecretString) {
        let new = NewToken {
            name: "a token".to_owned(),
            role,
            narrowing: Narrowing::default(),
            email: None,
            expires_at: None,
        };
        let gateway = &self.gateways[0];
        let (view, text) = gateway.create_token(&self.admin, gateway.request_id(), new).await.unwrap();
        (view.id, text)
    }

    /// A call through the tool door of one of them.
    pub(crate) async fn tool(
        &self,
        replica: usize,
        account: AccountId,
        tool: &str,
        arguments: Value,
    ) -> Result<Value, Problem> {
        self.tool_in(None, replica, account, tool, arguments).await
    }

    /// The same in a named session.
    pub(crate) async fn tool_in(
        &self,
        session: Option<&str>,
        replica: usize,
        account: AccountId,
        tool: &str,
        arguments: Value,
    ) -> Result<Value, Problem> {
        let gateway = &self.gateways[replica];
        let request = quartermaster_gateway::CallRequest {
            request_id: gateway.request_id(),
            door: quartermaster_gateway::Door::Tool,
            account,
            target: quartermaster_gateway::Target::Tool(tool.to_owned()),
            arguments: quartermaster_gateway::Arguments::Json(object(arguments)),
            session: session.map(str::to_owned),
            wait: None,
            idempotency_key: None,
            takes_over: None,
            expect: None,
        };
        value(gateway.call(&self.admin, request).await)
    }

    /// Both end; the database is dropped.
    pub(crate) async fn finish(self) {
        for gateway in &self.gateways {
            gateway.shutdown().await;
        }
        self.database.finish().await;
    }
}

/// Waits until `is_so`, and says how long that took; fails when it does not come about in good time.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: never");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

fn change(change: impl FnOnce(&mut AccountChange)) -> AccountChange {
    let mut made = AccountChange::default();
    change(&mut made);
    made
}

#[tokio::test]
async fn what_one_replica_changes_is_in_force_on_the_other_within_a_second() {
    let test = "what_one_replica_changes_is_in_force_on_the_other_within_a_second";
    let Some(replicas) = Replicas::new(test, Config::default()).await else { return };
    let [one, other] = &replicas.gateways;
    let admin = &replicas.admin;
    let account = replicas.account().await;
    let (token, text) = replicas.token(Role::Agent).await;
    let list = async || replicas.tool(1, account, LIST, json!({})).await;
    // All of it is held by the other one.
    assert!(other.authenticate(Some(text.expose_secret())).await.is_ok());
    until("the other one is ready", async || list().await.is_ok()).await;

    one.revoke_token(admin, one.request_id(), token).await.unwrap();
    let took = until("the token is revoked", async || {
        let found = other.authenticate(Some(text.expose_secret())).await;
        found.is_err_and(|problem| problem.code() == Code::Unauthenticated)
    });
    assert!(took.await < SOON);

    let blocked = change(|change| change.blocked = Some(true));
    one.update_account(admin, one.request_id(), account, None, blocked).await.unwrap();
    let took = until("the account is blocked", async || {
        list().await.is_err_and(|problem| problem.code() == Code::AccountBlocked)
    });
    assert!(took.await < SOON);
    let open = change(|change| change.blocked = Some(false));
    one.update_account(admin, one.request_id(), account, None, open).await.unwrap();
    assert!(until("the account is open", async || list().await.is_ok()).await < SOON);

    let document =
        "version: 1\nrules:\n  - {name: no-lists, effect: deny, match: {methods: [users.list]}, because: A test}\n"
            .to_owned();
    one.put_policy(admin, one.request_id(), None, document).await.unwrap();
    let took =
        until("the policy denies", async || list().await.is_err_and(|problem| problem.code() == Code::DeniedByPolicy));
    assert!(took.await < SOON);
    one.put_policy(admin, one.request_id(), None, "version: 1\n".to_owned()).await.unwrap();
    assert!(until("the policy allows", async || list().await.is_ok()).await < SOON);

    let unknown = async || replicas.tool(1, account, "no_such_tool", json!({})).await.unwrap_err();
    assert!(!unknown().await.body().detail.contains("Renamed"));
    let patch = json!({"label": "Renamed"});
    one.put_integration_override(admin, one.request_id(), "1password", patch).await.unwrap();
    let took =
        until("the override is in force", async || unknown().await.body().detail.starts_with("Renamed has no tool"));
    assert!(took.await < SOON);

    one.delete_account(admin, one.request_id(), account).await.unwrap();
    let took = until("the account is gone", async || {
        list().await.is_err_and(|problem| problem.body().detail.contains("integrated account"))
    });
    assert!(took.await < SOON);
    replicas.finish().await;
}

#[tokio::test]
async fn a_replica_whose_wake_up_is_lost_looks_by_itself() {
    let test = "a_replica_whose_wake_up_is_lost_looks_by_itself";
    let Some(replicas) = Replicas::new(test, Config::default()).await else { return };
    let [one, other] = &replicas.gateways;
    for _ in 0..3 {
        let (token, text) = replicas.token(Role::Agent).await;
        assert!(other.authenticate(Some(text.expose_secret())).await.is_ok());
        // However often they connect again, somebody cuts them off, also at the moment of the change.
        let cut = async {
            loop {
                replicas
                    .database
                    .execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE datname = current_database() AND query LIKE 'LISTEN %'",
                    )
                    .await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let revoked = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            one.revoke_token(&replicas.admin, one.request_id(), token).await.unwrap();
            until("the token is revoked", async || other.authenticate(Some(text.expose_secret())).await.is_err()).await
        };
        tokio::select! {
            () = cut => {}
            took = revoked => assert!(took < SOON, "{took:?}"),
        }
    }
    replicas.finish().await;
}

#[tokio::test]
async fn a_replica_that_missed_changes_forgets_everything() {
    let test = "a_replica_that_missed_changes_forgets_everything";
    let Some(replicas) = Replicas::new(test, Config::default()).await else { return };
    let other = &replicas.gateways[1];
    // Numbers that are gone, as after a long sleep, and a head that is behind, as after a restored backup.
    for head in ["number + 20000", "number - 15000"] {
        let (token, text) = replicas.token(Role::Agent).await;
        let works = async || other.authenticate(Some(text.expose_secret())).await.is_ok();
        assert!(works().await);
        let revoke = format!("UPDATE tokens SET revoked_at = 1 WHERE id = '{token}'");
        replicas.database.execute(&revoke).await;
        tokio::time::sleep(SOON).await;
        assert!(works().await, "nobody told of this change");
        replicas.database.execute(&format!("UPDATE revision_head SET number = {head}")).await;
        assert!(until("it is noticed", async || !works().await).await < SOON);
    }
    replicas.finish().await;
}

#[tokio::test]
async fn a_replica_that_cannot_follow_trusts_nothing_that_it_holds() {
    let test = "a_replica_that_cannot_follow_trusts_nothing_that_it_holds";
    let Some(replicas) = Replicas::new(test, Config::default()).await else { return };
    let other = &replicas.gateways[1];
    let name = &replicas.database.name;
    let text = replicas.text.expose_secret();
    let held = async || other.authenticate(Some(text)).await;
    until("it is ready", async || held().await.is_ok()).await;
    replicas.database.execute_outside(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    replicas.database.execute_outside(&end).await;
    let begun = Instant::now();
    assert!(held().await.is_ok(), "for a short while it goes on");
    let took = until("it does not know any more", async || {
        tokio::time::timeout(Duration::from_millis(200), held()).await.is_ok_and(|held| held.is_err())
            || begun.elapsed() > REVISIONS_SILENCE_MAX + SOON
    });
    assert!(took.await >= REVISIONS_SILENCE_MAX / 2);
    let refused = held().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    replicas.database.execute_outside(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    until("it goes on", async || held().await.is_ok()).await;
    replicas.finish().await;
}

#[tokio::test]
async fn what_one_replica_learns_of_a_rate_limit_holds_the_other_back() {
    let test = "what_one_replica_learns_of_a_rate_limit_holds_the_other_back";
    let config = Config {
        rate_limit: Some("30/60s".parse().unwrap()),
        rate_headers: quartermaster_simulator::RateHeaders::Structured,
        ..Config::default()
    };
    let Some(replicas) = Replicas::new(test, config).await else { return };
    let account = replicas.account().await;
    let list = async |replica| replicas.tool(replica, account, LIST, json!({"limit": 1})).await;
    let remaining = async |replica: usize| {
        let view = replicas.gateways[replica].budget(&replicas.admin, account).await.unwrap();
        view.remaining
    };
    for replica in [0, 1] {
        list(replica).await.unwrap();
    }
    // The first one spends what is left. The second one hears of it, without a call of its own.
    while list(0).await.is_ok() {}
    assert!(until("the other one hears", async || remaining(1).await == Some(0)).await < SOON);
    let sent = replicas.simulator.control().counts();
    assert_eq!((sent.list, sent.limited), (30, 0), "the one that tried the credentials counts too");
    let refused = list(1).await.unwrap_err();
    assert_eq!(refused.code(), Code::RateLimited);
    assert_eq!(refused.body().origin, quartermaster_types::Origin::Gateway);
    assert_eq!(replicas.simulator.control().counts(), sent);
    // A third one, which starts now, knows it from the store.
    let store = replicas.database.connect().await;
    let third = gateway(&replicas.simulator, &store, &Clock::System);
    let known = async || third.budget(&replicas.admin, account).await.unwrap();
    assert!(until("the third one knows", async || known().await.remaining == Some(0)).await < SOON);
    assert_eq!(known().await.limit, Some(30));
    third.shutdown().await;
    replicas.finish().await;
}

#[tokio::test]
async fn what_one_replica_read_grounds_a_write_through_the_other_at_once() {
    let test = "what_one_replica_read_grounds_a_write_through_the_other_at_once";
    let Some(replicas) = Replicas::new(test, Config { users: 120, ..Config::default() }).await else { return };
    let account = replicas.account().await;
    let other_account = replicas.account().await;
    let page = replicas.tool(0, account, LIST, json!({"limit": 100})).await.unwrap();
    let ids: Vec<String> =
        page["result"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 100);
    for id in ids.iter().step_by(9) {
        for tool in [SUSPEND, REACTIVATE] {
            replicas.tool(1, account, tool, json!({"id": id})).await.unwrap();
        }
    }
    let ungrounded = |outcome: Result<Value, Problem>| assert_eq!(outcome.unwrap_err().code(), Code::UngroundedId);
    let sent = replicas.simulator.control().counts().total();
    // Not in another session, not at another account, not with another id; and nothing is sent.
    let id = &ids[1];
    ungrounded(replicas.tool_in(Some("another"), 1, account, SUSPEND, json!({"id": id})).await);
    ungrounded(replicas.tool(1, other_account, SUSPEND, json!({"id": id})).await);
    for (index, id) in ids.iter().enumerate() {
        let mut altered: Vec<char> = id.chars().collect();
        let place = index % altered.len();
        altered[place] = if altered[place] == 'A' { 'B' } else { 'A' };
        let altered: String = altered.into_iter().collect();
        if !ids.contains(&altered) {
            ungrounded(replicas.tool(1, account, SUSPEND, json!({"id": altered})).await);
        }
    }
    assert_eq!(replicas.simulator.control().counts().total(), sent);

    // A session by name, whichever replica each of its calls meets.
    let found = replicas.tool_in(Some("ticket-7"), 1, account, LIST, json!({"email": "a.miller@company.com"})).await;
    let id = found.unwrap()["result"][0]["id"].as_str().unwrap().to_owned();
    replicas.tool_in(Some("ticket-7"), 0, account, SUSPEND, json!({"id": id})).await.unwrap();
    replicas.finish().await;
}
