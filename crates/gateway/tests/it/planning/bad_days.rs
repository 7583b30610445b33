//! Plans on bad days: answers that never come, rate limits, workers that die, two who execute at once.

use std::time::Duration;

use quartermaster_gateway::limits::IDEMPOTENCY_IN_FLIGHT_MAX;
use quartermaster_gateway::planning::Undo;
use quartermaster_gateway::runs::{PlanKind, StepState, replay};
use quartermaster_simulator::{Config, RateLimit, State};
use quartermaster_store_model::RunState;
use quartermaster_types::Code;

use super::{EMAIL, OTHER, at_end, done, execute, order, outcomes, plan, report, state_of, suspend};
use crate::house::{House, gateway};
use crate::runs::{Process, in_state};

#[tokio::test]
async fn a_suspension_without_an_answer_that_worked_is_told_as_such_and_undone() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let plan = plan(&house, &house.admin, account, vec![suspend(EMAIL), suspend(OTHER)]).await;
    house.simulator.control().lose_answers(1);
    let run = done(&house, &house.admin, &plan).await;
    assert_eq!(run.summary.state, RunState::Done);
    let rows: Vec<_> = outcomes(&run).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(rows, ["worked_after_all", "done"]);
    assert_eq!(house.sent().suspend, 2, "it was not sent a second time");
    let report = report(&run);
    assert!(report.text.starts_with("2 of 2 planned changes made"), "{}", report.text);
    assert!(report.text.contains("1 of them got no answer, and was found done by a read"), "{}", report.text);
    super::same_in_a_replay(&house, &house.admin, run.summary.id).await;

    // The journal does not know what became of the first; its record does.
    let gateway = &house.gateway;
    let back = gateway.undo_run(&house.admin, gateway.request_id(), run.summary.id, Undo::default()).await.unwrap();
    assert_eq!(back.summary.totals.changes, 2);
    let first = back.rows.iter().find(|row| row.who == EMAIL).unwrap();
    assert!(first.note.as_ref().unwrap().contains("is not known"), "{:?}", first.note);
    assert_eq!(done(&house, &house.admin, &back).await.summary.state, RunState::Done);
    assert_eq!((state_of(&house, EMAIL), state_of(&house, OTHER)), (State::Active, State::Active));
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let limit = RateLimit { requests: 8, window: Duration::from_secs(1) };
    let house = House::with(Config { rate_limit: Some(limit), ..Config::default() }).await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let calls = [EMAIL, OTHER, "g.silva@company.com"].map(suspend).to_vec();
    let plan = plan(&house, &house.admin, account, calls).await;
    let run = execute(&house.gateway, &house.admin, &plan, order(&plan)).await.unwrap().summary.id;
    let mut waited = None;
    let run = loop {
        let run = house.gateway.get_run(&house.admin, run).await.unwrap();
        if run.summary.state.is_end() {
            break run;
        }
        // A worker looks at the clock again after a while.
        if run.summary.state == RunState::Waiting && waited != Some(run.summary.entries) {
            waited = Some(run.summary.entries);
            house.clock.advance_ms(5_000);
            house.simulator.control().advance(Duration::from_secs(5));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(run.summary.state, RunState::Done, "{:?}", run.outcome);
    assert!(house.sent().limited > 0 && report(&run).text.contains("Rate limits were waited out"));
    for email in [EMAIL, OTHER, "g.silva@company.com"] {
        assert_eq!(state_of(&house, email), State::Suspended);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_execute_a_plan_at_once_one_does() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    let plan = plan(&house, &house.admin, account, vec![suspend(EMAIL)]).await;
    let tries = (0..8).map(|_| {
        let (gateway, admin, plan) = (house.gateway.clone(), house.admin.clone(), plan.clone());
        tokio::spawn(async move { execute(&gateway, &admin, &plan, order(&plan)).await })
    });
    let mut started = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(run) => started.push(run.summary.id),
            Err(problem) => assert_eq!(problem.code(), Code::Conflict),
        }
    }
    assert_eq!(started.len(), 1);
    at_end(&house.gateway, &house.admin, started[0]).await;
    assert_eq!(house.sent().suspend, 1);
}

/// Entries of a plan of two suspensions that nothing disturbs: a write and a proof each, begun and finished.
const ENTRIES: u32 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_at_any_boundary_of_a_plan_leaves_nothing_done_twice() {
    for boundary in 1..=ENTRIES {
        let house = House::new().await;
        let account = house.account().await;
        let plan = plan(&house, &house.admin, account, vec![suspend(EMAIL), suspend(OTHER)]).await;
        house.simulator.control().set_latency(Duration::from_millis(30));
        let id = execute(&house.gateway, &house.admin, &plan, order(&plan)).await.unwrap().summary.id;
        let process = Process::start(&house);
        while house.store.find_run(house.admin.environment_id, id).await.unwrap().unwrap().entries < boundary {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill();
        house.simulator.control().set_latency(Duration::ZERO);
        house.clock.advance_ms(IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64 + 1_000);
        let next = gateway(&house.simulator, &house.store, &house.clock);
        next.work_on_runs();
        let run = in_state(&next, &house.admin, id, RunState::Done).await;
        let place = format!("killed at {boundary}: {run:#?}");
        assert_eq!(house.sent().suspend, 2, "{place}");
        assert_eq!((state_of(&house, EMAIL), state_of(&house, OTHER)), (State::Suspended, State::Suspended));
        assert!(run.steps.iter().all(|step| step.state == StepState::Done), "{place}");
        let export = next.export_run(&house.admin, id).await.unwrap();
        assert_eq!(replay(&PlanKind, &export).unwrap(), None, "{place}");
        next.shutdown().await;
    }
}
