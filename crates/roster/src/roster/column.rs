//! Whether there is a header, and which column has the addresses.

use csv::ByteRecord;

use super::sniff::{cell_is_email, usual_width};
use super::{Layout, RosterError};

/// Header names that mean the person's own address, lower-case letters and digits only, the clearer first.
const NAMES: [&str; 14] = [
    "email",
    "emailaddress",
    "mail",
    "useremail",
    "useremailaddress",
    "workemail",
    "workemailaddress",
    "primaryemail",
    "companyemail",
    "loginemail",
    "userprincipalname",
    "upn",
    "username",
    "login",
];

pub(super) fn layout(sample: &[ByteRecord], asked: Option<&str>) -> Result<Layout, RosterError> {
    let Some(first) = sample.first() else { return Err(RosterError::Empty) };
    let has_header = !first.iter().any(cell_is_email);
    let rows = &sample[usize::from(has_header)..];
    let names: Vec<String> = first.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    let width = if has_header { header_width(first) } else { usual_width(rows) };
    let labels = |column: usize| match names.get(column) {
        Some(name) if has_header && !name.is_empty() => format!("{} ({name})", column + 1),
        _ => (column + 1).to_string(),
    };
    let column = match asked {
        Some(asked) => chosen(asked, has_header, &names, width).ok_or_else(|| RosterError::NoSuchColumn {
            asked: asked.to_owned(),
            columns: (0..width).map(labels).collect(),
        })?,
        None => found(has_header, &names, rows, width, &labels)?,
    };
    let name = names.get(column).filter(|name| has_header && !name.is_empty()).cloned();
    let mut notes = Vec::new();
    if has_header && asked.is_none() && name.as_deref().and_then(rank).is_none() {
        notes.push(format!("line 1 has no e-mail address and was taken for the header: {}", names.join(", ")));
    }
    Ok(Layout { has_header, width, column, name, notes })
}

/// Spreadsheets leave empty columns at the end of a header.
fn header_width(first: &ByteRecord) -> usize {
    let empty = first.iter().rev().take_while(|cell| cell.trim_ascii().is_empty()).count();
    (first.len() - empty).max(1)
}

/// The column that the user named: by its name, else by its number.
fn chosen(asked: &str, has_header: bool, names: &[String], width: usize) -> Option<usize> {
    let by_name = || names.iter().position(|name| name.eq_ignore_ascii_case(asked.trim()));
    let by_number = || asked.trim().parse::<usize>().ok().filter(|number| (1..=width).contains(number)).map(|n| n - 1);
    has_header.then(by_name).flatten().or_else(by_number)
}

/// The column found by its name, else the only one that has addresses.
fn found(
    has_header: bool,
    names: &[String],
    rows: &[ByteRecord],
    width: usize,
    labels: &dyn Fn(usize) -> String,
) -> Result<usize, RosterError> {
    let emails = |column: usize| rows.iter().filter(|row| row.get(column).is_some_and(cell_is_email)).count();
    let with_emails: Vec<usize> = (0..width).filter(|column| emails(*column) > 0).collect();
    if has_header {
        let mut named: Vec<(usize, usize)> =
            (0..width.min(names.len())).filter_map(|column| Some((rank(&names[column])?, column))).collect();
        named.sort_unstable();
        if let Some(&(_, column)) = named.first()
            && (emails(column) > 0 || with_emails.is_empty())
        {
            // A second column with such a name is no matter as long as it says the same.
            let mut several: Vec<usize> =
                named.iter().map(|(_, other)| *other).filter(|other| differ(rows, column, *other)).collect();
            if several.is_empty() {
                return Ok(column);
            }
            several.push(column);
            several.sort_unstable();
            return Err(RosterError::SeveralColumns(several.into_iter().map(labels).collect()));
        }
    }
    match with_emails.as_slice() {
        [column] => Ok(*column),
        [] => Err(RosterError::NoEmails((0..width).map(labels).collect())),
        several => Err(RosterError::SeveralColumns(several.iter().map(|column| labels(*column)).collect())),
    }
}

/// Whether a line has two different addresses in two columns.
fn differ(rows: &[ByteRecord], one: usize, other: usize) -> bool {
    let email = |row: &ByteRecord, column: usize| {
        row.get(column).filter(|cell| cell_is_email(cell)).map(|cell| cell.trim_ascii().to_ascii_lowercase())
    };
    rows.iter().any(|row| email(row, one).zip(email(row, other)).is_some_and(|(one, other)| one != other))
}

/// How clearly a header name means the person's own address; lower is clearer.
fn rank(name: &str) -> Option<usize> {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    NAMES.iter().position(|known| *known == plain)
}
