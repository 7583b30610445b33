//! A run is a function of its journal.

use quartermaster_agent::State;
use quartermaster_types::run::{Action, Entry, Mismatch};
use serde_json::json;

use crate::world::*;

/// Runs of every kind, with their journals.
fn journals() -> Vec<(quartermaster_agent::Setting, Vec<Entry>)> {
    let mut all = Vec::new();
    let mut keep = |mut world: World, setting: quartermaster_agent::Setting, model: Vec<Turn>| {
        let (_, journal) = world.run(setting.clone(), model);
        all.push((setting, journal));
    };
    keep(World::new(5), setting("Offboard"), offboards(MILLER));
    let mut plain = setting("Offboard");
    plain.handles = false;
    let mut world = World::new(5);
    world.faults.insert("turn-1/call-1".to_owned(), Fault::Refused(rate_limited(2)));
    world.faults.insert("turn-2/call-1".to_owned(), Fault::Refused(rate_limited(3)));
    keep(world, plain, offboards(MILLER));
    let reads: Vec<_> = (1..4).map(|n| (LIST, json!({"email": format!("p{n}@company.com")}))).collect();
    let writes: Turn = Box::new(|prompt| {
        let ids: Vec<_> = results(prompt).iter().map(|one| one["data"]["result"][0]["id"].clone()).collect();
        let calls: Vec<_> = ids.into_iter().map(|id| (SUSPEND, json!({"id": id}))).collect();
        Ok(reply("", &calls))
    });
    let end = finishes("done", "Suspended p1@company.com, p2@company.com and p3@company.com.");
    keep(World::new(5), setting("All"), vec![calls(&reads), writes, end]);
    let mut loops = setting("Loop");
    loops.limits.iterations = 20;
    keep(World::new(5), loops, vec![calls(&[(SUSPEND, json!({"id": MILLER}))])]);
    let mut small = setting("List");
    small.limits.result_tokens = 500;
    keep(World::new(300), small, vec![says(""), calls(&[(LIST, json!({}))]), says("There are many.")]);
    all
}

fn text(action: &Action) -> String {
    serde_json::to_string(action).unwrap()
}

#[test]
fn every_cut_of_a_journal_gives_the_same_next_action_and_the_same_prompt() {
    for (setting, journal) in journals() {
        let mut whole = State::new(setting.clone());
        for cut in 0..=journal.len() {
            let mut again = State::new(serde_json::from_value(serde_json::to_value(&setting).unwrap()).unwrap());
            for entry in &journal[..cut] {
                let entry: Entry = serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap();
                again.apply(&entry).unwrap();
            }
            assert_eq!(text(&again.next()), text(&whole.next()), "after {cut} entries");
            if let Action::Proceed { asks, .. } = whole.next() {
                for ask in asks {
                    let prompt = again.prompt(&ask.key).unwrap();
                    assert_eq!(Some(&prompt), whole.prompt(&ask.key).as_ref());
                    assert_eq!(prompt.digest(), ask.prompt);
                }
            }
            if let Some(entry) = journal.get(cut) {
                whole.apply(entry).unwrap();
            }
        }
        assert!(!matches!(whole.next(), Action::Proceed { .. }));
    }
}

#[test]
fn what_was_begun_twice_after_a_crash_is_the_same_run() {
    for (setting, journal) in journals() {
        let (mut once, mut twice) = (State::new(setting.clone()), State::new(setting));
        for entry in &journal {
            once.apply(entry).unwrap();
            twice.apply(entry).unwrap();
            if matches!(entry, Entry::Begun { .. } | Entry::Asked { .. }) {
                twice.apply(entry).unwrap();
            }
        }
        assert_eq!(text(&once.next()), text(&twice.next()));
    }
}

#[test]
fn an_entry_of_another_run_is_refused_and_changes_nothing() {
    for (setting, journal) in journals() {
        let mut state = State::new(setting);
        for entry in &journal {
            let before = text(&state.next());
            let at = entry.at();
            let strange = Entry::Finished { key: "turn-99/call-1".to_owned(), at, result: json!({}), request_id: None };
            assert!(matches!(state.apply(&strange), Err(Mismatch::Unexpected { .. })));
            match entry {
                Entry::Asked { ask, at } => {
                    let mut other = ask.clone();
                    other.prompt = "0".repeat(64);
                    let mismatch = state.apply(&Entry::Asked { ask: other, at: *at });
                    assert!(matches!(mismatch, Err(Mismatch::OtherCall { .. })), "{mismatch:?}");
                }
                Entry::Begun { call, at } => {
                    let mut other = call.clone();
                    other.arguments.insert("id".to_owned(), json!("somebody else"));
                    assert!(matches!(
                        state.apply(&Entry::Begun { call: other, at: *at }),
                        Err(Mismatch::OtherCall { .. })
                    ));
                }
                Entry::Woken { key, at } => {
                    let early = Entry::Woken { key: key.clone(), at: at.plus_ms(-1) };
                    assert!(matches!(state.apply(&early), Err(Mismatch::TooEarly { .. })));
                }
                _ => {}
            }
            assert_eq!(text(&state.next()), before);
            state.apply(entry).unwrap();
        }
        assert!(matches!(state.apply(journal.last().unwrap()), Err(Mismatch::AfterEnd { .. })));
    }
}

#[test]
fn keeping_whole_answers_gives_the_same_run() {
    let mut small = setting("List");
    small.limits.result_tokens = 500;
    let mut world = World::new(300);
    let (reduced, journal) = world.run(small.clone(), vec![calls(&[(LIST, json!({}))]), says("There are many.")]);
    let mut whole = State::new(small);
    for entry in &journal {
        let mut entry = entry.clone();
        if let Entry::Finished { result, .. } = &mut entry {
            let people = World::new(300).people;
            *result = json!({"result_count": people.len(), "result": people, "next_cursor": null, "prev_cursor": null});
        }
        whole.apply(&entry).unwrap();
    }
    assert_eq!(text(&whole.next()), text(&reduced.next()));
}
