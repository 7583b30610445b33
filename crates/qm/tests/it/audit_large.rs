//! `qm audit` of as many lines as a run takes.

use serde_json::json;

use crate::stage::Stage;

/// Lines of the list.
const LINES: usize = 100_000;

#[test]
fn a_list_of_a_hundred_thousand_lines_is_one_run_and_its_report_is_whole() {
    let stage = Stage::start(&["--users", "1000"]);
    // The people of the directory are somewhere among the others.
    let people = stage.run(&["call", "list_all_1_password_users", "limit=1000", "-o", "json"]).exits(0).json();
    let people: Vec<&str> =
        people["result"].as_array().unwrap().iter().map(|person| person["email"].as_str().unwrap()).collect();
    let mut list = String::from("email\n");
    for line in 0..LINES {
        match people.get(line / 50).filter(|_| line % 50 == 0) {
            Some(email) => list.push_str(email),
            None => list.push_str(&format!("somebody.{line}@elsewhere.example")),
        }
        list.push('\n');
    }
    let file = stage.file("everybody.csv", &list);
    let before = stage.count("list");
    let report = stage.run(&["audit", &file, "-o", "json"]).exits(0).json();
    assert_eq!(stage.count("list") - before, 1, "one page, whatever the length of the list");
    assert_eq!(report["people"].as_array().unwrap().len(), LINES);
    let counts = &report["counts"];
    let found = ["active", "suspended", "other_state"].map(|name| counts[name].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!((found, counts["unknown"].as_u64().unwrap()), (people.len() as u64, (LINES - people.len()) as u64));

    // What is shown stays small, and says what it leaves out; the report has all.
    let run = report["run"].as_str().unwrap();
    let shown = stage.run(&["runs", "show", run, "-o", "json"]).exits(0);
    assert!(shown.out.len() < 1024 * 1024, "{} bytes", shown.out.len());
    let shown = shown.json();
    assert_eq!(shown["input_left_out"], json!(["/input/rows"]));
    assert_eq!(shown["rows_left_out"], LINES - 1_000);
    let page = stage.run(&["runs", "export", run, "--format", "html"]).exits(0).out;
    assert!(page.contains("somebody.99999@elsewhere.example"));
    let export = stage.file("run.json", stage.run(&["runs", "export", run]).exits(0).out);
    stage.run(&["runs", "replay", "--file", &export]).exits(0);

    let past = stage.file("past.csv", format!("{list}one.more@elsewhere.example\n"));
    let refused = stage.run(&["audit", &past]).exits(2);
    assert!(refused.err.contains("more than 100000 lines"), "{}", refused.err);
}
