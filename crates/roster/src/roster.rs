//! A list of people from a CSV file: any of four delimiters, a header or none, with line numbers for all that is wrong.
//!
//! Whoever stands in the list may lose access, so doubt never picks an address: a line whose columns do not fit is reported,
//! not guessed at, and two columns of addresses without a telling header are the user's to choose from.

mod column;
mod sniff;

use std::collections::HashMap;

use csv::ByteRecord;
use serde::Serialize;

/// The largest file that is read.
pub const CSV_MAX_BYTES: usize = 32 * 1024 * 1024;

/// The most lines with people that are read: as many as one run takes.
pub const ROWS_MAX: usize = 100_000;

/// The longest e-mail address (RFC 5321: 64 before the `@`, 255 after it).
pub const EMAIL_MAX_BYTES: usize = 320;

/// How much of a bad cell a reason shows.
const SHOWN_MAX_CHARS: usize = 60;

/// The people of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// One for each different address, in the order of the file.
    pub entries: Vec<Entry>,
    /// What could not be used, and what was odd.
    pub bad_lines: Vec<BadLine>,
    /// Lines with something in them, without the header.
    pub rows: u64,
    /// What separates the columns.
    pub delimiter: char,
    /// The column with the addresses, from 1, and its name when there is a header.
    pub column: (usize, Option<String>),
    /// Remarks on how the file was understood.
    pub notes: Vec<String>,
}

impl Roster {
    /// Lines that could not be used.
    pub fn unused_rows(&self) -> usize {
        let used: usize = self.entries.iter().map(|entry| 1 + entry.also_on_lines.len()).sum();
        (self.rows as usize).saturating_sub(used)
    }
}

/// One person of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line, from 1.
    pub line: u64,
    /// The address as written.
    pub email: String,
    /// Further lines with the same address.
    pub also_on_lines: Vec<u64>,
}

/// A line that was not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// True when its address was used nevertheless.
    pub used: bool,
}

/// The file as a whole cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Nothing in it.
    #[error("the list is empty")]
    Empty,
    /// Over [`CSV_MAX_BYTES`].
    #[error("the list has {bytes} bytes; at most {CSV_MAX_BYTES} are read: split the file")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Over [`ROWS_MAX`].
    #[error("the list has more than {ROWS_MAX} lines: split the file")]
    TooManyRows,
    /// Not text.
    #[error("the list is {0}, not UTF-8 text: save it as CSV in UTF-8")]
    NotText(&'static str),
    /// No such column.
    #[error("there is no column {asked:?}; the columns are: {}", columns.join(", "))]
    NoSuchColumn {
        /// The column asked for.
        asked: String,
        /// Those that there are.
        columns: Vec<String>,
    },
    /// No column has addresses.
    #[error("no column has e-mail addresses; the columns are: {}", .0.join(", "))]
    NoEmails(Vec<String>),
    /// Several columns have addresses.
    #[error("several columns have e-mail addresses ({}): say which with --column", .0.join(", "))]
    SeveralColumns(Vec<String>),
}

/// Reads a list. `column`: the column's name in the header, or its number from 1; `None`: found by name and content.
///
/// # Errors
/// [`RosterError`] when the file as a whole cannot be used. A bad line is no error: it stands in [`Roster::bad_lines`].
pub fn read(bytes: &[u8], column: Option<&str>) -> Result<Roster, RosterError> {
    let text = text_of(bytes)?;
    let delimiter = sniff::delimiter(&text);
    let lines = Lines::new(&text, delimiter);
    let sample: Vec<ByteRecord> = lines.records().take(sniff::SAMPLE_RECORDS).map(|(_, record)| record).collect();
    if sample.is_empty() {
        return Err(RosterError::Empty);
    }
    let layout = column::layout(&sample, column)?;
    let mut reader = Reader::new(&layout, delimiter);
    let skip = usize::from(layout.has_header);
    let mut unclosed = None;
    for (position, record) in lines.records().skip(skip) {
        if lines.is_unclosed(position, &record) {
            unclosed = Some(position);
            break;
        }
        reader.row(position.line, &record)?;
    }
    if let Some(position) = unclosed {
        reader.after_unclosed_quote(&lines, position)?;
    }
    Ok(reader.finish())
}

/// The cells of a file, line by line with the number of each, the header first: any of the delimiters that [`read`] knows, and
/// the same bounds. Lines with nothing in them are left out.
///
/// # Errors
/// [`RosterError`] when the file is too large, empty or no text.
pub fn table(bytes: &[u8]) -> Result<Vec<(u64, Vec<String>)>, RosterError> {
    let text = text_of(bytes)?;
    let lines = Lines::new(&text, sniff::delimiter(&text));
    let mut table = Vec::new();
    for (position, record) in lines.records() {
        if table.len() > ROWS_MAX {
            return Err(RosterError::TooManyRows);
        }
        let cells = record.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
        table.push((position.line, cells));
    }
    if table.is_empty() { Err(RosterError::Empty) } else { Ok(table) }
}

/// How e-mail addresses are compared: without surrounding blanks, upper and lower case alike.
pub(crate) fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Whether a text can be an e-mail address. Strict about what would break elsewhere, lax about the rest.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || "@,;<>()[]\\\"|:".contains(letter);
    !local.is_empty()
        && !domain.is_empty()
        && text.len() <= EMAIL_MAX_BYTES
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !local.contains(odd)
        && !domain.contains(odd)
}

/// Checks size and encoding, takes the byte order mark away, and turns lone carriage returns into line ends.
fn text_of(bytes: &[u8]) -> Result<Vec<u8>, RosterError> {
    if bytes.len() > CSV_MAX_BYTES {
        return Err(RosterError::TooLarge { bytes: bytes.len() });
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(RosterError::NotText("UTF-16 text"));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(RosterError::NotText("a spreadsheet or an archive"));
    }
    if bytes.contains(&0) {
        return Err(RosterError::NotText("binary data"));
    }
    let mut text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).to_vec();
    if !text.contains(&b'\n') {
        text.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
    }
    if declares_separator(&text) {
        // What is left is an empty line, so that the numbers of the others hold.
        text.drain(..SEPARATOR_LINE);
    }
    if text.iter().all(u8::is_ascii_whitespace) { Err(RosterError::Empty) } else { Ok(text) }
}

/// The length of `sep=;`.
const SEPARATOR_LINE: usize = 5;

/// Whether the first line is the one by which spreadsheets tell each other the delimiter (`sep=;`): it is found without.
fn declares_separator(text: &[u8]) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"sep="))
        && matches!(text.get(SEPARATOR_LINE), Some(b'\r' | b'\n'))
}

/// How the columns are laid out.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    has_header: bool,
    /// Columns that every line has.
    width: usize,
    /// The column with the addresses, from 0.
    column: usize,
    /// Its name.
    name: Option<String>,
    notes: Vec<String>,
}

/// Where a record begins.
#[derive(Clone, Copy, Debug)]
struct Position {
    line: u64,
    byte: usize,
}

/// The records of a text with their true places.
struct Lines<'a> {
    text: &'a [u8],
    delimiter: u8,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8], delimiter: u8) -> Self {
        Self { text, delimiter }
    }

    fn records(&self) -> impl Iterator<Item = (Position, ByteRecord)> + '_ {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(self.text);
        // Reading from memory with flexible widths cannot fail.
        reader.into_byte_records().filter_map(Result::ok).map(|record| (self.position(&record), record))
    }

    /// The reader counts the blank lines before a record to the record; they are stepped over here.
    fn position(&self, record: &ByteRecord) -> Position {
        let start = record.position().map_or(0, |position| position.byte() as usize);
        let line = record.position().map_or(1, csv::Position::line);
        let blank = self.text[start.min(self.text.len())..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let (count, breaks) =
            blank.fold((0, 0), |(count, breaks), byte| (count + 1, breaks + u64::from(*byte == b'\n')));
        Position { line: line + breaks, byte: start + count }
    }

    /// Whether this record runs to the end of the text over several lines because a quotation mark is never closed.
    fn is_unclosed(&self, position: Position, record: &ByteRecord) -> bool {
        let rest = &self.text[position.byte..];
        record.iter().any(|cell| cell.contains(&b'\n'))
            && record.iter().map(<[u8]>::len).sum::<usize>() + record.len() + 2 >= rest.trim_ascii_end().len()
            && rest.split(|byte| *byte == b'"').count() % 2 == 0
    }
}

struct Reader<'a> {
    layout: &'a Layout,
    delimiter: u8,
    roster: Roster,
    seen: HashMap<String, usize>,
}

impl<'a> Reader<'a> {
    fn new(layout: &'a Layout, delimiter: u8) -> Self {
        let roster = Roster {
            entries: Vec::new(),
            bad_lines: Vec::new(),
            rows: 0,
            delimiter: char::from(delimiter),
            column: (layout.column + 1, layout.name.clone()),
            notes: layout.notes.clone(),
        };
        Self { layout, delimiter, roster, seen: HashMap::new() }
    }

    fn row(&mut self, line: u64, record: &ByteRecord) -> Result<(), RosterError> {
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            return Ok(());
        }
        self.roster.rows += 1;
        if self.roster.rows as usize > ROWS_MAX {
            return Err(RosterError::TooManyRows);
        }
        match self.email(record) {
            Ok(email) => {
                if record.iter().any(|cell| std::str::from_utf8(cell).is_err()) {
                    self.report(
                        line,
                        "another column is not valid UTF-8; the e-mail address was used".to_owned(),
                        true,
                    );
                }
                self.add(line, email);
            }
            Err(reason) => self.report(line, reason, false),
        }
        Ok(())
    }

    /// The address of a line, or what is wrong with the line.
    fn email(&self, record: &ByteRecord) -> Result<String, String> {
        let width = record.len() - record.iter().rev().take_while(|cell| cell.trim_ascii().is_empty()).count();
        if width > self.layout.width || record.len() < self.layout.width {
            return Err(format!(
                "{} instead of {}: which one is the e-mail address cannot be told",
                columns(record.len()),
                columns(self.layout.width)
            ));
        }
        let cell = record.get(self.layout.column).unwrap_or_default();
        let Ok(cell) = std::str::from_utf8(cell) else {
            return Err("the e-mail address is not valid UTF-8".to_owned());
        };
        match cell.trim() {
            "" => Err("no e-mail address".to_owned()),
            email if is_email(email) => Ok(email.to_owned()),
            other => Err(format!("{:?} is not an e-mail address", shown(other))),
        }
    }

    fn add(&mut self, line: u64, email: String) {
        let entries = &mut self.roster.entries;
        match self.seen.entry(email_key(&email)) {
            std::collections::hash_map::Entry::Occupied(known) => entries[*known.get()].also_on_lines.push(line),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(entries.len());
                entries.push(Entry { line, email, also_on_lines: Vec::new() });
            }
        }
    }

    fn report(&mut self, line: u64, reason: String, used: bool) {
        self.roster.bad_lines.push(BadLine { line, reason, used });
    }

    /// A quotation mark that never closes swallows all that follows. The line itself is reported; those after it are used
    /// only when they look exactly like the others, because they may as well be the text of a note.
    fn after_unclosed_quote(&mut self, lines: &Lines<'_>, position: Position) -> Result<(), RosterError> {
        let mut rest = lines.text[position.byte..].split(|byte| *byte == b'\n');
        rest.next();
        self.roster.rows += 1;
        self.report(position.line, "a quotation mark is never closed".to_owned(), false);
        for (number, line) in (position.line + 1..).zip(rest) {
            let record: ByteRecord = line.trim_ascii().split(|byte| *byte == self.delimiter).collect();
            if line.trim_ascii().is_empty() {
                continue;
            }
            if record.len() == self.layout.width && !line.contains(&b'"') {
                self.row(number, &record)?;
            } else {
                self.roster.rows += 1;
                let reason = format!("follows the quotation mark of line {} that is never closed", position.line);
                self.report(number, reason, false);
            }
        }
        Ok(())
    }

    fn finish(self) -> Roster {
        self.roster
    }
}

fn columns(count: usize) -> String {
    if count == 1 { "1 column".to_owned() } else { format!("{count} columns") }
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
