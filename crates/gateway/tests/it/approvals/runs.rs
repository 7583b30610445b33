//! Runs that wait for an approval.

use quartermaster_gateway::runs::machine::Action;
use quartermaster_gateway::runs::{RunView, StepState, replay};
use quartermaster_simulator::{Config, State};
use quartermaster_store_model::{Role, RunState};
use quartermaster_testkit::ScriptKind;
use quartermaster_types::{ApprovalId, RunId};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::replicas::Replicas;
use crate::runs::{EMAIL, in_state, offboard, start};

/// A run that suspends somebody, once it waits for a person.
async fn waiting(house: &House, script: &Value) -> (Arc<Actor>, RunId, ApprovalId) {
    let account = house.account().await;
    let agent = house.agent().await;
    let run = start(&house.gateway, &agent, account, script).await.unwrap().summary.id;
    let view = in_state(&house.gateway, &agent, run, RunState::Waiting).await;
    assert_eq!(view.awaits.len(), 1, "{view:?}");
    assert_eq!(view.summary.waits_until, Some(view.awaits[0].expires_at));
    (agent, run, view.awaits[0].id)
}

fn failure(run: &RunView) -> &Problem {
    let Some(Action::Failed { problem, .. }) = &run.outcome.as_ref().unwrap().action else { panic!("{run:?}") };
    problem
}

fn state_of_person(house: &House) -> State {
    house.simulator.control().find(EMAIL).unwrap().state
}

#[tokio::test]
async fn a_run_waits_for_its_approval_and_goes_on_once_it_has_it() {
    let house = House::new().await;
    house.set_rules(ASK).await;
    house.gateway.work_on_runs();
    let (agent, run, approval) = waiting(&house, &offboard(EMAIL)).await;
    assert_eq!(house.sent().suspend, 0, "nothing was sent");
    let view = house.gateway.get_approval(&house.admin, approval).await.unwrap();
    assert_eq!(view.summary.run_id, Some(run));
    assert_eq!(
        house.decide(&agent, approval, yes()).await.unwrap_err().code(),
        Code::PermissionDenied,
        "its own token"
    );
    house.decide(&house.admin, approval, yes()).await.unwrap();
    let done = in_state(&house.gateway, &agent, run, RunState::Done).await;
    assert!(done.awaits.is_empty());
    assert_eq!((house.sent().suspend, state_of_person(&house)), (1, State::Suspended));
    let suspend = done.steps.iter().find(|step| step.key == "suspend").unwrap();
    assert_eq!((suspend.state, suspend.attempts), (StepState::Done, 2), "asked, then made");
    let export = house.gateway.export_run(&agent, run).await.unwrap();
    assert_eq!(replay(&ScriptKind("script"), &export).unwrap(), None, "the machine heard nothing of it");
}

#[tokio::test]
async fn a_no_and_the_end_of_patience_fail_the_step_and_say_so() {
    for denies in [true, false] {
        let house = House::new().await;
        house.set_rules(ASK).await;
        house.gateway.work_on_runs();
        let (agent, run, approval) = waiting(&house, &offboard(EMAIL)).await;
        if denies {
            house.decide(&house.admin, approval, no("he stays")).await.unwrap();
        } else {
            house.clock.advance_ms(HOUR_MS);
        }
        let failed = in_state(&house.gateway, &agent, run, RunState::Failed).await;
        let problem = failure(&failed);
        assert_eq!(problem.code(), Code::DeniedByPolicy, "{problem}");
        let says = if denies { "he stays" } else { "was not approved in time" };
        assert!(problem.body().detail.contains(says), "{problem}");
        assert_eq!((house.sent().suspend, state_of_person(&house)), (0, State::Active));
        let listed =
            house.gateway.list_approvals(&house.admin, &PageQuery::default(), &ApprovalFilter::default()).await;
        assert_eq!(listed.unwrap().result_count, 1, "it asked once");
    }
}

#[tokio::test]
async fn a_run_that_waits_can_be_stopped_and_its_card_is_closed() {
    let house = House::new().await;
    house.set_rules(ASK).await;
    house.gateway.work_on_runs();
    let (agent, run, approval) = waiting(&house, &offboard(EMAIL)).await;
    house.gateway.cancel_run(&agent, house.gateway.request_id(), run).await.unwrap();
    in_state(&house.gateway, &agent, run, RunState::Cancelled).await;
    // The run is ended first, then its cards are closed.
    for _ in 0..200 {
        let view = house.gateway.get_approval(&house.admin, approval).await.unwrap();
        if view.summary.state == ApprovalState::Expired {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(house.decide(&house.admin, approval, yes()).await.unwrap_err().code(), Code::Conflict);
    assert_eq!(house.sent().suspend, 0);
}

#[tokio::test]
async fn a_restart_between_question_and_answer_changes_nothing() {
    let house = House::new().await;
    house.set_rules(ASK).await;
    house.gateway.work_on_runs();
    let (agent, run, approval) = waiting(&house, &offboard(EMAIL)).await;
    house.gateway.stop_runs();
    let restarted = house::gateway(&house.simulator, &house.store, &house.clock);
    restarted.work_on_runs();
    restarted.decide_approval(&house.admin, restarted.request_id(), approval, yes()).await.unwrap();
    in_state(&restarted, &agent, run, RunState::Done).await;
    assert_eq!((house.sent().suspend, state_of_person(&house)), (1, State::Suspended));
}

#[tokio::test]
async fn one_yes_lets_every_call_of_the_run_through_that_the_rule_is_about() {
    let house = House::new().await;
    house.set_rules(&rule("{scope: run}")).await;
    house.gateway.work_on_runs();
    let person = |key: &str, email: &str| json!([{"key": key, "method": "users.list", "arguments": {"email": email}}]);
    let suspend = |key: &str, from: &str| json!({"key": key, "method": "users.suspend", "arguments": {"id": {"$from": from, "at": "/result/0/id"}}});
    let script = json!({"name": "two", "rounds": [
        person("one", EMAIL), person("two", "f.tanaka@company.com"),
        [suspend("first", "one")], [suspend("second", "two")],
    ]});
    let (agent, run, approval) = waiting(&house, &script).await;
    let view = house.gateway.get_approval(&house.admin, approval).await.unwrap();
    assert!(view.card.note.as_deref().is_some_and(|note| note.contains("every call of the run")), "{view:?}");
    house.decide(&house.admin, approval, yes()).await.unwrap();
    in_state(&house.gateway, &agent, run, RunState::Done).await;
    assert_eq!(house.sent().suspend, 2);
    // Another run asks for itself.
    let other = start(&house.gateway, &agent, view.summary.account_id.unwrap(), &script).await.unwrap().summary.id;
    let other = in_state(&house.gateway, &agent, other, RunState::Waiting).await;
    assert_ne!(other.awaits[0].id, approval);
}

#[tokio::test]
async fn a_decision_on_one_replica_wakes_the_run_of_another() {
    let Some(replicas) = Replicas::new("a_decision_on_one_replica", Config::default()).await else { return };
    let [first, second] = &replicas.gateways;
    let document = format!("version: 1\nrules:\n{ASK}");
    first.put_policy(&replicas.admin, first.request_id(), None, document).await.unwrap();
    let account = replicas.account().await;
    let (_, text) = replicas.token(Role::Agent).await;
    let agent = first.authenticate(Some(text.expose_secret())).await.unwrap();
    first.work_on_runs();
    let run = start(first, &agent, account, &offboard(EMAIL)).await.unwrap().summary.id;
    let view = in_state(first, &agent, run, RunState::Waiting).await;
    let decided = second.decide_approval(&replicas.admin, second.request_id(), view.awaits[0].id, yes()).await.unwrap();
    assert_eq!(decided.summary.state, ApprovalState::Approved);
    in_state(first, &agent, run, RunState::Done).await;
    assert_eq!(replicas.simulator.control().counts().suspend, 1);
}
