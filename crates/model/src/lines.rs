//! Cuts what comes into whole lines, so that what reads it never looks at the same byte twice and never sees half a secret.

use bytes::{Bytes, BytesMut};

use crate::limits::LINE_MAX_BYTES;

/// What has no end yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: BytesMut,
}

/// A line went over [`LINE_MAX_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Lines {
    /// Takes a piece and gives everything up to the last end of a line; empty when there is none yet.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Bytes, TooLong> {
        let ended = memchr::memrchr2(b'\n', b'\r', piece).map_or(0, |at| at + 1);
        let (whole, rest) = piece.split_at(ended);
        let longest_begins = memchr::memchr2(b'\n', b'\r', whole).unwrap_or(piece.len());
        if self.rest.len() + longest_begins > LINE_MAX_BYTES || rest.len() > LINE_MAX_BYTES {
            return Err(TooLong);
        }
        self.rest.extend_from_slice(whole);
        let lines = if ended > 0 { self.rest.split().freeze() } else { Bytes::new() };
        self.rest.extend_from_slice(rest);
        Ok(lines)
    }

    /// What is left at the end.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.rest.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_it_is_cut_the_bytes_are_the_same_and_lines_are_whole(
            text in "[ab\r\n\u{e9}]{0,200}",
            cuts in proptest::collection::vec(0_usize..400, 0..20),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let (mut lines, mut seen, mut from) = (Lines::default(), Vec::new(), 0);
            for cut in cuts {
                let whole = lines.push(&bytes[from..cut]).unwrap();
                prop_assert!(whole.is_empty() || matches!(whole.last(), Some(b'\n' | b'\r')));
                prop_assert!(std::str::from_utf8(&whole).is_ok(), "a letter was cut");
                seen.extend_from_slice(&whole);
                from = cut;
            }
            let rest = lines.rest();
            prop_assert!(!rest.contains(&b'\n') && !rest.contains(&b'\r'));
            seen.extend_from_slice(&rest);
            prop_assert_eq!(seen, bytes);
        }
    }

    #[test]
    fn a_line_without_an_end_ends_somewhere() {
        let mut lines = Lines::default();
        assert!(lines.push(&vec![b'a'; LINE_MAX_BYTES]).unwrap().is_empty());
        assert_eq!(lines.push(b"\n").unwrap().len(), LINE_MAX_BYTES + 1);
        assert!(lines.push(&vec![b'a'; LINE_MAX_BYTES]).unwrap().is_empty());
        assert_eq!(lines.push(b"a"), Err(TooLong));
        assert_eq!(Lines::default().push(&vec![b'a'; LINE_MAX_BYTES + 1]), Err(TooLong));
        let mut after = b"\n".to_vec();
        after.extend(vec![b'a'; LINE_MAX_BYTES + 1]);
        assert_eq!(Lines::default().push(&after), Err(TooLong));
    }
}
