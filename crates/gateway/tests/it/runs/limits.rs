//! Limits of runs: at each and one past it.

use quartermaster_gateway::limits::{
    RUN_DEFINITION_MAX_BYTES, RUN_INPUT_MAX_BYTES, RUN_NAME_MAX_BYTES, RUN_PATIENCE_MAX_SECONDS, RUN_STEPS_SHOWN_MAX,
};
use quartermaster_gateway::runs::NewRun;
use quartermaster_store_model::{RunEntryRow, RunLease};
use quartermaster_types::{Code, Problem, RunId};
use serde_json::{Map, Value, json};

use super::{later, start};
use crate::house::House;

async fn starts(house: &House, definition: String, input: Map<String, Value>) -> Result<RunId, Problem> {
    let account = house.account().await;
    let new = NewRun { kind: "script".to_owned(), definition, account, input, patience_seconds: None };
    house.gateway.start_run(&house.admin, house.gateway.request_id(), new).await.map(|run| run.summary.id)
}

#[tokio::test]
async fn what_a_run_is_started_with_has_limits() {
    let house = House::new().await;
    let script = later(1).to_string();
    let padded = |bytes: usize| format!("{script}{}", " ".repeat(bytes - script.len()));
    starts(&house, padded(RUN_DEFINITION_MAX_BYTES), Map::new()).await.unwrap();
    let problem = starts(&house, padded(RUN_DEFINITION_MAX_BYTES + 1), Map::new()).await.unwrap_err();
    assert_eq!(problem.body().errors[0].pointer, "/script");

    let named = |bytes: usize| json!({"name": "n".repeat(bytes), "rounds": []}).to_string();
    starts(&house, named(RUN_NAME_MAX_BYTES), Map::new()).await.unwrap();
    assert!(starts(&house, named(RUN_NAME_MAX_BYTES + 1), Map::new()).await.is_err());

    // What the machine adds counts too.
    let id = starts(&house, script.clone(), Map::from_iter([("a".to_owned(), json!(""))])).await.unwrap();
    let row = house.store.find_run(house.admin.environment_id, id).await.unwrap().unwrap();
    let input = |bytes: usize| Map::from_iter([("a".to_owned(), json!("x".repeat(bytes - row.input.len())))]);
    starts(&house, script.clone(), input(RUN_INPUT_MAX_BYTES)).await.unwrap();
    let problem = starts(&house, script.clone(), input(RUN_INPUT_MAX_BYTES + 1)).await.unwrap_err();
    assert_eq!((problem.code(), problem.body().errors[0].pointer.as_str()), (Code::InvalidArgument, "/input"));
    assert!(starts(&house, format!("{script}\0"), Map::new()).await.is_err());
    assert!(starts(&house, "{".to_owned(), Map::new()).await.is_err(), "the machine refuses it");
}

#[tokio::test]
async fn patience_has_a_limit() {
    let house = House::new().await;
    let account = house.account().await;
    let starting = async |seconds: u64| {
        let new = NewRun {
            kind: "script".to_owned(),
            definition: later(1).to_string(),
            account,
            input: Map::new(),
            patience_seconds: Some(seconds),
        };
        house.gateway.start_run(&house.admin, house.gateway.request_id(), new).await
    };
    starting(RUN_PATIENCE_MAX_SECONDS).await.unwrap();
    let problem = starting(RUN_PATIENCE_MAX_SECONDS + 1).await.unwrap_err();
    assert_eq!(problem.body().errors[0].pointer, "/patience_seconds");
}

#[tokio::test]
async fn a_run_is_shown_with_so_many_steps_and_says_what_is_left_out() {
    let house = House::new().await;
    let account = house.account().await;
    let id = start(&house.gateway, &house.admin, account, &later(1)).await.unwrap().summary.id;
    let environment_id = house.admin.environment_id;
    let now = house.clock.now();
    house.store.claim_run(now, now.plus_ms(1)).await.unwrap().unwrap();
    let lease = RunLease { environment_id, id, fence: 1 };
    let entry = |number: u32| RunEntryRow {
        number,
        at: now,
        entry: json!({"entry": "woken", "key": format!("step {number}"), "at": now}).to_string(),
        grounds: None,
    };
    let at_limit: Vec<_> = (1..=RUN_STEPS_SHOWN_MAX as u32).map(entry).collect();
    house.store.append_run_entries(&lease, &at_limit).await.unwrap();
    let run = house.gateway.get_run(&house.admin, id).await.unwrap();
    assert_eq!((run.steps.len(), run.steps_left_out), (RUN_STEPS_SHOWN_MAX, 0));
    house.store.append_run_entries(&lease, &[entry(RUN_STEPS_SHOWN_MAX as u32 + 1)]).await.unwrap();
    let run = house.gateway.get_run(&house.admin, id).await.unwrap();
    assert_eq!((run.steps.len(), run.steps_left_out), (RUN_STEPS_SHOWN_MAX, 1));
    let export = house.gateway.export_run(&house.admin, id).await.unwrap();
    assert_eq!(export.run.steps.len(), RUN_STEPS_SHOWN_MAX + 1);
}
