//! The report for people at a terminal.

use quartermaster_roster::report::{Action, Finding, Line, Report};

use crate::failure::printable;
use crate::output::{self, Rows};
use crate::style::{BAD, GOOD, STRONG, WARN};

/// Bad lines that the table lists; the other forms have all of them.
const BAD_LINES_SHOWN_MAX: usize = 50;

pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    if !report.people.is_empty() {
        let rows = report.people.iter().map(|line| {
            [
                lines(line),
                line.email.clone(),
                line.finding.words().to_owned(),
                line.id.clone().unwrap_or_default(),
                line.display_name.clone().unwrap_or_default(),
                line.action.words().to_owned(),
                line.detail.clone().unwrap_or_default(),
            ]
        });
        text.push_str(&output::table(&Rows::new(["line", "e-mail", "found", "id", "name", "action", "detail"], rows)));
        text.push('\n');
    }
    if !report.bad_lines.is_empty() {
        text.push_str(&format!("{WARN}Lines with something wrong{WARN:#}\n"));
        for bad in report.bad_lines.iter().take(BAD_LINES_SHOWN_MAX) {
            text.push_str(&format!("  line {}: {}\n", bad.line, printable(&bad.reason)));
        }
        if report.bad_lines.len() > BAD_LINES_SHOWN_MAX {
            let more = report.bad_lines.len() - BAD_LINES_SHOWN_MAX;
            text.push_str(&format!("  and {more} more; --output json lists all of them\n"));
        }
        text.push('\n');
    }
    let (style, sign) = if report.is_complete { (GOOD, "✓") } else { (verdict(report), "!") };
    text.push_str(&format!("{style}{sign}{style:#} {STRONG}{}{STRONG:#}\n", printable(&report.text)));
    text
}

fn verdict(report: &Report) -> anstyle::Style {
    if report.people.iter().any(|line| line.action == Action::Failed || line.finding == Finding::Ambiguous) {
        BAD
    } else {
        WARN
    }
}

fn lines(line: &Line) -> String {
    let all = std::iter::once(&line.line).chain(&line.also_on_lines);
    all.map(u64::to_string).collect::<Vec<_>>().join(" ")
}
