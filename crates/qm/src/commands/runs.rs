//! `qm runs`.

use std::time::Duration;

use quartermaster_client::{Client, Run, RunStep, RunSummary, RunsQuery};
use quartermaster_gateway::runs::{RunExport, kinds, replay};
use quartermaster_types::RunId;

use crate::arguments::{ExportFormat, RunsCommand, RunsList, RunsReplay};
use crate::connect;
use crate::exit::Exit;
use crate::failure::{Failure, printable};
use crate::output::{self, Rows, show};

/// The longest export that is read from a file, in bytes.
const EXPORT_MAX_BYTES: u64 = 1024 * 1024 * 1024;

pub(crate) async fn run(command: &RunsCommand) -> Result<Exit, Failure> {
    match command {
        RunsCommand::List(arguments) => list(arguments).await,
        RunsCommand::Show { run, output, gateway } => {
            let run = connect::client(gateway)?.run(run.id).await?;
            show(output.output, &run, || steps(&run.steps))?;
            if output.output == output::Format::Table {
                output::note(&summary(&run));
            }
            Ok(Exit::Ok)
        }
        RunsCommand::Watch { run, every, gateway } => watch(&connect::client(gateway)?, run.id, *every).await,
        RunsCommand::Cancel { run, gateway } => {
            let stopped = connect::client(gateway)?.cancel_run(run.id).await?;
            output::note(&match (stopped.has_ended(), stopped.state.as_str()) {
                (true, state) => format!("the run {} has ended already: {state}", run.id),
                (false, _) => format!("the run {} makes no further call", run.id),
            });
            Ok(Exit::Ok)
        }
        RunsCommand::Export { run, format, gateway } => {
            let bytes = connect::client(gateway)?.export_run(run.id, *format == ExportFormat::Html).await?;
            output::data(&String::from_utf8_lossy(&bytes))?;
            Ok(Exit::Ok)
        }
        RunsCommand::Replay(arguments) => replayed(arguments).await,
    }
}

async fn list(arguments: &RunsList) -> Result<Exit, Failure> {
    let query = RunsQuery { state: arguments.state.clone(), name: arguments.name.clone() };
    let runs = connect::client(&arguments.gateway)?.runs(&query, arguments.limit).await?;
    show(arguments.output.output, &runs, || table(&runs))?;
    Ok(Exit::Ok)
}

fn table(runs: &[RunSummary]) -> Rows {
    let time = |at: Option<quartermaster_types::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    Rows::new(
        ["id", "name", "state", "created_at", "finished_at", "waits_until"],
        runs.iter().map(|run| {
            [
                run.id.to_string(),
                run.name.clone(),
                run.state.clone(),
                run.created_at.to_string(),
                time(run.finished_at),
                time(run.waits_until),
            ]
        }),
    )
}

fn steps(steps: &[RunStep]) -> Rows {
    Rows::new(
        ["begun_at", "step", "what", "state", "ms", "problem"],
        steps.iter().map(|step| {
            [
                step.begun_at.to_string(),
                step.key.clone(),
                what(step),
                step.state.clone(),
                step.finished_at.map(|at| at.ms_since(step.begun_at).to_string()).unwrap_or_default(),
                problem(step),
            ]
        }),
    )
}

/// The method, or the model that was asked and what it wanted.
fn what(step: &RunStep) -> String {
    let Some(ask) = &step.ask else { return step.method.clone().unwrap_or_else(|| step.kind.clone()) };
    let model = ask["model"].as_str().unwrap_or_default();
    let tools: Vec<&str> = ask["tools"].as_array().into_iter().flatten().filter_map(|tool| tool.as_str()).collect();
    if tools.is_empty() { format!("ask {model}") } else { format!("ask {model}: {}", tools.join(", ")) }
}

fn problem(step: &RunStep) -> String {
    let text = |name: &str| step.problem.as_ref().and_then(|problem| problem[name].as_str()).unwrap_or_default();
    if step.problem.is_some() { format!("{}: {}", text("code"), text("detail")) } else { String::new() }
}

/// Each step on a line as it ends, until the run does.
async fn watch(client: &Client, id: RunId, every: Duration) -> Result<Exit, Failure> {
    let mut told: Vec<String> = Vec::new();
    loop {
        let run = client.run(id).await?;
        for step in run.steps.iter().filter(|step| step.state != "under_way") {
            if !told.contains(&step.key) {
                told.push(step.key.clone());
                let what = what(step);
                let line = format!("{}  {}  {what}  {}  {}", step.begun_at, step.key, step.state, problem(step));
                output::data(&format!("{}\n", printable(line.trim_end())))?;
            }
        }
        if run.summary.has_ended() {
            output::note(&summary(&run));
            return Ok(exit(&run));
        }
        tokio::time::sleep(every).await;
    }
}

/// A sentence about where a run stands.
pub(crate) fn summary(run: &Run) -> String {
    let action = &run.outcome["action"];
    let said = action["report"]["text"].as_str().or_else(|| action["problem"]["detail"].as_str());
    let left_out = match run.steps_left_out {
        0 => String::new(),
        more => format!("; {more} more steps are in `qm runs export`"),
    };
    let undone = run.undone_by.map(|by| format!("; undone by the run {by}")).unwrap_or_default();
    let said = said.map(|text| format!(": {}", printable(text))).unwrap_or_default();
    let awaits: Vec<String> =
        run.awaits.iter().map(|approval| format!("; it waits for the approval {}", approval.id)).collect();
    let awaits = awaits.concat();
    format!("the run {} is {}{said}{left_out}{undone}{awaits}", run.summary.id, run.summary.state)
}

/// How a run that has ended did.
pub(crate) fn exit(run: &Run) -> Exit {
    match (run.summary.state.as_str(), run.outcome["action"]["outcome"].as_str()) {
        ("done", Some("partial")) => Exit::Partial,
        ("done", _) => Exit::Ok,
        ("cancelled", _) => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

async fn replayed(arguments: &RunsReplay) -> Result<Exit, Failure> {
    let bytes = match (&arguments.file, arguments.id) {
        (Some(file), _) => read(file)?,
        (None, Some(id)) => connect::client(&arguments.gateway)?.export_run(id, false).await?.to_vec(),
        (None, None) => return Err(Failure::usage("say which run to replay")),
    };
    let export: RunExport = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::failed(format!("that is no export of a run: {error}")).hint("`qm runs export RUN` writes one.")
    })?;
    let kinds = kinds();
    let kind = kinds.iter().find(|kind| kind.name() == export.run.summary.kind).ok_or_else(|| {
        Failure::failed(format!("this program does not replay runs of the kind {:?}", export.run.summary.kind))
    })?;
    let difference = replay(&**kind, &export).map_err(|problem| Failure::failed(problem.body().detail.clone()))?;
    match difference {
        None => {
            let entries = export.entries.len();
            output::note(&format!("the same: {entries} entries, every decision byte for byte"));
            Ok(Exit::Ok)
        }
        Some(difference) => Err(Failure::failed(format!(
            "the first difference is at entry {}:\n  recorded  {}\n  decided   {}",
            difference.number,
            printable(&difference.recorded),
            printable(&difference.decided)
        ))),
    }
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::io(format!("reading {}", file.display()))(error);
    let opened = std::fs::File::open(file).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than is allowed shows that there is too much.
    let mut limited = std::io::Read::take(opened, EXPORT_MAX_BYTES + 1);
    std::io::Read::read_to_end(&mut limited, &mut bytes).map_err(failed)?;
    if bytes.len() as u64 > EXPORT_MAX_BYTES {
        return Err(Failure::failed(format!("{} is longer than {EXPORT_MAX_BYTES} bytes", file.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ended(state: &str, action: Value) -> Run {
        let run = json!({"id": "0190d1f2-0000-7000-8000-000000000001", "kind": "playbook", "name": "x",
            "token_id": "0190d1f2-0000-7000-8000-000000000001", "state": state, "created_at": "2026-01-01T00:00:00Z",
            "outcome": {"decided_by": "machine", "action": action}});
        serde_json::from_value(run).unwrap()
    }

    #[test]
    fn exit_codes_and_sentences_tell_how_a_run_did() {
        let report = json!({"text": "2 of 3."});
        let partial = ended("done", json!({"action": "done", "outcome": "partial", "report": report}));
        assert_eq!(exit(&partial), Exit::Partial);
        assert!(summary(&partial).ends_with("is done: 2 of 3."));
        assert_eq!(exit(&ended("done", json!({"outcome": "complete"}))), Exit::Ok);
        assert_eq!(exit(&ended("cancelled", Value::Null)), Exit::Interrupted);
        let failed = ended("failed", json!({"problem": {"detail": "No."}}));
        assert_eq!(exit(&failed), Exit::Failed);
        assert!(summary(&failed).ends_with("is failed: No."));
    }
}
