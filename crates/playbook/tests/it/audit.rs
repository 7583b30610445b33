//! The playbook `audit` against a directory in memory.

use quartermaster_playbook::{Action, Outcome, Report, State};
use quartermaster_types::{Code, Problem};
use serde_json::{Value, json};

use crate::world::{Fault, World, built_in, person, rate_limited, said, state};

fn people() -> Vec<Value> {
    vec![
        person("U1", "a.miller@company.com", "ACTIVE"),
        person("U2", "b.jones@company.com", "SUSPENDED"),
        person("U3", "c.brown@company.com", "ACTIVE"),
        person("U4", "C.Brown@company.com", "SUSPENDED"),
        person("U5", "d.wilson@company.com", "LOCKED"),
        person("U6", "e.taylor@company.com", "ACTIVE"),
    ]
}

fn list() -> Value {
    json!([
        {"line": 2, "email": "A.Miller@company.com "},
        {"line": 3, "email": "b.jones@company.com"},
        {"line": 4, "email": "c.brown@company.com"},
        {"line": 5, "email": "d.wilson@company.com"},
        {"line": 6, "email": "nobody@company.com"},
        {"line": 7, "email": "a.miller@company.com"},
        {"line": 8, "email": "e.taylor@company.com"},
        {"line": 9, "email": "  "},
    ])
}

fn audit(world: &mut World, suspend: bool) -> Action {
    let mut run = state(&built_in("audit"), json!({"rows": list(), "suspend": suspend, "source": "leavers.csv"}));
    world.run(&mut run);
    run.next()
}

fn report(action: &Action) -> &Report {
    match action {
        Action::Done { report: Some(report), .. } => report,
        other => panic!("{other:?}"),
    }
}

/// The table as text, a line for each row.
fn table(report: &Report) -> String {
    let table = report.table.as_ref().unwrap();
    let line = |cells: Vec<String>| cells.join(" | ");
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut text = line(table.columns.clone());
    for row in &table.rows {
        text.push('\n');
        text.push_str(&line(row.iter().map(cell).collect()));
    }
    text
}

#[test]
fn everybody_is_reported_after_one_pass_over_the_directory() {
    let mut world = World::new(people());
    let done = audit(&mut world, false);
    assert_eq!(
        world.calls,
        ["people/page-1 users.list", "people/page-2 users.list", "people/page-3 users.list"],
        "a pass over the directory and not one call for a person"
    );
    insta::assert_snapshot!(format!("{}\n\n{}", said(&done), table(report(&done))));
    insta::assert_json_snapshot!(report(&done).members);
    assert!(matches!(done, Action::Done { outcome: Outcome::Partial, .. }), "an ambiguous address is left over");
}

#[test]
fn those_who_are_active_are_suspended_once_each_and_only_they() {
    let mut world = World::new(people());
    let done = audit(&mut world, true);
    let writes: Vec<&str> = world.calls.iter().filter(|call| call.ends_with("suspend")).map(String::as_str).collect();
    assert_eq!(writes, ["suspensions/6/suspend users.suspend", "suspensions/0/suspend users.suspend"]);
    assert_eq!(world.calls.len(), 5, "the answers tell the state, so nothing is read back");
    assert_eq!(
        (world.state_of("U1"), world.state_of("U3"), world.state_of("U6")),
        ("SUSPENDED", "ACTIVE", "SUSPENDED")
    );
    insta::assert_snapshot!(format!("{}\n\n{}", said(&done), table(report(&done))));
}

#[test]
fn a_person_who_cannot_be_suspended_does_not_stop_the_others() {
    let refused = Problem::upstream(Code::PreconditionFailed, "the last owner cannot be suspended");
    let mut world = World::new(people()).with_fault("suspensions/6/suspend", Fault::Refused(refused));
    let done = audit(&mut world, true);
    assert!(said(&done).ends_with(" 1 suspended by this run, 1 failed."), "{}", said(&done));
    assert!(table(report(&done)).contains("the last owner cannot be suspended"));
}

#[test]
fn a_problem_that_everybody_would_have_stops_the_audit_and_it_still_reports() {
    let blocked = || Fault::Refused(Problem::gateway(Code::AccountBlocked, "somebody switched this account off"));
    let many: Vec<Value> =
        (0..12).map(|one| person(&format!("U{one}"), &format!("p{one}@company.com"), "ACTIVE")).collect();
    let rows: Vec<Value> = (0..12).map(|one| json!({"email": format!("p{one}@company.com")})).collect();
    let mut world = World::new(many).with_fault("suspensions/3/suspend", blocked());
    let mut run = state(&built_in("audit"), json!({"rows": rows, "suspend": true}));
    world.run(&mut run);
    let done = run.next();
    assert_eq!(
        said(&done),
        "12 people in the list, 12 in Acme: 12 active, 0 suspended, 0 unknown. 3 suspended by this run, 1 failed, 8 not \
         reached. Stopped before the end: somebody switched this account off."
    );
    assert!(matches!(done, Action::Done { outcome: Outcome::Partial, .. }));
}

#[test]
fn rate_limits_are_waited_out_and_patience_ends() {
    let mut world = World::new(people()).with_fault("suspensions/0/suspend", rate_limited(20));
    assert!(said(&audit(&mut world, true)).ends_with(" Rate limits were waited out once, 20 s in all."));
    let mut world = World::new(people()).with_fault("suspensions/6/suspend", rate_limited(3601));
    let done = said(&audit(&mut world, true));
    assert!(done.contains("another 3601 s are asked for, 3600 s are allowed"), "{done}");
}

#[test]
fn a_directory_that_cannot_be_read_to_its_end_changes_nobody() {
    let broken = Problem::upstream(Code::PermissionDenied, "not this one");
    let mut world = World::new(people()).with_fault("people/page-2", Fault::Refused(broken));
    assert_eq!(said(&audit(&mut world, true)), "permission_denied: not this one");
    assert!(world.calls.iter().all(|call| call.ends_with("list")));
}

#[test]
fn an_empty_list_reads_nothing() {
    let mut world = World::new(people());
    let mut run = state(&built_in("audit"), json!({"rows": []}));
    world.run(&mut run);
    assert_eq!(said(&run.next()), "0 people in the list, 0 in Acme: 0 active, 0 suspended, 0 unknown.");
    assert!(world.calls.is_empty());
}

/// So many active people, all of them in the list.
fn crowd(people: usize, input: Value) -> (World, State) {
    let many = (0..people).map(|one| person(&format!("U{one}"), &format!("p{one}@company.com"), "ACTIVE")).collect();
    let rows: Vec<Value> = (0..people).map(|one| json!({"email": format!("p{one}@company.com")})).collect();
    let mut all = json!({"rows": rows, "suspend": true});
    all.as_object_mut().unwrap().extend(input.as_object().unwrap().clone());
    (World::new(many), state(&built_in("audit"), all))
}

#[test]
fn a_rate_limit_that_one_call_meets_holds_all_of_them_and_counts_once() {
    let (world, mut run) = crowd(12, json!({}));
    let mut world = world.with_fault("suspensions/3/suspend", rate_limited(20));
    while !world.calls.iter().any(|call| call.starts_with("suspensions/3/")) {
        world.run_some(&mut run, 2);
    }
    // Those under way when it came are answered; nobody else is begun before the time.
    world.run_some(&mut run, 6);
    let Action::Proceed { calls, waits, .. } = run.next() else { panic!("it goes on") };
    assert_eq!((calls.len(), waits.len()), (0, 4), "{calls:?}");
    assert!(waits.iter().all(|wait| wait.pause && wait.until == waits[0].until), "{waits:?}");
    let sent = world.calls.len();
    world.run(&mut run);
    assert_eq!(world.calls.len() - sent, 12 - 3, "nobody else was refused");
    assert!(said(&run.next()).ends_with(" Rate limits were waited out once, 20 s in all."), "{}", said(&run.next()));
}

#[test]
fn a_run_that_is_stopped_reports_what_was_done_and_what_was_not() {
    let (mut world, mut run) = crowd(12, json!({"concurrency": 3}));
    while world.writes.len() < 5 {
        world.run_some(&mut run, 2);
    }
    let before = run.next();
    let stopped = run.stopped();
    assert_eq!(
        said(&stopped),
        "12 people in the list, 12 in Acme: 12 active, 0 suspended, 0 unknown. 5 suspended by this run, 7 not reached. \
         Stopped before the end: the run was stopped."
    );
    assert!(matches!(stopped, Action::Done { outcome: Outcome::Partial, .. }));
    assert_eq!(run.next(), before, "it is only asked");

    // One that was begun, and whose end is not known, is no longer somebody who was not reached.
    world.run_some(&mut run, 1);
    assert!(said(&run.stopped()).contains(" 1 failed, 6 not reached"), "{}", said(&run.stopped()));
    let (_, begin) = crowd(2, json!({}));
    assert_eq!(said(&begin.stopped()), "precondition_failed: the run was stopped");
}

#[test]
fn so_many_people_at_once_as_the_input_says() {
    for (concurrency, at_once) in [(1, 1), (32, 32)] {
        let (mut world, mut run) = crowd(40, json!({"concurrency": concurrency}));
        while world.calls.len() < 20 {
            world.run_some(&mut run, 2);
        }
        let Action::Proceed { calls, .. } = run.next() else { panic!("it goes on") };
        assert_eq!(calls.len(), at_once);
    }
}
