//! Many callers at once on one account whose vendor limits its calls: none is refused by the vendor, and nobody starves.

use std::time::{Duration, Instant};

use quartermaster_simulator::{Config, RateHeaders, RateLimit};
use quartermaster_testkit::{Client, TestApp};
use serde_json::{Value, json};

const LIST: &str = "list_all_1_password_users";

fn config(users: usize, requests: u64, window: Duration) -> Config {
    let rate_limit = Some(RateLimit { requests, window });
    Config { users, rate_limit, rate_headers: RateHeaders::Structured, ..Config::default() }
}

/// Lists people so many times, and comes back when it is told to. How often it was told to, and when it was done.
async fn agent(client: &Client, path: &str, calls: u32, begun: Instant) -> (u32, Duration) {
    let (mut made, mut sent_away) = (0, 0);
    while made < calls {
        let answer = client.post(path, &json!({"arguments": {"limit": 1}})).await;
        if answer.code() == 200 {
            made += 1;
            continue;
        }
        let problem = answer.problem(429, "rate_limited");
        assert_eq!(problem["origin"], "gateway", "{problem}");
        assert!(answer.header("ratelimit-policy").starts_with("\"account-budget\""), "{:?}", answer.headers);
        sent_away += 1;
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert_eq!(problem["retry_after_seconds"], wait);
        assert!((1..=10).contains(&wait));
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
    (sent_away, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_agents_storm_one_account_and_the_vendor_refuses_none_of_them() {
    const AGENTS: u32 = 10;
    const CALLS: u32 = 9;
    let app = TestApp::builder().simulator(config(60, 50, Duration::from_secs(10))).start().await;
    let path = app.account_path(&format!("/tools/{LIST}/call"));
    let mut clients = Vec::new();
    for _ in 0..AGENTS {
        clients.push(app.client(json!({"role": "agent"})).await);
    }
    let before = app.simulator.control().counts();
    let begun = Instant::now();
    let agents = clients.into_iter().map(|client| {
        let path = path.clone();
        tokio::spawn(async move { agent(&client, &path, CALLS, begun).await })
    });
    let mut done = Vec::new();
    for agent in agents.collect::<Vec<_>>() {
        done.push(agent.await.unwrap());
    }
    let counts = app.simulator.control().counts();
    assert_eq!(counts.limited, 0, "the vendor had to refuse");
    assert_eq!(counts.list - before.list, u64::from(AGENTS * CALLS), "the fewest calls that do it");
    // Ninety calls take two windows of fifty. Nobody is done in the first one, as nobody gets more than a fair share of it, and
    // everybody in the second.
    for (sent_away, at) in &done {
        assert!((Duration::from_secs(8)..Duration::from_secs(16)).contains(at), "{done:?}");
        assert!((1..=3).contains(sent_away), "{done:?}");
    }
    let budget = app.operator.get(&app.account_path("/budget")).await.expect(200);
    assert_eq!((&budget["known"], &budget["limit"], &budget["window_seconds"]), (&json!(true), &json!(50), &json!(10)));
    assert_eq!(budget["sharing"], AGENTS);
    app.finish().await;
}

async fn start(app: &TestApp, rows: &[Value], suspend: bool) -> String {
    let input = json!({"rows": rows, "suspend": suspend});
    let body = json!({"playbook": "audit", "integrated_account_id": app.account, "input": input});
    app.operator.post("/run", &body).await.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn ended(app: &TestApp, run: &str) -> Value {
    loop {
        let run = app.operator.get(&format!("/run/{run}")).await.expect(200);
        if run["state"] != "queued" && run["state"] != "running" && run["state"] != "waiting" {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ten audits of 1,000 people each, ten of whom each suspends. What it takes: each run reads every page of the directory once, and for each
/// suspension the record before it and the suspension itself.
#[tokio::test(flavor = "multi_thread")]
async fn ten_audits_at_once_make_the_fewest_calls_that_the_rate_allows_and_none_starves() {
    const RUNS: usize = 10;
    const SUSPENDED_EACH: usize = 4;
    const PER_WINDOW: u64 = 20;
    let app = TestApp::builder().simulator(config(3_000, PER_WINDOW, Duration::from_secs(2))).start().await;
    let control = app.simulator.control();
    let active: Vec<String> = control
        .people()
        .into_iter()
        .filter(|person| person.state == quartermaster_simulator::State::Active)
        .map(|person| person.email)
        .collect();
    control.set_rate_limit(None);
    let rows = |run: usize| -> Vec<Value> {
        let known = active.iter().skip(run * SUSPENDED_EACH).take(SUSPENDED_EACH).cloned();
        let unknown = (SUSPENDED_EACH..1_000).map(|number| format!("nobody.{run}.{number}@company.com"));
        known.chain(unknown).map(|email| json!({"email": email})).collect()
    };
    // How many pages there are.
    let before = control.counts();
    let alone = start(&app, &rows(0), false).await;
    assert_eq!(ended(&app, &alone).await["state"], "done");
    let pages = control.counts().list - before.list;

    control.set_rate_limit(Some(RateLimit { requests: PER_WINDOW, window: Duration::from_secs(2) }));
    let before = control.counts();
    let begun = Instant::now();
    let mut runs = Vec::new();
    for run in 0..RUNS {
        runs.push(start(&app, &rows(run), true).await);
    }
    let mut last = Duration::ZERO;
    for run in &runs {
        let run = ended(&app, run).await;
        assert_eq!(run["state"], "done", "{run}");
        last = begun.elapsed();
    }
    let counts = control.counts();
    let suspensions = (RUNS * SUSPENDED_EACH) as u64;
    assert_eq!(counts.limited, before.limited, "the vendor had to refuse");
    assert_eq!(counts.list - before.list, RUNS as u64 * pages);
    assert_eq!(counts.suspend - before.suspend, suspensions);
    assert_eq!(counts.get - before.get, suspensions);
    let calls = RUNS as u64 * pages + 2 * suspensions;
    // Each window is told in whole seconds, and who is sent away comes back within a second of it.
    let windows = calls.div_ceil(PER_WINDOW);
    assert!(last < Duration::from_secs(windows * 4 + 5), "{last:?} for {windows} windows of two seconds");
    app.finish().await;
}
