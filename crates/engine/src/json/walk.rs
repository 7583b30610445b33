//! Goes down only where a pointer leads; everything else is checked and skipped.

use std::ops::Range;

use super::JsonError;
use super::list::ListState;
use super::scanner::{RawString, Scanner, Stopped};
use super::text::name_matches;

/// What a pointer is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The value is one of those looked for, by number.
    Found(usize),
    /// The value is the array of items.
    Items,
    /// The value is the id of the item at hand.
    Id,
}

/// A pointer that leads through the value at hand: what is left of it from there.
#[derive(Clone, Copy)]
struct Interest<'p> {
    target: Target,
    /// The next segment; `None` when the value at hand is the one.
    segment: Option<&'p str>,
    /// What follows the next segment, with its slash.
    rest: &'p str,
    /// Whether the segment may be escaped.
    tilde: bool,
}

impl<'p> Interest<'p> {
    /// `None` when the pointer is neither empty nor begins with a slash.
    fn new(target: Target, pointer: &'p str) -> Option<Self> {
        if pointer.is_empty() {
            return Some(Self { target, segment: None, rest: "", tilde: false });
        }
        let path = pointer.strip_prefix('/')?;
        let (segment, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        Some(Self { target, segment: Some(segment), rest, tilde: segment.contains('~') })
    }
}

/// What a pass found.
pub(super) struct Pass {
    pub(super) found: Vec<Option<Range<u32>>>,
    pub(super) list: ListState,
}

/// One pass over a text.
pub(super) struct Walker<'a, 'p> {
    scanner: Scanner<'a>,
    /// The interests of the open levels, innermost last; each level knows its own range.
    interests: Vec<Interest<'p>>,
    found: Vec<Option<Range<u32>>>,
    pub(super) list: ListState,
    /// Where the id stands in an item; `None` when it cannot be found.
    id: Option<Interest<'p>>,
    wants_ids: bool,
}

impl<'a, 'p> Walker<'a, 'p> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        Ok(Self {
            scanner: Scanner::new(bytes)?,
            interests: Vec::new(),
            found: Vec::new(),
            list: ListState::default(),
            id: None,
            wants_ids: false,
        })
    }

    /// One more value to find.
    pub(super) fn look_for(&mut self, pointer: &'p str) {
        self.interests.extend(Interest::new(Target::Found(self.found.len()), pointer));
        self.found.push(None);
    }

    /// The array of items, and where the id stands in each.
    pub(super) fn look_for_items(&mut self, items: &'p str, id: Option<&'p str>, with_ranges: bool) {
        self.interests.extend(Interest::new(Target::Items, items));
        self.id = id.and_then(|pointer| Interest::new(Target::Id, pointer));
        self.wants_ids = id.is_some();
        self.list.with_ranges = with_ranges;
    }

    /// Reads the whole text.
    pub(super) fn run(mut self) -> Result<Pass, JsonError> {
        if let Err(stopped) = self.whole() {
            return Err(self.scanner.into_error(stopped));
        }
        Ok(Pass { found: self.found, list: self.list })
    }

    fn whole(&mut self) -> Result<(), Stopped> {
        let all = 0..self.interests.len();
        self.value(all, 0)?;
        self.scanner.end()
    }

    /// One value, inside `depth` levels, through which the interests in the range lead.
    fn value(&mut self, level: Range<usize>, depth: usize) -> Result<(), Stopped> {
        let first = self.scanner.next_token();
        let start = self.scanner.at;
        let interests = &self.interests[level.clone()];
        let goes_on = interests.iter().any(|interest| interest.segment.is_some());
        let is_items = interests.iter().any(|interest| interest.segment.is_none() && interest.target == Target::Items);
        match first {
            b'[' if is_items => self.items(&level, depth)?,
            b'{' if goes_on => self.object(&level, depth)?,
            b'[' if goes_on => self.array(&level, depth)?,
            _ => self.scanner.skip_value(depth)?,
        }
        let range = start as u32..self.scanner.at as u32;
        for index in level {
            let interest = self.interests[index];
            if interest.segment.is_some() {
                continue;
            }
            match interest.target {
                Target::Found(number) => self.found[number] = Some(range.clone()),
                Target::Id => self.list.set_id(self.scanner.bytes, &range),
                Target::Items if first == b'[' || first == b'n' => {}
                Target::Items => return Err(self.scanner.stop(JsonError::NotAList { at: start })),
            }
        }
        Ok(())
    }

    fn object(&mut self, level: &Range<usize>, depth: usize) -> Result<(), Stopped> {
        self.scanner.check_depth(depth)?;
        self.scanner.at += 1;
        if self.scanner.next_token() == b'}' {
            self.scanner.at += 1;
            return Ok(());
        }
        loop {
            let name = self.scanner.member_name()?;
            let inner = self.enter(level, |scanner, segment, tilde| name_is(scanner, name, segment, tilde));
            self.inside(inner, depth)?;
            match self.scanner.next_token() {
                b',' => self.scanner.at += 1,
                b'}' => break,
                _ => return Err(self.scanner.malformed()),
            }
        }
        self.scanner.at += 1;
        Ok(())
    }

    fn array(&mut self, level: &Range<usize>, depth: usize) -> Result<(), Stopped> {
        self.elements(depth, |walker, index| {
            let inner = walker.enter(level, |_, segment, _| index_is(segment, index));
            walker.inside(inner, depth)
        })
        .map(drop)
    }

    /// The value of a member or element, one level down, through which the interests from `inner` on lead.
    #[inline]
    fn inside(&mut self, inner: usize, depth: usize) -> Result<(), Stopped> {
        if inner == self.interests.len() {
            return self.scanner.skip_value(depth + 1);
        }
        self.value(inner..self.interests.len(), depth + 1)?;
        self.interests.truncate(inner);
        Ok(())
    }

    /// Pushes what is left of every interest of the level whose first segment matches. What an earlier member of the same
    /// name gave is forgotten. Returns where they begin.
    #[inline]
    fn enter(&mut self, level: &Range<usize>, matches: impl Fn(&Scanner<'a>, &str, bool) -> bool) -> usize {
        let inner = self.interests.len();
        for index in level.clone() {
            let interest = self.interests[index];
            let Some(segment) = interest.segment else { continue };
            if !matches(&self.scanner, segment, interest.tilde) {
                continue;
            }
            match interest.target {
                Target::Found(number) => self.found[number] = None,
                Target::Items => self.list.forget(),
                Target::Id => self.list.forget_id(),
            }
            self.interests.extend(Interest::new(interest.target, interest.rest));
        }
        inner
    }

    /// The elements of an array, each read by `element`; their number.
    fn elements(
        &mut self,
        depth: usize,
        mut element: impl FnMut(&mut Self, usize) -> Result<(), Stopped>,
    ) -> Result<usize, Stopped> {
        self.scanner.check_depth(depth)?;
        self.scanner.at += 1;
        let mut count = 0;
        if self.scanner.next_token() == b']' {
            self.scanner.at += 1;
            return Ok(count);
        }
        loop {
            element(self, count)?;
            count += 1;
            match self.scanner.next_token() {
                b',' => self.scanner.at += 1,
                b']' => break,
                _ => return Err(self.scanner.malformed()),
            }
        }
        self.scanner.at += 1;
        Ok(count)
    }

    /// The array of items. Other pointers that lead through it are followed too.
    fn items(&mut self, level: &Range<usize>, depth: usize) -> Result<(), Stopped> {
        let passing = self.interests[level.clone()].iter().any(|interest| interest.segment.is_some());
        let id = self.id;
        let start = self.scanner.at + 1;
        let mut last_end = start;
        let count = self.elements(depth, |walker, index| {
            let mut inner = walker.interests.len();
            if passing {
                inner = walker.enter(level, |_, segment, _| index_is(segment, index));
            }
            walker.scanner.next_token();
            let item_start = walker.scanner.at;
            if walker.wants_ids {
                walker.list.begin_id();
                walker.interests.extend(id);
            }
            walker.inside(inner, depth)?;
            last_end = walker.scanner.at;
            walker.list.end_item(item_start..last_end);
            Ok(())
        })?;
        let first = self.scanner.bytes[start..last_end].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.list.items = Some((start + first) as u32..last_end as u32);
        self.list.count = count as u32;
        Ok(())
    }
}

/// Whether a member's name is the pointer segment; `tilde`: whether the segment may be escaped.
#[inline]
fn name_is(scanner: &Scanner<'_>, name: RawString, segment: &str, tilde: bool) -> bool {
    let raw = name.of(scanner.bytes);
    if name.escaped || tilde { name_matches(raw, segment) } else { raw == segment.as_bytes() }
}

/// Whether a pointer segment is this index: digits, no leading zero.
fn index_is(segment: &str, index: usize) -> bool {
    let digits = segment.as_bytes();
    let plain = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    plain && segment.parse() == Ok(index)
}
