//! Walks the pages of a list within named bounds.
//!
//! Without local filters and `fields`, what is given are slices of the upstream's bodies: nothing is copied or parsed into
//! trees. A rate limit or an error on the first page is a failure; on a later one, what was read so far is the answer,
//! together with the place to go on from.

mod page;
mod select;
mod style;

use std::collections::HashSet;

use bytes::Bytes;
use quartermaster_definition::Method;
use quartermaster_definition::plan::{PageStyle, Pagination};
use quartermaster_types::{Code, Problem};

use crate::call::{ListAnswer, Position, StopReason};
use crate::errors;
use crate::limits::{CURSOR_MAX_BYTES, PAGES_MAX, SCANNED_MAX, TIME_RESERVE, WALK_MAX_BYTES};
use crate::request::Draft;
use crate::run::{Purpose, Run};
use page::Page;
use select::Selection;

/// Reads pages until the limit, the end or a bound.
pub(crate) async fn walk(run: &mut Run<'_>) -> Result<ListAnswer, Problem> {
    Walk::new(run)?.run(run).await
}

/// The request for the first page.
pub(crate) fn first_request(run: &mut Run<'_>) -> Result<Draft, Problem> {
    let walk = Walk::new(run)?;
    style::page_request(run, &walk.draft, &walk.method.pagination, walk.cursor.as_deref(), walk.size)
}

/// A walk in progress.
struct Walk<'m> {
    method: &'m Method,
    draft: Draft,
    selection: Selection<'m>,
    /// How many records are wanted; `None`: one page that has any, whole.
    limit: Option<u64>,
    size: u32,
    /// The page to read next: its cursor, and how many of its records were seen before.
    cursor: Option<String>,
    skip: usize,
    seen: HashSet<String, foldhash::fast::RandomState>,
    bytes: usize,
    scanned: u64,
    answer: ListAnswer,
}

/// Whether the walk goes on.
enum Step {
    On,
    Done(Option<StopReason>),
}

impl<'m> Walk<'m> {
    fn new(run: &mut Run<'m>) -> Result<Self, Problem> {
        let call = run.call;
        let method = call.method;
        let selection = Selection::new(method, call.arguments, call.list.fields.as_deref());
        let pagination = &method.pagination;
        let paged = pagination.style != PageStyle::None;
        // With a filter, "one page" would be an accident of where the matches stand; the usual page size is the limit then.
        let usual = (paged && selection.filters()).then_some(pagination.size_default.max(1));
        let limit = call.list.limit.or(usual).map(u64::from);
        let position = call.list.cursor.clone().unwrap_or_default();
        let size = position.size.unwrap_or_else(|| page_size(pagination, call.list.limit, selection.filters()));
        Ok(Self {
            method,
            draft: run.draft(method, call.arguments)?,
            selection,
            limit,
            size,
            cursor: position.upstream,
            skip: position.skip as usize,
            seen: HashSet::default(),
            bytes: 0,
            scanned: 0,
            answer: ListAnswer::default(),
        })
    }

    async fn run(mut self, run: &mut Run<'_>) -> Result<ListAnswer, Problem> {
        let mut pages = 0;
        let reason = loop {
            if let Some(reason) = self.bound_reached(run, pages) {
                break Some(reason);
            }
            let page = match self.read(run).await {
                Ok(page) => page,
                Err(problem) if pages == 0 => return Err(problem),
                Err(problem) => break Some(stopped_by(&problem)),
            };
            pages += 1;
            match self.take(page) {
                Step::On => {}
                Step::Done(reason) => break reason,
            }
        };
        let mut answer = self.answer;
        if reason != Some(StopReason::RepeatedCursor) && (reason.is_some() || answer.next.is_some()) {
            let next = answer.next.get_or_insert_with(Position::default);
            // The loop left the place to go on from here, unless it stopped within a page.
            if reason.is_some() {
                *next = Position { upstream: self.cursor, skip: self.skip as u32, size: None };
            }
            next.size = sized(&self.method.pagination).then_some(self.size);
        }
        answer.is_partial = reason.is_some();
        answer.stopped_because = reason;
        answer.scanned = self.selection.filters().then_some(self.scanned);
        answer.absent_fields = self.selection.absent();
        answer.rate_limits = std::mem::take(&mut run.limits);
        answer.upstream_calls = run.calls;
        Ok(answer)
    }

    /// The bound that forbids another page.
    fn bound_reached(&self, run: &Run<'_>, pages: u32) -> Option<StopReason> {
        if pages == 0 {
            return None;
        }
        if pages >= PAGES_MAX {
            return Some(StopReason::PageLimit);
        }
        if self.selection.filters() && self.scanned >= SCANNED_MAX {
            return Some(StopReason::ScanLimit);
        }
        if self.bytes >= WALK_MAX_BYTES {
            return Some(StopReason::SizeLimit);
        }
        (run.remaining() < TIME_RESERVE).then_some(StopReason::TimeLimit)
    }

    /// Reads the page at the cursor.
    async fn read(&mut self, run: &mut Run<'_>) -> Result<Page, Problem> {
        let purpose = Purpose::of(self.method);
        let draft = style::page_request(run, &self.draft, &self.method.pagination, self.cursor.as_deref(), self.size)?;
        let response = run.send(&draft, purpose).await?;
        if let Some(problem) = errors::failed(run, &response, purpose) {
            return Err(problem);
        }
        let id_at =
            run.call.plan.resources.get(&self.method.resource).map_or("/id", |resource| resource.id.at.as_str());
        match Page::read(&response, self.method, id_at, !self.selection.is_raw()) {
            Ok(mut page) => {
                let (pagination, cursor) = (&self.method.pagination, self.cursor.as_deref());
                let next = style::next(pagination, &page, &response.headers, &draft.url, cursor, self.size);
                if let Some(length) = next.as_ref().map(String::len).filter(|length| *length > CURSOR_MAX_BYTES) {
                    let what = format!("a cursor of {length} bytes; at most {CURSOR_MAX_BYTES} are followed");
                    return Err(errors::unusable(run, &response, purpose, &what));
                }
                page.next = next.map(|next| style::without_key(&run.call.plan.auth, next));
                Ok(page)
            }
            Err(what) => Err(errors::unusable(run, &response, purpose, &what)),
        }
    }

    /// Takes the page's records, up to the limit, and moves to the next page.
    fn take(&mut self, mut page: Page) -> Step {
        let next = page.next.take();
        let from = self.skip.min(page.count());
        let room =
            self.limit.map_or(usize::MAX, |limit| usize::try_from(limit - self.answer.count).unwrap_or(usize::MAX));
        let taken = self.selection.take(&mut page, self.method, from, room);
        self.scanned += (taken.end - from) as u64;
        self.answer.count += taken.count as u64;
        self.bytes += taken.pieces.iter().map(Bytes::len).sum::<usize>();
        self.answer.pieces.extend(taken.pieces);
        self.answer.ids.extend(taken.ids);
        let full = self.limit.is_some_and(|limit| self.answer.count >= limit);
        if full && taken.end < page.count() {
            self.answer.next = Some(Position { upstream: self.cursor.take(), skip: taken.end as u32, size: None });
            return Step::Done(None);
        }
        let Some(next) = next else { return Step::Done(None) };
        if self.cursor.as_ref() == Some(&next) || self.seen.contains(&next) {
            return Step::Done(Some(StopReason::RepeatedCursor));
        }
        if full || (self.limit.is_none() && self.answer.count > 0) {
            self.answer.next = Some(Position { upstream: Some(next), skip: 0, size: None });
            return Step::Done(None);
        }
        if let Some(read) = self.cursor.replace(next) {
            self.seen.insert(read);
        }
        self.skip = 0;
        Step::On
    }
}

/// Whether a page size is told to the upstream, or counts pages.
fn sized(pagination: &Pagination) -> bool {
    pagination.size_parameter.is_some()
        || matches!(pagination.style, PageStyle::PageNumber { .. } | PageStyle::Offset { .. })
}

/// The size of the pages to ask for: what is wanted, within what the vendor accepts; with a filter, as many as it gives.
fn page_size(pagination: &Pagination, limit: Option<u32>, filters: bool) -> u32 {
    let most = pagination.size_max.max(1);
    if filters { most } else { limit.unwrap_or(pagination.size_default).clamp(1, most) }
}

/// Why a later page was not read.
fn stopped_by(problem: &Problem) -> StopReason {
    match problem.code() {
        Code::RateLimited => StopReason::RateLimited,
        Code::UpstreamTimeout => StopReason::TimeLimit,
        _ => StopReason::UpstreamError,
    }
}
