//! Playbooks of any bytes: problems are told, and what loads runs the same way twice, over whatever answers come.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use quartermaster_playbook::{
    AccountFacts, Action, Entry, IntegrationFacts, LifecycleFacts, Playbook, RunFacts, Setting, State, load,
};
use quartermaster_types::{Code, Problem, Timestamp};
use serde_json::{Map, Value, json};

/// The most entries of one run: a `go_to` may lead in circles.
const ENTRIES_MAX: u32 = 40;

fn setting() -> Setting {
    let text = str::to_owned;
    Setting {
        run: RunFacts { id: text("r"), session: text("run:r"), started_at: Timestamp::from_unix_ms(0) },
        account: AccountFacts { id: text("a"), tenant_id: text("t") },
        integration: IntegrationFacts { name: text("acme"), label: text("Acme") },
        lifecycle: Some(LifecycleFacts {
            resource: text("users"),
            suspend: text("suspend"),
            reactivate: None,
            find_by_email: text("email"),
            id: text("/id"),
            email: text("/email"),
            display_name: None,
            state: text("/state"),
            active: text("ACTIVE"),
            suspended: text("SUSPENDED"),
        }),
    }
}

/// Something for every input that a schema of one of the simple types takes.
fn input(playbook: &Playbook) -> Map<String, Value> {
    let properties = playbook.input_schema()["properties"].as_object().cloned().unwrap_or_default();
    let value = |schema: &Value| match schema["type"].as_str() {
        Some("array") => json!([{"email": "a@b.c", "id": "1"}, {"email": "x@y.z"}]),
        Some("object") => json!({}),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!("a@b.c"),
    };
    properties.iter().map(|(name, schema)| (name.clone(), value(schema))).collect()
}

fn answer(number: u32, key: &str, at: Timestamp) -> Entry {
    let record = json!({"id": "1", "email": "a@b.c", "state": if number % 2 == 0 { "ACTIVE" } else { "SUSPENDED" }});
    let finished = |result| Entry::Finished { key: key.to_owned(), at, result, request_id: None };
    match number % 5 {
        3 => Entry::Failed { key: key.to_owned(), at, problem: Problem::upstream(Code::UpstreamTimeout, "late") },
        4 => finished(json!({"result": [record], "next_cursor": null, "scanned": 1})),
        _ => finished(json!({"result": record, "changed": true})),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (playbook, problems) = load("playbook.yaml", bytes);
    assert_eq!(playbook.is_none(), problems.has_errors());
    assert!(!problems.has_errors() || !problems.render(false).is_empty());
    let Some(playbook) = playbook.map(Arc::new) else { return };
    let Ok(begin) = State::new(Arc::clone(&playbook), setting(), &input(&playbook)) else { return };
    let (mut run, mut journal) = (begin.clone(), Vec::new());
    for number in 0..ENTRIES_MAX {
        let Action::Proceed { calls, waits } = run.next() else { break };
        assert!(!calls.is_empty() || !waits.is_empty(), "a run that goes on waits for something");
        let at = Timestamp::from_unix_ms(i64::from(number));
        let entry = match (calls.last(), waits.first()) {
            (Some(call), _) => answer(number, &call.key, at),
            (None, Some(wait)) => Entry::Woken { key: wait.key.clone(), at: wait.until },
            (None, None) => return,
        };
        run.apply(&entry).expect("the run waits for it");
        journal.push(entry);
    }
    let again = begin.replay(&journal).expect("the same journal");
    assert_eq!(serde_json::to_string(&run.next()).ok(), serde_json::to_string(&again.next()).ok());
});
