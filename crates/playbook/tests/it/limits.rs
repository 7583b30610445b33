//! Limits: at each, and one past it.

use quartermaster_playbook::{
    Action, COLUMNS_MAX, Entry, PAGES_MAX, RATE_LIMITED_MAX, RESULT_MAX_BYTES, ROWS_MAX, STEPS_MAX, STEPS_TAKEN_MAX,
    load,
};
use quartermaster_types::{Code, Problem};
use serde_json::{Value, json};

use crate::world::{START, World, built_in, person, playbook, said, state};

fn errors(text: &str) -> String {
    load("playbook.yaml", text.as_bytes()).1.to_string()
}

#[test]
fn steps() {
    let text = |steps: usize| {
        let each =
            "  - name: each\n    for_each:\n      in: input.rows\n      steps:\n        - {name: inside, wait: 5s}\n";
        let steps: Vec<String> = (2..steps).map(|one| format!("  - {{name: s{one}, wait: 5s}}\n")).collect();
        let steps = steps.concat();
        format!("name: x\ndescription: y\ninputs:\n  rows: {{description: Rows., type: array}}\nsteps:\n{each}{steps}")
    };
    assert_eq!(errors(&text(STEPS_MAX)), "");
    assert!(errors(&text(STEPS_MAX + 1)).contains("a playbook has at most 200 steps, and this one has 201"));
}

#[test]
fn columns_of_a_table() {
    let text = |columns: usize| {
        let columns: Vec<String> = (0..columns).map(|one| format!("c{one}: '{{{{ row.x }}}}'")).collect();
        let table = format!("{{in: input.rows, columns: {{{}}}}}", columns.join(", "));
        format!(
            "name: x\ndescription: y\ninputs:\n  rows: {{description: Rows., type: array}}\nsteps:\n  - name: a\n    report: {{text: t, table: {table}}}\n"
        )
    };
    assert_eq!(errors(&text(COLUMNS_MAX)), "");
    assert!(errors(&text(COLUMNS_MAX + 1)).contains("a table has at most 50 columns"));
}

#[test]
fn steps_taken() {
    // Each round takes two steps, and the last round one.
    let text = |rounds: u32| {
        format!(
            "name: x\ndescription: y\ninputs:\n  n: {{description: N., type: integer, default: 0}}\nsteps:\n  - name: again\n    set: {{n: {{cel: 'has(steps.again.n) ? steps.again.n + 1 : 1'}}}}\n  - name: more\n    check: {{if: 'steps.again.n < {rounds}', then: {{go_to: again}}}}\n"
        )
        .replace("has(steps.again.n)", "has(steps.again)")
    };
    let run = |rounds| state(&playbook(&text(rounds)), json!({})).next();
    assert!(matches!(run(STEPS_TAKEN_MAX / 2), Action::Done { .. }), "{:?}", run(STEPS_TAKEN_MAX / 2));
    assert_eq!(
        said(&run(STEPS_TAKEN_MAX / 2 + 1)),
        "loop_detected: more than 1000 steps were taken: a `go_to` leads in a circle"
    );
}

fn each(rows: usize) -> Action {
    let text = "name: x\ndescription: y\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - name: each\n    for_each:\n      in: input.rows\n      steps:\n        - {name: one, set: {x: '{{ row }}'}}\n  - name: said\n    report: {text: '{{ steps.each.counts.done }} rows'}\n";
    state(&playbook(text), json!({"rows": vec![1; rows]})).next()
}

#[test]
fn rows_of_for_each() {
    assert_eq!(said(&each(ROWS_MAX)), "100000 rows");
    assert_eq!(
        said(&each(ROWS_MAX + 1)),
        "invalid_argument: `for_each`: at most 100000 rows can be worked on, and there are 100001"
    );
}

#[test]
fn rows_of_find() {
    let rows = |number: usize| -> Value { (0..number).map(|one| json!({"email": format!("p{one}@c.com")})).collect() };
    let text = "name: x\ndescription: y\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - name: people\n    find: {list: lifecycle.list, rows: input.rows, value: '{{ row.email }}'}\n  - name: said\n    report: {text: '{{ steps.people.counts.found }} found'}\n";
    let mut at_limit = state(&playbook(text), json!({"rows": rows(ROWS_MAX)}));
    World::new(vec![person("U1", "p99999@c.com", "ACTIVE")]).run(&mut at_limit);
    assert_eq!(said(&at_limit.next()), "1 found");
    let over = state(&playbook(text), json!({"rows": rows(ROWS_MAX + 1)})).next();
    assert_eq!(said(&over), "invalid_argument: `find`: at most 100000 rows can be looked for, and there are 100001");
}

#[test]
fn the_size_of_a_result() {
    let text = "name: x\ndescription: y\nsteps:\n  - name: one\n    call: users.get\n  - name: said\n    report: {text: 'kept'}\n";
    let kept = text.replace("call: users.get", "call: {method: users.get, keep: [id]}");
    let run = |text: &str, bytes: usize| {
        let mut run = state(&playbook(text), json!({}));
        let empty = json!({"result": {"id": "U1", "x": ""}}).to_string().len();
        let result = json!({"result": {"id": "U1", "x": "x".repeat(bytes - empty)}});
        run.apply(&Entry::Finished { key: "one".to_owned(), at: START, result, request_id: None }).unwrap();
        said(&run.next())
    };
    assert_eq!(run(text, RESULT_MAX_BYTES), "kept");
    assert!(
        run(text, RESULT_MAX_BYTES + 1).starts_with("response_too_large: the result has 262145 bytes, at most 262144")
    );
    assert_eq!(run(&kept, RESULT_MAX_BYTES + 1), "kept");
}

#[test]
fn pages_of_find_and_a_cursor_that_comes_twice() {
    let mut run = state(&built_in("offboard"), json!({"email": "p1@company.com"}));
    let page = |number: u32, next: Option<String>| Entry::Finished {
        key: format!("find_person/page-{number}"),
        at: START,
        result: json!({"result": [], "scanned": 1, "next_cursor": next}),
        request_id: None,
    };
    let mut twice = run.clone();
    for number in 1..PAGES_MAX {
        run.apply(&page(number, Some(format!("c{number}")))).unwrap();
    }
    let mut over = run.clone();
    run.apply(&page(PAGES_MAX, None)).unwrap();
    assert!(said(&run.next()).starts_with("not_found"));
    over.apply(&page(PAGES_MAX, Some("more".to_owned()))).unwrap();
    assert!(said(&over.next()).contains("could not be read to its end (too many pages); 10000 records were read"));
    twice.apply(&page(1, Some("c".to_owned()))).unwrap();
    twice.apply(&page(2, Some("c".to_owned()))).unwrap();
    assert!(said(&twice.next()).contains("the same cursor came twice"));
}

#[test]
fn rate_limits_of_one_call() {
    let mut run = state(&built_in("offboard"), json!({"email": "p1@company.com"}));
    for attempt in 1..=RATE_LIMITED_MAX + 1 {
        let Action::Proceed { calls, .. } = run.next() else { panic!("given up at {attempt}") };
        let problem = Problem::upstream(Code::RateLimited, "slowly").with_retry(true, Some(1));
        run.apply(&Entry::Failed { key: calls[0].key.clone(), at: START, problem }).unwrap();
        if let Action::Proceed { waits, .. } = run.next() {
            run.apply(&Entry::Woken { key: waits[0].key.clone(), at: waits[0].until }).unwrap();
        }
    }
    assert_eq!(said(&run.next()), "rate_limited: slowly");
}
