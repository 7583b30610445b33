//! What each step does.

use quartermaster_playbook::{Action, Call, Entry, Report, State};
use quartermaster_types::{Code, Problem};
use serde_json::{Value, json};

use crate::world::{START, World, person, playbook, said, state};

const HEAD: &str = "name: x\ndescription: y\ninputs:\n  rows: {description: Rows., type: array, default: []}\n  n: {description: N., type: integer, default: 3}\n  at: {description: A time., default: ''}\nsteps:\n";

fn begin(steps: &str, input: Value) -> State {
    state(&playbook(&format!("{HEAD}{steps}")), input)
}

fn calls(state: &State) -> Vec<Call> {
    match state.next() {
        Action::Proceed { calls, .. } => calls,
        other => panic!("{other:?}"),
    }
}

fn finish(state: &mut State, key: &str, result: Value) {
    state.apply(&Entry::Finished { key: key.to_owned(), at: START, result, request_id: None }).unwrap();
}

fn fail(state: &mut State, key: &str, code: Code) {
    let problem = Problem::upstream(code, "no").with_retry(false, None);
    state.apply(&Entry::Failed { key: key.to_owned(), at: START, problem }).unwrap();
}

fn report(state: &State) -> Report {
    match state.next() {
        Action::Done { report: Some(report), .. } => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_keep_their_types_and_texts_are_put_together() {
    let steps = "  - name: a\n    call:\n      method: users.get\n      with: {id: '{{ input.n }}', text: 'n is {{ input.n }}', list: ['{{ input.n }}', 1], deep: {x: {cel: input.n * 2}}, plain: true}\n      expect: {state: ACTIVE}\n      account: 'account-{{ input.n }}'\n      dry_run: true\n";
    let call = calls(&begin(steps, json!({}))).remove(0);
    assert_eq!(
        serde_json::to_value(call).unwrap(),
        json!({
            "key": "a", "account": "account-3", "resource": "users", "method": "get",
            "arguments": {"id": 3, "text": "n is 3", "list": [3, 1], "deep": {"x": 6}, "plain": true},
            "expect": {"state": "ACTIVE"}, "dry_run": true,
        })
    );
}

#[test]
fn a_value_that_is_not_there_fails_the_step_and_says_which() {
    let steps = "  - name: a\n    call: users.get\n    on_error: continue\n  - name: b\n    call: {method: users.get, with: {id: '{{ steps.a.result.id }}'}}\n";
    let mut run = begin(steps, json!({}));
    finish(&mut run, "a", json!({"result": {"name": "x"}}));
    assert_eq!(said(&run.next()), "invalid_argument: `call`: `steps.a.result.id` has no value");
}

#[test]
fn errors_stop_continue_go_on_elsewhere_end_or_fail_in_other_words() {
    let run = |turn: &str| {
        let steps = format!(
            "  - name: a\n    call: users.get\n    on_error: {turn}\n  - name: b\n    report: {{text: 'went on after {{{{ steps.a.error.code }}}}'}}\n  - name: c\n    check: {{if: 'true', then: end}}\n  - name: d\n    report: {{text: elsewhere}}\n"
        );
        let mut run = begin(&steps, json!({}));
        fail(&mut run, "a", Code::NotFound);
        run.next()
    };
    assert_eq!(said(&run("stop")), "not_found: no");
    assert_eq!(said(&run("continue")), "went on after not_found");
    assert_eq!(said(&run("{go_to: d}")), "elsewhere");
    assert!(matches!(run("end"), Action::Done { report: None, .. }));
    assert_eq!(said(&run("{fail: 'nobody: {{ steps.a.error.detail }}', code: conflict}")), "conflict: nobody: no");
}

#[test]
fn a_step_is_skipped_when_its_condition_does_not_hold() {
    let steps = "  - name: a\n    when: input.n > 5\n    call: users.get\n  - name: b\n    report: {text: '{{ steps.a.outcome }}'}\n";
    assert_eq!(report(&begin(steps, json!({}))).text, "skipped");
    assert_eq!(calls(&begin(steps, json!({"n": 6}))).len(), 1);
}

#[test]
fn a_check_without_a_turn_goes_on_and_a_stop_says_where() {
    let steps = "  - name: a\n    check: {if: input.n == 3, else: stop}\n  - name: b\n    report: {text: '{{ steps.a.holds }}'}\n";
    assert_eq!(report(&begin(steps, json!({}))).text, "true");
    assert_eq!(said(&begin(steps, json!({"n": 4})).next()), "precondition_failed: the playbook stops at its step `a`");
}

#[test]
fn waits_last_their_time_and_a_time_that_has_passed_is_none() {
    let mut run = begin("  - name: a\n    wait: 15m\n  - name: b\n    report: {text: '{{ run.now }}'}\n", json!({}));
    let Action::Proceed { calls, waits, .. } = run.next() else { panic!() };
    assert!(calls.is_empty() && !waits[0].pause);
    assert_eq!((waits[0].key.as_str(), waits[0].until), ("a", START.plus_ms(900_000)));
    run.apply(&Entry::Woken { key: "a".to_owned(), at: START.plus_ms(900_000) }).unwrap();
    assert_eq!(report(&run).text, START.plus_ms(900_000).to_string());
    let until = "  - name: a\n    wait: {until: '{{ input.at }}'}\n  - name: b\n    report: {text: done}\n";
    assert_eq!(report(&begin(until, json!({"at": "2020-01-01T00:00:00Z"}))).text, "done");
    assert!(matches!(begin(until, json!({"at": "2026-06-01T00:00:00Z"})).next(), Action::Proceed { .. }));
    assert!(said(&begin(until, json!({"at": "2036-06-01T00:00:00Z"})).next()).contains("more than a year away"));
    assert!(said(&begin(until, json!({"at": "tomorrow"})).next()).contains("\"tomorrow\" is not a time"));
}

#[test]
fn rows_run_beside_each_other_up_to_the_limit_and_come_in_their_order() {
    let steps = "  - name: each\n    for_each:\n      in: input.rows\n      concurrency: 2\n      steps:\n        - name: get\n          call: {method: users.get, with: {id: '{{ row }}'}}\n      collect: {name: '{{ steps.get.result.name }}', missing: '{{ steps.get.result.nothing }}'}\n  - name: said\n    report: {text: done, members: {rows: '{{ steps.each.rows }}', counts: '{{ steps.each.counts }}'}}\n";
    let mut run = begin(steps, json!({"rows": ["U1", "U2", "U3"]}));
    let keys = |run: &State| calls(run).into_iter().map(|call| call.key).collect::<Vec<_>>();
    assert_eq!(keys(&run), ["each/0/get", "each/1/get"]);
    finish(&mut run, "each/1/get", json!({"result": {"name": "two"}}));
    assert_eq!(keys(&run), ["each/0/get", "each/2/get"]);
    fail(&mut run, "each/2/get", Code::NotFound);
    finish(&mut run, "each/0/get", json!({"result": {"name": "one"}}));
    let members = report(&run).members;
    assert_eq!(members["counts"], json!({"all": 3, "done": 2, "failed": 1, "skipped": 0, "not_reached": 0}));
    let rows = members["rows"].as_array().unwrap();
    assert_eq!((&rows[0]["name"], &rows[1]["name"], &rows[2]["name"]), (&json!("one"), &json!("two"), &Value::Null));
    assert_eq!(rows[2]["error"], json!({"code": "not_found", "detail": "no"}));
    assert!(matches!(run.next(), Action::Done { outcome: quartermaster_playbook::Outcome::Partial, .. }));
}

#[test]
fn the_first_failed_row_can_stop_the_step() {
    let steps = "  - name: each\n    on_error: continue\n    for_each:\n      in: input.rows\n      concurrency: 1\n      on_row_error: stop\n      steps:\n        - name: get\n          call: {method: users.get, with: {id: '{{ row }}'}}\n  - name: said\n    report: {text: '{{ steps.each.error.detail }}, {{ steps.each.counts.not_reached }} not reached'}\n";
    let mut run = begin(steps, json!({"rows": ["U1", "U2", "U3"]}));
    fail(&mut run, "each/0/get", Code::NotFound);
    assert_eq!(report(&run).text, "no, 2 not reached");
}

#[test]
fn rows_inside_rows_see_both() {
    let steps = "  - name: teams\n    for_each:\n      in: input.rows\n      steps:\n        - name: people\n          for_each:\n            in: row.people\n            steps:\n              - name: add\n                call: {method: teams.add, with: {id: '{{ row }}', team: '{{ outer.team }}'}}\n";
    let run = begin(steps, json!({"rows": [{"team": "T1", "people": ["U1", "U2"]}, {"team": "T2", "people": ["U3"]}]}));
    let seen: Vec<String> =
        calls(&run).iter().map(|call| format!("{} {}", call.key, Value::Object(call.arguments.clone()))).collect();
    assert_eq!(
        seen,
        [
            r#"teams/0/people/0/add {"id":"U1","team":"T1"}"#,
            r#"teams/0/people/1/add {"id":"U2","team":"T1"}"#,
            r#"teams/1/people/0/add {"id":"U3","team":"T2"}"#,
        ]
    );
}

#[test]
fn a_step_that_is_taken_again_has_calls_of_its_own() {
    let steps = "  - name: look\n    call: users.get\n  - name: ready\n    check: {if: steps.look.result.ready, then: {go_to: done}}\n  - name: pause\n    wait: 5s\n  - name: again\n    check: {if: 'true', then: {go_to: look}}\n  - name: done\n    report: {text: ready}\n";
    let mut run = begin(steps, json!({}));
    finish(&mut run, "look", json!({"result": {"ready": false}}));
    run.apply(&Entry::Woken { key: "pause".to_owned(), at: START.plus_ms(5_000) }).unwrap();
    assert_eq!(calls(&run)[0].key, "look#2");
    finish(&mut run, "look#2", json!({"result": {"ready": true}}));
    assert_eq!(report(&run).text, "ready");
}

#[test]
fn one_of_another_resource_is_found_by_its_filter_and_its_id() {
    let steps = "  - name: team\n    find: {list: teams.list, where: {name: Ops}, id: /key, keep: [key, name], missing: {go_to: none}}\n  - name: said\n    report: {text: '{{ steps.team.record.key }}', members: {record: '{{ steps.team.record }}'}}\n  - name: over\n    check: {if: 'true', then: end}\n  - name: none\n    report: {text: 'none of {{ steps.team.scanned }}'}\n";
    let mut run = begin(steps, json!({}));
    let mut other = run.clone();
    assert_eq!(calls(&run)[0].arguments, *json!({"name": "Ops", "limit": 100}).as_object().unwrap());
    finish(&mut run, "team/page-1", json!({"result": [{"key": 7, "name": "Ops", "secret": 1}], "next_cursor": null}));
    assert_eq!(report(&run).members["record"], json!({"key": 7, "name": "Ops"}));
    finish(&mut other, "team/page-1", json!({"result": [], "next_cursor": null, "scanned": 12}));
    assert_eq!(report(&other).text, "none of 12");
}

#[test]
fn a_list_that_stops_early_or_has_records_without_an_id_finds_nobody() {
    let steps = "  - name: team\n    find: {list: teams.list, where: {name: Ops}}\n";
    let run = |page: Value| {
        let mut run = begin(steps, json!({}));
        finish(&mut run, "team/page-1", page);
        said(&run.next())
    };
    assert_eq!(
        run(
            json!({"result": [{"id": "T1"}], "next_cursor": null, "is_partial": true, "stopped_because": "scan bound", "scanned": 9})
        ),
        "upstream_invalid: the list could not be read to its end (scan bound); 9 records were read"
    );
    assert_eq!(run(json!({"result": [{}]})), "upstream_invalid: the directory's answer has a record without /id");
    assert_eq!(run(json!({"result": []})), "not_found: nothing in teams.list is as asked (0 records were looked at)");
    assert_eq!(
        run(json!({"result": [{"id": "T1"}, {"id": "T2"}, {"id": "T1"}]})),
        "conflict: 2 records in teams.list are as asked: T1, T2"
    );
}

#[test]
fn an_integration_without_people_fails_what_needs_them() {
    let playbook = crate::world::built_in("offboard");
    let setting = quartermaster_playbook::Setting { lifecycle: None, ..crate::world::setting() };
    let input = crate::world::object(json!({"email": "a@b.c"}));
    let run = State::new(playbook, setting, &input).unwrap();
    assert_eq!(
        said(&run.next()),
        "unsupported: the integration acme has no people to work on: its definition has no `lifecycle`"
    );
}

#[test]
fn input_is_checked_before_anything_is_done() {
    let playbook = crate::world::built_in("offboard");
    let refused = |input: Value| playbook.input(&crate::world::object(input)).unwrap_err();
    assert_eq!(refused(json!({})).errors[0].pointer, "/email");
    let problem = Problem::from(refused(json!({"email": "no address", "dry": true})));
    let places: Vec<&str> = problem.body().errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!((problem.code(), places.len()), (Code::InvalidArgument, 2), "{problem:?}");
    assert!(places.contains(&"/dry") && places.contains(&"/email"));
    let given = crate::world::object(json!({"email": "a@b.c", "dry_run": null}));
    assert_eq!(playbook.input(&given).unwrap()["dry_run"], json!(false));
}

#[test]
fn reads_that_fail_for_a_while_are_made_again_and_writes_are_not() {
    let mut world = World::new(vec![person("U1", "a@b.c", "ACTIVE")]);
    let gone = || crate::world::Fault::Refused(Problem::upstream(Code::UpstreamUnavailable, "down"));
    for key in ["get", "get~2"] {
        world.faults.insert(key.to_owned(), gone());
    }
    world.faults.insert("suspend".to_owned(), gone());
    let steps = "  - name: get\n    call: {method: users.get, with: {id: U1}}\n  - name: suspend\n    call: {method: users.suspend, with: {id: U1}}\n";
    let mut run = begin(steps, json!({}));
    world.run(&mut run);
    assert_eq!(said(&run.next()), "upstream_unavailable: down");
    assert_eq!(world.calls, ["get users.get", "get~2 users.get", "get~3 users.get", "suspend users.suspend"]);
}
