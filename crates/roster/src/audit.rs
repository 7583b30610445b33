//! The input of a run of the playbook `audit`.

use serde_json::{Map, Value, json};

use crate::roster::Roster;

/// The name of the playbook.
pub const PLAYBOOK: &str = "audit";

/// How many people are suspended at the same time unless said otherwise.
pub const CONCURRENCY_DEFAULT: u16 = 4;

/// The most people that are suspended at the same time.
pub const CONCURRENCY_MAX: u16 = 32;

/// The most characters of a name of a list, and of one remark on it, that a run is told.
const TEXT_MAX_CHARACTERS: usize = 500;

/// What is to be done with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Suspend those who are active.
    pub suspend: bool,
    /// So many at the same time.
    pub concurrency: u16,
}

/// What a run is started with: every line of the list, those with something wrong included, so that its report is whole.
pub fn input(source: &str, roster: &Roster, wish: Wish) -> Map<String, Value> {
    let cut = |text: &str| text.chars().take(TEXT_MAX_CHARACTERS).collect::<String>();
    let mut rows: Vec<(u64, Map<String, Value>)> = Vec::with_capacity(roster.entries.len() + roster.bad_lines.len());
    for entry in &roster.entries {
        for line in std::iter::once(&entry.line).chain(&entry.also_on_lines) {
            rows.push((*line, row(*line, &entry.email)));
        }
    }
    rows.extend(roster.bad_lines.iter().filter(|bad| !bad.used).map(|bad| (bad.line, row(bad.line, ""))));
    rows.sort_by_key(|(line, _)| *line);
    for bad in &roster.bad_lines {
        if let Ok(place) = rows.binary_search_by_key(&bad.line, |(line, _)| *line) {
            rows[place].1.insert("problem".to_owned(), json!(cut(&bad.reason)));
        }
    }
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| Value::Object(row)).collect();
    Map::from_iter([
        ("rows".to_owned(), Value::Array(rows)),
        ("suspend".to_owned(), json!(wish.suspend)),
        ("concurrency".to_owned(), json!(wish.concurrency)),
        ("source".to_owned(), json!(cut(source))),
        ("notes".to_owned(), roster.notes.iter().map(|note| cut(note)).collect()),
    ])
}

fn row(line: u64, email: &str) -> Map<String, Value> {
    Map::from_iter([("line".to_owned(), json!(line)), ("email".to_owned(), json!(email))])
}

/// The addresses of the rows of an input, in their order: what a watcher is told of them by their places.
pub fn emails(input: &Map<String, Value>) -> Vec<String> {
    let rows = input.get("rows").and_then(Value::as_array).into_iter().flatten();
    rows.map(|row| row["email"].as_str().unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster;

    #[test]
    fn every_line_becomes_a_row_in_its_place() {
        let bytes = b"email,name\na@b.c,x\nnonsense,y\nd@e.f,\xff\nA@B.C,z\n,\n";
        let roster = roster::read(bytes, None).unwrap();
        let input = input("list.csv", &roster, Wish { suspend: true, concurrency: 7 });
        assert_eq!(
            input["rows"],
            json!([
                {"line": 2, "email": "a@b.c"},
                {"line": 3, "email": "", "problem": "\"nonsense\" is not an e-mail address"},
                {"line": 4, "email": "d@e.f", "problem": "another column is not valid UTF-8; the e-mail address was used"},
                {"line": 5, "email": "a@b.c"},
            ])
        );
        assert_eq!((&input["suspend"], &input["concurrency"]), (&json!(true), &json!(7)));
        assert_eq!(emails(&input), ["a@b.c", "", "d@e.f", "a@b.c"]);
    }
}
