//! `qm audit`: a run of the playbook of that name over a list, watched to its end.

mod table;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use quartermaster_client::{NewRun, Run};
use quartermaster_roster::audit::{self, PLAYBOOK, Wish};
use quartermaster_roster::report::Report;
use quartermaster_roster::{Ending, Telling, roster};
use quartermaster_types::{AccountId, Code};

use crate::arguments::{AuditArguments, ReportFormat};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::style::WARN;
use crate::watched::{self, Watched};

pub(crate) use table::render as table;

pub(crate) async fn run(arguments: &AuditArguments) -> Result<Exit, Failure> {
    let targets = targets(arguments)?;
    let bytes = read(&arguments.file)?;
    let list = roster::read(&bytes, arguments.column.as_deref()).map_err(|error| Failure::usage(error.to_string()))?;
    say_how_read(&list);
    let client = connect::client(&arguments.gateway)?;
    let account = connect::account(&client, &arguments.account).await?;
    let wish = Wish { suspend: arguments.suspend, concurrency: arguments.concurrency };
    let new = new_run(account, &name(&arguments.file), &list, wish, arguments.patience.max_wait.as_secs());
    let telling = |run: &Run| telling(run, &new, arguments.suspend);
    let run = match watched::run(&client, &new, arguments.detach.detach, telling).await? {
        Watched::Ended(run) => run,
        Watched::Left(exit) => return Ok(exit),
    };
    let Some(report) = report(&run)? else {
        let id = run.summary.id;
        output::note(&format!("the run {id} was stopped before there was anything to report; nobody was changed"));
        return Ok(Exit::Interrupted);
    };
    let (printed, written) = (render(&report, arguments.output), write(&report, &targets));
    match arguments.output {
        ReportFormat::Table => output::styled(&printed?)?,
        _ => output::data(&printed?)?,
    }
    written?;
    Ok(conclude(&run, &report, arguments.output))
}

/// The run that audits a list.
pub(crate) fn new_run(
    account: AccountId,
    source: &str,
    list: &roster::Roster,
    wish: Wish,
    patience_seconds: u64,
) -> NewRun {
    let input = audit::input(source, list, wish);
    NewRun { playbook: PLAYBOOK.to_owned(), account, input, patience_seconds: Some(patience_seconds) }
}

/// What is told of the steps of a run of this playbook.
pub(crate) fn telling(run: &Run, new: &NewRun, suspend: bool) -> Telling {
    let active = run.input.pointer("/setting/lifecycle/active").and_then(|state| state.as_str()).unwrap_or_default();
    Telling::List { emails: audit::emails(&new.input), active: active.to_owned(), suspend }
}

/// What a run of this playbook reports; `None` when it was stopped before there was anything to report.
pub(crate) fn report(run: &Run) -> Result<Option<Report>, Failure> {
    let (report, is_complete) = match Ending::of(run)? {
        Ending::Done { is_partial, report } => (report, !is_partial),
        Ending::Stopped { report: None } => return Ok(None),
        Ending::Stopped { report } => (report, false),
        Ending::Failed { problem, .. } => {
            let failure = Failure::of_run(&problem, run.summary.id);
            return Err(match problem.code() {
                Code::RateLimited => failure.hint("Try again later, or allow more with --max-wait."),
                _ => failure,
            });
        }
    };
    let report = report.ok_or_else(|| Failure::failed("the run reports nothing"))?;
    Ok(Some(Report::of(run, report, is_complete)?))
}

/// Says on standard error what matters beside the report, and with which code to end.
fn conclude(run: &Run, report: &Report, format: ReportFormat) -> Exit {
    if format != ReportFormat::Table {
        output::note(&report.text);
    }
    let is_stopped = run.summary.state == "cancelled";
    if is_stopped || report.stopped.is_some() {
        output::note(&format!(
            "{WARN}not finished:{WARN:#} give the same command again to go on; who is suspended already is left alone"
        ));
    }
    match report.stopped_code {
        _ if is_stopped => Exit::Interrupted,
        Some(Code::RateLimited) => Exit::RateLimited,
        _ if report.is_complete => Exit::Ok,
        _ => Exit::Partial,
    }
}

/// The list's bytes; one more than the limit is enough to know that it is too large.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let most = roster::CSV_MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::usage(format!("the list {} cannot be read: {error}", file.display())))?;
    Ok(bytes)
}

fn name(file: &Path) -> String {
    if file.as_os_str() == "-" {
        return "standard input".to_owned();
    }
    file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn say_how_read(list: &roster::Roster) {
    let (number, name) = &list.column;
    let name = name.as_ref().map(|name| format!(" ({})", crate::failure::printable(name))).unwrap_or_default();
    let lines = if list.rows == 1 { "line" } else { "lines" };
    output::note(&format!("{} {lines}, e-mail addresses in column {number}{name}", list.rows));
    for remark in &list.notes {
        output::note(&format!("{WARN}note:{WARN:#} {}", crate::failure::printable(remark)));
    }
}

/// The report files with their forms; refused before any work when a form is unknown or the file has no place.
fn targets(arguments: &AuditArguments) -> Result<Vec<(PathBuf, ReportFormat)>, Failure> {
    let form = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        let form = match ending.as_str() {
            "html" | "htm" => ReportFormat::Html,
            "json" => ReportFormat::Json,
            "yaml" | "yml" => ReportFormat::Yaml,
            "csv" => ReportFormat::Csv,
            "txt" => ReportFormat::Table,
            _ => {
                return Err(Failure::usage(format!(
                    "--report {}: end the name in .html, .json, .yaml, .csv or .txt",
                    path.display()
                )));
            }
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() || path.is_dir() {
            let why = if path.is_dir() {
                "is a folder".to_owned()
            } else {
                format!("there is no folder {}", folder.display())
            };
            return Err(Failure::usage(format!("--report {}: {why}; nothing was done", path.display())));
        }
        Ok((path.clone(), form))
    };
    arguments.report.iter().map(form).collect()
}

fn write(report: &Report, targets: &[(PathBuf, ReportFormat)]) -> Result<(), Failure> {
    for (path, format) in targets {
        let text = render(report, *format)?;
        // Colours are for terminals; only the form for people has any.
        let text = if *format == ReportFormat::Table { anstream::adapter::strip_str(&text).to_string() } else { text };
        std::fs::write(path, text).map_err(Failure::io(format!("writing {}", path.display())))?;
        output::note(&format!("report written to {}", path.display()));
    }
    Ok(())
}

/// The report in the form that was asked for.
pub(crate) fn render(report: &Report, format: ReportFormat) -> Result<String, Failure> {
    Ok(match format {
        ReportFormat::Table => table(report),
        ReportFormat::Json => output::json(report)?,
        ReportFormat::Yaml => output::yaml(report)?,
        ReportFormat::Csv => report.to_csv()?,
        ReportFormat::Html => report.to_html()?,
    })
}
