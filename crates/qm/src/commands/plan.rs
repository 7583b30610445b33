//! `qm plan` and `qm undo`.

use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;
use std::time::Duration;

use quartermaster_client::{Client, Execution, NewPlan, Plan, PlanRow, PlanSummary, Run};
use quartermaster_types::{AccountId, RunId};
use serde_json::{Map, Value, json};

use crate::arguments::{ExecutionArguments, PlanCommand, PlanMake, UndoArguments};
use crate::commands::runs;
use crate::connect;
use crate::exit::Exit;
use crate::failure::{Failure, printable};
use crate::output::{self, Format, Rows, show};

/// The longest file of calls that is read, in bytes: what one request can hold.
const CALLS_MAX_BYTES: u64 = 1024 * 1024;
/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(command: &PlanCommand) -> Result<Exit, Failure> {
    match command {
        PlanCommand::Make(arguments) => make(arguments).await,
        PlanCommand::List { state, limit, output, gateway } => {
            let plans = connect::client(gateway)?.plans(state.as_deref(), *limit).await?;
            show(output.output, &plans, || table(&plans))?;
            Ok(Exit::Ok)
        }
        PlanCommand::Show { plan, output, gateway } => {
            let plan = connect::client(gateway)?.plan(plan.id).await?;
            tell(&plan, output.output)?;
            Ok(Exit::Ok)
        }
        PlanCommand::Execute { plan, hash, execution, output, gateway } => {
            let client = connect::client(gateway)?;
            let plan = client.plan(plan.id).await?;
            match hash {
                Some(hash) => execute(&client, &plan, hash, execution, output.output).await,
                None => asked(&client, &plan, execution, output.output).await,
            }
        }
        PlanCommand::Discard { plan, gateway } => {
            connect::client(gateway)?.discard_plan(plan.id).await?;
            output::note(&format!("the plan {} is discarded", plan.id));
            Ok(Exit::Ok)
        }
    }
}

/// `qm undo`.
pub(crate) async fn undo(arguments: &UndoArguments) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let plan = client.undo_run(arguments.id, arguments.dry_run, arguments.reason.as_deref()).await?;
    if arguments.dry_run {
        tell(&plan, arguments.output.output)?;
        return Ok(if hindered(&plan) > 0 { Exit::Partial } else { Exit::Ok });
    }
    asked(&client, &plan, &arguments.execution, arguments.output.output).await
}

async fn make(arguments: &PlanMake) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let calls = match &arguments.calls {
        Some(file) => calls_of(file)?,
        None => calls(arguments)?,
    };
    let plan = NewPlan {
        account: connect::account(&client, &arguments.account).await?,
        calls,
        reason: arguments.reason.clone(),
        expires_in_seconds: arguments.expires_in.map(|lasts| lasts.as_secs()),
        session: arguments.session.clone(),
    };
    let plan = client.make_plan(&plan).await?;
    tell(&plan, arguments.output.output)?;
    Ok(if hindered(&plan) > 0 { Exit::Partial } else { Exit::Ok })
}

/// Makes and shows a plan that takes the access of these people away; who has none already is left alone.
pub(crate) async fn suspensions(
    client: &Client,
    account: AccountId,
    emails: &[&str],
    format: Format,
) -> Result<Exit, Failure> {
    let integration = client.integration(&client.account(account).await?.integration).await?;
    let lifecycle = integration.lifecycle.ok_or_else(|| {
        Failure::failed(format!("the definition of {} does not say how people are suspended", integration.label))
            .hint("`qm plan make` plans any method.")
    })?;
    // As the runs do it: somebody who is neither active nor suspended is nobody's to touch.
    let expect = json!({"state": lifecycle.active});
    let call = |email: &&str| json!({"tool": lifecycle.suspend_tool, "find": {"email": email}, "expect": expect});
    let plan = NewPlan {
        account,
        calls: emails.iter().map(call).collect(),
        reason: None,
        expires_in_seconds: None,
        session: None,
    };
    let plan = client.make_plan(&plan).await?;
    tell(&plan, format)?;
    Ok(if hindered(&plan) > 0 { Exit::Partial } else { Exit::Ok })
}

/// One call for each record that is named.
fn calls(arguments: &PlanMake) -> Result<Vec<Value>, Failure> {
    let method = arguments.method.as_deref().unwrap_or_default();
    let mut call = match method.split_once('.') {
        Some((resource, method)) => json!({"resource": resource, "method": method}),
        None => json!({ "tool": method }),
    };
    let mut given = Map::new();
    for (name, value) in &arguments.argument {
        let (name, value) = match name.strip_suffix(':') {
            None => (name.as_str(), json!(value)),
            Some(name) => {
                let value = serde_json::from_str(value)
                    .map_err(|error| Failure::usage(format!("{name}:= wants JSON: {error}")))?;
                (name, value)
            }
        };
        given.insert(name.to_owned(), value);
    }
    let expect: Map<String, Value> = arguments.expect.iter().flat_map(|expected| expected.0.clone()).collect();
    if !expect.is_empty() {
        call["expect"] = Value::Object(expect);
    }
    let with = |name: &str, value: Value, arguments: Map<String, Value>| {
        let mut call = call.clone();
        call["arguments"] = Value::Object(arguments);
        if name == "find" {
            call["find"] = json!({ "email": value });
        }
        call
    };
    let mut calls: Vec<Value> = arguments.email.iter().map(|email| with("find", json!(email), given.clone())).collect();
    calls.extend(arguments.id.iter().map(|id| {
        let mut given = given.clone();
        given.insert("id".to_owned(), json!(id));
        with("id", Value::Null, given)
    }));
    if calls.is_empty() {
        // A method that takes no record, such as one that makes a new one.
        calls.push(with("", Value::Null, given));
    }
    Ok(calls)
}

fn calls_of(file: &Path) -> Result<Vec<Value>, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(CALLS_MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(CALLS_MAX_BYTES + 1).read_to_string(&mut text))
    };
    read.map_err(Failure::io(format!("reading {}", file.display())))?;
    if text.len() as u64 > CALLS_MAX_BYTES {
        return Err(Failure::usage(format!("{} is longer than {CALLS_MAX_BYTES} bytes", file.display())));
    }
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{} is no JSON array of calls: {error}", file.display()))
            .hint("`qm plan make --help` shows one.")
    })
}

/// Shows a plan, and what it costs.
fn tell(plan: &Plan, format: Format) -> Result<(), Failure> {
    show(format, plan, || rows(&plan.rows))?;
    if format == Format::Table {
        for row in plan.rows.iter().filter(|row| row.problem.is_some() || row.note.is_some()) {
            let why = row.problem.as_ref().map(|problem| said(problem, "detail")).or_else(|| row.note.clone());
            output::note(&format!("row {}: {}", row.number, printable(&why.unwrap_or_default())));
        }
        output::note(&summary(plan));
    }
    Ok(())
}

fn rows(rows: &[PlanRow]) -> Rows {
    Rows::new(
        ["row", "method", "who", "change", "forecast", "undo"],
        rows.iter().map(|row| {
            [row.number.to_string(), row.method.clone(), row.who.clone(), change(row), forecast(row), undo_of(row)]
        }),
    )
}

/// `state ACTIVE → SUSPENDED`.
fn change(row: &PlanRow) -> String {
    let parts = row.diff.iter().map(|difference| {
        let text = |name: &str| match difference.get(name) {
            None | Some(Value::Null) => "nothing".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        format!("{} {} → {}", text("member").trim_start_matches('/'), text("before"), text("after"))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn forecast(row: &PlanRow) -> String {
    match &row.problem {
        Some(problem) => format!("{}: {}", row.forecast, said(problem, "code")),
        None if row.needs_approval => format!("{}, after approval", row.forecast),
        None => row.forecast.clone(),
    }
}

fn undo_of(row: &PlanRow) -> String {
    let Some(undoable) = &row.undoable else { return String::new() };
    match undoable.get("method").and_then(Value::as_str) {
        Some(method) => method.to_owned(),
        None => "cannot be undone".to_owned(),
    }
}

fn said(problem: &Value, name: &str) -> String {
    problem[name].as_str().unwrap_or_default().to_owned()
}

/// Rows that cannot be done.
fn hindered(plan: &Plan) -> u64 {
    plan.summary.totals.refused + plan.summary.totals.unresolved
}

/// What there is to know of a plan, and the line that executes it.
fn summary(plan: &Plan) -> String {
    let (totals, cost) = (plan.summary.totals, &plan.cost);
    let mut text = format!(
        "{} {}, {} as asked already, {} refused, {} not found",
        totals.changes,
        if totals.changes == 1 { "change" } else { "changes" },
        totals.unchanged,
        totals.refused,
        totals.unresolved
    );
    if totals.not_undoable > 0 {
        text.push_str(&format!("; {} cannot be undone", totals.not_undoable));
    }
    if totals.need_approval > 0 {
        text.push_str(&format!("; {} wait for an approval", totals.need_approval));
    }
    let seconds = |seconds: Option<u64>| seconds.map(|seconds| format!(" in some {seconds} s")).unwrap_or_default();
    text.push_str(&format!(
        "\n{} calls to the vendor{}; {} at most{} (the worst case: {})",
        cost.upstream_calls,
        seconds(cost.seconds),
        cost.upstream_calls_at_most,
        seconds(cost.seconds_at_most),
        cost.worst_case
    ));
    let PlanSummary { id, state, hash, expires_at, run_id, .. } = &plan.summary;
    let Some(id) = id else { return text };
    text.push_str(&match (state.as_str(), run_id) {
        ("ready", _) => {
            let skip = if hindered(plan) > 0 { " --skip-unresolved" } else { "" };
            format!("\nuntil {expires_at}: qm plan execute {id} --hash {hash}{skip}")
        }
        (_, Some(run)) => format!("\nexecuted by the run {run}"),
        (other, None) => format!("\n{other}"),
    });
    text
}

fn table(plans: &[PlanSummary]) -> Rows {
    Rows::new(
        ["id", "state", "rows", "changes", "reason", "created_at", "expires_at", "run"],
        plans.iter().map(|plan| {
            [
                plan.id.map(|id| id.to_string()).unwrap_or_default(),
                plan.state.clone(),
                plan.totals.rows.to_string(),
                plan.totals.changes.to_string(),
                plan.reason.clone().unwrap_or_default(),
                plan.created_at.to_string(),
                plan.expires_at.to_string(),
                plan.run_id.map(|run| run.to_string()).unwrap_or_default(),
            ]
        }),
    )
}

/// Shows the plan and executes it when somebody says yes.
async fn asked(client: &Client, plan: &Plan, execution: &ExecutionArguments, format: Format) -> Result<Exit, Failure> {
    if format == Format::Table {
        tell(plan, format)?;
    }
    if !execution.yes && !says_yes()? {
        output::note("nothing was done");
        return Ok(Exit::Ok);
    }
    execute(client, plan, &plan.summary.hash, execution, format).await
}

fn says_yes() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("nobody is there to say yes; nothing was done")
            .hint("Give --yes to do it without asking, or execute the plan by its --hash."));
    }
    output::note("Do it? [y/N]");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(Failure::io("reading the answer"))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

async fn execute(
    client: &Client,
    plan: &Plan,
    hash: &str,
    execution: &ExecutionArguments,
    format: Format,
) -> Result<Exit, Failure> {
    let Some(id) = plan.summary.id else { return Err(Failure::usage("a plan that was only rehearsed is not kept")) };
    let how = Execution { skip_unresolved: execution.skip_unresolved, go_on: execution.go_on };
    let started = client.execute_plan(id, hash, how).await?;
    let run = started.summary.id;
    output::note(&format!("the run {run} does it; `qm runs cancel {run}` stops it"));
    let run = ended(client, run).await?;
    show(format, &run, || outcome(&run))?;
    if format == Format::Table {
        output::note(&runs::summary(&run));
    }
    Ok(runs::exit(&run))
}

async fn ended(client: &Client, id: RunId) -> Result<Run, Failure> {
    let mut waits_until = None;
    loop {
        let run = client.run(id).await?;
        if run.summary.has_ended() {
            return Ok(run);
        }
        if let Some(until) = run.summary.waits_until
            && waits_until != Some(until)
        {
            waits_until = Some(until);
            output::note(&format!("it waits until {until}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The rows of the run's report.
fn outcome(run: &Run) -> Rows {
    const COLUMNS: [&str; 5] = ["row", "who", "change", "outcome", "detail"];
    let table = &run.outcome["action"]["report"]["table"];
    let names: Vec<&str> = table["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let place = |column: &str| names.iter().position(|name| *name == column);
    let cell = |row: &Value, column: &str| match place(column).map(|place| &row[place]) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    Rows::new(COLUMNS, rows.iter().map(|row| COLUMNS.map(|column| cell(row, column))))
}
