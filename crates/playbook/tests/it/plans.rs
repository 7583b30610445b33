//! Plans as machines: a function of their journal, and nothing written that the plan does not say.

use std::sync::Arc;

use proptest::prelude::*;
use quartermaster_playbook::plan::{LeftOut, Member, PLAN_FORMAT, PlanInput, PlanState, PlannedStep, PlannedWork};
use quartermaster_playbook::{
    ATTEMPTS_MAX, AccountFacts, Action, Entry, IntegrationFacts, Mismatch, Outcome, Report, RunFacts,
};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value, json};

use crate::world::{Fault, START, World, person, rate_limited};

fn member(name: &str, at: &str, value: &str) -> Member {
    Member { name: name.to_owned(), at: at.to_owned(), value: json!(value) }
}

/// Suspends the person with this number, who is active.
fn step(number: u32) -> PlannedStep {
    let id = format!("U{number}");
    PlannedStep {
        number,
        resource: "users".to_owned(),
        method: "suspend".to_owned(),
        arguments: Map::from_iter([("id".to_owned(), json!(id))]),
        who: format!("p{number}@company.com"),
        read: Some("get".to_owned()),
        before: vec![member("email", "/mail", &format!("p{number}@company.com")), member("state", "/state", "ACTIVE")],
        after: vec![member("state", "/state", "SUSPENDED")],
        id: Some(id),
        looks: false,
        removes: false,
        is_done: false,
    }
}

fn world(people: u32) -> World {
    World::new((1..=people).map(|one| person(&format!("U{one}"), &format!("p{one}@company.com"), "ACTIVE")).collect())
}

fn work(steps: Vec<PlannedStep>) -> PlannedWork {
    PlannedWork {
        format: PLAN_FORMAT.to_owned(),
        account: AccountFacts { id: "account-1".to_owned(), tenant_id: "tenant-1".to_owned() },
        integration: IntegrationFacts { name: "acme".to_owned(), label: "Acme".to_owned() },
        undoes: None,
        steps,
        left_out: Vec::new(),
    }
}

fn state_of(work: PlannedWork, stop_on_change: bool) -> PlanState {
    let run = RunFacts { id: "run-1".to_owned(), session: "run:run-1".to_owned(), started_at: START };
    let input = PlanInput { plan: "plan-1".to_owned(), hash: "0".repeat(64), undoes: None, run, stop_on_change };
    PlanState::new(Arc::new(work), input)
}

fn state(steps: Vec<PlannedStep>) -> PlanState {
    state_of(work(steps), true)
}

fn bytes(state: &PlanState) -> String {
    serde_json::to_string(&state.next()).unwrap()
}

fn report(state: &PlanState) -> Report {
    match state.next() {
        Action::Done { report, .. } | Action::Failed { report, .. } => report.unwrap(),
        other @ Action::Proceed { .. } => panic!("{other:?}"),
    }
}

fn outcomes(state: &PlanState) -> Vec<String> {
    report(state).table.unwrap().rows.iter().map(|row| row[5].as_str().unwrap().to_owned()).collect()
}

fn refused(code: Code) -> Fault {
    Fault::Refused(Problem::upstream(code, "no").with_retry(false, None))
}

#[test]
fn each_write_expects_what_the_plan_showed_and_is_read_back() {
    let mut world = world(2);
    let mut run = state(vec![step(1), step(2)]);
    let Action::Proceed { calls, .. } = run.next() else { panic!() };
    assert_eq!(calls.len(), 1, "one after the other");
    assert_eq!(json!(calls[0].expect), json!({"email": "p1@company.com", "state": "ACTIVE"}));
    world.run(&mut run);
    assert_eq!(
        world.calls,
        ["1/write users.suspend", "1/proof users.get", "2/write users.suspend", "2/proof users.get"]
    );
    assert_eq!(outcomes(&run), ["done", "done"]);
    assert!(matches!(run.next(), Action::Done { outcome: Outcome::Complete, .. }));
    let report = report(&run);
    assert_eq!(report.text, "2 of 2 planned changes made in Acme.");
    assert_eq!(report.members["counts"]["done"], 2);
}

#[test]
fn a_record_that_is_different_ends_the_run_or_is_left_alone() {
    for (stop_on_change, expected) in
        [(true, ["done", "changed_since", "not_reached"]), (false, ["done", "changed_since", "done"])]
    {
        let mut world = world(3);
        world.people[1]["mail"] = json!("somebody.else@company.com");
        let mut run = state_of(work(vec![step(1), step(2), step(3)]), stop_on_change);
        world.run(&mut run);
        assert_eq!(outcomes(&run), expected);
        assert!(!world.writes.contains_key("U2"));
        match run.next() {
            Action::Failed { problem, step, .. } if stop_on_change => {
                assert_eq!((problem.code(), step.as_deref()), (Code::PreconditionFailed, Some("2/write")));
            }
            Action::Done { outcome: Outcome::Partial, .. } if !stop_on_change => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn somebody_who_was_brought_there_by_others_counts_as_changed_and_one_who_was_planned_so_does_not() {
    let mut world = world(2);
    world.people[0]["state"] = json!("SUSPENDED");
    let planned =
        PlannedStep { is_done: true, looks: true, before: vec![member("state", "/state", "SUSPENDED")], ..step(1) };
    let mut run = state(vec![planned, step(2)]);
    world.run(&mut run);
    assert_eq!((outcomes(&run), world.writes.len()), (vec!["unchanged".to_owned(), "done".to_owned()], 1));
    let mut world = self::world(1);
    world.people[0]["state"] = json!("SUSPENDED");
    let mut run = state(vec![step(1)]);
    world.run(&mut run);
    assert_eq!(outcomes(&run), ["changed_since"]);
}

#[test]
fn a_lost_answer_is_looked_into_and_nothing_is_written_twice() {
    let mut world = world(1).with_fault("1/write", Fault::Lost);
    let mut run = state(vec![step(1)]);
    world.run(&mut run);
    assert_eq!(world.calls, ["1/write users.suspend", "1/confirm users.get"]);
    assert_eq!((outcomes(&run), world.writes["U1"]), (vec!["worked_after_all".to_owned()], 1));
}

#[test]
fn a_write_that_did_not_happen_is_made_so_often_and_no_more() {
    let key = |attempt: u32| if attempt == 1 { "1/write".to_owned() } else { format!("1/write~{attempt}") };
    for failing in [ATTEMPTS_MAX - 1, ATTEMPTS_MAX] {
        let mut world = world(1);
        for attempt in 1..=failing {
            world.faults.insert(key(attempt), refused(Code::UpstreamTimeout));
        }
        let mut run = state(vec![step(1)]);
        world.run(&mut run);
        let writes = world.calls.iter().filter(|call| call.contains("/write")).count();
        assert_eq!(writes, ATTEMPTS_MAX as usize);
        let expected = if failing == ATTEMPTS_MAX { "failed" } else { "done" };
        assert_eq!(outcomes(&run), [expected]);
    }
}

#[test]
fn an_id_that_was_read_too_long_ago_is_read_again_and_compared() {
    let ungrounded = || Fault::Refused(Problem::gateway(Code::UngroundedId, "not read"));
    let mut world = world(1).with_fault("1/write", ungrounded());
    let mut run = state(vec![step(1)]);
    world.run(&mut run);
    assert_eq!(world.calls[..3], ["1/write users.suspend", "1/look users.get", "1/write~2 users.suspend"]);
    assert_eq!(outcomes(&run), ["done"]);
    let mut world = self::world(1).with_fault("1/write", ungrounded());
    world.people[0]["state"] = json!("INVITED");
    let mut run = state(vec![step(1)]);
    world.run(&mut run);
    assert_eq!((outcomes(&run), world.writes.len()), (vec!["changed_since".to_owned()], 0));
}

#[test]
fn what_is_compared_by_a_look_of_its_own_is_written_without_an_expectation() {
    let mut world = world(1);
    let mut run = state(vec![PlannedStep { looks: true, ..step(1) }]);
    world.run(&mut run);
    assert_eq!(world.calls, ["1/look users.get", "1/write users.suspend", "1/proof users.get"]);
    let mut world = self::world(1);
    world.people[0]["state"] = json!("INVITED");
    let mut run = state(vec![PlannedStep { looks: true, ..step(1) }]);
    world.run(&mut run);
    assert_eq!((outcomes(&run), world.calls.len()), (vec!["changed_since".to_owned()], 1));
    assert!(report(&run).members["stopped"].as_str().unwrap().contains("state is \"INVITED\" and was \"ACTIVE\""));
}

#[test]
fn what_concerns_every_row_ends_the_run_whatever_was_asked() {
    let mut world = world(2).with_fault("1/write", refused(Code::AccountNeedsReauth));
    let mut run = state_of(work(vec![step(1), step(2)]), false);
    world.run(&mut run);
    assert_eq!(outcomes(&run), ["failed", "not_reached"]);
}

#[test]
fn rows_that_were_left_out_stand_in_the_report() {
    let mut plan = work(vec![step(2)]);
    let method = "users.suspend".to_owned();
    let (who, detail) = ("nobody@company.com".to_owned(), "nobody".to_owned());
    plan.left_out.push(LeftOut { number: 1, method, who, code: Code::NotFound, detail });
    let mut run = state_of(plan, true);
    world(2).run(&mut run);
    assert_eq!(outcomes(&run), ["left_out", "done"]);
    assert!(matches!(run.next(), Action::Done { outcome: Outcome::Partial, .. }));
}

#[test]
fn entries_that_a_plan_cannot_have_are_refused_and_change_nothing() {
    let mut run = state(vec![step(1)]);
    let before = bytes(&run);
    let finished = |key: &str| Entry::Finished { key: key.to_owned(), at: START, result: json!({}), request_id: None };
    assert_eq!(run.apply(&finished("2/write")), Err(Mismatch::Unexpected { key: "2/write".to_owned() }));
    let Action::Proceed { mut calls, .. } = run.next() else { panic!() };
    calls[0].arguments.insert("id".to_owned(), json!("U9"));
    let begun = Entry::Begun { call: calls.remove(0), at: START };
    assert_eq!(run.apply(&begun), Err(Mismatch::OtherCall { key: "1/write".to_owned() }));
    assert_eq!(bytes(&run), before);
    world(1).run(&mut run);
    assert_eq!(run.apply(&finished("1/proof")), Err(Mismatch::AfterEnd { key: "1/proof".to_owned() }));
}

#[test]
fn a_plan_that_is_killed_anywhere_writes_once_and_comes_to_its_end() {
    let steps = || vec![step(1), step(2), step(3)];
    let journal = world(3).run(&mut state(steps()));
    for cut in 0..=journal.len() {
        let mut world = world(3);
        let kept = world.run_some(&mut state(steps()), cut);
        assert_eq!(kept, journal[..cut]);
        let mut second = state(steps());
        kept.iter().try_for_each(|entry| second.apply(entry)).unwrap();
        world.run(&mut second);
        assert_eq!(world.writes.values().copied().collect::<Vec<_>>(), [1, 1, 1], "killed after {cut}");
        assert_eq!(outcomes(&second), ["done", "done", "done"], "killed after {cut}");
    }
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
            Code::NotFound,
            Code::Internal,
        ])
        .prop_map(refused),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever goes wrong: every cut of the journal decides the same, nobody is written to twice, and nobody who is not as the
    /// plan showed them.
    #[test]
    fn a_plan_is_a_function_of_its_journal(
        faults in prop::collection::vec((1..4_u32, 0..3_usize, 1..3_u32, fault()), 0..8),
        stop_on_change in any::<bool>(),
        touched in prop::option::of(0..3_usize),
    ) {
        let steps = || work(vec![step(1), PlannedStep { looks: true, ..step(2) }, step(3)]);
        let mut world = world(3);
        for (row, kind, attempt, fault) in faults {
            let kind = ["write", "confirm", "proof"][kind];
            let key = if attempt == 1 { format!("{row}/{kind}") } else { format!("{row}/{kind}~{attempt}") };
            world.faults.insert(key, fault);
        }
        if let Some(place) = touched {
            world.people[place]["mail"] = json!("somebody.else@company.com");
        }
        let journal = world.run(&mut state_of(steps(), stop_on_change));
        let mut whole = state_of(steps(), stop_on_change);
        for cut in 0..=journal.len() {
            let mut fresh = state_of(steps(), stop_on_change);
            journal[..cut].iter().try_for_each(|entry| fresh.apply(entry)).unwrap();
            prop_assert_eq!(bytes(&fresh), bytes(&whole), "cut after {}", cut);
            if let Some(entry) = journal.get(cut) {
                let kept: Entry = serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap();
                whole.apply(&kept).unwrap();
            }
        }
        prop_assert!(world.writes.values().all(|writes| *writes == 1), "{:?}", world.writes);
        if let Some(place) = touched {
            let id = format!("U{}", place + 1);
            prop_assert!(!world.writes.contains_key(&id));
        }
        let Value::Object(counts) = report(&whole).members["counts"].clone() else { panic!() };
        let all = ["done", "unchanged", "changed_since", "failed", "not_reached"];
        let told: u64 = all.iter().map(|name| counts[*name].as_u64().unwrap()).sum();
        prop_assert_eq!(told, 3, "every row is told once");
    }
}
