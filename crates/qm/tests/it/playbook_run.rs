//! `qm playbook run`: any playbook, with inputs from flags and files.

use serde_json::json;

use crate::stage::Stage;

/// Says of each person of a list whether the directory has them, and never writes.
const WHO: &str = r"
name: who
description: Say who is in the directory.
inputs:
  people:
    description: The people.
    required: true
    type: array
    items:
      type: object
      properties: {email: {type: string}, line: {type: integer}}
      required: [email]
      additionalProperties: false
  greeting: {description: A word., default: Hello}
steps:
  - name: found
    find: {list: lifecycle.list, rows: input.people, value: '{{ row.email }}'}
  - name: told
    report:
      text: '{{ input.greeting }}, {{ steps.found.counts.found }} of them.'
      complete: steps.found.counts.missing == 0
      table:
        in: steps.found.rows
        columns: {line: '{{ row.row.line }}', email: '{{ row.row.email }}', outcome: '{{ row.outcome }}'}
";

#[test]
fn a_playbook_that_ships_runs_with_inputs_in_its_own_types() {
    let stage = Stage::start(&[]);
    let planned = stage.run(&[
        "playbook",
        "run",
        "offboard",
        "--input",
        "email=a.miller@company.com",
        "--input",
        "dry_run=true",
        "-o",
        "json",
    ]);
    let planned = planned.exits(0).json();
    assert_eq!((&planned["state"], &planned["report"]["members"]["dry_run"]), (&json!("done"), &json!(true)));
    assert_eq!(stage.count("suspend"), 0);
    let done = stage.run(&["playbook", "run", "offboard", "-i", "email=a.miller@company.com"]).exits(0);
    assert!(done.out.contains("✓ Successfully suspended"), "{}", done.out);
    assert!(done.err.contains("suspend: users.suspend"), "{}", done.err);
    assert_eq!(stage.count("suspend"), 1);

    let failed = stage.run(&["playbook", "run", "offboard", "-i", "email=nobody@company.com"]).exits(3);
    assert!(failed.err.contains("nobody in the directory") && failed.err.contains("qm runs show"), "{}", failed.err);
    let refused = stage.run(&["playbook", "run", "offboard", "-i", "mail=a@b.c"]).exits(1);
    assert!(refused.err.contains("/input/mail"), "{}", refused.err);
    stage.run(&["playbook", "run", "offbord"]).exits(3);
}

#[test]
fn a_playbook_of_ones_own_takes_a_list_from_a_file() {
    let stage = Stage::start(&[]);
    let playbook = stage.file("who.yaml", WHO);
    let list = stage.file("people.csv", "name;email\nMiller;a.miller@company.com\n\nNobody;nobody@company.com\n");
    let people = format!("people={list}");
    let args = ["playbook", "run", &playbook, "--input-file", &people, "--input", "greeting=5"];
    let told = stage.run(&args).exits(7);
    assert!(told.out.ends_with("! 5, 1 of them.\n"), "a number that is to be a text stays one: {}", told.out);
    assert!(told.err.contains("takes no name"), "{}", told.err);
    let csv = stage.run(&[&args[..], &["-o", "csv"]].concat()).exits(7);
    assert_eq!(csv.out, "line,email,outcome\n2,a.miller@company.com,found\n4,nobody@company.com,missing\n");
    let json_list = stage.file("people.json", r#"[{"email": "a.miller@company.com"}]"#);
    let people = format!("people={json_list}");
    stage.run(&["playbook", "run", &playbook, "--input-file", &people]).exits(0);

    for (input, says) in [("people=/no/such.csv", "the input"), ("people=who.doc", "the input")] {
        let refused = stage.run(&["playbook", "run", &playbook, "--input-file", input]).exits(2);
        assert!(refused.err.contains(says), "{}", refused.err);
    }
    let wrong = stage.file("wrong.yaml", WHO.replace("find:", "fnid:"));
    let refused = stage.run(&["playbook", "run", &wrong]).exits(2);
    assert!(refused.err.contains("did you mean") && refused.err.contains("no run was started"), "{}", refused.err);
}
