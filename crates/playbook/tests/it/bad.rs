//! What people read when a playbook is wrong.

use quartermaster_playbook::load;

/// Wrong playbooks by title. Those whose title begins with `shape:` are refused by the JSON Schema as well.
pub(crate) const CASES: &[(&str, &str)] = &[
    ("shape: not a mapping", "- name: x\n"),
    ("shape: keys that are missing", "name: x\n"),
    ("shape: no steps", "name: x\ndescription: Why.\nsteps: []\n"),
    (
        "shape: an unknown key",
        "name: x\ndescription: Why.\nsteps:\n  - name: a\n    cal: users.list\n    call: users.list\n",
    ),
    ("shape: two verbs", "name: x\ndescription: Why.\nsteps:\n  - name: a\n    call: users.list\n    wait: 5s\n"),
    ("shape: no verb", "name: x\ndescription: Why.\nsteps:\n  - name: a\n    when: 'true'\n"),
    (
        "shape: a turn that is none",
        "name: x\ndescription: Why.\nsteps:\n  - name: a\n    wait: 5s\n    on_error: contine\n",
    ),
    (
        "shape: a turn with two meanings",
        "name: x\ndescription: Why.\nsteps:\n  - name: a\n    wait: 5s\n    on_error: {go_to: a, fail: wrong}\n",
    ),
    (
        "shape: too many rows at the same time",
        "name: x\ndescription: Why.\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - name: a\n    for_each:\n      in: input.rows\n      concurrency: 33\n      steps:\n        - {name: b, wait: 5s}\n",
    ),
    (
        "shape: find without a filter and without rows",
        "name: x\ndescription: Why.\nsteps:\n  - name: a\n    find: {list: users.list}\n",
    ),
    (
        "shape: an unknown problem code",
        "name: x\ndescription: Why.\nsteps:\n  - name: a\n    expect: {that: 'true', otherwise: wrong, code: not_fund}\n",
    ),
    ("a duration that is none", "name: x\ndescription: Why.\npatience: 0s\nsteps:\n  - name: a\n    wait: 400d\n"),
    (
        "names: twice, not snake_case, in rows too",
        "name: x\ndescription: Why.\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - {name: a, wait: 5s}\n  - {name: B-c, wait: 5s}\n  - name: d\n    for_each:\n      in: input.rows\n      steps:\n        - {name: a, wait: 5s}\n",
    ),
    (
        "templates and expressions that do not parse",
        "name: x\ndescription: Why.\nsteps:\n  - name: a\n    when: 1 +\n    call: {method: users.get, with: {id: '{{ input. }}', other: {cel: 'size('}}}\n",
    ),
    (
        "variables that are not there",
        "name: x\ndescription: Why.\ninputs:\n  email: {description: An address.}\nsteps:\n  - name: person\n    when: inputs.email != ''\n    call: {method: users.get, with: {id: '{{ input.emial }}', one: '{{ steps.persn.record.id }}', two: '{{ row.id }}', three: {cel: integration.lable}, four: '{{ email }}', five: {cel: answer.id}, six: {cel: size(steps)}}}\n",
    ),
    (
        "steps of a row are not seen outside of it",
        "name: x\ndescription: Why.\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - name: each\n    for_each:\n      in: input.rows\n      steps:\n        - {name: inside, call: {method: users.get, with: {id: '{{ outer.id }}'}}}\n  - name: after\n    set: {id: '{{ steps.inside.result.id }}'}\n",
    ),
    (
        "going to a step that is not in the list",
        "name: x\ndescription: Why.\nsteps:\n  - name: first\n    check: {if: 'true', then: {go_to: secnd}}\n  - name: second\n    wait: 5s\n",
    ),
    (
        "a list that is computed",
        "name: x\ndescription: Why.\nsteps:\n  - name: each\n    for_each: {in: 'input.rows.filter(r, true)', steps: [{name: a, wait: 5s}]}\n",
    ),
    (
        "for_each three deep",
        "name: x\ndescription: Why.\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - name: a\n    for_each:\n      in: input.rows\n      steps:\n        - name: b\n          for_each:\n            in: row.rows\n            steps:\n              - name: c\n                for_each: {in: row.rows, steps: [{name: d, wait: 5s}]}\n",
    ),
    (
        "keys that go with others",
        "name: x\ndescription: Why.\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - name: a\n    find: {list: users.list, where: {}, at: /email}\n  - name: b\n    find: {list: users.list, rows: input.rows, missing: end}\n    on_error: {go_to: a, code: conflict}\n",
    ),
    (
        "a lifecycle method that is none",
        "name: x\ndescription: Why.\nsteps:\n  - name: a\n    call: lifecycle.suspnd\n",
    ),
    (
        "names that rows have already",
        "name: x\ndescription: Why.\ninputs:\n  rows: {description: Rows., type: array}\nsteps:\n  - name: a\n    for_each:\n      in: input.rows\n      steps: [{name: b, wait: 5s}]\n      collect: {outcome: '{{ row.id }}'}\n",
    ),
    (
        "inputs that are wrong",
        "name: x\ndescription: Why.\ninputs:\n  one: {description: One., type: integer, default: many}\n  two: {description: Two., required: true, default: x}\n  three: {description: Three., schema: {type: nonsense}}\nsteps:\n  - {name: a, wait: 5s}\n",
    ),
];

#[test]
fn every_case_is_told_with_its_place() {
    let mut shown = String::new();
    for (title, text) in CASES {
        let (playbook, problems) = load("playbook.yaml", text.as_bytes());
        assert!(playbook.is_none() && problems.has_errors(), "{title}: no problem was found");
        for problem in problems.iter() {
            assert!(problem.location.is_some(), "{title}: no place");
        }
        shown.push_str(&format!("### {title}\n{}\n", problems.render(false)));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn many_problems_come_at_once_in_the_order_of_the_text() {
    let text = "name: x\nsteps:\n  - name: a\n    when: 1 +\n    cal: users.list\n  - name: a\n    on_error: {go_to: b}\n    call: lifecycle.x\n";
    let (_, problems) = load("playbook.yaml", text.as_bytes());
    let lines: Vec<usize> = problems.iter().filter_map(|one| one.location.as_ref().map(|at| at.line)).collect();
    assert!(lines.is_sorted() && lines.len() >= 6, "{problems}");
}

#[test]
fn what_is_no_text_and_what_is_empty_is_refused_in_words_of_playbooks() {
    let (_, problems) = load("playbook.yaml", b"name: \xff");
    assert!(problems.to_string().contains("the text is not UTF-8"), "{problems}");
    let (_, problems) = load("playbook.yaml", b"");
    assert!(problems.to_string().contains("there is nothing in this playbook"), "{problems}");
    let (_, problems) = load("playbook.yaml", b"name: a\n---\nname: b\n");
    assert!(problems.to_string().contains("a playbook is one YAML document"), "{problems}");
}
