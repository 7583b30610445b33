//! `qm agent` against a scripted model, and an agent whose gateway is killed.

use serde_json::{Value, json};

use crate::stage::{Stage, eventually, finish};

const EMAIL: &str = "a.miller@company.com";

fn script(delay_ms: u64) -> Value {
    let turn = |text: &str, tool: &str, arguments: Value| json!({"text": text, "calls": [{"tool": tool, "arguments": arguments}], "delay_ms": delay_ms});
    json!({"turns": [
        turn("I look for the person.", "list_all_1_password_users", json!({"email": EMAIL})),
        turn("", "1_password_users_suspend", json!({"id": "{{ last.data.result.0.id }}"})),
        turn("", "finish_run", json!({"outcome": "done", "summary": "Suspended a.miller@company.com."})),
    ]})
}

#[test]
fn a_model_works_in_front_of_a_person_and_the_report_is_data() {
    let mut stage = Stage::start(&[]);
    stage.with_model(&script(0));
    let rehearsed =
        stage.run(&["agent", "Offboard a.miller@company.com", "--model", "scripted", "--dry-run", "-o", "json"]);
    let report = rehearsed.exits(7).json();
    assert_eq!(report["report"]["members"]["rehearsed"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(stage.count("suspend"), 0);

    let done = stage.run(&["agent", "Offboard a.miller@company.com", "--model", "scripted"]).exits(0);
    assert!(done.err.contains("I look for the person."), "{}", done.err);
    assert!(done.err.contains("users.list: 1 found") && done.err.contains("users.suspend: done"), "{}", done.err);
    assert!(done.out.contains("Suspended a.miller@company.com. Journal: 1 change made."), "{}", done.out);
    assert!(
        done.out.contains("users.suspend") && done.out.contains("ACTIVE") && done.out.contains("SUSPENDED"),
        "{}",
        done.out
    );
    assert_eq!(stage.count("suspend"), 1);

    let left = stage.run(&["agent", "Offboard a.miller@company.com", "--model", "scripted", "--detach"]).exits(0);
    let run = left.out.trim().to_owned();
    let watched = stage.run(&["runs", "watch", &run, "--every", "50ms"]).exits(0);
    assert!(watched.out.contains("ask scripted: finish_run"), "{}", watched.out);
    let none = stage.run(&["agent", "Offboard a.miller@company.com", "--model", "another"]).exits(3);
    assert!(none.err.contains("scripted"), "{}", none.err);
    let wrong = stage.run(&["agent", "Offboard a.miller@company.com", "--model", "scripted", "--max-iterations", "0"]);
    assert!(wrong.code != 0 && wrong.err.contains("/agent/limits/iterations"), "{wrong:?}");
}

#[test]
fn a_killed_gateway_goes_on_with_its_agents_and_nothing_is_done_twice() {
    let mut stage = Stage::start(&["--latency", "100ms"]);
    stage.with_model(&script(400));
    let watching = stage.command(&["agent", "Offboard a.miller@company.com", "--model", "scripted"]).spawn().unwrap();
    let runs = |stage: &Stage| stage.run(&["runs", "list", "-o", "json"]).exits(0).json();
    eventually("the run", || runs(&stage)[0]["entries"].as_u64().is_some_and(|entries| entries >= 5));
    let run = runs(&stage)[0]["id"].as_str().unwrap().to_owned();
    let killed = stage.gateway.take().unwrap();
    killed.signal("KILL");
    assert_eq!(killed.wait(), None);
    assert_eq!(stage.count("suspend"), 0, "it was killed before");

    stage.serve();
    let watched = finish(watching).exits(0);
    assert!(watched.err.contains("not connected") && watched.out.contains("Journal: 1 change made."), "{watched:?}");
    assert_eq!(stage.count("suspend"), 1);
    let export = stage.run(&["runs", "export", &run]).exits(0);
    let file = stage.file("run.json", &export.out);
    drop(stage.gateway.take());
    let same = stage.run(&["runs", "replay", "--file", &file]).exits(0);
    assert!(same.err.contains("byte for byte"), "{same:?}");
    let changed = stage.file("changed.json", export.out.replace("I look for the person.", "I look."));
    let differs = stage.run(&["runs", "replay", "--file", &changed]).exits(1);
    assert!(differs.err.contains("first difference"), "another answer makes another prompt: {differs:?}");
}
