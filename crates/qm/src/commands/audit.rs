//! `qm audit`.

mod table;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use quartermaster_roster::audit::{self, Job, Writes};
use quartermaster_roster::report::{Report, StopReason};
use quartermaster_roster::{Patience, roster};
use quartermaster_types::AccountId;

use crate::arguments::{AuditArguments, ReportFormat};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::style::WARN;
use crate::watch::{Watch, stop_on_interrupt};

pub(crate) use table::render as table;

/// Digits of the work's hash in the name of its journal.
const HASH_DIGITS: usize = 16;

pub(crate) async fn run(arguments: &AuditArguments) -> Result<Exit, Failure> {
    let targets = targets(arguments)?;
    let bytes = read(&arguments.file)?;
    let list = roster::read(&bytes, arguments.column.as_deref()).map_err(quartermaster_roster::AgentError::from)?;
    say_how_read(&list);
    let watch = Watch::new();
    let progress = watch.progress();
    let patience = Patience::new(arguments.patience.max_wait, progress.clone());
    let stop = stop_on_interrupt()?;
    let work = async {
        let session = connect::session(&arguments.gateway, &arguments.account, patience, progress, stop).await?;
        let suspend = arguments.suspend.then(|| writes(arguments, &bytes, session.account.id));
        let journal = suspend.as_ref().map(|writes| writes.journal.clone());
        let job = Job { source: name(&arguments.file), roster: list, suspend };
        Ok::<_, Failure>((audit::run(&session, job).await?, journal))
    };
    let done = tokio::select! {
        done = work => done,
        () = watch.tick() => Err(Failure::failed("the clock stopped")),
    };
    watch.finish();
    let (report, journal) = done?;
    let (printed, written) = (render(&report, arguments.output), write(&report, &targets));
    match arguments.output {
        ReportFormat::Table => output::styled(&printed?)?,
        _ => output::data(&printed?)?,
    }
    written?;
    Ok(conclude(&report, journal.as_deref(), arguments.output))
}

/// Says on standard error what matters beside the report, and with which code to end.
fn conclude(report: &Report, journal: Option<&Path>, format: ReportFormat) -> Exit {
    if format != ReportFormat::Table {
        output::note(&report.summary());
    }
    match &report.stopped {
        Some(reason) => {
            if let Some(journal) = journal {
                output::note(&format!(
                    "{WARN}not finished:{WARN:#} give the same command again to go on (journal {})",
                    journal.display()
                ));
            }
            match reason {
                StopReason::Interrupted => Exit::Interrupted,
                StopReason::RateLimited(_) => Exit::RateLimited,
                StopReason::Journal(_) => Exit::Failed,
            }
        }
        None => {
            if let Some(journal) = journal.filter(|journal| journal.exists()) {
                output::note(&format!("finished; the journal {} is not needed any more", journal.display()));
            }
            if report.is_complete() { Exit::Ok } else { Exit::Partial }
        }
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

fn writes(arguments: &AuditArguments, bytes: &[u8], account: AccountId) -> Writes {
    let work = audit::work_hash(bytes, account);
    let journal = arguments.journal.clone().unwrap_or_else(|| {
        let tail = format!("qm-{}.journal", &work[..HASH_DIGITS]);
        if arguments.file.as_os_str() == "-" {
            return PathBuf::from(tail);
        }
        arguments.file.with_file_name(format!("{}.{tail}", name(&arguments.file)))
    });
    Writes { concurrency: usize::from(arguments.concurrency), journal, work }
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
