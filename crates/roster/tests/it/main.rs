//! The playbooks over a whole gateway and a simulator.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod nested;
mod playbooks;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quartermaster_client::{Client, NewRun, Run};
use quartermaster_roster::audit::{self, Job, Writes};
use quartermaster_roster::offboard::Offboarding;
use quartermaster_roster::report::{Action, Finding, Report};
use quartermaster_roster::{
    Ending, Event, Narrator, Patience, Progress, Session, Stop, StopSource, Telling, WaitSource, follow, offboard,
    roster,
};
use quartermaster_simulator::{Config, State};
use quartermaster_testkit::TestApp;
use quartermaster_types::{AccountId, Clock, Code};
use serde_json::{Value, json};

const PEOPLE: [&str; 6] = [
    "a.miller@company.com",
    "j.doe@company.com",
    "jsmith@company.com",
    "b.fischer@company.com",
    "c.rossi@company.com",
    "f.tanaka@company.com",
];

async fn session(app: &TestApp, progress: Progress, stop: Stop) -> Session {
    let token = app.operator.token().unwrap().to_owned();
    let client = Client::new(&format!("http://{}", app.address()), Some(token.into())).unwrap();
    let patience = Patience::new(Duration::from_secs(30), progress.clone());
    Session::open(client, app.account, Clock::System, patience, progress, stop).await.unwrap()
}

/// A run to its end, and what was told on the way.
async fn ended(app: &TestApp, account: AccountId, playbook: &str, input: Value) -> (Run, Vec<Event>) {
    let token = app.operator.token().unwrap().to_owned();
    let client = Client::new(&format!("http://{}", app.address()), Some(token.into())).unwrap();
    let input = input.as_object().unwrap().clone();
    let new = NewRun { playbook: playbook.to_owned(), account, input, patience_seconds: Some(30) };
    let run = client.start_run(&new, &format!("test-{}", Clock::System.now())).await.unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let progress = Progress::new(move |event| sink.lock().unwrap().push(event));
    let end = follow(&client, run.summary.id, &mut Narrator::new(progress, Telling::Calls)).await.unwrap();
    assert!(end.has_ended());
    let events = events.lock().unwrap().clone();
    (client.run(run.summary.id).await.unwrap(), events)
}

async fn offboarded(app: &TestApp, account: AccountId, email: &str, dry_run: bool) -> Offboarding {
    let (run, _) = ended(app, account, offboard::PLAYBOOK, json!({"email": email, "dry_run": dry_run})).await;
    match Ending::of(&run).unwrap() {
        Ending::Done { is_partial: false, report: Some(report) } => Offboarding::of(&run, &report).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn quiet(app: &TestApp) -> Session {
    session(app, Progress::silent(), Stop::never()).await
}

fn job(list: &str, journal: Option<(&Path, usize)>, session: &Session) -> Job {
    Job {
        source: "list.csv".to_owned(),
        roster: roster::read(list.as_bytes(), None).unwrap(),
        suspend: journal.map(|(journal, concurrency)| Writes {
            concurrency,
            journal: journal.to_owned(),
            work: audit::work_hash(list.as_bytes(), session.account.id),
        }),
    }
}

fn list() -> String {
    format!("email\n{}\n", PEOPLE.join("\n"))
}

fn actions(report: &Report, action: Action) -> usize {
    report.people.iter().filter(|line| line.action == action).count()
}

#[tokio::test]
async fn a_directory_of_many_pages_is_read_once_whatever_the_length_of_the_list() {
    let app = TestApp::builder().simulator(Config { users: 2500, ..Config::default() }).start().await;
    let session = quiet(&app).await;
    let everybody = app.simulator.control().people();
    let emails: Vec<&str> = everybody.iter().map(|person| person.email.as_str()).collect();
    let list = format!("email\n{}\n", emails.join("\n"));
    let before = app.simulator.control().counts();
    let report = audit::run(&session, job(&list, None, &session)).await.unwrap();
    let after = app.simulator.control().counts();
    assert_eq!(after.list - before.list, 3, "2,500 people are three pages of a thousand");
    assert_eq!((after.get, after.suspend), (before.get, before.suspend));
    assert_eq!(report.counts.people, 2500);
    assert_eq!(report.counts.unknown, 1, "the one who is hidden from this connection");
    let suspended = everybody.iter().filter(|person| person.state == State::Suspended).count();
    assert_eq!(report.counts.suspended, suspended);
}

#[tokio::test]
async fn faults_of_the_vendor_leave_nobody_behind_and_nobody_twice() {
    let app = TestApp::builder().simulator(Config { users: 60, ..Config::default() }).start().await;
    let folder = tempfile::tempdir().unwrap();
    let session = quiet(&app).await;
    app.simulator.control().set_faults(0.05);
    let job = job(&list(), Some((&folder.path().join("journal"), 1)), &session);
    let report = audit::run(&session, job).await.unwrap();
    app.simulator.control().set_faults(0.0);
    assert_eq!(actions(&report, Action::Suspended), PEOPLE.len(), "{report:?}");
    for email in PEOPLE {
        assert_eq!(app.simulator.control().find(email).unwrap().state, State::Suspended, "{email}");
    }
}

#[tokio::test]
async fn somebody_suspended_between_the_read_and_the_call_is_unchanged() {
    let app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let control = app.simulator.control().clone();
    let id = control.find(PEOPLE[0]).unwrap().id;
    let progress = Progress::new(move |event| {
        if matches!(event, Event::Suspending { .. }) {
            control.set_state(&id, State::Suspended);
        }
    });
    let session = session(&app, progress, Stop::never()).await;
    let report = audit::run(&session, job(&list(), Some((&folder.path().join("journal"), 2)), &session)).await.unwrap();
    assert_eq!(report.people[0].finding, Finding::Active);
    assert_eq!(report.people[0].action, Action::Unchanged);
    assert_eq!(actions(&report, Action::Suspended), PEOPLE.len() - 1);
    assert_eq!(app.simulator.control().counts().suspend, PEOPLE.len() as u64 - 1);
}

#[tokio::test]
async fn a_stop_before_the_first_write_changes_nobody_and_reports_everybody() {
    let app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (source, stop) = StopSource::new();
    let source = Arc::new(Mutex::new(source));
    let progress = Progress::new(move |event| {
        if matches!(event, Event::Suspending { .. }) {
            source.lock().unwrap().stop();
        }
    });
    let session = session(&app, progress, stop).await;
    let report = audit::run(&session, job(&list(), Some((&folder.path().join("journal"), 4)), &session)).await.unwrap();
    assert_eq!(actions(&report, Action::NotReached), PEOPLE.len());
    assert_eq!(report.stopped.as_ref().map(ToString::to_string).as_deref(), Some("interrupted"));
    assert_eq!(app.simulator.control().counts().suspend, 0);
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
    let session = quiet(&app).await;
    let report = audit::run(&session, job(&list(), None, &session)).await.unwrap();
    assert_eq!((report.counts.directory_pages, report.counts.people), (4, PEOPLE.len()));
    assert!(report.waits.count >= 1 && report.waits.seconds >= 1, "{:?}", report.waits);
}

#[tokio::test]
async fn an_offboarding_of_nobody_says_how_many_were_looked_at() {
    let app = TestApp::start().await;
    let (run, _) = ended(&app, app.account, offboard::PLAYBOOK, json!({"email": "nobody@company.com"})).await;
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
    let (run, events) = ended(&app, app.account, offboard::PLAYBOOK, json!({"email": PEOPLE[0]})).await;
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
