//! `qm offboard`.

use std::process::Stdio;

use crate::stage::{Background, Stage, eventually, finish, lines, run};

#[test]
fn somebody_is_suspended_once_and_the_ticket_says_so() {
    let stage = Stage::start(&[]);
    let plan = stage.run(&["offboard", "A.Miller@company.com", "--dry-run", "-o", "json"]).exits(0).json();
    assert_eq!((plan["changed"].clone(), plan["dry_run"].clone()), (true.into(), true.into()));
    assert_eq!(plan["plan"]["request"]["method"], "POST");
    assert_eq!(stage.count("suspend"), 0, "a plan changes nothing");

    let done = stage.run(&["offboard", "a.miller@company.com"]).exits(0);
    assert!(
        done.out.starts_with("✓ Successfully suspended a.miller@company.com (Anna Miller) in 1Password."),
        "{}",
        done.out
    );
    assert!(done.out.contains("ACTIVE → SUSPENDED"));
    assert!(!done.out.contains('\u{1b}'), "no colours into a pipe");
    for told in [
        "found a.miller@company.com with the id",
        "its state is ACTIVE",
        "suspended",
        "read back: its state is SUSPENDED",
    ] {
        assert!(done.err.contains(told), "{told}: {}", done.err);
    }
    let run = done.out.lines().find_map(|line| line.trim().strip_prefix("Run ")).unwrap().trim();
    assert!(done.err.contains(&format!("run {run}")), "{}", done.err);
    assert_eq!(stage.run(&["runs", "show", run, "-o", "json"]).exits(0).json()["state"], "done");
    assert_eq!(stage.state("a.miller@company.com"), "SUSPENDED");

    let again = stage.run(&["offboard", "a.miller@company.com", "-o", "json"]).exits(0).json();
    assert_eq!(again["changed"], false);
    assert_eq!(stage.count("suspend"), 1, "nothing had to be sent");
    let log = stage.run(&["audit-log", "--action", "users.suspend", "-o", "json"]).exits(0).json();
    assert_eq!(log[0]["outcome"], "ok");
    assert_eq!(log[0]["target"], again["id"]);
}

#[test]
fn nobody_several_and_no_address_are_errors_that_change_nothing() {
    let stage = Stage::start(&["--twins", "1"]);
    let missing = stage.run(&["offboard", "nobody@company.com"]).exits(3);
    assert!(missing.out.is_empty());
    assert!(
        missing.err.contains("nobody in the directory has the e-mail address nobody@company.com"),
        "{}",
        missing.err
    );
    let part = stage.run(&["offboard", "miller@company.com"]).exits(3);
    assert!(part.err.contains("nobody in the directory"), "only exact matches count: {}", part.err);
    let several = stage.run(&["offboard", "twin.0@company.com"]).exits(3);
    assert!(several.err.contains("2 people in the directory have the e-mail address"), "{}", several.err);
    stage.run(&["offboard", "not-an-address"]).exits(2);
    assert_eq!(stage.count("suspend"), 0);
}

#[test]
fn a_vendors_refusal_is_explained() {
    let stage = Stage::start(&[]);
    let owner = stage.run(&["offboard", "owner@company.com"]).exits(4);
    assert!(owner.err.contains("last owner"), "{}", owner.err);
    assert!(owner.err.contains(" hint: "), "{}", owner.err);
    let invited = stage.run(&["offboard", "invited@company.com"]).exits(4);
    assert!(invited.err.contains("STATE_UNSPECIFIED"), "{}", invited.err);
}

#[test]
fn without_a_gateway_or_a_token_it_says_what_to_do() {
    let output = run(&["offboard", "a@x.com", "--url", "http://127.0.0.1:9"]).exits(4);
    assert!(output.err.contains("QM_TOKEN"), "{}", output.err);
    let output = crate::stage::finish(
        crate::stage::command(&["offboard", "a@x.com", "--url", "http://127.0.0.1:9"])
            .env("QM_TOKEN", "qmt_x")
            .spawn()
            .unwrap(),
    )
    .exits(6);
    assert!(output.err.contains("qm serve"), "{}", output.err);
    assert!(!output.err.contains("qmt_x"));
}

#[test]
fn a_run_is_left_to_the_gateway_when_asked() {
    let stage = Stage::start(&[]);
    let detached = stage.run(&["offboard", "a.miller@company.com", "--detach"]).exits(0);
    let id = detached.out.trim();
    assert!(detached.err.contains(&format!("qm runs watch {id}")), "{}", detached.err);
    stage.run(&["runs", "watch", id, "--every", "50ms"]).exits(0);
    assert_eq!(stage.state("a.miller@company.com"), "SUSPENDED");
}

#[test]
fn an_interrupt_stops_the_run_and_a_killed_program_does_not() {
    let stage = Stage::start(&["--latency", "300ms"]);
    let offboard = |email: &str| {
        let log = stage.path("err");
        let file = std::fs::File::create(&log).unwrap();
        let begun = Background::spawn(stage.command(&["offboard", email]).stderr(file));
        eventually("the run", || lines(&log).iter().any(|line| line.starts_with("run ")));
        begun
    };
    let state = |run: &str| stage.run(&["runs", "show", run, "-o", "json"]).exits(0).json()["state"].clone();
    let run = || lines(&stage.path("err"))[0].strip_prefix("run ").unwrap().to_owned();

    let interrupted = offboard("a.miller@company.com");
    interrupted.signal("INT");
    assert_eq!(interrupted.wait(), Some(130));
    let told = lines(&stage.path("err")).join("\n");
    assert!(told.contains("makes no further call") && told.contains("was stopped"), "{told}");
    assert_eq!(state(&run()), "cancelled");
    assert_eq!(stage.count("suspend"), 0);

    let killed = offboard("a.miller@company.com");
    killed.signal("KILL");
    assert_eq!(killed.wait(), None);
    let run = run();
    eventually("the end of the run", || state(&run) == "done");
    assert_eq!((stage.count("suspend"), stage.state("a.miller@company.com").as_str()), (1, "SUSPENDED"));
}

#[test]
fn when_the_gateway_is_killed_watching_goes_on_with_its_next_process() {
    let mut stage = Stage::start(&["--latency", "300ms"]);
    let watching = stage.command(&["offboard", "a.miller@company.com"]).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the first call", || stage.count("list") > 1);
    let killed = stage.gateway.take().unwrap();
    killed.signal("KILL");
    assert_eq!(killed.wait(), None);
    stage.serve();
    let watched = finish(watching).exits(0);
    assert!(watched.err.contains("not connected"), "{}", watched.err);
    assert!(watched.out.starts_with("✓ Successfully suspended"), "{}", watched.out);
    assert_eq!(watched.err.matches("its state is ACTIVE").count(), 1, "no event is told twice: {}", watched.err);
    assert_eq!(stage.count("suspend"), 1);
}
