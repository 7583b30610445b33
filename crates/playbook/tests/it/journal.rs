//! A run is a function of its journal.

use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;
use quartermaster_playbook::{Action, Entry, Mismatch, Playbook, State};
use quartermaster_types::{Code, Problem};
use serde_json::{Value, json};

use crate::world::{Fault, START, World, built_in, person, rate_limited, state};

fn people(number: usize) -> Vec<Value> {
    let state = |one: usize| if one.is_multiple_of(3) { "SUSPENDED" } else { "ACTIVE" };
    (0..number).map(|one| person(&format!("U{one}"), &format!("p{one}@company.com"), state(one))).collect()
}

fn rows(number: usize) -> Value {
    (0..number).map(|one| json!({"line": one + 1, "email": format!("p{one}@company.com")})).collect()
}

fn bytes(action: &Action) -> String {
    serde_json::to_string(action).expect("actions are JSON")
}

/// Takes a journal entry by entry and checks at every cut that a fresh start over the prefix asks for the same.
fn check_cuts(playbook: &Arc<Playbook>, input: &Value, journal: &[Entry]) {
    let mut step_by_step = state(playbook, input.clone());
    for cut in 0..=journal.len() {
        let fresh = state(playbook, input.clone()).replay(&journal[..cut]).expect("the prefix of a journal is one");
        assert_eq!(bytes(&fresh.next()), bytes(&step_by_step.next()), "cut after {cut} entries");
        if let Some(entry) = journal.get(cut) {
            // Through the wire form, as a store would keep it.
            let kept: Entry = serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap();
            assert_eq!(kept, *entry);
            step_by_step.apply(&kept).expect("the entry follows");
        }
    }
    assert!(step_by_step.is_ended());
}

/// Runs both playbooks with faults at these places.
fn scenario(name: &str, faults: &[(String, Fault)]) -> (Arc<Playbook>, Value, Vec<Entry>, World) {
    let playbook = built_in(name);
    let input = match name {
        "offboard" => json!({"email": "p1@company.com"}),
        _ => json!({"rows": rows(9), "suspend": true}),
    };
    let mut world = World::new(people(9));
    world.faults.extend(faults.iter().cloned());
    let mut run = state(&playbook, input.clone());
    let journal = world.run(&mut run);
    (playbook, input, journal, world)
}

#[test]
fn every_cut_of_both_playbooks_asks_for_the_same_again() {
    for name in ["offboard", "audit"] {
        let (playbook, input, journal, _) = scenario(name, &[]);
        assert!(journal.len() > 10);
        check_cuts(&playbook, &input, &journal);
    }
}

#[test]
fn a_run_that_is_killed_anywhere_and_goes_on_ends_the_same_and_writes_once() {
    for name in ["offboard", "audit"] {
        let (playbook, input, journal, whole) = scenario(name, &[]);
        let ended = state(&playbook, input.clone()).replay(&journal).unwrap();
        for cut in 0..=journal.len() {
            let mut world = World::new(people(9));
            let mut kept = world.run_some(&mut state(&playbook, input.clone()), cut);
            assert_eq!(kept, journal[..cut]);
            let mut second = state(&playbook, input.clone()).replay(&kept).unwrap();
            kept.extend(world.run(&mut second));
            assert_eq!(world.writes, whole.writes, "{name} killed after {cut} entries");
            assert!(world.writes.values().all(|writes| *writes == 1));
            let (Action::Done { outcome, report }, Action::Done { outcome: its, report: its_report }) =
                (ended.next(), second.next())
            else {
                panic!("{name} killed after {cut} entries does not come to its end")
            };
            let text = |report: Option<quartermaster_playbook::Report>| report.unwrap().text;
            assert_eq!((outcome, text(report)), (its, text(its_report)));
        }
    }
}

#[test]
fn what_is_left_out_of_an_answer_is_never_looked_at() {
    let playbook = built_in("audit");
    let input = json!({"rows": rows(4), "suspend": true});
    let answer = json!({"result": people(40), "next_cursor": null, "scanned": 40});
    let whole = state(&playbook, input.clone());
    let reduced = whole.reduce("people/page-1", answer.clone());
    assert!(reduced.to_string().len() < answer.to_string().len() / 4, "{reduced}");
    assert_eq!(whole.reduce("people/page-1", reduced.clone()), reduced, "twice is once");
    let finished = |result| Entry::Finished { key: "people/page-1".to_owned(), at: START, result, request_id: None };
    let one = whole.clone().replay([&finished(answer)]).unwrap();
    let other = whole.replay([&finished(reduced)]).unwrap();
    assert_eq!(bytes(&one.next()), bytes(&other.next()));
}

#[test]
fn entries_that_the_run_cannot_have_are_refused_and_change_nothing() {
    let playbook = built_in("offboard");
    let mut run = state(&playbook, json!({"email": "p1@company.com"}));
    let before = bytes(&run.next());
    let Action::Proceed { calls, .. } = run.next() else { panic!() };
    let finished =
        |key: &str| Entry::Finished { key: key.to_owned(), at: START, result: json!({"result": []}), request_id: None };
    assert_eq!(run.apply(&finished("suspend")), Err(Mismatch::Unexpected { key: "suspend".to_owned() }));
    let mut other = calls[0].clone();
    other.arguments.insert("email".to_owned(), json!("p2@company.com"));
    let begun = Entry::Begun { call: other, at: START };
    assert_eq!(run.apply(&begun), Err(Mismatch::OtherCall { key: "find_person/page-1".to_owned() }));
    let woken = Entry::Woken { key: "find_person/page-1".to_owned(), at: START };
    assert_eq!(run.apply(&woken), Err(Mismatch::Unexpected { key: "find_person/page-1".to_owned() }));
    assert_eq!(bytes(&run.next()), before);
    run.apply(&finished("find_person/page-1")).unwrap();
    assert!(run.is_ended());
    let late = finished("find_person/page-1");
    assert_eq!(run.apply(&late), Err(Mismatch::AfterEnd { key: "find_person/page-1".to_owned() }));
}

#[test]
fn a_pause_does_not_end_early() {
    let mut run = state(&built_in("offboard"), json!({"email": "p1@company.com"}));
    let problem = Problem::upstream(Code::RateLimited, "slowly").with_retry(true, Some(30));
    run.apply(&Entry::Failed { key: "find_person/page-1".to_owned(), at: START, problem }).unwrap();
    let Action::Proceed { calls, waits, .. } = run.next() else { panic!() };
    assert!(calls.is_empty() && waits[0].pause);
    assert_eq!(waits[0].until, START.plus_ms(30_000));
    let woken = |at| Entry::Woken { key: waits[0].key.clone(), at };
    assert_eq!(run.apply(&woken(START.plus_ms(29_999))), Err(Mismatch::TooEarly { key: waits[0].key.clone() }));
    run.apply(&woken(START.plus_ms(30_000))).unwrap();
    let Action::Proceed { calls, .. } = run.next() else { panic!() };
    assert_eq!(calls[0].key, "find_person/page-1~2");
}

/// A run over this many rows: how long the interpreter takes over its whole journal, and how many entries that has.
fn replayed_in(number: usize) -> (u128, usize) {
    let playbook = built_in("audit");
    let input = json!({"rows": rows(number), "suspend": true});
    let mut world = World::new(people(number));
    world.page = 1000;
    let journal = world.run(&mut state(&playbook, input.clone()));
    let begin = state(&playbook, input);
    let started = Instant::now();
    let ended: State = begin.replay(&journal).unwrap();
    assert!(ended.is_ended());
    (started.elapsed().as_millis().max(1), journal.len())
}

#[test]
fn the_cost_of_a_journal_grows_with_its_length_and_no_faster() {
    let (small, small_entries) = replayed_in(250);
    let (large, large_entries) = replayed_in(2_000);
    assert!(large_entries > small_entries * 7);
    // Eight times the rows: a cost that grew with the square would be sixty-four times as much.
    assert!(large < small * 24 + 500, "{small_entries} entries took {small} ms, {large_entries} took {large} ms");
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Lost),
        (1..2_000_u64).prop_map(rate_limited),
        prop::sample::select(vec![
            Code::UpstreamTimeout,
            Code::UpstreamUnavailable,
            Code::UngroundedId,
            Code::PermissionDenied,
            Code::Conflict,
            Code::AccountBlocked,
            Code::Internal,
        ])
        .prop_map(|code| Fault::Refused(Problem::upstream(code, "no"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_goes_wrong_the_same_journal_gives_the_same_run(
        audit in any::<bool>(),
        faults in prop::collection::vec((0..40_usize, fault()), 0..6),
    ) {
        let name = if audit { "audit" } else { "offboard" };
        let (.., whole) = scenario(name, &[]);
        let keys: Vec<String> =
            whole.calls.iter().map(|call| call.split(' ').next().unwrap_or_default().to_owned()).collect();
        let mut named = Vec::new();
        for (place, fault) in faults {
            let key = &keys[place % keys.len()];
            let key = if place > 20 { format!("{key}~2") } else { key.clone() };
            named.push((key, fault));
        }
        let (playbook, input, journal, _) = scenario(name, &named);
        check_cuts(&playbook, &input, &journal);
    }
}
