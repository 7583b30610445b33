//! Reads JSON in place: one pass over the bytes, no tree.
//!
//! Everything here checks the whole text that it is given: well-formed JSON, valid UTF-8, no lone surrogates, at most
//! [`DEPTH_MAX`] levels. What comes back are byte ranges of that text. Where an object names a member twice, the last one
//! counts, as in `serde_json`. Numbers are checked for form only, never for range.

mod error;
mod list;
mod project;
mod scanner;
mod text;
mod walk;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use error::{DEPTH_MAX, JsonError};
pub use list::{IdText, ListQuery, ListScan, scan_list};
pub use project::project;
pub use text::{Kind, ends_with, equals, kind, string_contents, text, unescape};

/// Checks that the body is one well-formed JSON value.
pub fn validate(body: &[u8]) -> Result<(), JsonError> {
    walk::Walker::new(body)?.run().map(drop)
}

/// Where the values are that the JSON Pointers name, in one pass: a range of `body` for each pointer, `None` where there
/// is nothing. A pointer that is neither empty nor begins with `/` finds nothing.
pub fn find<P: AsRef<str>>(body: &[u8], pointers: &[P]) -> Result<Vec<Option<Range<u32>>>, JsonError> {
    let mut walker = walk::Walker::new(body)?;
    for pointer in pointers {
        walker.look_for(pointer.as_ref());
    }
    Ok(walker.run()?.found)
}

/// The raw value at a JSON Pointer; `None` where there is nothing.
pub fn find_one<'a>(body: &'a [u8], pointer: &str) -> Result<Option<&'a [u8]>, JsonError> {
    let found = find(body, &[pointer])?;
    Ok(found.into_iter().flatten().next().map(|range| slice(body, &range)))
}

/// The bytes of a range that one of these functions returned for this body.
pub fn slice<'a>(body: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    &body[range.start as usize..range.end as usize]
}
