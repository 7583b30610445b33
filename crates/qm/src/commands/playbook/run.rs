//! `qm playbook run`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use quartermaster_client::{NewRun, Run};
use quartermaster_playbook::{Playbook, load, shipped};
use quartermaster_roster::{Ending, RunReport, RunTable, Telling, roster};
use quartermaster_types::RunId;
use serde_json::{Map, Value, json};

use crate::arguments::PlaybookRun;
use crate::commands::checked;
use crate::commands::tools::convert;
use crate::connect;
use crate::exit::Exit;
use crate::failure::{Failure, printable};
use crate::output::{self, Format, Rows, show};
use crate::style::{GOOD, STRONG, WARN};
use crate::watched::{self, Watched};

/// The largest file that an input is read from.
const INPUT_MAX_BYTES: usize = roster::CSV_MAX_BYTES;

pub(super) async fn run(arguments: &PlaybookRun) -> Result<Exit, Failure> {
    let playbook = playbook(&arguments.playbook)?;
    let input = input(&playbook, arguments)?;
    let client = connect::client(&arguments.gateway)?;
    let account = connect::account(&client, &arguments.account).await?;
    let is_shipped = shipped::find(&arguments.playbook).is_some();
    let new = NewRun {
        playbook: if is_shipped { arguments.playbook.clone() } else { playbook.text().to_owned() },
        account,
        input,
        patience_seconds: arguments.max_wait.map(|wait| wait.as_secs()),
    };
    let run = match watched::run(&client, &new, arguments.detach.detach, |_| Telling::Calls).await? {
        Watched::Ended(run) => run,
        Watched::Left(exit) => return Ok(exit),
    };
    ended(&run, arguments.output.output)
}

/// Tells what a run reports at its end.
pub(crate) fn ended(run: &Run, format: Format) -> Result<Exit, Failure> {
    let id = run.summary.id;
    let (report, exit) = match Ending::of(run)? {
        Ending::Failed { problem, report } => {
            tell(format, id, &run.summary.state, report.as_ref(), false)?;
            return Err(Failure::of_run(&problem, id));
        }
        Ending::Done { is_partial, report } => (report, if is_partial { Exit::Partial } else { Exit::Ok }),
        Ending::Stopped { report } => (report, Exit::Interrupted),
    };
    tell(format, id, &run.summary.state, report.as_ref(), exit == Exit::Ok)?;
    Ok(exit)
}

/// One that ships, or the one in a file.
fn playbook(name: &str) -> Result<Playbook, Failure> {
    if let Some(one) = shipped::find(name) {
        let (playbook, problems) = load(one.file, one.text.as_bytes());
        return playbook.ok_or_else(|| Failure::failed(problems.to_string()));
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("no playbook {name:?} ships with this program, and there is no such file"),
        )
        .next("qm playbook list"));
    }
    let (playbook, problems) = load(name, &checked::read(path)?);
    playbook.ok_or_else(|| {
        output::note(problems.to_string().trim_end());
        Failure::usage(format!("the playbook {name} has mistakes; no run was started"))
    })
}

/// What the flags say, in the types that the playbook takes. What it does not take, the gateway refuses by name.
fn input(playbook: &Playbook, arguments: &PlaybookRun) -> Result<Map<String, Value>, Failure> {
    let properties = &playbook.input_schema()["properties"];
    let mut input = Map::new();
    for (name, value) in &arguments.input {
        match name.strip_suffix(':') {
            Some(name) => {
                let parsed = serde_json::from_str(value);
                let parsed = parsed.map_err(|error| Failure::usage(format!("{name}:= wants JSON: {error}")))?;
                input.insert(name.to_owned(), parsed);
            }
            None => {
                input.insert(name.clone(), convert(value, properties.get(name)));
            }
        }
    }
    for (name, file) in &arguments.input_file {
        input.insert(name.clone(), from_file(Path::new(file), properties.get(name))?);
    }
    Ok(input)
}

fn from_file(path: &Path, schema: Option<&Value>) -> Result<Value, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| Failure::usage(format!("the input {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let most = INPUT_MAX_BYTES as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() > INPUT_MAX_BYTES {
        return Err(unreadable(&format!("more than {INPUT_MAX_BYTES} bytes")));
    }
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "json" => serde_json::from_slice(&bytes).map_err(|error| unreadable(&error)),
        "csv" | "tsv" | "txt" => {
            let table = roster::table(&bytes).map_err(|error| unreadable(&error))?;
            let (rows, left_out) = objects(&table, schema.and_then(|schema| schema.get("items")));
            if !left_out.is_empty() {
                let names = printable(&left_out.join(", "));
                output::note(&format!("{WARN}note:{WARN:#} {}: the playbook takes no {names}", path.display()));
            }
            Ok(rows)
        }
        _ => Err(unreadable(&"end its name in .json or .csv")),
    }
}

/// One object a line, by the names in the header, in the types that `items` says; and the columns that it does not take. Where
/// it takes a `line` and there is no such column, that is the number of the line.
fn objects(table: &[(u64, Vec<String>)], items: Option<&Value>) -> (Value, Vec<String>) {
    let Some(((_, header), lines)) = table.split_first() else { return (json!([]), Vec::new()) };
    let properties = items.and_then(|items| items.get("properties")).and_then(Value::as_object);
    let is_closed = items.is_some_and(|items| items["additionalProperties"] == false);
    let takes = |name: &str| !is_closed || properties.is_some_and(|properties| properties.contains_key(name));
    let numbered = properties.is_some_and(|properties| properties.contains_key("line"))
        && !header.iter().any(|name| name == "line");
    let object = |(line, cells): &(u64, Vec<String>)| {
        let cells = header.iter().zip(cells).filter(|(name, cell)| takes(name) && !cell.is_empty());
        let mut object: Map<String, Value> = cells
            .map(|(name, cell)| {
                let schema = properties.and_then(|properties| properties.get(name));
                (name.clone(), convert(cell, schema))
            })
            .collect();
        if numbered {
            object.insert("line".to_owned(), json!(line));
        }
        Value::Object(object)
    };
    let left_out = header.iter().filter(|name| !takes(name)).cloned().collect();
    (Value::Array(lines.iter().map(object).collect()), left_out)
}

/// The report in the form that was asked for.
fn tell(format: Format, id: RunId, state: &str, report: Option<&RunReport>, is_good: bool) -> Result<(), Failure> {
    let table = report.and_then(|report| report.table.as_ref());
    if format != Format::Table {
        let value = json!({"run": id, "state": state, "report": report});
        return show(format, &value, || table.map_or_else(|| Rows { header: Vec::new(), rows: Vec::new() }, rows));
    }
    let mut text = String::new();
    if let Some(table) = table.filter(|table| !table.rows.is_empty()) {
        text.push_str(&output::table(&rows(table)));
        text.push('\n');
    }
    if let Some(report) = report {
        let (style, sign) = if is_good { (GOOD, "✓") } else { (WARN, "!") };
        text.push_str(&format!("{style}{sign}{style:#} {STRONG}{}{STRONG:#}\n", printable(&report.text)));
    }
    output::styled(&text)?;
    output::note(&format!("the run {id} is {state}; `qm runs show {id}` has its steps"));
    Ok(())
}

fn rows(table: &RunTable) -> Rows {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Rows { header: table.columns.clone(), rows: table.rows.iter().map(|row| row.iter().map(cell).collect()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_what_the_playbook_takes() {
        let table = [
            (1, vec!["email".to_owned(), "age".to_owned(), "team".to_owned()]),
            (2, vec!["a@b.c".to_owned(), "5".to_owned(), "x".to_owned()]),
            (4, vec!["d@e.f".to_owned(), String::new(), String::new()]),
        ];
        let closed = json!({"properties": {"email": {"type": "string"}, "age": {"type": "integer"}, "line": {"type": "integer"}},
            "additionalProperties": false});
        let (rows, left_out) = objects(&table, Some(&closed));
        assert_eq!(rows, json!([{"email": "a@b.c", "age": 5, "line": 2}, {"email": "d@e.f", "line": 4}]));
        assert_eq!(left_out, ["team"]);
        let (rows, left_out) = objects(&table[..2], None);
        assert_eq!((rows, left_out.len()), (json!([{"email": "a@b.c", "age": "5", "team": "x"}]), 0));
        assert_eq!(objects(&[], None).0, json!([]));
    }
}
