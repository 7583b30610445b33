//! `qm definition`.

use std::path::{Path, PathBuf};

use quartermaster_definition::load_bytes;

use super::checked::{self, Checked};
use crate::arguments::{DefinitionCommand, OutputArguments};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

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

fn check(paths: &[PathBuf], output: &OutputArguments) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in paths {
        find(path, &mut files)?;
    }
    let checked: Vec<Checked> = files.iter().map(|file| check_file(file)).collect::<Result<_, _>>()?;
    checked::tell(&checked, output)
}

fn check_file(path: &Path) -> Result<Checked, Failure> {
    let diagnostics = match load_bytes(&path.display().to_string(), &checked::read(path)?) {
        (Some(definition), diagnostics) => definition.compile().err().unwrap_or(diagnostics),
        (None, diagnostics) => diagnostics,
    };
    Ok(Checked::new(path, &diagnostics))
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
