//! `qm plan` and `qm undo`.

use crate::stage::{Stage, eventually};

const EMAIL: &str = "a.miller@company.com";
const OTHER: &str = "f.tanaka@company.com";

/// The word after this one in a line of the output.
fn after<'a>(text: &'a str, word: &str) -> &'a str {
    let rest = text.split_once(word).unwrap_or_else(|| panic!("{word}: {text}")).1;
    rest.split_whitespace().next().unwrap().trim_end_matches(';')
}

#[test]
fn a_plan_is_shown_executed_by_the_line_that_it_prints_and_undone() {
    let stage = Stage::start(&[]);
    let made = stage.run(&["plan", "make", "users.suspend", "--email", EMAIL, "--email", OTHER]).exits(0);
    assert!(made.out.contains("state ACTIVE → SUSPENDED") && made.out.contains("users.reactivate"), "{made:?}");
    assert!(made.err.contains("2 changes, 0 as asked already, 0 refused, 0 not found"), "{made:?}");
    assert_eq!(stage.count("suspend"), 0);
    let (id, hash) = (after(&made.err, "qm plan execute "), after(&made.err, "--hash "));

    let done = stage.run(&["plan", "execute", id, "--hash", hash]).exits(0);
    assert!(done.err.contains("2 of 2 planned changes made in 1Password."), "{done:?}");
    assert!(done.out.lines().filter(|line| line.contains("done")).count() == 2, "{done:?}");
    assert_eq!((stage.count("suspend"), stage.state(EMAIL).as_str()), (2, "SUSPENDED"));
    let again = stage.run(&["plan", "execute", id, "--hash", hash]).exits(1);
    assert!(again.err.contains("was executed already"), "{again:?}");

    let run = after(&done.err, "the run ").to_owned();
    let shown = stage.run(&["undo", &run, "--dry-run"]).exits(0);
    assert!(shown.out.contains("state SUSPENDED → ACTIVE") && !shown.err.contains("qm plan execute"), "{shown:?}");
    let nobody = stage.run(&["undo", &run]).exits(2);
    assert!(nobody.err.contains("--yes"), "{nobody:?}");
    assert_eq!(stage.count("reactivate"), 0);
    let undone = stage.run(&["undo", &run, "--yes", "-o", "json"]).exits(0).json();
    assert_eq!((undone["state"].as_str(), undone["name"].as_str()), (Some("done"), Some("undo")));
    assert_eq!((stage.count("reactivate"), stage.state(OTHER).as_str()), (2, "ACTIVE"));
    let summary = stage.run(&["runs", "show", &run]).exits(0);
    assert!(summary.err.contains(&format!("undone by the run {}", undone["id"].as_str().unwrap())), "{summary:?}");
    let same = stage.run(&["runs", "replay", &run]).exits(0);
    assert!(same.err.contains("byte for byte"), "{same:?}");
}

#[test]
fn what_cannot_be_done_is_told_and_left_out_when_asked() {
    let stage = Stage::start(&[]);
    let calls = format!(
        r#"[{{"tool": "1_password_users_suspend", "find": {{"email": "nobody@company.com"}}}},
            {{"resource": "users", "method": "suspend", "find": {{"email": "{EMAIL}"}}, "expect": {{"state": "ACTIVE"}}}}]"#
    );
    let made = stage.run(&["plan", "make", "--calls", &stage.file("calls.json", &calls)]).exits(7);
    assert!(made.out.contains("unresolved: not_found"), "{made:?}");
    assert!(made.err.contains("row 1: Nobody in 1Password has the e-mail address nobody@company.com"), "{made:?}");
    let (id, hash) = (after(&made.err, "qm plan execute "), after(&made.err, "--hash "));
    assert!(made.err.contains("--skip-unresolved"), "{made:?}");
    stage.run(&["plan", "execute", id, "--hash", hash]).exits(4);
    assert_eq!(stage.count("suspend"), 0);
    let done = stage.run(&["plan", "execute", id, "--hash", hash, "--skip-unresolved"]).exits(7);
    assert!(done.out.contains("left_out") && stage.count("suspend") == 1, "{done:?}");

    let other = stage.run(&["plan", "make", "users.suspend", "--email", OTHER, "-o", "json"]).exits(0).json();
    let other = other["id"].as_str().unwrap();
    stage.run(&["plan", "discard", other]).exits(0);
    let listed = stage.run(&["plan", "list", "--state", "discarded", "-o", "json"]).exits(0).json();
    assert_eq!(listed[0]["id"], other);
    stage.run(&["plan", "execute", other, "--yes"]).exits(1);
    stage.run(&["plan", "make"]).exits(2);
    stage.run(&["plan", "make", "--calls", &stage.file("bad.json", "{}")]).exits(2);
}

#[test]
fn an_offboarding_can_be_planned() {
    let stage = Stage::start(&[]);
    let made = stage.run(&["offboard", EMAIL, "--plan", "-o", "json"]).exits(0).json();
    assert_eq!((made["totals"]["changes"].clone(), made["rows"][0]["who"].clone()), (1.into(), EMAIL.into()));
    let (id, hash) = (made["id"].as_str().unwrap(), made["hash"].as_str().unwrap());
    stage.run(&["plan", "execute", id, "--hash", hash]).exits(0);
    assert_eq!(stage.state(EMAIL), "SUSPENDED");
    // Somebody who is neither active nor suspended is left alone.
    let invited = stage.run(&["offboard", "invited@company.com", "--plan"]).exits(7);
    assert!(invited.out.contains("refused: precondition_failed"), "{invited:?}");
    stage.run(&["offboard", EMAIL, "--plan", "--dry-run"]).exits(2);
}

#[test]
fn a_killed_gateway_goes_on_with_a_plan_and_nothing_is_done_twice() {
    let mut stage = Stage::start(&["--latency", "500ms"]);
    let make = ["plan", "make", "users.suspend", "--email", EMAIL, "--email", OTHER, "-o", "json"];
    let plan = stage.run(&make).exits(0).json();
    let (id, hash) = (plan["id"].as_str().unwrap(), plan["hash"].as_str().unwrap());
    let mut executing = stage.command(&["plan", "execute", id, "--hash", hash]).spawn().unwrap();
    let run_of = |stage: &Stage| stage.run(&["plan", "show", id, "-o", "json"]).exits(0).json()["run_id"].clone();
    eventually("the run", || run_of(&stage).is_string());
    let run = run_of(&stage).as_str().unwrap().to_owned();
    let show = |stage: &Stage| stage.run(&["runs", "show", &run, "-o", "json"]).exits(0).json();
    eventually("the first write", || show(&stage)["steps"][0]["state"] == "done");
    let killed = stage.gateway.take().unwrap();
    killed.signal("KILL");
    assert_eq!(killed.wait(), None);
    let _ = executing.wait();
    assert_eq!(stage.count("suspend"), 1, "it was killed between the two");

    stage.serve();
    stage.run(&["runs", "watch", &run, "--every", "100ms"]).exits(0);
    assert_eq!(show(&stage)["state"], "done");
    assert_eq!(stage.count("suspend"), 2, "each once");
    assert_eq!((stage.state(EMAIL).as_str(), stage.state(OTHER).as_str()), ("SUSPENDED", "SUSPENDED"));
    stage.run(&["runs", "replay", &run]).exits(0);
}
