//! Pages of configuration lists, and their cursors.

use quartermaster_types::{Code, Problem};
use quartermaster_vault::CursorSealer;
use uuid::Uuid;

use crate::limits::{PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, PAGE_LIMIT_MIN};

/// One page of a configuration list.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Page<T> {
    /// Items.
    pub result: Vec<T>,
    /// Opaque; `None` at the end.
    pub next_cursor: Option<String>,
    /// Always `None`: configuration lists only go forward.
    pub prev_cursor: Option<String>,
    /// Number of items here.
    pub result_count: usize,
}

impl<T> Page<T> {
    /// A list that has one page only.
    pub(crate) fn whole(result: Vec<T>) -> Self {
        Self { result_count: result.len(), result, next_cursor: None, prev_cursor: None }
    }
}

/// Which part of a configuration list.
#[derive(Clone, Debug, Default)]
pub struct PageQuery {
    /// At most so many (1 to 200, default 50).
    pub limit: Option<i64>,
    /// From an earlier page.
    pub next_cursor: Option<String>,
}

/// The limit, checked.
pub(crate) fn limit(query: &PageQuery) -> Result<u32, Problem> {
    let limit = query.limit.unwrap_or(PAGE_LIMIT_DEFAULT);
    if !(PAGE_LIMIT_MIN..=PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Problem::caller(Code::InvalidArgument, "limit is out of range.")
            .with_error("/limit", format!("{limit} is not between {PAGE_LIMIT_MIN} and {PAGE_LIMIT_MAX}")));
    }
    Ok(limit as u32)
}

/// The id that a page starts after, from the cursor.
pub(crate) fn open(sealer: &CursorSealer, context: &[&[u8]], query: &PageQuery) -> Result<Option<Uuid>, Problem> {
    let Some(cursor) = query.next_cursor.as_deref() else { return Ok(None) };
    let payload = open_cursor(sealer, context, cursor)?;
    Uuid::from_slice(&payload).map(Some).map_err(|_| foreign_cursor())
}

/// Opens any cursor of ours.
pub(crate) fn open_cursor(sealer: &CursorSealer, context: &[&[u8]], cursor: &str) -> Result<Vec<u8>, Problem> {
    sealer.open(context, cursor).map_err(|_| foreign_cursor())
}

/// The cursor was altered, or belongs to another list.
pub(crate) fn foreign_cursor() -> Problem {
    Problem::caller(Code::InvalidArgument, "next_cursor is not one that this list gave.")
        .with_error(
            "/next_cursor",
            "it was altered, or belongs to another list, account or set of filters; cursors are taken over unchanged, with the same filters",
        )
        .with_hint("Leave next_cursor out to start at the beginning.")
}

/// A page of `rows`, of which there is one more than `limit` when the list goes on.
pub(crate) fn of<R, T>(
    sealer: &CursorSealer,
    context: &[&[u8]],
    limit: u32,
    mut rows: Vec<R>,
    id: impl Fn(&R) -> Uuid,
    view: impl FnMut(R) -> T,
) -> Result<Page<T>, Problem> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = match rows.last() {
        Some(last) if more => Some(sealer.seal(context, id(last).as_bytes()).map_err(crate::vault_problem)?),
        _ => None,
    };
    let result: Vec<T> = rows.into_iter().map(view).collect();
    Ok(Page { result_count: result.len(), result, next_cursor, prev_cursor: None })
}
