//! The text of a definition (or of another thing in this notation), with lines and columns.

use std::ops::Range;
use std::sync::Arc;

/// A text under its file name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name for messages; nothing is read from it.
    pub file: Arc<str>,
    /// The text; empty for definitions that come as values.
    pub text: Arc<str>,
    /// What the text is, for messages: `definition`, `playbook`.
    pub noun: &'static str,
}

impl Source {
    /// A definition's text; a byte order mark before it is left out.
    pub fn new(file: &str, text: &str) -> Self {
        Self::of("definition", file, text)
    }

    /// The text of something else, by the noun that messages use; a byte order mark before it is left out.
    pub fn of(noun: &'static str, file: &str, text: &str) -> Self {
        Self { file: file.into(), text: text.strip_prefix('\u{feff}').unwrap_or(text).into(), noun }
    }

    /// A source without a text: its problems are told by JSON Pointer.
    pub fn without_text(file: &str) -> Self {
        Self::new(file, "")
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Where a part of a scalar's value stands in the text: exactly where the value is written as it is, the whole scalar
    /// where it is folded over lines or has escapes in it.
    pub fn part_of(&self, scalar: &Range<usize>, value: &str, part: Range<usize>) -> Range<usize> {
        let written = self.text.get(scalar.clone()).unwrap_or("");
        match written.find(value) {
            Some(start) if !value.is_empty() => {
                let start = scalar.start + start;
                start + part.start..start + part.end.max(part.start)
            }
            _ => scalar.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let source = Source::new("x", "é: ü\nab");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(4), (1, 4));
        assert_eq!(source.position(7), (2, 1));
        assert_eq!(source.position(8), (2, 2));
        assert_eq!(source.position(99), (2, 3));
        assert_eq!(source.position(1), (1, 1), "inside a character");
    }

    #[test]
    fn parts_of_plain_scalars_are_exact_and_of_folded_ones_whole() {
        let source = Source::new("x", "a: '/u/{{ id }}'\nb: >-\n  one\n  two\n");
        assert_eq!(source.part_of(&(3..16), "/u/{{ id }}", 6..8), 10..12);
        assert_eq!(source.part_of(&(20..35), "one two", 4..7), 20..35);
    }
}
