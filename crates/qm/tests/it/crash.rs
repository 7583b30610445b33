//! `kill -9` of the gateway at every step boundary of both scenarios, and a vendor that does what it does not answer for.
//!
//! An undisturbed run tells how many boundaries there are: each entry of its journal is one. For each, a gateway of its own is
//! killed when the journal has come there, and its next process takes the run over.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::stage::{Stage, eventually};

const LEAVER: &str = "a.miller@company.com";

/// Two people to suspend, one who is suspended already, one who is not there.
const LIST: &str = "email\na.miller@company.com\nj.doe@company.com\nsarah.connor@company.com\ngone@company.com\n";

/// Gateways that are killed at the same time: a takeover is mostly waiting for a lease to end.
const AT_ONCE: usize = 6;

/// A scenario: how its run is started, and whom it has to have suspended.
struct Scenario {
    start: fn(&Stage) -> String,
    leavers: &'static [&'static str],
    says: &'static str,
}

const OFFBOARD: Scenario = Scenario {
    start: |stage| detached(stage, &["offboard", LEAVER, "--detach"]),
    leavers: &[LEAVER],
    says: "Successfully suspended a.miller@company.com",
};

const AUDIT: Scenario = Scenario {
    start: |stage| {
        let file = stage.file("list.csv", LIST);
        detached(stage, &["audit", &file, "--suspend", "--concurrency", "1", "--detach"])
    },
    leavers: &[LEAVER, "j.doe@company.com"],
    says: "2 active, 1 suspended, 1 unknown. 2 suspended by this run.",
};

fn detached(stage: &Stage, args: &[&str]) -> String {
    stage.run(args).exits(0).out.trim().to_owned()
}

fn show(stage: &Stage, run: &str) -> Value {
    stage.run(&["runs", "show", run, "-o", "json"]).exits(0).json()
}

/// Entries in the journal, asked for without a program in between.
fn entries(stage: &Stage, run: &str) -> u64 {
    let answer = stage.get(&format!("/run/{run}"));
    answer["entries"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

/// The run ended well, and everybody who was to be suspended was, once.
fn holds(stage: &Stage, scenario: &Scenario, run: &str, place: &str) {
    let ended = show(stage, run);
    let text = ended["outcome"]["action"]["report"]["text"].as_str().unwrap_or_default();
    assert!(text.contains(scenario.says), "{place}: {ended:#}");
    assert_eq!(stage.count("suspend"), scenario.leavers.len() as u64, "{place}: {ended:#}");
    for leaver in scenario.leavers {
        assert_eq!(stage.state(leaver), "SUSPENDED", "{place}");
    }
}

fn killed_at(scenario: &Scenario, boundary: u64) {
    let mut stage = Stage::start(&["--latency", "80ms"]);
    let run = (scenario.start)(&stage);
    eventually("the boundary", || entries(&stage, &run) >= boundary);
    let killed = stage.gateway.take().unwrap();
    killed.signal("KILL");
    assert_eq!(killed.wait(), None);
    stage.serve();
    let left = entries(&stage, &run);
    let place = format!("killed at {boundary}, where the journal had {left}");
    eventually(&place, || stage.get(&format!("/run/{run}"))["finished_at"].is_string());
    holds(&stage, scenario, &run, &place);
    let export = stage.file("run.json", stage.run(&["runs", "export", &run]).exits(0).out);
    stage.run(&["runs", "replay", "--file", &export]).exits(0);
}

fn killed_everywhere(scenario: &Scenario) {
    let undisturbed = Stage::start(&[]);
    let run = (scenario.start)(&undisturbed);
    eventually("the end of the run", || show(&undisturbed, &run)["finished_at"].is_string());
    holds(&undisturbed, scenario, &run, "undisturbed");
    let boundaries = entries(&undisturbed, &run) as usize;
    assert!(boundaries >= 6, "there is something to be killed in: {boundaries}");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let boundary = next.fetch_add(1, Ordering::Relaxed);
                    if boundary >= boundaries {
                        return;
                    }
                    killed_at(scenario, boundary as u64);
                }
            });
        }
    });
}

#[test]
fn an_offboarding_is_killed_at_every_boundary_and_nothing_is_done_twice() {
    killed_everywhere(&OFFBOARD);
}

#[test]
fn an_audit_is_killed_at_every_boundary_and_nobody_is_suspended_twice() {
    killed_everywhere(&AUDIT);
}

#[test]
fn a_suspension_that_worked_and_was_not_answered_is_found_out() {
    for scenario in [&OFFBOARD, &AUDIT] {
        let stage = Stage::start(&[]);
        stage.simulator("answers?lose=1");
        let run = (scenario.start)(&stage);
        eventually("the end of the run", || show(&stage, &run)["finished_at"].is_string());
        holds(&stage, scenario, &run, "the first answer was lost");
        let steps = show(&stage, &run)["steps"].clone();
        let confirmed = steps.as_array().unwrap().iter().any(|step| step["key"].as_str().unwrap().contains("/confirm"));
        assert!(confirmed, "a read settled it: {steps:#}");
    }
}

#[test]
fn of_two_processes_over_one_database_one_does_the_work_and_the_other_takes_over() {
    let Some((mut stage, database)) = Stage::on_postgres(&["--latency", "400ms"]) else { return };
    let second = stage.another();
    let run = (AUDIT.start)(&stage);
    eventually("the first suspension", || stage.count("suspend") == 1);
    // Which of the two works on it, the lease says; the one that the stage names is killed, then the run is with the other.
    let begun = std::time::Instant::now();
    let first = stage.gateway.take().unwrap();
    first.signal("KILL");
    assert_eq!(first.wait(), None);
    stage.url.clone_from(&second.1);
    eventually("the end of the run", || show(&stage, &run)["finished_at"].is_string());
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(30), "{took:?}");
    holds(&stage, &AUDIT, &run, "one of two was killed");
    let steps = show(&stage, &run)["steps"].clone();
    let attempts = |most: u64| steps.as_array().unwrap().iter().all(|step| step["attempts"].as_u64() <= Some(most));
    assert!(attempts(2), "no step was begun by both at once: {steps:#}");
    drop(second);
    database.finish();
}
