use serde_json::json;

use super::*;

fn line(number: u64, email: &str, finding: Finding, action: Action) -> Line {
    Line {
        line: number,
        email: email.to_owned(),
        finding,
        id: (!matches!(finding, Finding::Unknown | Finding::Ambiguous)).then(|| format!("ID{number}")),
        display_name: None,
        state_before: match finding {
            Finding::Active => Some("ACTIVE".to_owned()),
            Finding::Suspended => Some("SUSPENDED".to_owned()),
            Finding::OtherState => Some("INVITED".to_owned()),
            _ => None,
        },
        action,
        state_after: (action == Action::Suspended).then(|| "SUSPENDED".to_owned()),
        at: (action == Action::Suspended).then(|| Timestamp::from_unix_ms(1_700_000_005_000)),
        detail: None,
        also_on_lines: Vec::new(),
    }
}

fn report() -> Report {
    let mut people = vec![
        line(2, "a@x.com", Finding::Active, Action::Suspended),
        line(3, "b@x.com", Finding::Suspended, Action::None),
        line(4, "c@x.com", Finding::Unknown, Action::None),
        line(5, "d@x.com", Finding::Ambiguous, Action::None),
        line(6, "e@x.com", Finding::Active, Action::Failed),
        line(7, "f@x.com", Finding::OtherState, Action::None),
    ];
    people[0].also_on_lines = vec![8, 9];
    people[0].display_name = Some("=HYPERLINK(\"http://evil\")".to_owned());
    people[1].display_name = Some("<script>alert('x')</script> & \"co\"".to_owned());
    people[4].detail = Some("The last owner cannot be suspended, \"never\".".to_owned());
    Report {
        kind: "audit".to_owned(),
        run: "01890000-0000-7000-8000-000000000002".parse().unwrap(),
        text: "6 people in the list, and more.".to_owned(),
        is_complete: false,
        integration: "vendor".to_owned(),
        label: "Vendor".to_owned(),
        account: "01890000-0000-7000-8000-000000000001".parse().unwrap(),
        tenant_id: "acme".to_owned(),
        source: "leavers <1>.csv".to_owned(),
        mode: Mode::Suspend,
        session: "run:01890000-0000-7000-8000-000000000002".to_owned(),
        started_at: Timestamp::from_unix_ms(1_700_000_000_000),
        finished_at: Timestamp::from_unix_ms(1_700_000_010_000),
        stopped: None,
        stopped_code: None,
        counts: Counts {
            rows: 9,
            people: 6,
            duplicated: 1,
            bad_lines: 1,
            active: 2,
            suspended: 1,
            other_state: 1,
            unknown: 1,
            ambiguous: 1,
            suspended_now: 1,
            failed: 1,
            directory_people: 1200,
            directory_pages: 2,
            ..Counts::default()
        },
        waits: Waits { count: 2, seconds: 14 },
        people,
        bad_lines: vec![BadLine { line: 10, reason: "no e-mail address".to_owned(), used: false }],
        notes: Vec::new(),
    }
}

#[test]
fn the_forms_are_stable() {
    let report = report();
    insta::assert_snapshot!("report_csv", report.to_csv().unwrap());
    insta::assert_snapshot!("report_json", report.to_json().unwrap());
    insta::assert_snapshot!("report_html", report.to_html().unwrap());
}

#[test]
fn the_page_escapes_all_that_others_wrote_and_loads_nothing() {
    let html = report().to_html().unwrap();
    assert!(!html.contains("<script"), "names are escaped");
    assert!(html.contains("&#60;script&#62;") || html.contains("&lt;script&gt;"));
    for outside in ["http://", "https://", "src=", "href=", "url(", "@import"] {
        let shown = html.replace("http://evil", "");
        assert!(!shown.contains(outside), "the page needs nothing from outside: {outside}");
    }
}

#[test]
fn a_spreadsheet_runs_no_cell() {
    let csv = report().to_csv().unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    for record in reader.records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }
}

/// What a run of the playbook reports, over these rows.
fn of_run(rows: &[serde_json::Value]) -> RunReport {
    let columns = [
        "line",
        "email",
        "finding",
        "id",
        "display_name",
        "state_before",
        "action",
        "state_after",
        "at",
        "detail",
        "request_id",
        "problem",
    ];
    let table = rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect()).collect();
    let counts = [
        "all",
        "people",
        "active",
        "suspended",
        "other_state",
        "unknown",
        "ambiguous",
        "duplicated",
        "bad_rows",
        "suspended_now",
        "unchanged",
        "failed",
        "not_reached",
    ];
    let counts: serde_json::Map<_, _> = counts.iter().map(|name| ((*name).to_owned(), json!(1))).collect();
    let members = json!({
        "kind": "audit", "integration": "vendor", "label": "Vendor", "account": "01890000-0000-7000-8000-000000000001",
        "tenant_id": "acme", "source": "x.csv", "mode": "suspend", "session": "run:1", "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01Z", "stopped": "no patience", "stopped_code": "rate_limited", "counts": counts,
        "directory_people": 7, "directory_pages": 2, "waits": {"count": 1, "seconds": 5}, "notes": ["a note"],
    });
    RunReport {
        text: "Said.".to_owned(),
        members: members.as_object().unwrap().clone(),
        table: Some(crate::RunTable { columns: columns.map(str::to_owned).to_vec(), rows: table }),
    }
}

fn run() -> Run {
    let id = "01890000-0000-7000-8000-000000000002";
    let run = json!({"id": id, "kind": "playbook", "name": "audit", "token_id": id, "state": "done",
        "created_at": "2026-01-01T00:00:00Z"});
    serde_json::from_value(run).unwrap()
}

#[test]
fn a_run_becomes_a_report_with_one_line_for_each_address() {
    let rows = [
        json!({"line": 2, "email": "a@x.com", "finding": "active", "id": "U1", "state_before": "ACTIVE", "action": "suspended",
            "state_after": "SUSPENDED", "at": "2026-01-01T00:00:01Z", "request_id": "r1"}),
        json!({"line": 3, "email": "", "finding": "invalid", "action": "none", "problem": "no e-mail address"}),
        json!({"line": 4, "email": "A@X.com ", "finding": "duplicate", "action": "none", "problem": "odd"}),
        json!({"email": "b@x.com", "finding": "ambiguous", "action": "none", "detail": "2 people"}),
    ];
    let report = Report::of(&run(), of_run(&rows), false).unwrap();
    assert_eq!(report.people.len(), 2);
    let first = &report.people[0];
    assert_eq!((first.action, first.also_on_lines.as_slice()), (Action::Suspended, &[4][..]));
    assert_eq!(first.detail.as_deref(), Some("request r1"));
    assert_eq!((report.people[1].line, report.people[1].detail.as_deref()), (4, Some("2 people")));
    let bad: Vec<_> = report.bad_lines.iter().map(|bad| (bad.line, bad.used)).collect();
    assert_eq!(bad, [(3, false), (4, true)]);
    assert_eq!((report.stopped_code, report.waits.seconds), (Some(Code::RateLimited), 5));

    let mut other = of_run(&rows);
    other.members.remove("counts");
    assert!(Report::of(&run(), other, true).unwrap_err().to_string().contains("counts"));
    assert!(Report::of(&run(), RunReport { table: None, ..of_run(&rows) }, true).is_err());
}
