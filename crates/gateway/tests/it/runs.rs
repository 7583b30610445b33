//! Runs: journaled, watched, stopped, taken over and replayed, with nothing done twice.

mod agent;
mod crash;
mod limits;

pub(crate) use crash::Process;

use std::sync::Arc;
use std::time::Duration;

use quartermaster_gateway::runs::machine::Action;
use quartermaster_gateway::runs::{DecidedBy, NewRun, PlaybookKind, RunFilter, RunView, StepState, replay};
use quartermaster_gateway::{Actor, AuditFilter, Gateway, PageQuery};
use quartermaster_simulator::State;
use quartermaster_store_model::{Narrowing, Outcome, Role, RunState};
use quartermaster_testkit::ScriptKind;
use quartermaster_types::{AccountId, Code, Problem, RunId};
use serde_json::{Value, json};

use crate::house::{House, object};

pub(crate) const EMAIL: &str = "a.miller@company.com";

/// Finds a person, suspends them, reads them back.
pub(crate) fn offboard(email: &str) -> Value {
    json!({"name": "offboard", "rounds": [
        [{"key": "find", "method": "users.list", "arguments": {"email": email}}],
        [{"key": "suspend", "method": "users.suspend", "arguments": {"id": {"$from": "find", "at": "/result/0/id"}}}],
        [{"key": "read", "method": "users.get", "arguments": {"id": {"$from": "find", "at": "/result/0/id"}}}],
    ]})
}

/// Waits, then lists.
fn later(seconds: u64) -> Value {
    json!({"name": "later", "rounds": [
        [{"key": "pause", "wait_seconds": seconds}],
        [{"key": "list", "method": "users.list", "arguments": {"limit": 1}}],
    ]})
}

pub(crate) async fn start(
    gateway: &Gateway,
    actor: &Arc<Actor>,
    account: AccountId,
    script: &Value,
) -> Result<RunView, Problem> {
    let new = NewRun {
        kind: "script".to_owned(),
        definition: script.to_string(),
        account,
        input: object(json!({"ticket": "HR-1"})),
        patience_seconds: None,
    };
    gateway.start_run(actor, gateway.request_id(), new).await
}

/// The run, once it is in this state.
pub(crate) async fn in_state(gateway: &Gateway, actor: &Arc<Actor>, id: RunId, state: RunState) -> RunView {
    for _ in 0..1500 {
        let run = gateway.get_run(actor, id).await.unwrap();
        if run.summary.state == state {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} is not {}: {:#?}", state.as_str(), gateway.get_run(actor, id).await);
}

/// What failed a run, and who said so.
pub(crate) fn failure(run: &RunView) -> (Code, DecidedBy) {
    let outcome = run.outcome.as_ref().unwrap();
    let Some(Action::Failed { problem, .. }) = &outcome.action else { panic!("{outcome:?}") };
    (problem.code(), outcome.decided_by)
}

#[tokio::test]
async fn a_run_goes_to_its_end_through_the_pipeline_and_replays_the_same() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let started = start(&house.gateway, &agent, account, &offboard(EMAIL)).await.unwrap();
    assert_eq!(started.summary.state, RunState::Queued);
    let run = in_state(&house.gateway, &agent, started.summary.id, RunState::Done).await;
    assert_eq!(house.simulator.control().find(EMAIL).unwrap().state, State::Suspended);
    let steps: Vec<_> = run.steps.iter().map(|step| (step.key.as_str(), step.state, step.attempts)).collect();
    let done = StepState::Done;
    assert_eq!(steps, [("find", done, 1), ("suspend", done, 1), ("read", done, 1)]);
    assert_eq!(run.outcome.as_ref().unwrap().decided_by, DecidedBy::Machine);

    let records = house.audit(AuditFilter::default()).await;
    let of_run: Vec<_> =
        records.iter().filter(|record| record.session.as_deref() == Some(&*run.summary.session)).collect();
    let actions: Vec<_> = of_run.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["run.start", "users.list", "users.suspend", "users.get", "run.end"]);
    assert!(of_run.iter().all(|record| record.token_id == agent.token_id && record.outcome == Outcome::Ok));
    assert_eq!(run.steps[1].request_id.as_deref(), Some(&*of_run[2].request_id.to_string()));

    let sent = house.sent();
    let export = house.gateway.export_run(&agent, run.summary.id).await.unwrap();
    assert_eq!(replay(&ScriptKind("script"), &export).unwrap(), None);
    assert_eq!(house.sent(), sent, "a replay touches no upstream");
    let text = serde_json::to_string(&export).unwrap();
    assert_eq!(serde_json::from_str::<quartermaster_gateway::runs::RunExport>(&text).unwrap(), export);
}

#[tokio::test]
async fn a_replay_names_the_first_difference() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let run = start(&house.gateway, &house.admin, account, &offboard(EMAIL)).await.unwrap().summary.id;
    in_state(&house.gateway, &house.admin, run, RunState::Done).await;
    let export = house.gateway.export_run(&house.admin, run).await.unwrap();
    let changed = |from: &str, to: &str, times: usize| {
        let text = serde_json::to_string(&export).unwrap().replacen(from, to, times);
        replay(&ScriptKind("script"), &serde_json::from_str(&text).unwrap()).unwrap().unwrap()
    };
    let id = house.simulator.control().find(EMAIL).unwrap().id;
    let mut forged = export.clone();
    let find = serde_json::to_string(&forged.entries[1]).unwrap().replace(&id, "SOMEBODYELSE00000000000000");
    forged.entries[1] = serde_json::from_str(&find).unwrap();
    let difference = replay(&ScriptKind("script"), &forged).unwrap().unwrap();
    assert_eq!(difference.number, 3, "an answer was changed: the next decision is another one");
    assert!(difference.recorded.contains(&id) && difference.decided.contains("SOMEBODYELSE"), "{difference}");

    let difference = changed("3 of 3 steps.", "All was well.", 1);
    assert_eq!(difference.number, 7, "{difference}");
    let mut cut = export.clone();
    cut.entries.remove(2);
    assert_eq!(replay(&ScriptKind("script"), &cut).unwrap().unwrap().number, 3);
    cut.entries.truncate(2);
    assert_eq!(replay(&ScriptKind("script"), &cut).unwrap().unwrap().number, 3, "it did not end there");
    assert!(replay(&ScriptKind("other"), &export).is_err());
}

#[tokio::test]
async fn a_run_that_waits_goes_on_at_its_time() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let before = house.sent().list;
    let id = start(&house.gateway, &house.admin, account, &later(3600)).await.unwrap().summary.id;
    let run = in_state(&house.gateway, &house.admin, id, RunState::Waiting).await;
    assert_eq!(run.summary.waits_until, Some(run.summary.created_at.plus_ms(3_600_000)));
    assert_eq!(house.sent().list, before);
    house.clock.advance_ms(3_600_000);
    let run = in_state(&house.gateway, &house.admin, id, RunState::Done).await;
    assert_eq!((run.steps[0].key.as_str(), house.sent().list), ("pause", before + 1));
}

#[tokio::test]
async fn a_run_that_is_stopped_makes_no_further_call() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let before = house.sent().list;
    let waiting = start(&house.gateway, &agent, account, &later(3600)).await.unwrap().summary.id;
    in_state(&house.gateway, &agent, waiting, RunState::Waiting).await;
    house.gateway.cancel_run(&agent, house.gateway.request_id(), waiting).await.unwrap();
    let run = in_state(&house.gateway, &agent, waiting, RunState::Cancelled).await;
    assert_eq!(run.outcome.unwrap().decided_by, DecidedBy::Caller);
    assert_eq!(house.sent().list, before);

    // In the middle of a call: that comes to its end, and the next is not made.
    house.simulator.control().set_latency(Duration::from_millis(300));
    let id = start(&house.gateway, &agent, account, &offboard(EMAIL)).await.unwrap().summary.id;
    while house.gateway.get_run(&agent, id).await.unwrap().steps.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.gateway.cancel_run(&agent, house.gateway.request_id(), id).await.unwrap();
    let run = in_state(&house.gateway, &agent, id, RunState::Cancelled).await;
    assert_eq!(run.steps.iter().map(|step| step.state).collect::<Vec<_>>(), [StepState::Done]);
    assert_eq!(house.sent().suspend, 0);
    // Stopping what has ended changes nothing.
    let again = house.gateway.cancel_run(&agent, house.gateway.request_id(), id).await.unwrap();
    assert_eq!(again, run.summary);
}

#[tokio::test]
async fn a_run_has_the_rights_that_its_token_has_at_each_call() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let before = house.sent().list;
    let id = start(&house.gateway, &agent, account, &later(60)).await.unwrap().summary.id;
    in_state(&house.gateway, &agent, id, RunState::Waiting).await;
    house.gateway.revoke_token(&house.admin, house.gateway.request_id(), agent.token_id).await.unwrap();
    house.clock.advance_ms(60_000);
    let run = in_state(&house.gateway, &house.admin, id, RunState::Failed).await;
    assert_eq!(failure(&run), (Code::Unauthenticated, DecidedBy::Gateway));
    assert_eq!(house.sent().list, before);

    let narrowing = Narrowing { methods: Some(vec!["read".to_owned()]), ..Narrowing::default() };
    let (reader, _) = house.token(Role::Agent, narrowing).await;
    let id = start(&house.gateway, &reader, account, &offboard(EMAIL)).await.unwrap().summary.id;
    let run = in_state(&house.gateway, &reader, id, RunState::Failed).await;
    assert_eq!(failure(&run), (Code::PermissionDenied, DecidedBy::Machine));
    assert_eq!(house.sent().suspend, 0);
}

#[tokio::test]
async fn a_run_writes_only_to_what_it_has_read() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let id = house.find(&agent, account, EMAIL).await;
    let script =
        json!({"name": "blind", "rounds": [[{"key": "a", "method": "users.suspend", "arguments": {"id": id}}]]});
    let run = start(&house.gateway, &agent, account, &script).await.unwrap().summary.id;
    let run = in_state(&house.gateway, &agent, run, RunState::Failed).await;
    assert_eq!(failure(&run), (Code::UngroundedId, DecidedBy::Machine));
    assert_eq!(house.sent().suspend, 0);
}

#[tokio::test]
async fn who_sees_which_runs() {
    let house = House::new().await;
    let account = house.account().await;
    let (one, other) = (house.agent().await, house.agent().await);
    let auditor = house.token(Role::Auditor, Narrowing::default()).await.0;
    let narrowing = Narrowing { accounts: Some(vec![account]), ..Narrowing::default() };
    let narrowed = house.token(Role::Admin, narrowing).await.0;
    let id = start(&house.gateway, &one, account, &later(1)).await.unwrap().summary.id;
    for (actor, sees) in [(&one, true), (&other, false), (&auditor, true), (&house.admin, true), (&narrowed, false)] {
        let listed = house.gateway.list_runs(actor, &PageQuery::default(), &RunFilter::default()).await.unwrap();
        assert_eq!((listed.result_count == 1, house.gateway.get_run(actor, id).await.is_ok()), (sees, sees));
        if !sees {
            let problem = house.gateway.cancel_run(actor, house.gateway.request_id(), id).await.unwrap_err();
            assert_eq!(problem.code(), Code::NotFound);
        }
    }
    let refused = house.gateway.cancel_run(&auditor, house.gateway.request_id(), id).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(start(&house.gateway, &auditor, account, &later(1)).await.is_err());
}

#[tokio::test]
async fn a_report_is_one_page_with_everything_escaped() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let script = json!({"name": "<script>alert(1)</script>", "rounds": [
        [{"key": "<b>", "method": "users.list", "arguments": {"email": "\"><img src=x>@company.com"}, "lenient": true}],
    ]});
    let id = start(&house.gateway, &house.admin, account, &script).await.unwrap().summary.id;
    in_state(&house.gateway, &house.admin, id, RunState::Done).await;
    let page = house.gateway.export_run(&house.admin, id).await.unwrap().html().unwrap();
    for raw in ["<script", "<b>", "<img", "src=x>@", "http://", "https://"] {
        assert!(!page.contains(raw), "{raw} is in the page");
    }
    assert!(page.contains("alert(1)") && page.contains("users.list") && page.contains("Timeline"));
}

#[tokio::test]
async fn a_playbook_runs_to_its_report_and_replays_the_same() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let agent = house.agent().await;
    let new = |definition: &str, input: Value| NewRun {
        kind: "playbook".to_owned(),
        definition: definition.to_owned(),
        account,
        input: object(input),
        patience_seconds: None,
    };
    let starting = |new: NewRun| house.gateway.start_run(&agent, house.gateway.request_id(), new);
    let id = starting(new("offboard", json!({"email": EMAIL}))).await.unwrap().summary.id;
    let run = in_state(&house.gateway, &agent, id, RunState::Done).await;
    assert_eq!(run.summary.name, "offboard");
    let outcome = run.outcome.as_ref().unwrap();
    let Some(Action::Done { report: Some(report), .. }) = &outcome.action else { panic!("{outcome:?}") };
    assert!(report.text.starts_with("Successfully suspended a.miller@company.com"), "{}", report.text);
    assert_eq!(report.members["session"], run.summary.session.as_str());
    assert_eq!(house.simulator.control().find(EMAIL).unwrap().state, State::Suspended);
    let export = house.gateway.export_run(&agent, id).await.unwrap();
    assert_eq!(replay(&PlaybookKind, &export).unwrap(), None);

    for (definition, input, pointer) in [
        ("offbord", json!({}), "/playbook"),
        ("name: x\nsteps: 5\n", json!({}), "/playbook"),
        ("offboard", json!({"mail": EMAIL}), "/input/mail"),
    ] {
        let problem = starting(new(definition, input)).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidArgument, "{problem:?}");
        let errors = &problem.body().errors;
        assert!(errors.iter().any(|error| error.pointer.starts_with(pointer)), "{errors:?}");
    }
}
