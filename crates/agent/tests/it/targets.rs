//! Whom a run may change: nobody but the people whom its starter named, whatever the model makes of what it reads.

use quartermaster_agent::{Setting, State, Targets};
use quartermaster_types::run::{Action, Entry, Outcome};
use serde_json::{Value, json};

use crate::world::*;

const GOAL: &str = "HR marked a.miller@company.com as terminated. Suspend the account.";

fn bound(goal: &str, handles: bool) -> Setting {
    Setting { targets: Targets::named_in(goal), handles, ..setting(goal) }
}

/// The value that the model has to give as the id of somebody whom a list of everybody showed.
fn shown(world: &World, handles: bool, id: &str) -> Value {
    let place = world.people.iter().position(|person| person["id"] == id).unwrap();
    if handles { json!(format!("user:{}", place + 1)) } else { json!(id) }
}

#[test]
fn another_line_of_the_list_is_refused_and_the_right_one_is_done() {
    for handles in [true, false] {
        let mut world = World::new(6);
        let (other, right) = (shown(&world, handles, &id(3)), shown(&world, handles, &id(0)));
        let model = vec![
            calls(&[(LIST, json!({}))]),
            calls(&[(SUSPEND, json!({"id": other}))]),
            calls(&[(SUSPEND, json!({"id": right}))]),
            finishes("done", "a.miller@company.com is suspended."),
        ];
        let (state, _) = world.run(bound(GOAL, handles), model);
        assert_eq!(world.writes, [id(0)], "handles: {handles}");
        let report = done(&state).1;
        assert_eq!(report.members["refused"][0]["code"], "denied_by_policy");
        let told = results(&world.prompts[2])[0]["failed"].to_string();
        assert!(told.contains("p3@company.com") && told.contains(MILLER), "it says whose record that is: {told}");
    }
}

#[test]
fn giving_access_back_is_bound_as_well() {
    let mut world = World::new(6);
    let model = vec![
        calls(&[(LIST, json!({}))]),
        calls(&[("1_password_users_reactivate", json!({"id": id(2)}))]),
        finishes("not_done", "It was refused."),
    ];
    let (state, _) = world.run(bound(GOAL, false), model);
    assert_eq!((world.writes.len(), done(&state).0), (0, Outcome::Partial));
}

#[test]
fn a_goal_that_names_nobody_changes_nobody_and_anybody_has_to_be_said() {
    let model =
        || vec![calls(&[(LIST, json!({}))]), calls(&[(SUSPEND, json!({"id": id(2)}))]), finishes("done", "Done.")];
    let mut world = World::new(6);
    let (state, _) = world.run(bound("Somebody of Sales left. Suspend them.", false), model());
    assert!(world.writes.is_empty());
    assert!(done(&state).1.members["refused"][0]["detail"].as_str().unwrap().contains("nobody only"));
    let mut world = World::new(6);
    world.run(Setting { targets: Targets::Anybody, ..bound("Suspend p2", false) }, model());
    assert_eq!(world.writes, [id(2)]);
    let mut world = World::new(6);
    world.run(
        Setting { targets: Targets::Only(vec!["*@company.com".to_owned()]), ..bound("Suspend p2", false) },
        model(),
    );
    assert_eq!(world.writes, [id(2)], "a domain stands for all its addresses");
}

/// The calls that a machine asks for after one reply.
fn asked_for(mut state: State, turns: &[Value]) -> Vec<quartermaster_types::run::Call> {
    for (number, arguments) in turns.iter().enumerate() {
        let Action::Proceed { asks, .. } = state.next() else { panic!("it asks") };
        let at = START.plus_ms(number as i64);
        let reply = reply("", &[(SUSPEND, arguments.clone())]);
        state.apply(&Entry::Answered { key: asks[0].key.clone(), at, reply }).unwrap();
    }
    let Action::Proceed { calls, .. } = state.next() else { panic!("it goes on") };
    calls
}

#[test]
fn an_id_that_was_not_seen_goes_out_only_with_the_address_that_it_must_have() {
    let calls = asked_for(State::new(bound(GOAL, false)), &[json!({"id": id(3)})]);
    assert_eq!(json!(calls[0].expect), json!({"email": MILLER}));
    let calls = asked_for(State::new(bound("Suspend Anna", false)), &[json!({"id": id(3)})]);
    assert!(calls.is_empty(), "where nobody is named, nothing goes out: {calls:?}");
}

#[test]
fn a_record_without_its_address_has_to_be_read_whole() {
    let mut world = World::new(6);
    for person in &mut world.people {
        person.as_object_mut().unwrap().remove("email");
    }
    let model =
        vec![calls(&[(LIST, json!({}))]), calls(&[(SUSPEND, json!({"id": id(0)}))]), finishes("not_done", "No.")];
    world.run(bound(GOAL, false), model);
    assert!(world.writes.is_empty());
    let told = results(&world.prompts[2])[0]["failed"].to_string();
    assert!(told.contains("without `fields`"), "{told}");
}
