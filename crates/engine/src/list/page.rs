//! One page as it came: where its records, ids and page members stand in the body.

use std::ops::Range;

use bytes::Bytes;
use quartermaster_definition::Method;
use quartermaster_egress::Response;

use super::style;
use crate::json::{self, IdText, JsonError, Kind, ListQuery, ListScan};

/// One page.
pub(super) struct Page {
    pub(super) body: Bytes,
    scan: ListScan,
    /// The cursor of the page after it.
    pub(super) next: Option<String>,
}

impl Page {
    /// Finds the records in an answer; `item_ranges` where they stand one by one, too. The error completes
    /// "answered with …".
    pub(super) fn read(response: &Response, method: &Method, id_at: &str, item_ranges: bool) -> Result<Self, String> {
        let body = response.body.clone();
        if body.trim_ascii().is_empty() {
            return Err("an empty body instead of a list".to_owned());
        }
        let others = style::pointers(&method.pagination);
        let query = ListQuery { items: &method.result, id: Some(id_at), others: &others, item_ranges };
        let scan = json::scan_list(&body, &query).map_err(|error| describe(error, method))?;
        if scan.items.is_none() && !may_be_empty(&body, method) {
            return Err(format!("no list at {}", shown(&method.result)));
        }
        Ok(Self { body, scan, next: None })
    }

    /// Finds where each record stands, when that was not asked for before.
    pub(super) fn find_items(&mut self, method: &Method) {
        if self.scan.item_ranges.is_empty() && self.scan.count > 0 {
            let query = ListQuery { items: &method.result, id: None, others: &[], item_ranges: true };
            // The same body was read before, so that it is well-formed; without ranges nothing would be given.
            self.scan.item_ranges =
                json::scan_list(&self.body, &query).map(|scan| scan.item_ranges).unwrap_or_default();
        }
    }

    /// Number of records.
    pub(super) fn count(&self) -> usize {
        self.scan.count as usize
    }

    /// Where all records stand, without the brackets.
    pub(super) fn inner(&self) -> Range<usize> {
        self.scan.items.as_ref().map_or(0..0, wide)
    }

    /// Where one record stands.
    pub(super) fn item(&self, index: usize) -> Range<usize> {
        self.scan.item_ranges.get(index).map_or(0..0, wide)
    }

    /// The id of one record.
    pub(super) fn id(&self, index: usize) -> Option<Bytes> {
        let id: &IdText = self.scan.ids.get(index)?;
        if id.is_escaped() {
            return Some(Bytes::from(id.text(&self.body)?.into_owned()));
        }
        id.range().map(|range| self.body.slice(wide(&range)))
    }

    /// The id of the last record.
    pub(super) fn last_id(&self) -> Option<String> {
        Some(self.scan.ids.last()?.text(&self.body)?.into_owned())
    }

    /// The cursor in the body; null, false and "" are none.
    pub(super) fn cursor(&self) -> Option<String> {
        let raw = self.other(style::CURSOR)?;
        if json::kind(raw) == Kind::Boolean {
            return None;
        }
        json::text(raw).map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
    }

    /// Whether the body says that there is more. A text or number says so by not being empty or 0.
    pub(super) fn has_more(&self) -> Option<bool> {
        let raw = self.other(style::HAS_MORE)?;
        match json::kind(raw) {
            Kind::Null => None,
            Kind::Boolean | Kind::String | Kind::Number => {
                json::text(raw).map(|text| !matches!(&*text, "false" | "" | "0"))
            }
            Kind::Array | Kind::Object => Some(true),
        }
    }

    /// The number of pages or records that the body tells.
    pub(super) fn total(&self) -> Option<u64> {
        json::text(self.other(style::TOTAL)?)?.trim().parse().ok()
    }

    fn other(&self, which: usize) -> Option<&[u8]> {
        let range = self.scan.others.get(which)?.as_ref()?;
        Some(json::slice(&self.body, range))
    }
}

fn wide(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// An absent list counts as empty when it is null, or when the body holds nothing but page members: writers of JSON that
/// leave out what is empty (Protocol Buffers do) end a list like that. Everything else is not the answer that was declared.
fn may_be_empty(body: &[u8], method: &Method) -> bool {
    if matches!(json::find_one(body, &method.result), Ok(Some(_))) {
        return true;
    }
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(body) else { return false };
    let others = style::pointers(&method.pagination);
    members.keys().all(|name| others.iter().any(|pointer| pointer.split('/').nth(1) == Some(name.as_str())))
}

fn describe(error: JsonError, method: &Method) -> String {
    match error {
        JsonError::NotAList { .. } => format!("something that is not a list at {}", shown(&method.result)),
        JsonError::Malformed { at } => {
            format!("something that is not JSON, or only a part of it (it breaks at byte {at})")
        }
        other => format!("something that is not JSON ({other})"),
    }
}

fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "the top" } else { pointer }
}
