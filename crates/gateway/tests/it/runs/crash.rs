//! Workers that die, and workers that compete.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use quartermaster_gateway::limits::{IDEMPOTENCY_IN_FLIGHT_MAX, RUNS_AT_ONCE_MAX};
use quartermaster_gateway::runs::{StepState, replay};
use quartermaster_simulator::State;
use quartermaster_store::Store;
use quartermaster_store_model::{RunQuery, RunState};
use quartermaster_testkit::ScriptKind;
use quartermaster_types::RunId;

use super::{EMAIL, in_state, later, offboard, start};
use crate::house::{House, gateway};

/// A process that works on runs, and dies without a word when told to.
pub(crate) struct Process {
    kill: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Process {
    pub(crate) fn start(house: &House) -> Self {
        Self::asking(house, None)
    }

    /// The same with a model to ask.
    pub(crate) fn asking(house: &House, model: Option<std::net::SocketAddr>) -> Self {
        let (kill, killed) = mpsc::channel();
        let (database, clock) = (house.database.clone(), house.clock.clone());
        let simulator = house.simulator.address();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let store = Store::open_sqlite(&database).await.unwrap();
                crate::house::gateway_asking(simulator, &store, &clock, model).work_on_runs();
            });
            let _ = killed.recv();
            // Every task ends where it stands.
            runtime.shutdown_background();
        });
        Self { kill, thread }
    }

    pub(crate) fn kill(self) {
        self.kill.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

/// Entries of an offboarding that nothing disturbs: begun and finished, three times.
const ENTRIES: u32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_at_any_boundary_leaves_a_run_that_ends_with_nothing_done_twice() {
    for boundary in 1..=ENTRIES {
        let house = House::new().await;
        let account = house.account().await;
        let agent = house.agent().await;
        house.simulator.control().set_latency(Duration::from_millis(60));
        let id = start(&house.gateway, &agent, account, &offboard(EMAIL)).await.unwrap().summary.id;
        let process = Process::start(&house);
        while house.store.find_run(agent.environment_id, id).await.unwrap().unwrap().entries < boundary {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill();
        let left = house.gateway.get_run(&agent, id).await.unwrap();

        // Another process takes over when the lease has ended, and the call cannot be under way any more.
        house.clock.advance_ms(IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64 + 1_000);
        let next = gateway(&house.simulator, &house.store, &house.clock);
        next.work_on_runs();
        let run = in_state(&next, &agent, id, RunState::Done).await;
        let place = format!("killed at {boundary}: {left:#?}\n{run:#?}");
        assert_eq!(house.sent().suspend, 1, "{place}");
        assert_eq!(house.simulator.control().find(EMAIL).unwrap().state, State::Suspended);
        assert!(run.steps.iter().all(|step| step.state == StepState::Done), "{place}");
        assert_eq!(run.steps.len(), 3, "{place}");
        let export = next.export_run(&agent, id).await.unwrap();
        assert_eq!(replay(&ScriptKind("script"), &export).unwrap(), None, "{place}");
        next.shutdown().await;
    }
}

#[tokio::test]
async fn of_two_processes_each_run_is_worked_on_by_one() {
    const RUNS: usize = 12;
    let house = House::new().await;
    let account = house.account().await;
    let before = house.sent().list;
    let mut ids = BTreeSet::new();
    for _ in 0..RUNS {
        ids.insert(start(&house.gateway, &house.admin, account, &later(0)).await.unwrap().summary.id);
    }
    let other = gateway(&house.simulator, &house.store, &house.clock);
    house.gateway.work_on_runs();
    other.work_on_runs();
    for id in ids {
        let run = in_state(&other, &house.admin, id, RunState::Done).await;
        assert!(run.steps.iter().all(|step| step.attempts == 1), "{run:#?}");
    }
    assert_eq!(house.sent().list - before, RUNS as u64);
    other.stop_runs();
}

#[tokio::test]
async fn so_many_runs_are_worked_on_at_once_and_no_more() {
    let house = House::new().await;
    let account = house.account().await;
    house.simulator.control().set_latency(Duration::from_millis(400));
    let mut ids: Vec<RunId> = Vec::new();
    for _ in 0..=RUNS_AT_ONCE_MAX {
        ids.push(start(&house.gateway, &house.admin, account, &later(0)).await.unwrap().summary.id);
    }
    house.gateway.work_on_runs();
    let mut most = 0;
    loop {
        // In one statement: a run that ends between two reads would count beside the one that takes its place.
        let query = RunQuery { limit: 100, ..RunQuery::default() };
        let rows = house.store.list_runs(house.admin.environment_id, &query).await.unwrap();
        let states: Vec<RunState> = rows.iter().filter(|row| ids.contains(&row.id)).map(|row| row.state).collect();
        most = most.max(states.iter().filter(|state| **state == RunState::Running).count());
        if states.iter().all(|state| *state == RunState::Done) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(most, RUNS_AT_ONCE_MAX);
}

#[tokio::test]
async fn a_gateway_that_shuts_down_hands_its_runs_back() {
    let house = House::new().await;
    house.gateway.work_on_runs();
    let account = house.account().await;
    house.simulator.control().set_latency(Duration::from_millis(200));
    let id = start(&house.gateway, &house.admin, account, &offboard(EMAIL)).await.unwrap().summary.id;
    while house.store.find_run(house.admin.environment_id, id).await.unwrap().unwrap().entries == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    house.gateway.shutdown().await;
    let before = house.sent();
    let store = Store::open_sqlite(&house.database).await.unwrap();
    let run = store.find_run(house.admin.environment_id, id).await.unwrap().unwrap();
    assert_eq!((run.state, run.entries), (RunState::Queued, 2), "the call came to its end, and no other was begun");
    // No clock is moved: it is due at once.
    let next = gateway(&house.simulator, &store, &house.clock);
    next.work_on_runs();
    in_state(&next, &house.admin, id, RunState::Done).await;
    let after = house.sent();
    assert_eq!((after.list, before.suspend, after.suspend), (before.list, 0, 1));
}
