//! Which records of a page are given: local filters and `fields`.

use bytes::Bytes;
use quartermaster_definition::Method;
use quartermaster_definition::plan::Comparison;
use serde_json::{Map, Value};

use super::page::Page;
use crate::call::AbsentFields;
use crate::json;
use crate::limits::FIELDS_NAMED_MAX;

/// What a call wants of every page.
pub(super) struct Selection<'m> {
    filters: Vec<Filter<'m>>,
    fields: Option<&'m [String]>,
    /// Which of the fields no record had so far, and the first record that was given.
    missing: Vec<&'m str>,
    first: Option<Vec<u8>>,
}

/// One local filter with its value.
struct Filter<'m> {
    at: &'m str,
    compare: Comparison,
    fold_case: bool,
    wanted: String,
}

/// What was taken of one page.
pub(super) struct Taken {
    /// Pieces for the answer.
    pub(super) pieces: Vec<Bytes>,
    /// Ids.
    pub(super) ids: Vec<Bytes>,
    /// Records in the pieces.
    pub(super) count: usize,
    /// Records of the page that were looked at, those that were skipped included.
    pub(super) end: usize,
}

impl<'m> Selection<'m> {
    /// What `arguments` and `fields` ask for.
    pub(super) fn new(method: &'m Method, arguments: &Map<String, Value>, fields: Option<&'m [String]>) -> Self {
        let filter = |filter: &'m quartermaster_definition::plan::LocalFilter| {
            let wanted = crate::request::plain(arguments.get(&filter.argument).filter(|value| !value.is_null())?);
            let wanted = if filter.fold_case { wanted.to_lowercase() } else { wanted };
            Some(Filter { at: &filter.at, compare: filter.compare, fold_case: filter.fold_case, wanted })
        };
        Self {
            filters: method.local_filters.iter().filter_map(filter).collect(),
            fields,
            missing: fields.unwrap_or_default().iter().map(String::as_str).collect(),
            first: None,
        }
    }

    /// The fields that none of the records had which were given; `None` when there were no records to tell.
    pub(super) fn absent(&self) -> Option<AbsentFields> {
        let first = self.first.as_deref().filter(|_| !self.missing.is_empty())?;
        let members: Map<String, Value> = serde_json::from_slice(first).unwrap_or_default();
        Some(AbsentFields {
            absent: self.missing.iter().map(|name| (*name).to_owned()).collect(),
            present: members.into_iter().map(|(name, _)| name).take(FIELDS_NAMED_MAX).collect(),
        })
    }

    /// Notes which fields a record has.
    fn look(&mut self, record: &[u8]) {
        if self.missing.is_empty() {
            return;
        }
        self.missing.retain(|name| {
            let at = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            !matches!(json::find_one(record, &at), Ok(Some(_)))
        });
        if self.first.is_none() {
            self.first = Some(record.to_vec());
        }
    }

    /// Whether a local filter is in force.
    pub(super) fn filters(&self) -> bool {
        !self.filters.is_empty()
    }

    /// Whether pages are given as slices of what came; then it need not be known where each record stands.
    pub(super) fn is_raw(&self) -> bool {
        self.filters.is_empty() && self.fields.is_none()
    }

    /// Takes at most `room` records from record `from` on.
    pub(super) fn take(&mut self, page: &mut Page, method: &Method, from: usize, room: usize) -> Taken {
        if self.is_raw() {
            return take_raw(page, method, from, room);
        }
        let mut taken = Taken { pieces: Vec::new(), ids: Vec::new(), count: 0, end: from };
        let mut piece = Vec::new();
        for index in from..page.count() {
            if taken.count == room {
                break;
            }
            taken.end = index + 1;
            let record = page.item(index);
            if !self.filters.iter().all(|filter| filter.holds(&page.body[record.clone()])) {
                continue;
            }
            taken.count += 1;
            taken.ids.extend(page.id(index));
            if !piece.is_empty() {
                piece.push(b',');
            }
            self.look(&page.body[record.clone()]);
            self.project(&page.body[record], &mut piece);
        }
        // Copied, because a few records would keep the whole page in memory.
        if !piece.is_empty() {
            taken.pieces.push(Bytes::from(piece));
        }
        taken
    }

    /// Writes the record, with the wanted members only.
    fn project(&self, record: &[u8], out: &mut Vec<u8>) {
        // A record was read before as part of the page, so that it is well-formed.
        if self.fields.is_none_or(|fields| json::project(record, fields, out).is_err()) {
            out.extend_from_slice(record);
        }
    }
}

/// Takes records as one slice of the page.
fn take_raw(page: &mut Page, method: &Method, from: usize, room: usize) -> Taken {
    let end = from.saturating_add(room).min(page.count());
    let count = end - from;
    let pieces = if count == 0 {
        Vec::new()
    } else if count == page.count() {
        vec![page.body.slice(page.inner())]
    } else {
        page.find_items(method);
        vec![page.body.slice(page.item(from).start..page.item(end - 1).end)]
    };
    Taken { pieces, ids: (from..end).filter_map(|index| page.id(index)).collect(), count, end }
}

impl Filter<'_> {
    fn holds(&self, record: &[u8]) -> bool {
        let Ok(Some(raw)) = json::find_one(record, self.at) else { return false };
        match self.compare {
            Comparison::Equals => json::equals(raw, &self.wanted, self.fold_case),
            Comparison::EndsWith => json::ends_with(raw, &self.wanted, self.fold_case),
            Comparison::StartsWith => self.compare_text(raw, |text, wanted| text.starts_with(wanted)),
            Comparison::Contains => self.compare_text(raw, |text, wanted| text.contains(wanted)),
        }
    }

    fn compare_text(&self, raw: &[u8], compare: impl Fn(&str, &str) -> bool) -> bool {
        let Some(text) = json::text(raw) else { return false };
        if self.fold_case { compare(&text.to_lowercase(), &self.wanted) } else { compare(&text, &self.wanted) }
    }
}
