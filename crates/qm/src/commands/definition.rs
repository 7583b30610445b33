//! `qm definition`.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use quartermaster_definition::{DEFINITION_MAX_BYTES, load_bytes};
use serde_json::{Value, json};

use crate::arguments::{DefinitionCommand, OutputArguments};
use crate::env;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};

/// The name of a definition in a folder.
const FILE_NAME: &str = "definition.yaml";

/// How deep folders are searched.
const DEPTH_MAX: usize = 8;

pub(crate) fn run(command: &DefinitionCommand) -> Result<Exit, Failure> {
    match command {
        DefinitionCommand::Check { paths, output } => check(paths, output),
        DefinitionCommand::Schema => {
            output::data(&output::json(&quartermaster_definition::schema())?)?;
            Ok(Exit::Ok)
        }
        DefinitionCommand::Show { name: None } => {
            let names: String = quartermaster_integrations::all()
                .iter()
                .map(|one| one.name)
                .fold(String::new(), |text, name| text + name + "\n");
            output::data(&names)?;
            Ok(Exit::Ok)
        }
        DefinitionCommand::Show { name: Some(name) } => {
            let Some(integration) = quartermaster_integrations::find(name) else {
                return Err(Failure::new(Exit::NotFound, format!("no integration {name:?} ships with this program"))
                    .next("qm definition show"));
            };
            output::data(integration.definition)?;
            Ok(Exit::Ok)
        }
    }
}

/// One file and what is wrong with it.
struct Checked {
    path: PathBuf,
    problems: Value,
    rendered: String,
    errors: u64,
    warnings: u64,
}

fn check(paths: &[PathBuf], output: &OutputArguments) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in paths {
        find(path, &mut files)?;
    }
    let checked: Vec<Checked> = files.iter().map(|file| check_file(file)).collect::<Result<_, _>>()?;
    let errors: u64 = checked.iter().map(|file| file.errors).sum();
    if output.output == Format::Table {
        for file in checked.iter().filter(|file| !file.rendered.is_empty()) {
            output::note(file.rendered.trim_end());
        }
    }
    let value: Vec<&Value> = checked.iter().map(|file| &file.problems).collect();
    show(output.output, &value, || {
        let verdict = |file: &Checked| if file.errors == 0 { "ok" } else { "wrong" };
        Rows::new(
            ["file", "verdict", "errors", "warnings"],
            checked.iter().map(|file| {
                [
                    file.path.display().to_string(),
                    verdict(file).to_owned(),
                    file.errors.to_string(),
                    file.warnings.to_string(),
                ]
            }),
        )
    })?;
    Ok(if errors == 0 { Exit::Ok } else { Exit::Failed })
}

fn check_file(path: &Path) -> Result<Checked, Failure> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    // One byte more than the limit, so that the loader can say that it is too large.
    let most = DEFINITION_MAX_BYTES as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(Failure::io(format!("reading {name}")))?;
    let coloured = std::io::stderr().is_terminal() && env::text(env::NO_COLOR).is_none();
    let diagnostics = match load_bytes(&name, &bytes) {
        (Some(definition), diagnostics) => definition.compile().err().unwrap_or(diagnostics),
        (None, diagnostics) => diagnostics,
    };
    let problems = diagnostics.to_json();
    let count = |member: &str| problems.get(member).and_then(Value::as_u64).unwrap_or(0);
    Ok(Checked {
        path: path.to_owned(),
        errors: count("errors"),
        warnings: count("warnings"),
        rendered: if diagnostics.is_empty() { String::new() } else { diagnostics.render(coloured) },
        problems: if problems.is_object() { problems } else { json!({"file": name}) },
    })
}

/// Files as they are; folders are searched for definitions.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let before = files.len();
    search(path, DEPTH_MAX, files)?;
    if files.len() == before {
        return Err(Failure::new(Exit::NotFound, format!("there is no {FILE_NAME} below {}", path.display())));
    }
    Ok(())
}

fn search(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = || Failure::io(format!("reading {}", folder.display()));
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        entries.push(entry.map_err(failed())?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(failed())?;
        if kind.is_dir() && depth > 0 {
            search(&entry.path(), depth - 1, files)?;
        } else if kind.is_file() && entry.file_name() == FILE_NAME {
            files.push(entry.path());
        }
    }
    Ok(())
}
