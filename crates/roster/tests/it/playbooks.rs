//! The playbook that ships does over a whole gateway what `audit` does: the same texts, the same calls.

use std::sync::Arc;

use quartermaster_client::{CallOptions, ClientError};
use quartermaster_playbook::{
    AccountFacts, Action, Call, Entry, IntegrationFacts, LifecycleFacts, RunFacts, Setting, State, load, shipped,
};
use quartermaster_roster::{Session, audit};
use quartermaster_testkit::TestApp;
use quartermaster_types::{Clock, Problem};
use serde_json::{Map, Value, json};

use super::{PEOPLE, job, list, quiet};

fn setting(session: &Session) -> Setting {
    let lifecycle = &session.lifecycle;
    Setting {
        run: RunFacts { id: "run".to_owned(), session: "playbook-run".to_owned(), started_at: Clock::System.now() },
        account: AccountFacts { id: session.account.id.to_string(), tenant_id: session.account.tenant_id.clone() },
        integration: IntegrationFacts {
            name: session.integration.name.clone(),
            label: session.integration.label.clone(),
        },
        lifecycle: Some(LifecycleFacts {
            resource: lifecycle.resource.clone(),
            suspend: "suspend".to_owned(),
            reactivate: None,
            find_by_email: lifecycle.find_by_email.clone(),
            id: lifecycle.id.clone(),
            email: lifecycle.email.clone(),
            display_name: lifecycle.display_name.clone(),
            state: lifecycle.state.clone(),
            active: lifecycle.active.clone(),
            suspended: lifecycle.suspended.clone(),
        }),
    }
}

async fn make(session: &Session, call: &Call) -> Result<Value, Problem> {
    let tool = match call.method.as_str() {
        "list" => &session.lifecycle.list_tool,
        "get" => &session.lifecycle.get_tool,
        _ => &session.lifecycle.suspend_tool,
    };
    let options =
        CallOptions { session: Some("playbook-run".to_owned()), expect: call.expect.clone(), ..CallOptions::default() };
    let (account, arguments) = (session.account.id, call.arguments.clone());
    let answer = if call.dry_run {
        session.client.dry_run(account, tool, arguments, &options).await.map(|answer| json!(answer.value))
    } else {
        session.client.call_tool::<Value>(account, tool, arguments, &options).await.map(|answer| answer.value)
    };
    answer.map_err(|error| match error {
        ClientError::Problem { problem, .. } => problem,
        other => panic!("{other}"),
    })
}

/// Runs a playbook that ships through the tool door, one call at a time.
async fn run(session: &Session, name: &str, input: Value) -> Action {
    let shipped = shipped::find(name).unwrap();
    let playbook = Arc::new(load(shipped.file, shipped.text.as_bytes()).0.unwrap());
    let input: Map<String, Value> = input.as_object().unwrap().clone();
    let mut state = State::new(playbook, setting(session), &input).unwrap();
    while let Action::Proceed { calls, .. } = state.next() {
        let call = &calls[0];
        let (key, at) = (call.key.clone(), Clock::System.now());
        let entry = match make(session, call).await {
            Ok(answer) => Entry::Finished { result: state.reduce(&key, answer), key, at, request_id: None },
            Err(problem) => Entry::Failed { key, at, problem },
        };
        state.apply(&entry).unwrap();
    }
    state.next()
}

fn text(action: &Action) -> String {
    match action {
        Action::Done { report, .. } => report.as_ref().unwrap().text.clone(),
        Action::Failed { problem, .. } => problem.body().detail.clone(),
        Action::Proceed { .. } => panic!("the run is not at its end"),
    }
}

#[tokio::test]
async fn the_playbook_audit_says_and_does_what_the_command_does() {
    let (command, playbook) = (TestApp::start().await, TestApp::start().await);
    let (by_command, by_playbook) = (quiet(&command).await, quiet(&playbook).await);
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Value> = PEOPLE.iter().map(|email| json!({"email": email})).collect();
    for suspend in [false, true, false] {
        let journal = folder.path().join("journal");
        let work = job(&list(), suspend.then_some((journal.as_path(), 1)), &by_command);
        let report = audit::run(&by_command, work).await.unwrap();
        let done = run(&by_playbook, "audit", json!({"rows": rows, "suspend": suspend})).await;
        assert_eq!(text(&done), report.summary());
    }
    let counts = |app: &TestApp| app.simulator.control().counts();
    assert!(counts(&playbook).suspend > 0);
    assert_eq!(counts(&playbook).suspend, counts(&command).suspend);
    assert_eq!(counts(&playbook).list, counts(&command).list, "a pass over the directory, and not a call a person");
}
