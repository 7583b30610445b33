//! Agents whose worker dies.

use std::time::Duration;

use quartermaster_gateway::limits::IDEMPOTENCY_IN_FLIGHT_MAX;
use quartermaster_gateway::runs::{AgentKind, NewRun, StepState, replay};
use quartermaster_simulator::State;
use quartermaster_simulator::model::{self, Script};
use quartermaster_store_model::RunState;
use serde_json::{Value, json};

use super::crash::Process;
use super::{EMAIL, in_state};
use crate::house::{House, gateway_asking, object};

/// Entries of an agent's offboarding that nothing disturbs: three questions and two calls, each begun and ended.
const ENTRIES: u32 = 10;

fn script() -> Value {
    let turn =
        |tool: &str, arguments: Value| json!({"calls": [{"tool": tool, "arguments": arguments}], "delay_ms": 60});
    json!({"turns": [
        turn("list_all_1_password_users", json!({"email": EMAIL})),
        turn("1_password_users_suspend", json!({"id": "{{ last.data.result.0.id }}"})),
        turn("finish_run", json!({"outcome": "done", "summary": "Suspended {{ last.data.result.email }}."})),
    ]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_at_any_boundary_of_an_agent_leaves_nothing_done_twice() {
    for boundary in 1..=ENTRIES {
        let house = House::new().await;
        let account = house.account().await;
        let agent = house.agent().await;
        house.simulator.control().set_latency(Duration::from_millis(60));
        let model = model::start(model::Config::new(Script::from_value(script()).unwrap())).await.unwrap();
        let address = Some(model.address());
        let new = NewRun {
            kind: "agent".to_owned(),
            definition: format!("Offboard {EMAIL}"),
            account,
            input: object(json!({"model": "scripted"})),
            patience_seconds: None,
        };
        let next = gateway_asking(house.simulator.address(), &house.store, &house.clock, address);
        let id = next.start_run(&agent, next.request_id(), new).await.unwrap().summary.id;
        let process = Process::asking(&house, address);
        while house.store.find_run(agent.environment_id, id).await.unwrap().unwrap().entries < boundary {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill();
        let left = next.get_run(&agent, id).await.unwrap();

        house.clock.advance_ms(IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64 + 1_000);
        next.work_on_runs();
        let run = in_state(&next, &agent, id, RunState::Done).await;
        let place = format!("killed at {boundary}: {left:#?}\n{run:#?}");
        assert_eq!(house.sent().suspend, 1, "{place}");
        assert_eq!(house.simulator.control().find(EMAIL).unwrap().state, State::Suspended);
        assert!(run.steps.iter().all(|step| step.state == StepState::Done), "{place}");
        assert_eq!(run.steps.len(), 5, "{place}");
        let asked = model.control().seen().len();
        assert!((3..=4).contains(&asked), "a question that was cut off is asked again: {asked}, {place}");
        assert_eq!(model.control().faults(), Vec::<String>::new());
        let export = next.export_run(&agent, id).await.unwrap();
        assert_eq!(replay(&AgentKind, &export).unwrap(), None, "{place}");
        next.shutdown().await;
    }
}
