//! Runs as they should be.

use quartermaster_types::run::{Entry, Outcome};
use quartermaster_types::{Code, Origin, Problem};
use serde_json::json;

use crate::world::*;

#[test]
fn a_person_is_found_and_suspended_and_the_outcome_is_told_from_the_journal() {
    for handles in [true, false] {
        let mut world = World::new(6);
        let mut setting = setting("Offboard a.miller@company.com");
        setting.handles = handles;
        let (state, _) = world.run(setting, offboards(MILLER));
        assert_eq!(world.writes, [id(0)]);
        assert_eq!(world.state_of(&id(0)), "SUSPENDED");
        let (outcome, report) = done(&state);
        assert_eq!(outcome, Outcome::Complete, "{report:?}");
        assert_eq!(report.text, format!("Suspended {MILLER} ({}). Journal: 1 change made.", id(0)));
        let write = &report.members["done"][0];
        assert_eq!(write["id"], id(0));
        assert_eq!((&write["before"]["state"], &write["after"]["state"]), (&json!("ACTIVE"), &json!("SUSPENDED")));
        assert_eq!((&write["request_id"], &write["changed"]), (&json!("request 2"), &json!(true)));
        assert_eq!(report.members["found"]["records"], 1);
        assert!(report.members["claims"].as_array().unwrap().iter().all(|claim| claim["borne_out"] == true));
        assert_eq!(report.members["usage"]["input_tokens"], 300);
        let table = report.table.unwrap();
        assert_eq!(
            table.rows,
            [[
                json!(id(0)),
                json!(MILLER),
                json!("users.suspend"),
                json!("ACTIVE"),
                json!("SUSPENDED"),
                json!("done"),
                json!("request 2")
            ]]
        );
        let shown = serde_json::to_string(&world.prompts).unwrap();
        assert_eq!(shown.contains(&id(0)), !handles, "with handles, the model never sees an id");
    }
}

#[test]
fn a_list_of_people_is_worked_through_with_parallel_calls() {
    let mut world = World::new(8);
    let emails = ["p1@company.com", "p2@company.com", "nobody@company.com"];
    let reads = emails.map(|email| (LIST, json!({"email": email})));
    let model: Vec<Turn> = vec![
        calls(&reads),
        Box::new(|prompt| {
            let found = results(prompt);
            assert_eq!(found.len(), 3);
            assert_eq!(found[2]["data"]["result"], json!([]));
            let ids = found[..2].iter().map(|one| one["data"]["result"][0]["id"].clone());
            let writes: Vec<_> = ids.map(|id| (SUSPEND, json!({"id": id}))).collect();
            Ok(reply("Two of three are there.", &writes))
        }),
        finishes("partly_done", "Suspended p1@company.com and p2@company.com; nobody@company.com was not found."),
    ];
    let (state, _) = world.run(setting("Suspend these three"), model);
    assert_eq!(world.writes, [id(1), id(2)], "in the order in which they were asked for");
    assert_eq!(
        &world.made[..3],
        ["turn-1/call-3 users.list", "turn-1/call-2 users.list", "turn-1/call-1 users.list"],
        "reads together, answered in any order"
    );
    let (outcome, report) = done(&state);
    assert_eq!(outcome, Outcome::Partial, "the model says that not everything was done");
    assert_eq!(report.members["done"].as_array().unwrap().len(), 2);
    assert_eq!(report.members["found"]["records"], 2);
}

#[test]
fn a_destructive_call_says_what_the_record_was_when_it_was_seen() {
    let mut world = World::new(3);
    let mut model = offboards(MILLER);
    model.truncate(2);
    model.push(acts("1_password_users_reactivate", "/data/result/id"));
    model.push(finishes("done", "There and back."));
    let (_, journal) = world.run(setting("Offboard"), model);
    let expected: Vec<_> = journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Begun { call, .. } => Some((call.method.as_str(), json!(call.expect))),
            _ => None,
        })
        .collect();
    let seen = json!({"email": MILLER, "state": "ACTIVE"});
    assert_eq!(expected, [("list", json!(null)), ("suspend", seen), ("reactivate", json!(null))]);
}

#[test]
fn the_same_answers_in_another_order_show_the_model_the_same() {
    let order = |reversed: bool| {
        let mut world = World::new(4);
        let mut reads = vec![(LIST, json!({"email": "p1@company.com"})), (LIST, json!({"email": "p2@company.com"}))];
        if reversed {
            reads.reverse();
        }
        let model = vec![calls(&reads), finishes("done", "Read.")];
        world.run(setting("Read two"), model);
        results(&world.prompts[1])
    };
    let (one, other) = (order(false), order(true));
    assert_eq!(one[0]["data"]["result"][0]["id"], "user:1", "handles are given in the order of the calls");
    assert_eq!(other[0]["data"]["result"][0]["id"], "user:1");
    assert_ne!(one, other);
}

#[test]
fn a_rehearsal_reads_and_sends_no_write() {
    let mut world = World::new(3);
    let mut setting = setting("Offboard");
    setting.dry_run = true;
    let model = vec![
        calls(&[(LIST, json!({"email": MILLER}))]),
        acts(SUSPEND, "/data/result/0/id"),
        finishes("done", "It would be suspended."),
    ];
    let (state, _) = world.run(setting, model);
    assert!(world.writes.is_empty());
    let (outcome, report) = done(&state);
    assert_eq!(outcome, Outcome::Complete);
    assert_eq!(report.members["rehearsed"][0]["id"], id(0));
    assert_eq!(report.members["done"], json!([]));
    assert!(
        report.text.ends_with("Journal: a rehearsal, 1 change would be sent and nothing was changed."),
        "{}",
        report.text
    );
    assert!(last(&world.prompts[2])["note"].as_str().unwrap().contains("nothing was sent"));
}

#[test]
fn what_was_so_already_is_told_as_such() {
    let mut world = World::new(3);
    world.people.iter_mut().for_each(|one| one["state"] = json!("SUSPENDED"));
    let (state, _) = world.run(setting("Offboard"), offboards(MILLER));
    let (_, report) = done(&state);
    assert!(report.text.ends_with("Journal: 0 changes made, 1 already as asked."), "{}", report.text);
    assert_eq!(report.table.unwrap().rows[0][5], "already as asked");
}

#[test]
fn rate_limits_are_waited_out_as_told() {
    let mut world = World::new(3);
    world.faults.insert("turn-1/call-1".to_owned(), Fault::Refused(rate_limited(7)));
    world.faults.insert("turn-2/call-1".to_owned(), Fault::Refused(rate_limited(11)));
    let mut model = offboards(MILLER);
    let limited = Problem::new(Code::RateLimited, Origin::Model, "slow down").with_retry(true, Some(3));
    model.insert(0, fails(limited));
    let (state, _) = world.run(setting("Offboard"), model);
    assert_eq!(world.waits, [3, 7, 11]);
    assert_eq!(world.writes, [id(0)]);
    let (outcome, report) = done(&state);
    assert_eq!(outcome, Outcome::Complete);
    assert_eq!(report.members["waits"], json!({"count": 3, "seconds": 21}));
    assert!(world.made.contains(&"turn-2/call-1~2 users.suspend".to_owned()), "{:?}", world.made);
    let again = &world.prompts[1];
    assert_eq!(again.messages.len(), 1, "the model is asked the same again");
}
