//! `qm audit --suspend` that is stopped in the middle, by a person and by force, and two at once.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::stage::{Background, Stage, eventually, finish, lines};

const PEOPLE: [&str; 8] = [
    "a.miller@company.com",
    "j.doe@company.com",
    "jsmith@company.com",
    "b.fischer@company.com",
    "c.rossi@company.com",
    "f.tanaka@company.com",
    "g.silva@company.com",
    "k.novak@external-agency.com",
];

fn list(stage: &Stage) -> String {
    stage.file("list.csv", format!("email\n{}\n", PEOPLE.join("\n")))
}

/// A number of the report.
fn count(report: &Value, name: &str) -> u64 {
    report["counts"][name].as_u64().unwrap_or_else(|| panic!("{name} is not in {report}"))
}

#[test]
fn an_interrupt_stops_where_it_is_safe_and_the_report_says_what_was_done() {
    let stage = Stage::start(&["--latency", "120ms"]);
    let file = list(&stage);
    let args = ["audit", &file, "--suspend", "--concurrency", "2", "-o", "json"];
    let first = stage.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the second suspension", || stage.count("suspend") >= 2);
    crate::stage::signal(first.id(), "INT");
    let first = finish(first).exits(130);
    assert!(first.err.contains("makes no further call") && first.err.contains("not finished"), "{}", first.err);
    let report = first.json();
    let suspended = count(&report, "suspended_now");
    assert!((2..PEOPLE.len() as u64).contains(&suspended), "{report}");
    assert!(count(&report, "not_reached") > 0, "{report}");
    assert_eq!(report["stopped"], "the run was stopped");
    assert_eq!(stage.count("suspend"), suspended + count(&report, "failed"), "what was sent is in the report");
    let run = report["run"].as_str().unwrap();
    assert_eq!(stage.run(&["runs", "show", run, "-o", "json"]).exits(0).json()["state"], "cancelled");
    let export = stage.file("run.json", stage.run(&["runs", "export", run]).exits(0).out);
    stage.run(&["runs", "replay", "--file", &export]).exits(0);

    let second = stage.run(&args).exits(0).json();
    assert_eq!(count(&second, "suspended_now") + count(&second, "suspended"), PEOPLE.len() as u64);
    assert_eq!(stage.count("suspend"), PEOPLE.len() as u64, "nobody was suspended twice");
}

#[test]
fn when_the_program_is_killed_the_run_goes_on() {
    let stage = Stage::start(&["--latency", "120ms"]);
    let file = list(&stage);
    let args = ["audit", &file, "--suspend", "--concurrency", "2", "-o", "json"];
    let log = stage.path("err");
    let first = Background::spawn(stage.command(&args).stderr(std::fs::File::create(&log).unwrap()));
    eventually("the second suspension", || stage.count("suspend") >= 2);
    first.signal("KILL");
    assert_eq!(first.wait(), None);
    let run = lines(&log).iter().find_map(|line| line.strip_prefix("run ").map(str::to_owned)).unwrap();
    let state = || stage.run(&["runs", "show", &run, "-o", "json"]).exits(0).json()["state"].clone();
    eventually("the end of the run", || state() == "done");
    assert_eq!(stage.count("suspend"), PEOPLE.len() as u64);
    let again = stage.run(&args).exits(0).json();
    assert_eq!((count(&again, "suspended"), count(&again, "suspended_now")), (PEOPLE.len() as u64, 0));
    assert_eq!(stage.count("suspend"), PEOPLE.len() as u64);
}

#[test]
fn two_audits_at_once_suspend_nobody_twice() {
    let stage = Stage::start(&["--latency", "50ms"]);
    let file = list(&stage);
    let args = ["audit", &file, "--suspend", "-o", "json"];
    let first = stage.command(&args).spawn().unwrap();
    let second = stage.run(&args).exits(0).json();
    let first = finish(first).exits(0).json();
    let by = |name: &str| count(&first, name) + count(&second, name);
    assert_eq!(by("suspended_now"), PEOPLE.len() as u64, "{first}\n{second}");
    assert_eq!((by("failed"), stage.count("suspend")), (0, PEOPLE.len() as u64));
    assert_eq!(first["notes"], json!([]));
}

#[test]
fn an_audit_that_is_left_to_the_gateway_says_which_run_it_is() {
    let stage = Stage::start(&[]);
    let detached = stage.run(&["audit", &list(&stage), "--suspend", "--detach"]).exits(0);
    stage.run(&["runs", "watch", detached.out.trim(), "--every", "50ms"]).exits(0);
    assert_eq!(stage.count("suspend"), PEOPLE.len() as u64);
}
