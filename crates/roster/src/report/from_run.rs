//! From what a run reports to the report of an audit.

use std::collections::HashMap;

use quartermaster_client::Run;
use quartermaster_types::{AccountId, Code, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Action, Counts, Finding, Line, Mode, Report, Waits};
use crate::ending::{RunReport, RunTable};
use crate::error::ReportError;
use crate::roster::{BadLine, email_key};

/// The members of the report that the playbook makes.
#[derive(Deserialize)]
struct Members {
    kind: String,
    integration: String,
    label: String,
    account: AccountId,
    tenant_id: String,
    source: String,
    mode: Mode,
    session: String,
    started_at: Timestamp,
    finished_at: Timestamp,
    stopped: Option<String>,
    stopped_code: Option<Code>,
    counts: RunCounts,
    directory_people: u64,
    directory_pages: u64,
    waits: Waits,
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct RunCounts {
    all: usize,
    people: usize,
    active: usize,
    suspended: usize,
    other_state: usize,
    unknown: usize,
    ambiguous: usize,
    duplicated: usize,
    bad_rows: usize,
    suspended_now: usize,
    unchanged: usize,
    failed: usize,
    not_reached: usize,
}

/// What the playbook has under `finding` for a row.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RowFinding {
    Active,
    Suspended,
    OtherState,
    Unknown,
    Ambiguous,
    Duplicate,
    Invalid,
}

/// One row of the report's table.
#[derive(Deserialize)]
struct Row {
    line: Option<u64>,
    email: Option<String>,
    finding: RowFinding,
    id: Option<String>,
    display_name: Option<String>,
    state_before: Option<String>,
    action: Action,
    state_after: Option<String>,
    at: Option<Timestamp>,
    detail: Option<String>,
    request_id: Option<String>,
    problem: Option<String>,
}

pub(super) fn read(run: &Run, report: RunReport, is_complete: bool) -> Result<Report, ReportError> {
    let RunReport { text, members, table } = report;
    let members = Members::deserialize(Value::Object(members)).map_err(ReportError::unreadable)?;
    let (people, bad_lines) = lines(table)?;
    let counts = &members.counts;
    Ok(Report {
        counts: Counts {
            rows: counts.all,
            people: counts.people,
            duplicated: counts.duplicated,
            bad_lines: counts.bad_rows,
            active: counts.active,
            suspended: counts.suspended,
            other_state: counts.other_state,
            unknown: counts.unknown,
            ambiguous: counts.ambiguous,
            suspended_now: counts.suspended_now,
            unchanged: counts.unchanged,
            failed: counts.failed,
            not_reached: counts.not_reached,
            directory_people: members.directory_people,
            directory_pages: members.directory_pages,
        },
        kind: members.kind,
        run: run.summary.id,
        text,
        is_complete,
        integration: members.integration,
        label: members.label,
        account: members.account,
        tenant_id: members.tenant_id,
        source: members.source,
        mode: members.mode,
        session: members.session,
        started_at: members.started_at,
        finished_at: members.finished_at,
        stopped: members.stopped,
        stopped_code: members.stopped_code,
        waits: members.waits,
        people,
        bad_lines,
        notes: members.notes,
    })
}

/// One line for each different address, and the lines with something wrong.
fn lines(table: Option<RunTable>) -> Result<(Vec<Line>, Vec<BadLine>), ReportError> {
    let Some(RunTable { columns, rows }) = table else {
        return Err(ReportError::unreadable("it has no table"));
    };
    let mut people: Vec<Line> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut bad_lines = Vec::new();
    for (number, cells) in (1..).zip(rows) {
        let row: Map<String, Value> = columns.iter().cloned().zip(cells).collect();
        let row = Row::deserialize(Value::Object(row)).map_err(ReportError::unreadable)?;
        // A list that came over the API need not number its lines.
        let line = row.line.unwrap_or(number);
        let email = row.email.unwrap_or_default();
        let finding = match row.finding {
            RowFinding::Active => Finding::Active,
            RowFinding::Suspended => Finding::Suspended,
            RowFinding::OtherState => Finding::OtherState,
            RowFinding::Unknown => Finding::Unknown,
            RowFinding::Ambiguous => Finding::Ambiguous,
            RowFinding::Duplicate => {
                if let Some(place) = places.get(&email_key(&email)) {
                    people[*place].also_on_lines.push(line);
                }
                bad_lines.extend(row.problem.map(|reason| BadLine { line, reason, used: true }));
                continue;
            }
            RowFinding::Invalid => {
                let reason = row.problem.unwrap_or_else(|| "no e-mail address".to_owned());
                bad_lines.push(BadLine { line, reason, used: false });
                continue;
            }
        };
        bad_lines.extend(row.problem.map(|reason| BadLine { line, reason, used: true }));
        places.insert(email_key(&email), people.len());
        let request = row.request_id.map(|request| format!("request {request}"));
        people.push(Line {
            line,
            email,
            finding,
            id: row.id,
            display_name: row.display_name,
            state_before: row.state_before,
            action: row.action,
            state_after: row.state_after,
            at: row.at,
            detail: row.detail.or(request),
            also_on_lines: Vec::new(),
        });
    }
    Ok((people, bad_lines))
}
