//! A tool server as one writes it in an afternoon: each tool is a request with the model's arguments put into it. No schema is
//! checked, no id is looked at, no error is explained. It holds the credentials and does what it is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use quartermaster_simulator::{Config, Running};
use quartermaster_testkit::{Client, Secrets};
use serde_json::Value;

use crate::book::{self, Writes};
use crate::trajectory::{Ask, GET, LIST, REACTIVATE, SUSPEND, Setup, Trajectory, Turn};

/// What came of a trajectory behind the naive server.
#[derive(Clone, Debug)]
pub struct Naive {
    /// What was written.
    pub writes: Writes,
    /// Whether the work was done.
    pub is_done: bool,
}

struct Server {
    client: Client,
    account: String,
}

/// Runs a trajectory with the naive server.
pub async fn through_naive_server(trajectory: &Trajectory) -> Naive {
    let simulator = quartermaster_simulator::start(config()).await.expect("a free port");
    let control = simulator.control().clone();
    for setup in &trajectory.setup {
        apply(setup, &simulator);
    }
    let server = Server::start(&simulator).await;
    for turn in &trajectory.turns {
        let Turn::Asks(asks) = turn else { break };
        for ask in asks {
            server.call(ask, &simulator).await;
        }
    }
    Naive { writes: book::writes(&control, trajectory), is_done: book::work_is_done(&control, trajectory) }
}

/// The directory of every trajectory.
pub(crate) fn config() -> Config {
    Config { users: 24, record: true, ..Config::default() }
}

/// What concerns the vendor alone.
pub(crate) fn apply(setup: &Setup, simulator: &Running) {
    let control = simulator.control();
    match setup {
        Setup::DisplayName { email, name } => {
            let person = control.find(email).expect("a person of the directory");
            assert!(control.set_display_name(&person.id, name), "the person is there");
        }
        Setup::RateLimit(requests) => {
            let limit = format!("{requests}/2s").parse().expect("a rate limit");
            control.set_rate_limit(Some(limit));
            control.set_rate_headers(quartermaster_simulator::RateHeaders::Structured);
        }
        Setup::Faults(probability) => control.set_faults(*probability),
        // Nothing there protects anybody, and what was read where makes no difference.
        Setup::Protect(_) | Setup::ReadElsewhere => {}
    }
}

impl Server {
    async fn start(simulator: &Running) -> Self {
        let anonymous = Client::new(simulator.address(), None, Secrets::default());
        let basic = STANDARD.encode(format!("{}:{}", simulator.client_id(), simulator.client_secret()));
        let path = "/v1beta1/users/oauth2/token";
        let mut token = None;
        // The vendor may fail now and then.
        for _ in 0..20 {
            let request = anonymous
                .request("POST", path)
                .header("authorization", &format!("Basic {basic}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .bytes("grant_type=client_credentials");
            let Some(answer) = request.try_send().await else { continue };
            if answer.code() == 200 {
                token = answer.json()["access_token"].as_str().map(str::to_owned);
                break;
            }
        }
        let token = token.expect("a token");
        Self { client: anonymous.with_token(&token), account: simulator.account_id().to_owned() }
    }

    async fn call(&self, ask: &Ask, simulator: &Running) {
        let written = book::with_ids(&ask.arguments, simulator.control());
        let arguments: Value = serde_json::from_str(&written).unwrap_or_default();
        let id = match &arguments["id"] {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let users = format!("/v1beta1/accounts/{}/users", self.account);
        let (method, path) = match ask.tool.as_str() {
            LIST => ("GET", users),
            GET => ("GET", format!("{users}/{id}")),
            SUSPEND => ("POST", format!("{users}/{id}:suspend")),
            REACTIVATE => ("POST", format!("{users}/{id}:reactivate")),
            _ => return,
        };
        // What no HTTP client would put on the wire is escaped, as the usual ones do.
        let path: String = path
            .chars()
            .map(|character| {
                if character.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(character) {
                    character.to_string()
                } else {
                    utf8_percent_encode(character.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string()
                }
            })
            .collect();
        let _ = self.client.request(method, &path).try_send().await;
    }
}
