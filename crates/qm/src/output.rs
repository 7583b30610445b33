//! Data goes to standard output in the form that was asked for; everything else goes to standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::failure::{Failure, printable};

/// A form of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON value.
    Json,
    /// One YAML document.
    Yaml,
    /// RFC 4180, with a header.
    Csv,
}

/// Columns below which a width is not one that a person looks at.
const NARROWEST: u16 = 20;

/// Rows for people and for CSV.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Rows {
    pub(crate) fn new<const N: usize>(header: [&'static str; N], rows: impl IntoIterator<Item = [String; N]>) -> Self {
        Self { header: header.map(str::to_owned).to_vec(), rows: rows.into_iter().map(Vec::from).collect() }
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        let wraps = wraps(io::stdout().is_terminal(), table.width());
        let arrangement = if wraps { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(arrangement);
        table.set_header(self.header.iter().map(|name| name.to_uppercase().replace('_', " ")));
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| printable(cell)));
        }
        // Cells begin with a blank and lines end with some; neither says anything.
        let lines: Vec<String> =
            table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
        lines.join("\n") + "\n"
    }

    fn csv(&self) -> Result<String, Failure> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |error: csv::Error| Failure::failed(format!("the output cannot be written as CSV: {error}"));
        writer.write_record(&self.header).map_err(failed)?;
        for row in &self.rows {
            writer.write_record(row).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|error| Failure::failed(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| Failure::failed(error.to_string()))
    }
}

/// Only a terminal has a width; a file or a pipe gets whole lines, and so does a terminal that says it has none, as under
/// `script`, `expect` and in containers.
fn wraps(is_terminal: bool, width: Option<u16>) -> bool {
    is_terminal && width.is_some_and(|width| width >= NARROWEST)
}

/// Prints a value: `rows` for people and CSV, `value` for JSON and YAML.
pub(crate) fn show(format: Format, value: &impl Serialize, rows: impl FnOnce() -> Rows) -> Result<(), Failure> {
    data(&text(format, value, rows)?)
}

/// Rows as a table text.
pub(crate) fn table(rows: &Rows) -> String {
    rows.table()
}

pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Failure::failed(error.to_string()))
}

pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    // By way of JSON, so that both forms say the same.
    let value = serde_json::to_value(value).map_err(|error| Failure::failed(error.to_string()))?;
    serde_saphyr::to_string(&value).map_err(|error| Failure::failed(error.to_string()))
}

/// Writes data to standard output as it is. A reader that has gone away ends the program quietly: it has seen what it wanted.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    write(&mut io::stdout().lock(), text)
}

/// Writes a text for people to standard output; its colours stay away where they would not be seen.
pub(crate) fn styled(text: &str) -> Result<(), Failure> {
    write(&mut anstream::AutoStream::auto(io::stdout().lock()), text)
}

/// Writes what is shown once. Somebody has to have got it, so that a reader that has gone away is an error here.
pub(crate) fn secret(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::failed(format!("standard output cannot be written: {error}")))
}

/// A value in a structured form, rows as CSV.
pub(crate) fn text(format: Format, value: &impl Serialize, rows: impl FnOnce() -> Rows) -> Result<String, Failure> {
    match format {
        Format::Table => Ok(rows().table()),
        Format::Csv => rows().csv(),
        Format::Json => json(value),
        Format::Yaml => yaml(value),
    }
}

fn write(stdout: &mut impl Write, text: &str) -> Result<(), Failure> {
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a piece of a line to standard error, at once.
pub(crate) fn piece(text: &str) {
    let mut stderr = anstream::AutoStream::auto(io::stderr().lock());
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Writes a line to standard error; when that cannot be done there is nobody to tell.
pub(crate) fn note(text: &str) {
    let mut stderr = anstream::AutoStream::auto(io::stderr().lock());
    let _ = writeln!(stderr, "{text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_wrapped_only_where_there_is_a_width() {
        assert!(wraps(true, Some(NARROWEST)));
        for (is_terminal, width) in [(true, Some(NARROWEST - 1)), (true, Some(0)), (true, None), (false, Some(100))] {
            assert!(!wraps(is_terminal, width), "{is_terminal} {width:?}");
        }
    }

    #[test]
    fn rows_read_the_same_in_every_form() {
        let rows = Rows::new(
            ["name", "first_seen"],
            [["a".to_owned(), "x, y".to_owned()], ["bb\u{1b}[2J".to_owned(), String::new()]],
        );
        assert_eq!(rows.table(), "NAME    FIRST SEEN\na       x, y\nbb\u{fffd}[2J\n");
        assert_eq!(rows.csv().unwrap(), "name,first_seen\na,\"x, y\"\nbb\u{1b}[2J,\n");
        let text = yaml(&json!({"a": [1, null, "x: y"]})).unwrap();
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, json!({"a": [1, null, "x: y"]}));
    }
}
