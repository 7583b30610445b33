//! A page of a list in one pass: where the items are, their ids, and whatever else the page tells.

use std::borrow::Cow;
use std::ops::Range;

use super::JsonError;
use super::text::unescape;
use super::walk::Walker;

/// What is wanted of a page. Pointers are JSON Pointers.
#[derive(Clone, Copy, Debug)]
pub struct ListQuery<'p> {
    /// Where the array of items is; empty when the page itself is the array.
    pub items: &'p str,
    /// Where the id is in an item.
    pub id: Option<&'p str>,
    /// Further values of the page (cursor, total, has-more flag).
    pub others: &'p [&'p str],
    /// Whether the range of every item is wanted.
    pub item_ranges: bool,
}

/// What a page holds. Ranges are of the page's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListScan {
    /// The text between the brackets, without outer whitespace; empty for an empty array. `None` when there is no such
    /// value or it is null.
    pub items: Option<Range<u32>>,
    /// Number of items.
    pub count: u32,
    /// Every item, when asked for.
    pub item_ranges: Vec<Range<u32>>,
    /// The id of every item, when asked for.
    pub ids: Vec<IdText>,
    /// One for each of [`ListQuery::others`].
    pub others: Vec<Option<Range<u32>>>,
}

/// The text of an id in a page: a string's contents, or the digits of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdText {
    start: u32,
    end: u32,
    form: IdForm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum IdForm {
    #[default]
    Missing,
    Plain,
    Escaped,
}

impl IdText {
    /// The raw text without quotes, escapes as they stand; `None` when the item has no id that is a text or a number.
    pub fn raw<'a>(&self, page: &'a [u8]) -> Option<&'a [u8]> {
        (self.form != IdForm::Missing).then(|| &page[self.start as usize..self.end as usize])
    }

    /// Whether the raw text holds escapes.
    pub fn is_escaped(&self) -> bool {
        self.form == IdForm::Escaped
    }

    /// The range of the raw text; `None` as in [`Self::raw`].
    pub fn range(&self) -> Option<Range<u32>> {
        (self.form != IdForm::Missing).then_some(self.start..self.end)
    }

    /// The id itself; copied only when it holds escapes.
    pub fn text<'a>(&self, page: &'a [u8]) -> Option<Cow<'a, str>> {
        unescape(self.raw(page)?)
    }
}

/// Reads a page in one pass. Fails when the page is not well-formed or the items are neither an array nor null.
pub fn scan_list(page: &[u8], query: &ListQuery<'_>) -> Result<ListScan, JsonError> {
    let mut walker = Walker::new(page)?;
    for pointer in query.others {
        walker.look_for(pointer);
    }
    walker.look_for_items(query.items, query.id, query.item_ranges);
    let pass = walker.run()?;
    Ok(ListScan {
        items: pass.list.items,
        count: pass.list.count,
        item_ranges: pass.list.ranges,
        ids: pass.list.ids,
        others: pass.found,
    })
}

/// What the pass knows of the list so far.
#[derive(Default)]
pub(super) struct ListState {
    pub(super) items: Option<Range<u32>>,
    pub(super) count: u32,
    pub(super) with_ranges: bool,
    pub(super) ranges: Vec<Range<u32>>,
    ids: Vec<IdText>,
}

impl ListState {
    pub(super) fn forget(&mut self) {
        *self = Self { with_ranges: self.with_ranges, ..Self::default() };
    }

    #[inline]
    pub(super) fn begin_id(&mut self) {
        self.ids.push(IdText::default());
    }

    pub(super) fn forget_id(&mut self) {
        if let Some(id) = self.ids.last_mut() {
            *id = IdText::default();
        }
    }

    #[inline]
    pub(super) fn end_item(&mut self, range: Range<usize>) {
        if self.with_ranges {
            self.ranges.push(range.start as u32..range.end as u32);
        }
    }

    /// Takes the value at `range` as the id of the item at hand, if it is a text or a number.
    #[inline]
    pub(super) fn set_id(&mut self, page: &[u8], range: &Range<u32>) {
        let raw = &page[range.start as usize..range.end as usize];
        let (start, end, form) = match raw {
            [b'"', contents @ .., b'"'] if contents.contains(&b'\\') => {
                (range.start + 1, range.end - 1, IdForm::Escaped)
            }
            [b'"', ..] => (range.start + 1, range.end - 1, IdForm::Plain),
            [b'-' | b'0'..=b'9', ..] => (range.start, range.end, IdForm::Plain),
            _ => (0, 0, IdForm::Missing),
        };
        if let Some(id) = self.ids.last_mut() {
            *id = IdText { start, end, form };
        }
    }
}
