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
        kind: "audit",
        integration: "vendor".to_owned(),
        label: "Vendor".to_owned(),
        account: "01890000-0000-7000-8000-000000000001".parse().unwrap(),
        tenant_id: "acme".to_owned(),
        source: "leavers <1>.csv".to_owned(),
        mode: Mode::Suspend,
        session: "playbook-1".to_owned(),
        started_at: Timestamp::from_unix_ms(1_700_000_000_000),
        finished_at: Timestamp::from_unix_ms(1_700_000_010_000),
        resumed: false,
        stopped: None,
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
fn the_summary_says_everything_that_matters() {
    let mut report = report();
    insta::assert_snapshot!(report.summary(), @"6 people in the list, 1200 in Vendor: 2 active, 1 suspended, 1 unknown, 1 in another state, 1 ambiguous, 1 on several lines, 1 bad line. 1 suspended by this run, 1 failed. Rate limits were waited out 2 times, 14 s in all.");
    report.stopped = Some(StopReason::Interrupted);
    assert!(report.summary().ends_with("Stopped before the end: interrupted."));
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

#[test]
fn complete_means_that_nothing_is_left_to_look_at() {
    let mut report = report();
    assert!(!report.is_complete());
    report.counts = Counts { people: 3, active: 1, suspended_now: 1, unknown: 1, ..Counts::default() };
    assert!(report.is_complete(), "somebody unknown is a finding, not a failure");
    for spoil in [
        (|counts: &mut Counts| counts.bad_lines = 1) as fn(&mut Counts),
        |counts| counts.ambiguous = 1,
        |counts| counts.failed = 1,
        |counts| counts.not_reached = 1,
    ] {
        let mut spoiled = report.clone();
        spoil(&mut spoiled.counts);
        assert!(!spoiled.is_complete());
    }
    report.stopped = Some(StopReason::Interrupted);
    assert!(!report.is_complete());
}
