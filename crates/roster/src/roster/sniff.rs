//! Which delimiter a file uses.

use csv::ByteRecord;

use super::{Lines, is_email};

/// Records that are looked at to understand a file.
pub(super) const SAMPLE_RECORDS: usize = 200;

/// Bytes that are looked at.
const SAMPLE_MAX_BYTES: usize = 256 * 1024;

/// Delimiters, the likelier first: an equal score leaves the earlier one.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// The delimiter under which most lines have a cell that is an e-mail address and nothing else; among equals, the one
/// that gives the most lines the same number of columns.
pub(super) fn delimiter(text: &[u8]) -> u8 {
    let sample = sample(text);
    let mut best = (DELIMITERS[0], (0, 0));
    for delimiter in DELIMITERS {
        let score = score(sample, delimiter);
        if score > best.1 {
            best = (delimiter, score);
        }
    }
    best.0
}

/// The start of the text, cut at a line end.
fn sample(text: &[u8]) -> &[u8] {
    if text.len() <= SAMPLE_MAX_BYTES {
        return text;
    }
    let start = &text[..SAMPLE_MAX_BYTES];
    start.iter().rposition(|byte| *byte == b'\n').map_or(start, |end| &start[..end])
}

fn score(sample: &[u8], delimiter: u8) -> (usize, usize) {
    let lines = Lines::new(sample, delimiter);
    let records: Vec<ByteRecord> = lines.records().take(SAMPLE_RECORDS).map(|(_, record)| record).collect();
    let with_email = records.iter().filter(|record| record.iter().any(cell_is_email)).count();
    let width = usual_width(&records);
    let consistent = if width > 1 { records.iter().filter(|record| record.len() == width).count() } else { 0 };
    (with_email, consistent)
}

/// The number of columns that most lines have.
pub(super) fn usual_width(records: &[ByteRecord]) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for record in records {
        *counts.entry(record.len()).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(1, |(width, _)| width)
}

pub(super) fn cell_is_email(cell: &[u8]) -> bool {
    std::str::from_utf8(cell).is_ok_and(|cell| is_email(cell.trim()))
}
