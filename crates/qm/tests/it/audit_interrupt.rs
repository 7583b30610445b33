//! `qm audit --suspend` that is stopped in the middle, by a person and by force.

use std::process::Stdio;

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

fn entries(stage: &Stage, kind: &str) -> usize {
    let kind = format!("\"entry\":\"{kind}\"");
    lines(&stage.path("journal")).iter().filter(|line| line.contains(&kind)).count()
}

/// Suspends all people, stops after some by `signal`, goes on; returns the second run's report.
fn stop_and_go_on(signal: &str, code: Option<i32>) {
    let stage = Stage::start(&["--latency", "120ms"]);
    let file = stage.file("list.csv", format!("email\n{}\n", PEOPLE.join("\n")));
    let journal = stage.path("journal");
    let args =
        ["audit", &file, "--suspend", "--concurrency", "2", "-o", "json", "--journal", journal.to_str().unwrap()];
    let first = Background::spawn(stage.command(&args).stderr(Stdio::null()));
    eventually("the second suspension", || entries(&stage, "done") >= 2);
    first.signal(signal);
    assert_eq!(first.wait(), code);
    let done = entries(&stage, "done");
    assert!(done < PEOPLE.len(), "it was stopped in the middle");

    let second = finish(stage.command(&args).spawn().unwrap()).exits(0);
    let report = second.json();
    assert_eq!(report["resumed"], true);
    assert_eq!(report["counts"]["suspended_now"], PEOPLE.len(), "everybody is reported once: {report}");
    assert_eq!(report["people"].as_array().unwrap().len(), PEOPLE.len());
    assert_eq!(entries(&stage, "finished"), 1);
    if signal == "INT" {
        assert_eq!(stage.count("suspend"), PEOPLE.len() as u64, "and nobody was suspended twice");
    } else {
        // Who was being suspended at the moment of the kill may have been; the directory told.
        let sent = stage.count("suspend");
        assert!(sent <= PEOPLE.len() as u64, "{sent} suspensions were sent");
    }
    let third = finish(stage.command(&args).spawn().unwrap()).exits(0).json();
    assert_eq!((third["resumed"].clone(), third["counts"]["suspended_now"].clone()), (false.into(), 0.into()));
}

#[test]
fn an_interrupt_stops_where_it_is_safe_and_the_next_run_goes_on() {
    stop_and_go_on("INT", Some(130));
}

#[test]
fn after_a_kill_the_next_run_goes_on() {
    stop_and_go_on("KILL", None);
}

#[test]
fn two_runs_at_once_do_not_share_a_journal() {
    let stage = Stage::start(&["--latency", "200ms"]);
    let file = stage.file("list.csv", format!("email\n{}\n", PEOPLE.join("\n")));
    let journal = stage.path("journal");
    let args = ["audit", &file, "--suspend", "--journal", journal.to_str().unwrap()];
    let first = Background::spawn(stage.command(&args).stderr(Stdio::null()));
    eventually("the journal", || journal.exists());
    let second = stage.run(&args).exits(1);
    assert!(second.err.contains("in use by another run"), "{}", second.err);
    assert_eq!(first.wait(), Some(0));
}

#[test]
fn a_person_made_active_again_in_between_is_left_alone() {
    let stage = Stage::start(&[]);
    let file = stage.file("list.csv", "email\na.miller@company.com\nowner@company.com\n");
    stage.run(&["audit", &file, "--suspend"]).exits(7);
    let id = stage.run(&["offboard", "a.miller@company.com", "-o", "json"]).exits(0).json()["id"].clone();
    let id = format!("id={}", id.as_str().unwrap());
    stage.run(&["call", "get_single_1_password_user_by_id", &id]).exits(0);
    stage.run(&["call", "1_password_users_reactivate", &id]).exits(0);
    let report = stage.run(&["audit", &file, "--suspend", "-o", "json"]).exits(7).json();
    assert_eq!(report["people"][0]["action"], "active_again", "{report}");
    assert_eq!(stage.state("a.miller@company.com"), "ACTIVE");
}
