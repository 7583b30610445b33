//! The report as CSV.

use super::{Line, Report};
use crate::error::ReportError;

const HEADER: [&str; 11] = [
    "line",
    "email",
    "finding",
    "id",
    "display_name",
    "state_before",
    "action",
    "state_after",
    "at",
    "also_on_lines",
    "detail",
];

pub(super) fn render(report: &Report) -> Result<String, ReportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| ReportError::render(error);
    writer.write_record(HEADER).map_err(failed)?;
    for line in &report.people {
        writer.write_record(person(line)).map_err(failed)?;
    }
    for bad in report.bad_lines.iter().filter(|bad| !bad.used) {
        let mut record = vec![String::new(); HEADER.len()];
        record[0] = bad.line.to_string();
        "bad line".clone_into(&mut record[2]);
        record[HEADER.len() - 1] = harmless(&bad.reason);
        writer.write_record(record).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(ReportError::render)?;
    String::from_utf8(bytes).map_err(ReportError::render)
}

fn person(line: &Line) -> [String; HEADER.len()] {
    let text = |value: &Option<String>| value.as_deref().map(harmless).unwrap_or_default();
    let also: Vec<String> = line.also_on_lines.iter().map(u64::to_string).collect();
    [
        line.line.to_string(),
        harmless(&line.email),
        line.finding.words().to_owned(),
        text(&line.id),
        text(&line.display_name),
        text(&line.state_before),
        line.action.words().to_owned(),
        text(&line.state_after),
        line.at.map(|at| at.to_string()).unwrap_or_default(),
        also.join(" "),
        text(&line.detail),
    ]
}

/// Spreadsheets run a cell that begins like a formula; names come from the directory, so anybody may have chosen them.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
