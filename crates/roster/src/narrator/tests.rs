use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

/// What is told of these entries.
fn told(telling: Telling, entries: &[Value]) -> Vec<Event> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let mut narrator = Narrator::new(Progress::new(move |event| sink.lock().unwrap().push(event)), telling);
    for entry in entries {
        narrator.entry(entry);
    }
    drop(narrator);
    Arc::try_unwrap(events).unwrap().into_inner().unwrap()
}

fn begun(key: &str, method: &str) -> Value {
    json!({"entry": "begun", "call": {"key": key, "resource": "users", "method": method, "arguments": {}}})
}

fn finished(key: &str, result: Value) -> Value {
    json!({"entry": "finished", "key": key, "result": result})
}

fn limited(key: &str, seconds: Option<u64>) -> Value {
    let problem = json!({"code": "rate_limited", "retryable": true, "retry_after_seconds": seconds, "detail": "slow"});
    json!({"entry": "failed", "key": key, "problem": problem})
}

fn step(what: &str) -> Event {
    Event::Step { what: what.to_owned() }
}

#[test]
fn an_offboarding_is_told_in_words() {
    let page = json!({"reduced": true, "scanned": 60, "records": [{"record": {"email": "a@b.c", "id": "U1"}}]});
    let person = |state: &str| json!({"result": {"status": {"now": state}}});
    let told = told(
        Telling::Person { state_at: "/status/now".to_owned() },
        &[
            begun("find_person/page-1", "list"),
            finished("find_person/page-1", page),
            finished("before", person("ACTIVE")),
            begun("suspend", "suspend"),
            finished("suspend~2", json!({"changed": true})),
            finished("after", person("SUSPENDED")),
            json!({"entry": "asked", "key": "of a later gateway"}),
        ],
    );
    assert_eq!(
        told,
        [
            Event::PageRead { pages: 1, people: 60 },
            step("found a@b.c with the id U1"),
            step("its state is ACTIVE"),
            step("suspended"),
            step("read back: its state is SUSPENDED"),
        ]
    );
}

#[test]
fn other_work_is_told_call_by_call() {
    let refused = json!({"code": "sandbox_write", "retryable": false, "detail": "no"});
    let told = told(
        Telling::Calls,
        &[
            begun("look", "get"),
            finished("look", json!({"result": {}})),
            begun("act", "suspend"),
            json!({"entry": "failed", "key": "act", "problem": refused}),
        ],
    );
    let failed = Event::CallFailed { method: "users.suspend".to_owned(), reason: "no".to_owned() };
    assert_eq!(told, [step("look: users.get"), failed]);
}

#[test]
fn calls_that_are_refused_together_wait_together() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let progress = Progress::new(move |event| sink.lock().unwrap().push(event));
    let mut narrator = Narrator::new(progress, Telling::Calls);
    for key in ["rows/1/act", "rows/2/act", "rows/3/act"] {
        narrator.entry(&limited(key, Some(30)));
    }
    narrator.tell_wait();
    narrator.entry(&limited("rows/4/act", None));
    narrator.tell_wait();
    narrator.entry(&limited("rows/5/act", Some(60)));
    assert_eq!(events.lock().unwrap().len(), 1, "the run may end here instead");
    narrator.tell_wait();
    let told = [30, 60].map(|seconds| Event::Waiting { seconds, told_by: WaitSource::Headers });
    assert_eq!(*events.lock().unwrap(), told);
}

#[test]
fn an_agent_is_told_with_what_the_model_says_once() {
    let asked = |key: &str| json!({"entry": "asked", "ask": {"key": key, "model": "local", "prompt": ""}});
    let answered = |key: &str, text: &str| json!({"entry": "answered", "key": key, "reply": {"text": text}});
    let entries = [
        asked("turn-1"),
        answered("turn-1", "I look."),
        begun("turn-1/call-1", "list"),
        finished("turn-1/call-1", json!({"result": [{}, {}], "left_out": 3})),
        begun("turn-1/call-2", "suspend"),
        finished("turn-1/call-2", json!({"result": {}, "changed": true})),
        begun("turn-1/call-3", "suspend"),
        finished("turn-1/call-3", json!({"dry_run": true})),
        asked("turn-2"),
        json!({"entry": "failed", "key": "turn-2", "problem": {"code": "model_invalid", "retryable": true, "detail": "cut"}}),
        answered("turn-3", ""),
    ];
    let saying = |text: &str| Event::Saying { text: text.to_owned() };
    let failed = Event::CallFailed { method: "the model local".to_owned(), reason: "cut".to_owned() };
    let steps = ["users.list: 2 and 3 more found", "users.suspend: done", "users.suspend: rehearsed, nothing was sent"];
    let mut expected = vec![saying("I look."), Event::Said];
    expected.extend(steps.map(step));
    expected.push(failed);
    assert_eq!(told(Telling::Agent, &entries), expected);

    // What came in pieces is not told again as a whole.
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let mut narrator = Narrator::new(Progress::new(move |event| sink.lock().unwrap().push(event)), Telling::Agent);
    narrator.entry(&asked("turn-1"));
    narrator.delta(&json!({"key": "turn-1", "text": "I "}));
    narrator.delta(&json!({"key": "turn-1", "text": "look."}));
    narrator.delta(&json!({"key": "turn-1", "tool": "list"}));
    narrator.entry(&answered("turn-1", "I look."));
    narrator.entry(&answered("turn-2", "Done."));
    drop(narrator);
    let told = Arc::try_unwrap(events).unwrap().into_inner().unwrap();
    assert_eq!(told, [saying("I "), saying("look."), Event::Said, saying("Done."), Event::Said]);
}
