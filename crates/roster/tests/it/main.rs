//! The playbooks over a whole gateway and a simulator.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod nested;

use std::sync::{Arc, Mutex};

use quartermaster_client::{Client, NewRun, Run};
use quartermaster_roster::audit::{self, Wish};
use quartermaster_roster::offboard::Offboarding;
use quartermaster_roster::report::{Action, Finding, Report};
use quartermaster_roster::{Ending, Event, Narrator, Progress, Telling, WaitSource, follow, offboard, roster};
use quartermaster_simulator::{Config, State};
use quartermaster_testkit::TestApp;
use quartermaster_types::{AccountId, Clock, Code};
use serde_json::{Map, Value, json};

const PEOPLE: [&str; 6] = [
    "a.miller@company.com",
    "j.doe@company.com",
    "jsmith@company.com",
    "b.fischer@company.com",
    "c.rossi@company.com",
    "f.tanaka@company.com",
];

fn client(app: &TestApp) -> Client {
    let token = app.operator.token().unwrap().to_owned();
    Client::new(&format!("http://{}", app.address()), Some(token.into())).unwrap()
}

/// A run to its end; `sink` is told what happens.
async fn ended(
    app: &TestApp,
    account: AccountId,
    playbook: &str,
    input: Map<String, Value>,
    telling: Telling,
    sink: impl Fn(Event) + Send + Sync + 'static,
) -> Run {
    let client = client(app);
    let new = NewRun { playbook: playbook.to_owned(), account, input, patience_seconds: Some(30) };
    let run = client.start_run(&new, &format!("test-{}", Clock::System.now())).await.unwrap();
    let mut narrator = Narrator::new(Progress::new(sink), telling);
    assert!(follow(&client, run.summary.id, &mut narrator).await.unwrap().has_ended());
    client.run_report(run.summary.id).await.unwrap()
}

/// A run of an offboarding to its end, and what was told on the way.
async fn watched(app: &TestApp, account: AccountId, input: Value) -> (Run, Vec<Event>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let input = input.as_object().unwrap().clone();
    let told = move |event| sink.lock().unwrap().push(event);
    let run = ended(app, account, offboard::PLAYBOOK, input, Telling::Calls, told).await;
    let events = events.lock().unwrap().clone();
    (run, events)
}

/// A run of an audit to its end.
async fn audited(
    app: &TestApp,
    account: AccountId,
    list: &str,
    suspend: bool,
    sink: impl Fn(Event) + Send + Sync + 'static,
) -> Report {
    let roster = roster::read(list.as_bytes(), None).unwrap();
    let input = audit::input("list.csv", &roster, Wish { suspend, concurrency: 2 });
    let telling = Telling::List { emails: audit::emails(&input), active: "ACTIVE".to_owned(), suspend };
    let run = ended(app, account, audit::PLAYBOOK, input, telling, sink).await;
    match Ending::of(&run).unwrap() {
        Ending::Done { is_partial, report: Some(report) } => Report::of(&run, report, !is_partial).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn list() -> String {
    format!("email\n{}\n", PEOPLE.join("\n"))
}

fn actions(report: &Report, action: Action) -> usize {
    report.people.iter().filter(|line| line.action == action).count()
}

async fn offboarded(app: &TestApp, account: AccountId, email: &str, dry_run: bool) -> Offboarding {
    let (run, _) = watched(app, account, json!({"email": email, "dry_run": dry_run})).await;
    match Ending::of(&run).unwrap() {
        Ending::Done { is_partial: false, report: Some(report) } => Offboarding::of(&run, &report).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_directory_of_many_pages_is_read_once_whatever_the_length_of_the_list() {
    let app = TestApp::builder().simulator(Config { users: 2500, ..Config::default() }).start().await;
    let everybody = app.simulator.control().people();
    let emails: Vec<&str> = everybody.iter().map(|person| person.email.as_str()).collect();
    let list = format!("email\n{}\n", emails.join("\n"));
    let before = app.simulator.control().counts();
    let pages = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&pages);
    let told = move |event| {
        if let Event::PageRead { pages, people } = event {
            sink.lock().unwrap().push((pages, people));
        }
    };
    let report = audited(&app, app.account, &list, false, told).await;
    let after = app.simulator.control().counts();
    assert_eq!(after.list - before.list, 3, "2,500 people are three pages of a thousand");
    assert_eq!((after.get, after.suspend), (before.get, before.suspend));
    assert_eq!((report.counts.people, report.counts.directory_pages), (2500, 3));
    assert_eq!(report.counts.unknown, 1, "the one who is hidden from this connection");
    let suspended = everybody.iter().filter(|person| person.state == State::Suspended).count();
    assert_eq!(report.counts.suspended, suspended);
    assert_eq!(*pages.lock().unwrap(), [(1, 1000), (2, 2000), (3, report.counts.directory_people)]);
}

#[tokio::test]
async fn faults_of_the_vendor_leave_nobody_behind_and_nobody_twice() {
    let app = TestApp::builder().simulator(Config { users: 60, ..Config::default() }).start().await;
    app.simulator.control().set_faults(0.05);
    let report = audited(&app, app.account, &list(), true, |_| {}).await;
    app.simulator.control().set_faults(0.0);
    assert_eq!(actions(&report, Action::Suspended), PEOPLE.len(), "{report:?}");
    for email in PEOPLE {
        assert_eq!(app.simulator.control().find(email).unwrap().state, State::Suspended, "{email}");
    }
}

#[tokio::test]
async fn somebody_suspended_between_the_read_and_the_call_is_unchanged() {
    let app = TestApp::start().await;
    let control = app.simulator.control().clone();
    control.set_latency(std::time::Duration::from_millis(100));
    let id = control.find(PEOPLE[5]).unwrap().id;
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let told = move |event| {
        if matches!(event, Event::Suspending { .. }) {
            control.set_state(&id, State::Suspended);
        }
        sink.lock().unwrap().push(event);
    };
    let report = audited(&app, app.account, &list(), true, told).await;
    assert_eq!(report.people[5].finding, Finding::Active);
    assert_eq!(report.people[5].action, Action::Unchanged);
    assert_eq!(actions(&report, Action::Suspended), PEOPLE.len() - 1);
    assert_eq!(app.simulator.control().counts().suspend, PEOPLE.len() as u64 - 1);
    let events = events.lock().unwrap();
    assert!(events.contains(&Event::Suspending { total: PEOPLE.len() }), "{events:?}");
    let done = |email: &str, outcome: &str| {
        let (email, outcome) = (email.to_owned(), outcome.to_owned());
        events.contains(&Event::PersonDone { email, outcome, ok: true })
    };
    assert!(done(PEOPLE[0], "suspended now") && done(PEOPLE[5], "was suspended meanwhile"), "{events:?}");
}

#[tokio::test]
async fn an_audit_of_the_sessions_calls_finds_all_of_them_in_the_log() {
    let app = TestApp::start().await;
    let done = offboarded(&app, app.account, "A.MILLER@company.com", false).await;
    assert!(done.changed && done.state_after == "SUSPENDED");
    let log = app.operator.get("/audit-log?limit=50").await.expect(200);
    let of_session: Vec<&Value> =
        log["result"].as_array().unwrap().iter().filter(|entry| entry["session"] == done.session.as_str()).collect();
    assert!(of_session.iter().any(|entry| entry["action"] == "users.suspend" && entry["outcome"] == "ok"));
    assert!(of_session.iter().any(|entry| entry["action"] == "users.list"));
}

#[tokio::test]
async fn a_rate_limited_directory_is_read_on_from_where_it_stood() {
    let config = Config {
        users: 4000,
        rate_limit: Some("2/1s".parse().unwrap()),
        rate_headers: "retry-after".parse().unwrap(),
        ..Config::default()
    };
    let app = TestApp::builder().simulator(config).start().await;
    let report = audited(&app, app.account, &list(), false, |_| {}).await;
    assert_eq!((report.counts.directory_pages, report.counts.people), (4, PEOPLE.len()));
    assert!(report.waits.count >= 1 && report.waits.seconds >= 1, "{:?}", report.waits);
}

#[tokio::test]
async fn an_offboarding_of_nobody_says_how_many_were_looked_at() {
    let app = TestApp::start().await;
    let (run, _) = watched(&app, app.account, json!({"email": "nobody@company.com"})).await;
    match Ending::of(&run).unwrap() {
        Ending::Failed { problem, report: None } => {
            assert_eq!(problem.code(), Code::NotFound);
            let detail = &problem.body().detail;
            assert!(detail.contains("(59 people were looked at)"), "60 less the hidden one: {detail}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(app.simulator.control().counts().suspend, 0);
}

#[tokio::test]
async fn a_run_is_told_call_by_call_with_its_waits() {
    let config = Config {
        users: 60,
        rate_limit: Some("2/1s".parse().unwrap()),
        rate_headers: "retry-after".parse().unwrap(),
        ..Config::default()
    };
    let app = TestApp::builder().simulator(config).start().await;
    let (run, events) = watched(&app, app.account, json!({"email": PEOPLE[0]})).await;
    assert_eq!(run.summary.state, "done");
    let calls: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Step { what } => Some(what.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[0].ends_with("users.get") && calls[1].ends_with("users.suspend"), "{calls:?}");
    let waits = events.iter().filter(|event| matches!(event, Event::Waiting { told_by: WaitSource::Headers, .. }));
    let waits = waits.count() as u64;
    let told = run.outcome["action"]["report"]["members"]["waits"]["count"].as_u64().unwrap();
    assert!(waits >= 1 && waits == told, "{waits} were told, {told} were made");
}
