//! `qm audit-log verify`, `export`, `key` and `prune`: the whole log, a page or a line at a time.

use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use quartermaster_audit_chain::{
    Checkpoint, CheckpointKind, Line, ReadError, Record, Report, Trusted, Verifier, read_line,
};
use quartermaster_client::{AuditPruned, Client};
use quartermaster_types::Timestamp;

use crate::arguments::{
    AuditExportArguments, AuditExportFormat, AuditVerifyArguments, GatewayArguments, OutputArguments,
};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Rows, show, styled};

/// Work shorter than this shows no progress.
const QUIET: Duration = Duration::from_secs(1);

/// Columns of the CSV form.
const COLUMNS: [&str; 19] = [
    "sequence",
    "id",
    "at",
    "request_id",
    "token_id",
    "session",
    "door",
    "action",
    "account_id",
    "target",
    "arguments",
    "before",
    "after",
    "decision",
    "outcome",
    "code",
    "upstream_calls",
    "duration_ms",
    "hash",
];

/// Progress on standard error, once there is something to wait for.
struct Counter {
    bar: ProgressBar,
    started: Instant,
    records: u64,
}

impl Counter {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::default_spinner());
        Self { bar, started: Instant::now(), records: 0 }
    }

    fn see(&mut self, line: &Line) {
        match line {
            Line::Chain(header) => self.bar.set_length(u64::try_from(header.head).unwrap_or(0)),
            Line::Record(_) => self.records += 1,
            _ => {}
        }
        if self.records % 500 == 1 && self.started.elapsed() > QUIET {
            if self.bar.is_hidden() && io::stderr().is_terminal() {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            let all = self.bar.length().unwrap_or(0);
            self.bar.set_message(format!("{} of {} records", HumanCount(self.records), HumanCount(all)));
            self.bar.tick();
        }
    }
}

/// Hands every line of the gateway's log over.
async fn each(client: &Client, mut take: impl FnMut(Line) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut cursor: Option<String> = None;
    loop {
        let page = client.audit_export(cursor.as_deref()).await?;
        for line in page.result {
            take(line)?;
        }
        if page.next_cursor.is_none() || page.next_cursor == cursor {
            return Ok(());
        }
        cursor = page.next_cursor;
    }
}

pub(super) async fn verify(arguments: &AuditVerifyArguments) -> Result<Exit, Failure> {
    let checkpoint = arguments.kept.as_deref().map(kept).transpose()?;
    let mut verifier = Verifier::new(Trusted { public_key: arguments.key, checkpoint });
    let mut counter = Counter::new();
    match &arguments.file {
        Some(file) => verify_lines(&mut *open(file)?, file, &mut verifier, &mut counter)?,
        None => {
            let client = connect::client(&arguments.gateway)?;
            each(&client, |line| {
                counter.see(&line);
                verifier.line(&line);
                Ok(())
            })
            .await?;
        }
    }
    counter.bar.finish_and_clear();
    let report = verifier.finish();
    match arguments.output.output {
        crate::output::Format::Table => styled(&told(&report, arguments.key.is_some()))?,
        form => show(form, &report, || rows(&report))?,
    }
    Ok(if report.intact { Exit::Ok } else { Exit::NotProven })
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = std::fs::File::open(file).map_err(Failure::io(format!("opening {}", file.display())))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn verify_lines(
    mut reader: &mut dyn BufRead,
    file: &Path,
    verifier: &mut Verifier,
    counter: &mut Counter,
) -> Result<(), Failure> {
    let (mut buffer, mut number) = (Vec::new(), 0_u64);
    loop {
        number += 1;
        match read_line(&mut reader, &mut buffer) {
            Ok(None) => return Ok(()),
            Ok(Some(line)) => {
                counter.see(&line);
                verifier.line(&line);
            }
            Err(ReadError::Io(error)) => return Err(Failure::io(format!("reading {}", file.display()))(error)),
            Err(error) => {
                verifier.unreadable(&format!("line {number}"), &error.to_string());
                if matches!(error, ReadError::TooLong) {
                    return Ok(());
                }
            }
        }
    }
}

/// The last signed checkpoint of an earlier export.
fn kept(file: &Path) -> Result<Checkpoint, Failure> {
    let (mut reader, mut buffer) = (open(file)?, Vec::new());
    let (mut signer, mut last) = (None, None);
    loop {
        match read_line(&mut reader, &mut buffer) {
            Ok(None) => break,
            Ok(Some(Line::Chain(header))) => signer = Some((header.environment_id, header.public_key)),
            Ok(Some(Line::Checkpoint(checkpoint)))
                if checkpoint.kind == CheckpointKind::Head
                    && signer.is_some_and(|(environment, key)| checkpoint.is_signed(environment, &key)) =>
            {
                last = Some(checkpoint);
            }
            Ok(Some(_)) => {}
            Err(error) => return Err(Failure::failed(format!("{}: {error}", file.display()))),
        }
    }
    last.ok_or_else(|| Failure::failed(format!("{} has no signed checkpoint to compare with", file.display())))
}

fn rows(report: &Report) -> Rows {
    Rows::new(
        ["kind", "sequence", "through", "id", "at", "detail"],
        report.findings.iter().map(|finding| {
            [
                finding.kind.as_str().to_owned(),
                finding.sequence.map(|number| number.to_string()).unwrap_or_default(),
                finding.through.map(|number| number.to_string()).unwrap_or_default(),
                finding.id.map(|id| id.to_string()).unwrap_or_default(),
                finding.at.map(|at| at.to_string()).unwrap_or_default(),
                finding.detail.clone(),
            ]
        }),
    )
}

/// The report for people.
fn told(report: &Report, key_given: bool) -> String {
    let (good, bad) = (crate::style::GOOD, crate::style::BAD);
    let mut text = String::new();
    for finding in &report.findings {
        let place = match (finding.id, finding.at) {
            (Some(id), Some(at)) => format!(" ({id}, {at})"),
            _ => String::new(),
        };
        let line = format!("{}: {}{place}", finding.kind.as_str(), finding.detail);
        text.push_str(&format!("{bad}✗{bad:#} {}\n", crate::failure::printable(&line)));
    }
    if report.more_findings > 0 {
        text.push_str(&format!("{bad}✗{bad:#} and {} more\n", report.more_findings));
    }
    match (report.intact, report.first, report.last) {
        (true, Some(first), Some(last)) => {
            text.push_str(&format!(
                "{good}✓{good:#} records {first} to {last}: none changed, removed, added or moved\n"
            ));
        }
        (true, ..) => text.push_str(&format!("{good}✓{good:#} the log has no records\n")),
        (false, ..) => text.push_str(&format!("{bad}✗{bad:#} the log does not hold\n")),
    }
    for range in &report.dropped {
        text.push_str(&format!(
            "  records {} to {} were dropped on {} (signed)\n",
            range.first, range.through, range.at
        ));
    }
    if let (Some(through), Some(at)) = (report.proven_through, report.proven_at) {
        text.push_str(&format!("  signed checkpoints prove it up to record {through} ({at})\n"));
    }
    if report.unproven > 0 {
        text.push_str(&format!(
            "  the last {} records have no checkpoint yet: that some behind them were removed could not be seen\n",
            report.unproven
        ));
    }
    if report.unchained > 0 {
        text.push_str(&format!("  {} records are from before the chain; nothing proves them\n", report.unchained));
    }
    if let Some(key) = report.public_key.filter(|_| !key_given) {
        text.push_str(&format!(
            "  the log's own key was taken: compare {key} with the one you know, or give it with --key\n"
        ));
    }
    text
}

pub(super) async fn export(arguments: &AuditExportArguments) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let out: Box<dyn Write> = match &arguments.to {
        Some(file) => {
            Box::new(std::fs::File::create_new(file).map_err(Failure::io(format!("making {}", file.display())))?)
        }
        None => Box::new(io::stdout()),
    };
    let mut out = BufWriter::new(out);
    let written = match arguments.format {
        AuditExportFormat::Jsonl => export_lines(&client, &mut out).await,
        AuditExportFormat::Csv => export_csv(&client, &mut out).await,
    };
    match written.and_then(|()| out.flush().map_err(Written::Io)) {
        Ok(()) => Ok(Exit::Ok),
        // Who read it has seen what it wanted.
        Err(Written::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe && arguments.to.is_none() => Ok(Exit::Ok),
        Err(Written::Io(error)) => Err(Failure::io("writing the export")(error)),
        Err(Written::Failed(failure)) => Err(failure),
    }
}

/// Why an export stopped.
enum Written {
    Io(io::Error),
    Failed(Failure),
}

async fn export_lines(client: &Client, out: &mut impl Write) -> Result<(), Written> {
    let mut counter = Counter::new();
    let mut broken = None;
    let done = each(client, |line| {
        counter.see(&line);
        let written = serde_json::to_writer(&mut *out, &line).map_err(io::Error::from);
        written.and_then(|()| out.write_all(b"\n")).map_err(|error| stop(&mut broken, error))
    })
    .await;
    counter.bar.finish_and_clear();
    ended(done, broken)
}

async fn export_csv(client: &Client, out: &mut impl Write) -> Result<(), Written> {
    let mut counter = Counter::new();
    let mut broken = None;
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS).map_err(|error| Written::Io(error.into()))?;
    let done = each(client, |line| {
        counter.see(&line);
        let Line::Record(record) = line else { return Ok(()) };
        writer.write_record(cells(record)).map_err(|error| stop(&mut broken, error.into()))
    })
    .await;
    counter.bar.finish_and_clear();
    ended(done, broken)?;
    writer.flush().map_err(Written::Io)
}

fn stop(broken: &mut Option<io::Error>, error: io::Error) -> Failure {
    *broken = Some(error);
    Failure::failed("the export cannot be written")
}

fn ended(done: Result<(), Failure>, broken: Option<io::Error>) -> Result<(), Written> {
    match broken {
        Some(error) => Err(Written::Io(error)),
        None => done.map_err(Written::Failed),
    }
}

fn cells(record: Record) -> [String; COLUMNS.len()] {
    let text = Option::unwrap_or_default;
    [
        record.sequence.map(|number| number.to_string()).unwrap_or_default(),
        record.id.to_string(),
        record.at.to_string(),
        record.request_id.to_string(),
        record.token_id.to_string(),
        text(record.session),
        record.door,
        record.action,
        record.account_id.map(|id| id.to_string()).unwrap_or_default(),
        text(record.target),
        text(record.arguments),
        text(record.before),
        text(record.after),
        text(record.decision),
        record.outcome,
        text(record.code),
        record.upstream_calls.to_string(),
        record.duration_ms.to_string(),
        record.hash.map(|hash| hash.to_string()).unwrap_or_default(),
    ]
}

pub(super) async fn key(output: &OutputArguments, gateway: &GatewayArguments) -> Result<Exit, Failure> {
    let key = connect::client(gateway)?.audit_key().await?;
    show(output.output, &key, || {
        let cells = [key.environment_id.to_string(), key.algorithm.clone(), key.public_key.to_string()];
        Rows::new(["environment_id", "algorithm", "public_key"], [cells])
    })?;
    Ok(Exit::Ok)
}

pub(super) async fn prune(
    before: Timestamp,
    output: &OutputArguments,
    gateway: &GatewayArguments,
) -> Result<Exit, Failure> {
    let client = connect::client(gateway)?;
    let mut all = AuditPruned { count: 0, first: None, through: None, unchained: 0, more: true };
    while all.more {
        let dropped = client.prune_audit(before).await?;
        all = AuditPruned {
            count: all.count + dropped.count,
            first: all.first.or(dropped.first),
            through: dropped.through.or(all.through),
            unchained: all.unchained + dropped.unchained,
            more: dropped.more,
        };
    }
    show(output.output, &all, || {
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        let cells = [all.count.to_string(), number(all.first), number(all.through), all.unchained.to_string()];
        Rows::new(["dropped", "first", "through", "unchained"], [cells])
    })?;
    Ok(Exit::Ok)
}
