//! Files that were checked, and how that is told: for definitions and playbooks alike.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use quartermaster_definition::{DEFINITION_MAX_BYTES, Diagnostics};
use serde_json::Value;

use crate::arguments::OutputArguments;
use crate::env;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};

/// One file and what is wrong with it.
pub(crate) struct Checked {
    path: PathBuf,
    problems: Value,
    rendered: String,
    errors: u64,
    warnings: u64,
}

impl Checked {
    pub(crate) fn new(path: &Path, diagnostics: &Diagnostics) -> Self {
        let coloured = std::io::stderr().is_terminal() && env::text(env::NO_COLOR).is_none();
        let problems = diagnostics.to_json();
        let count = |member: &str| problems.get(member).and_then(Value::as_u64).unwrap_or(0);
        Self {
            path: path.to_owned(),
            errors: count("errors"),
            warnings: count("warnings"),
            rendered: if diagnostics.is_empty() { String::new() } else { diagnostics.render(coloured) },
            problems,
        }
    }
}

/// A file's bytes; one byte more than the limit, so that the loader can say that it is too large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let most = DEFINITION_MAX_BYTES as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(Failure::io(format!("reading {}", path.display())))?;
    Ok(bytes)
}

/// Prints what is wrong, and a line for each file.
pub(crate) fn tell(checked: &[Checked], output: &OutputArguments) -> Result<Exit, Failure> {
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
