//! Every limit ends a run in order: at it, and not before.

use quartermaster_agent::limits::{ASK_ATTEMPTS_MAX, READ_ATTEMPTS_MAX};
use quartermaster_agent::{Message, Setting, State};
use quartermaster_types::run::{Entry, Outcome, Stop};
use quartermaster_types::{Code, Origin, Problem};
use serde_json::json;

use crate::world::*;

/// A model that never stops: it reads one person after the other.
fn endless() -> Vec<Turn> {
    let mut n = 0;
    vec![Box::new(move |_| {
        n += 1;
        Ok(reply("On and on.", &[(LIST, json!({"email": format!("p{n}@company.com")}))]))
    })]
}

fn run(change: impl FnOnce(&mut Setting)) -> (World, State) {
    let mut world = World::new(3);
    let mut setting = setting("x");
    change(&mut setting);
    let (state, _) = world.run(setting, endless());
    (world, state)
}

fn ended_by(state: &State) -> String {
    let (outcome, report) = done(state);
    assert_eq!(outcome, Outcome::Partial);
    assert!(report.text.starts_with("On and on. The run ended at its limit of "), "{}", report.text);
    report.members["ended_by"].as_str().unwrap().to_owned()
}

#[test]
fn a_model_that_never_stops_is_stopped() {
    let (world, state) = run(|setting| setting.limits.iterations = 7);
    assert_eq!((world.prompts.len(), ended_by(&state).as_str()), (7, "iterations"));
    let Some(Message::User { text }) = world.prompts[6].messages.last() else { panic!() };
    assert!(text.contains("last turn"), "{text}");

    let (world, state) = run(|setting| setting.limits.tokens = 330);
    assert_eq!((world.prompts.len(), ended_by(&state).as_str()), (3, "tokens"));
    let (world, _) = run(|setting| setting.limits.tokens = 331);
    assert_eq!(world.prompts.len(), 4);

    let (world, state) = run(|setting| setting.limits.cost = Some(0.0001));
    assert_eq!((world.prompts.len(), ended_by(&state).as_str()), (2, "cost"));

    let (world, state) = run(|setting| setting.limits.calls = 4);
    assert_eq!((world.made.len(), ended_by(&state).as_str()), (4, "calls"));

    let (world, state) = run(|setting| setting.limits.seconds = 1);
    assert_eq!(ended_by(&state), "time");
    assert!(world.now.ms_since(START) < 1100);
}

#[test]
fn at_the_end_of_its_time_nothing_more_is_begun() {
    let mut world = World::new(3);
    world.pace_ms = 400;
    let mut setting = setting("x");
    setting.limits.seconds = 4;
    let both: Turn = Box::new(|prompt| {
        let ids = &last(prompt)["data"]["result"];
        Ok(reply("", &[(SUSPEND, json!({"id": ids[0]["id"]})), (SUSPEND, json!({"id": ids[1]["id"]}))]))
    });
    // Asked 0.4, answered 0.8, begun 1.2, read 1.6; asked 2.0, answered 2.4; begun 2.8, done 3.2; begun 3.6, done 4.0.
    let (state, _) = world.run(setting.clone(), vec![calls(&[(LIST, json!({}))]), both]);
    assert_eq!((world.writes.len(), done(&state).1.members["ended_by"].as_str()), (2, Some("time")));
    let mut world = World::new(3);
    world.pace_ms = 500;
    let both: Turn = Box::new(|prompt| {
        let ids = &last(prompt)["data"]["result"];
        Ok(reply("", &[(SUSPEND, json!({"id": ids[0]["id"]})), (SUSPEND, json!({"id": ids[1]["id"]}))]))
    });
    let (state, _) = world.run(setting, vec![calls(&[(LIST, json!({}))]), both]);
    let (_, report) = done(&state);
    assert_eq!(world.writes.len(), 1, "the second was not begun");
    assert_eq!(report.members["refused"].as_array().unwrap().len(), 1);
    assert_eq!(report.members["ended_by"], "time");
}

#[test]
fn a_call_that_waits_for_a_person_does_not_use_up_the_time_of_the_run() {
    for (waits_ms, in_time) in [(0, true), (3_600_000, true)] {
        let mut limited = setting("x");
        limited.limits.seconds = 600;
        let mut state = State::new(limited);
        let mut now = START;
        let mut model = offboards(MILLER).into_iter();
        let mut world = World::new(2);
        while let quartermaster_types::run::Action::Proceed { calls, asks, .. } = state.next() {
            now = now.plus_ms(1000);
            for ask in asks {
                let reply = model.next().unwrap()(&state.prompt(&ask.key).unwrap()).unwrap();
                state.apply(&Entry::Answered { key: ask.key, at: now, reply }).unwrap();
            }
            for call in calls {
                state.apply(&Entry::Begun { call: call.clone(), at: now }).unwrap();
                now = now.plus_ms(if call.method == "suspend" { waits_ms } else { 0 });
                let result = world.tool(&call).unwrap();
                state.apply(&Entry::Finished { key: call.key, at: now, result, request_id: None }).unwrap();
            }
        }
        assert_eq!(done(&state).1.members["ended_by"] == "finish_run", in_time);
    }
}

#[test]
fn waiting_is_bounded_and_the_model_is_told() {
    for (allowed, waits) in [(10, 1), (9, 0)] {
        let mut world = World::new(3);
        world.faults.insert("turn-1/call-1".to_owned(), Fault::Refused(rate_limited(10)));
        let mut setting = setting("x");
        setting.limits.wait_seconds = allowed;
        world.run(setting, vec![calls(&[(LIST, json!({"email": MILLER}))]), finishes("not_done", "Too slow.")]);
        assert_eq!(world.waits.len(), waits);
        let told = last(&world.prompts[1]);
        assert_eq!(told["failed"]["code"] == "rate_limited", waits == 0, "{told}");
    }
    // A wait past the end of the run's time is not begun.
    let mut world = World::new(3);
    world.faults.insert("turn-1/call-1".to_owned(), Fault::Refused(rate_limited(100)));
    let mut setting = setting("x");
    setting.limits.seconds = 60;
    world.run(setting, vec![calls(&[(LIST, json!({"email": MILLER}))]), finishes("not_done", "Too slow.")]);
    assert!(world.waits.is_empty());
}

#[test]
fn faults_that_pass_are_tried_again_so_often_and_no_more() {
    let passing = || Problem::upstream(Code::UpstreamUnavailable, "failing");
    let mut world = World::new(3);
    for key in ["turn-1/call-1", "turn-1/call-1~2", "turn-1/call-1~3"] {
        world.faults.insert(key.to_owned(), Fault::Refused(passing()));
    }
    world.run(setting("x"), vec![calls(&[(LIST, json!({"email": MILLER}))]), finishes("not_done", "It fails.")]);
    assert_eq!(world.made.len(), READ_ATTEMPTS_MAX as usize);
    assert_eq!(last(&world.prompts[1])["failed"]["code"], "upstream_unavailable");

    // A write is not made again by itself: it may have happened.
    let mut world = World::new(3);
    world.faults.insert("turn-2/call-1".to_owned(), Fault::Refused(passing()));
    let model = vec![
        calls(&[(LIST, json!({"email": MILLER}))]),
        acts(SUSPEND, "/data/result/0/id"),
        finishes("not_done", "It fails."),
    ];
    world.run(setting("x"), model);
    assert_eq!(world.made.len(), 2);

    let down = || fails(Problem::new(Code::ModelUnavailable, Origin::Model, "down"));
    let mut world = World::new(3);
    let (state, _) = world.run(setting("x"), vec![down()]);
    assert_eq!((world.prompts.len(), failed(&state).0.code()), (ASK_ATTEMPTS_MAX as usize, Code::ModelUnavailable));
    let mut world = World::new(3);
    let mut model: Vec<Turn> = (1..ASK_ATTEMPTS_MAX).map(|_| down()).collect();
    model.extend(offboards(MILLER));
    let (state, _) = world.run(setting("x"), model);
    assert_eq!(done(&state).0, Outcome::Complete);
}

#[test]
fn results_are_cut_to_their_budget_and_say_how_to_get_the_rest() {
    let mut world = World::new(400);
    let mut setting = setting("x");
    setting.limits.result_tokens = 500;
    let (_, journal) = world.run(setting, vec![calls(&[(LIST, json!({}))]), finishes("done", "Read.")]);
    let shown = last(&world.prompts[1]);
    let records = shown["data"]["result"].as_array().unwrap().len();
    assert!(records > 5 && records < 40, "{records}");
    assert_eq!(shown["data"]["left_out"], 401 - records);
    let rest = shown["rest"].as_str().unwrap();
    for way in ["`email`", "`email_ends_with`", "`fields`", &format!("`limit` {records}")] {
        assert!(rest.contains(way), "{rest}");
    }
    assert!(serde_json::to_string(&journal).unwrap().len() < 10_000, "the journal keeps what is shown");
}

#[test]
fn a_long_conversation_tells_older_results_in_short() {
    let mut world = World::new(60);
    let mut setting = setting("x");
    setting.limits.context_tokens = 6_000;
    setting.limits.output_tokens = 500;
    setting.limits.result_tokens = 2_000;
    setting.limits.iterations = 12;
    let mut n = 0;
    let model: Vec<Turn> = vec![Box::new(move |_| {
        n += 1;
        Ok(reply("", &[(LIST, json!({"limit": n}))]))
    })];
    world.run(setting, model);
    for prompt in &world.prompts {
        let size = serde_json::to_string(&prompt.messages).unwrap().len();
        assert!(size < 6_000 * 4 * 2, "{size}");
    }
    let text = serde_json::to_string(world.prompts.last().unwrap()).unwrap();
    assert!(text.contains("An earlier result of"), "{text}");
    assert!(last(world.prompts.last().unwrap())["data"]["result"].is_array(), "the last one is whole");
}

#[test]
fn a_prompt_that_is_too_long_for_the_model_is_made_shorter() {
    let too_long = || fails(Problem::new(Code::PayloadTooLarge, Origin::Model, "too many tokens"));
    let mut world = World::new(40);
    let model = vec![
        calls(&[(LIST, json!({}))]),
        calls(&[(LIST, json!({"email": MILLER}))]),
        too_long(),
        acts(SUSPEND, "/data/result/0/id"),
        finishes("done", "Suspended a.miller@company.com."),
    ];
    let (state, _) = world.run(setting("x"), model);
    assert_eq!(done(&state).0, Outcome::Complete);
    let length = |place: usize| serde_json::to_string(&world.prompts[place]).unwrap().len();
    assert!(length(3) < length(2));
    let mut world = World::new(3);
    let (state, _) = world.run(setting("x"), vec![too_long()]);
    assert_eq!(failed(&state).0.code(), Code::PayloadTooLarge, "there is nothing to leave out");
}

#[test]
fn a_reply_that_was_cut_off_is_asked_to_go_on() {
    let mut world = World::new(3);
    let cut: Turn = Box::new(|_| {
        let mut cut = reply("First I will", &[]);
        cut.stop = Stop::Length;
        Ok(cut)
    });
    let mut model = vec![cut];
    model.extend(offboards(MILLER));
    let (state, _) = world.run(setting("x"), model);
    assert_eq!(done(&state).0, Outcome::Complete);
    let Some(Message::User { text }) = world.prompts[1].messages.last() else { panic!() };
    assert!(text.contains("cut off at 4096 tokens"), "{text}");
}
