//! The playbook `offboard` against a directory in memory.

use quartermaster_playbook::{Action, Outcome};
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
    ]
}

fn offboard(world: &mut World, input: Value) -> Action {
    let mut run = state(&built_in("offboard"), input);
    world.run(&mut run);
    run.next()
}

#[test]
fn a_person_is_found_suspended_and_read_back() {
    let mut world = World::new(people());
    let done = offboard(&mut world, json!({"email": " A.Miller@company.com".trim()}));
    assert_eq!(
        said(&done),
        "Successfully suspended a.miller@company.com (Name of U1) in Acme. Account access has been revoked."
    );
    assert_eq!(
        world.calls,
        [
            "find_person/page-1 users.list",
            "find_person/page-2 users.list",
            "find_person/page-3 users.list",
            "before users.get",
            "suspend users.suspend",
            "after users.get"
        ]
    );
    let Action::Done { outcome: Outcome::Complete, report: Some(report) } = done else { panic!("{done:?}") };
    insta::assert_json_snapshot!(report.members);
}

#[test]
fn somebody_who_is_suspended_already_is_left_alone() {
    let mut world = World::new(people());
    let done = offboard(&mut world, json!({"email": "b.jones@company.com"}));
    assert_eq!(
        said(&done),
        "b.jones@company.com (Name of U2) was already SUSPENDED in Acme. Nothing had to be changed."
    );
    assert!(world.calls.iter().all(|call| !call.ends_with("suspend")));
}

#[test]
fn a_dry_run_changes_nothing_and_tells_what_would_be_sent() {
    let mut world = World::new(people());
    let done = offboard(&mut world, json!({"email": "a.miller@company.com", "dry_run": true}));
    assert_eq!(said(&done), "Would suspend a.miller@company.com (Name of U1) in Acme. Nothing was changed.");
    assert_eq!(world.state_of("U1"), "ACTIVE");
    let Action::Done { report: Some(report), .. } = done else { panic!("{done:?}") };
    assert_eq!(report.members["plan"]["method"], "users.suspend");
}

#[test]
fn nobody_several_people_and_odd_states_are_refused_before_anything_is_changed() {
    for (email, text) in [
        (
            "nobody@company.com",
            "not_found: nobody in the directory has the e-mail address nobody@company.com (5 people were looked at)",
        ),
        (
            "c.brown@company.com",
            "conflict: 2 people in the directory have the e-mail address c.brown@company.com: U3, U4",
        ),
        (
            "d.wilson@company.com",
            "precondition_failed: d.wilson@company.com is in the state LOCKED, neither ACTIVE nor SUSPENDED; nothing was changed",
        ),
    ] {
        let mut world = World::new(people());
        assert_eq!(said(&offboard(&mut world, json!({"email": email}))), text);
        assert!(world.calls.iter().all(|call| !call.ends_with("suspend")));
    }
}

#[test]
fn a_lost_answer_is_settled_by_a_read_and_nothing_is_written_twice() {
    let mut world = World::new(people()).with_fault("suspend", Fault::Lost);
    let done = offboard(&mut world, json!({"email": "a.miller@company.com"}));
    assert!(said(&done).starts_with("Successfully suspended"), "{done:?}");
    assert_eq!(world.calls[4..], ["suspend users.suspend", "suspend/confirm users.get", "after users.get"]);
}

#[test]
fn a_write_that_did_not_happen_is_made_again_under_another_key() {
    let lost = Problem::upstream(Code::UpstreamTimeout, "no answer came in time");
    let mut world = World::new(people()).with_fault("suspend", Fault::Refused(lost));
    offboard(&mut world, json!({"email": "a.miller@company.com"}));
    assert_eq!(
        world.calls[4..],
        ["suspend users.suspend", "suspend/confirm users.get", "suspend~2 users.suspend", "after users.get"]
    );
    assert_eq!(world.state_of("U1"), "SUSPENDED");
}

#[test]
fn a_write_is_given_up_after_three_attempts() {
    let lost = || Fault::Refused(Problem::upstream(Code::UpstreamTimeout, "no answer came in time"));
    let mut world = World::new(people())
        .with_fault("suspend", lost())
        .with_fault("suspend~2", lost())
        .with_fault("suspend~3", lost());
    let done = offboard(&mut world, json!({"email": "a.miller@company.com"}));
    assert_eq!(said(&done), "upstream_timeout: no answer came in time");
    assert_eq!(world.calls.iter().filter(|call| call.ends_with(".suspend")).count(), 3);
}

#[test]
fn rate_limits_are_waited_out_and_told() {
    let mut world =
        World::new(people()).with_fault("find_person/page-2", rate_limited(30)).with_fault("suspend", rate_limited(7));
    let done = offboard(&mut world, json!({"email": "a.miller@company.com"}));
    let Action::Done { report: Some(report), .. } = done else { panic!("{done:?}") };
    assert_eq!(report.members["waits"], json!({"count": 2, "seconds": 37}));
    assert_eq!(world.calls[1..3], ["find_person/page-2 users.list", "find_person/page-2~2 users.list"]);
}
