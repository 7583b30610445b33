//! `qm audit`: lists, forms, counts, rate limits.

use serde_json::{Value, json};

use crate::stage::{Stage, finish, run};

fn finding<'a>(report: &'a Value, email: &str) -> &'a Value {
    report["people"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["email"] == email)
        .unwrap_or_else(|| panic!("{email} is not in {report}"))
}

#[test]
fn every_kind_of_person_and_line_is_told_apart_in_one_pass() {
    let stage = Stage::start(&["--twins", "1"]);
    let list = "name,email\nMiller,A.MILLER@company.com\nConnor,sarah.connor@company.com\nGone,gone@company.com\n\
                Twin,twin.0@company.com\nInvited,invited@company.com\nAgain,a.miller@company.com\nBad,nonsense\nShort\n";
    let file = stage.file("leavers.csv", list);
    let before = stage.count("list");
    let output = stage.run(&["audit", &file, "-o", "json"]).exits(7);
    let report = output.json();
    for (email, expected) in [
        ("A.MILLER@company.com", "active"),
        ("sarah.connor@company.com", "suspended"),
        ("gone@company.com", "unknown"),
        ("twin.0@company.com", "ambiguous"),
        ("invited@company.com", "other_state"),
    ] {
        assert_eq!(finding(&report, email)["finding"], expected, "{email}");
    }
    assert_eq!(finding(&report, "A.MILLER@company.com")["also_on_lines"], json!([7]));
    let bad: Vec<_> = report["bad_lines"].as_array().unwrap().iter().map(|bad| bad["line"].clone()).collect();
    assert_eq!(bad, [json!(8), json!(9)]);
    assert_eq!(report["counts"]["directory_people"], 201, "200, less the hidden one, and the twins");
    assert_eq!(stage.count("list") - before, 1, "one page, one call");
    assert_eq!(stage.count("suspend"), 0, "nobody is touched without --suspend");
    assert!(output.err.contains("5 people in the list"), "{}", output.err);
}

#[test]
fn the_shape_of_the_file_does_not_matter() {
    let stage = Stage::start(&[]);
    for (name, bytes, column) in [
        ("comma.csv", &b"email\na.miller@company.com\n"[..], None),
        ("semicolon.csv", b"name;email\nMiller;a.miller@company.com\n", None),
        ("tab.csv", b"name\temail\r\nMiller\ta.miller@company.com\r\n", None),
        ("pipe.csv", b"a.miller@company.com|Miller\n", None),
        ("bom.csv", b"\xEF\xBB\xBFE-Mail\r\n\"a.miller@company.com\"", None),
        ("column.csv", b"boss@company.com,a.miller@company.com\n", Some("2")),
        ("named.csv", b"boss,who\nboss@company.com,a.miller@company.com\n", Some("who")),
        ("latin1.csv", b"email,name\na.miller@company.com,M\xFCller\n", None),
    ] {
        let file = stage.file(name, bytes);
        let mut args = vec!["audit", &file, "-o", "json"];
        args.extend(column.map(|column| ["--column", column]).into_iter().flatten());
        let report = stage.run(&args).exits(0).json();
        assert_eq!(finding(&report, "a.miller@company.com")["finding"], "active", "{name}");
        assert_eq!(report["counts"]["people"], 1, "{name}");
    }
    for (name, bytes, says) in [
        ("empty.csv", &b""[..], "empty"),
        ("noemail.csv", b"name\nMiller\n", "no column has e-mail addresses"),
        ("two.csv", b"a@company.com,b@company.com\n", "--column"),
        ("utf16.csv", b"\xFF\xFEe\0m\0", "UTF-16"),
    ] {
        let file = stage.file(name, bytes);
        let output = stage.run(&["audit", &file]).exits(2);
        assert!(output.err.contains(says), "{name}: {}", output.err);
    }
    stage.run(&["audit", "/no/such/file.csv"]).exits(2);
}

#[test]
fn standard_input_and_every_form_of_report_work() {
    let stage = Stage::start(&[]);
    let mut child = stage.command(&["audit", "-", "-o", "yaml"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"email\na.miller@company.com\n").unwrap();
    let yaml = finish(child).exits(0);
    assert!(yaml.out.contains("source: standard input"), "{}", yaml.out);

    let file = stage.file("list.csv", "email\na.miller@company.com\nsarah.connor@company.com\n");
    let (html, json_file) = (stage.path("r.html"), stage.path("r.json"));
    let reports = format!("{},{}", html.display(), json_file.display());
    let table = finish(stage.command(&["audit", &file]).env("QM_REPORT", reports).spawn().unwrap()).exits(0);
    assert!(table.out.contains("2 people in the list"), "{}", table.out);
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("Anna Miller"));
    let report: Value = serde_json::from_slice(&std::fs::read(json_file).unwrap()).unwrap();
    assert_eq!(report["kind"], "audit");
    let csv = stage.run(&["audit", &file, "--output", "csv"]).exits(0);
    assert!(csv.out.starts_with("line,email,finding,id,"), "{}", csv.out);
    assert!(stage.run(&["audit", &file, "--output", "html"]).exits(0).out.starts_with("<!DOCTYPE html>"));
    stage.run(&["audit", &file, "--report", "r.docx"]).exits(2);
}

#[test]
fn those_still_active_are_suspended_once_and_a_second_run_has_nothing_to_do() {
    let stage = Stage::start(&[]);
    let file = stage.file(
        "list.csv",
        "email\na.miller@company.com\nj.doe@company.com\nsarah.connor@company.com\nowner@company.com\n",
    );
    let output = stage.run(&["audit", &file, "--suspend", "-o", "json"]).exits(7);
    let report = output.json();
    assert_eq!(report["counts"]["suspended_now"], 2);
    assert_eq!(report["counts"]["failed"], 1, "the last owner cannot be suspended");
    assert_eq!(finding(&report, "a.miller@company.com")["state_after"], "SUSPENDED");
    assert_eq!(stage.state("j.doe@company.com"), "SUSPENDED");
    let suspended = stage.count("suspend");
    let again = stage.run(&["audit", &file, "--suspend", "-o", "json"]).exits(7).json();
    assert_eq!(again["counts"]["suspended_now"], 0);
    assert_eq!((&again["counts"]["suspended"], &again["counts"]["active"]), (&json!(3), &json!(1)));
    assert_ne!(again["run"], report["run"]);
    assert_eq!(stage.count("suspend") - suspended, 1, "only the failed one was tried again");
}

#[test]
fn a_sandbox_refuses_and_nothing_is_sent() {
    let stage = Stage::start(&[]);
    stage.run(&["account", "update", &stage.account, "--sandbox", "true"]).exits(0);
    let file = stage.file("list.csv", "email\na.miller@company.com\n");
    let report = stage.run(&["audit", &file, "--suspend", "-o", "json"]).exits(7).json();
    assert_eq!(report["counts"]["failed"], 1);
    assert_eq!(stage.count("suspend"), 0);
    let refused = stage.run(&["offboard", "a.miller@company.com"]).exits(4);
    assert!(refused.err.contains("sandbox"), "{}", refused.err);
}

#[test]
fn rate_limits_are_waited_out_as_told_and_the_report_says_how_long() {
    for headers in ["retry-after", "trio", "structured", "none"] {
        let stage = Stage::start(&["--rate-limit", "5/2s", "--rate-headers", headers]);
        let file = stage.file(
            "list.csv",
            "email\na.miller@company.com\nj.doe@company.com\njsmith@company.com\nb.fischer@company.com\nc.rossi@company.com\n",
        );
        let output = stage.run(&["audit", &file, "--suspend", "-o", "json"]).exits(0);
        let report = output.json();
        assert_eq!(report["counts"]["suspended_now"], 5, "{headers}");
        assert!(report["waits"]["seconds"].as_u64().unwrap() >= 1, "{headers}: {}", report["waits"]);
        assert!(output.err.contains("rate limited: waiting"), "{headers}: {}", output.err);
        assert!(output.err.contains("s in all"), "{headers}: {}", output.err);
    }
}

#[test]
fn patience_has_an_end_and_a_code_of_its_own() {
    let stage = Stage::start(&["--rate-limit", "4/600s", "--rate-headers", "retry-after"]);
    let file = stage.file(
        "list.csv",
        "email\na.miller@company.com\nj.doe@company.com\njsmith@company.com\nb.fischer@company.com\n",
    );
    let output = stage.run(&["audit", &file, "--suspend", "--max-wait", "2s", "-o", "json"]).exits(5);
    assert!(output.err.contains("not finished"), "{}", output.err);
    let report = output.json();
    assert_eq!(report["stopped_code"], "rate_limited");
    let counts = &report["counts"];
    assert!(counts["not_reached"].as_u64().unwrap() > 0, "{counts}");
    let of = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!((of("failed"), of("suspended_now") + of("not_reached")), (0, 4), "a refused call has changed nobody");
    assert!(of("suspended_now") <= stage.count("suspend"), "{counts}");
}

#[test]
fn a_report_without_a_place_is_refused_before_anybody_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    for (report, why) in [("missing/report.html", "there is no folder"), ("taken.html", "is a folder")] {
        let report = folder.path().join(report);
        std::fs::create_dir_all(folder.path().join("taken.html")).unwrap();
        // Neither the list nor a gateway is looked for.
        let output = run(&["audit", "no-such-list.csv", "--suspend", "--report", report.to_str().unwrap()]).exits(2);
        assert!(output.err.contains(why) && output.err.contains("nothing was done"), "{}", output.err);
    }
}
