//! What goes into the engine and what comes out of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quartermaster_definition::{Method, Plan};
use quartermaster_types::{AccountId, Problem, RateLimits, Timestamp};
use quartermaster_vault::Secrets;

use crate::budget::Pass;
use serde_json::{Map, Value};

/// One call to be run. Arguments are validated already.
pub struct Call<'a> {
    /// The account; access tokens are cached under it and `credential_version`.
    pub account: AccountId,
    /// Changes when the credentials change.
    pub credential_version: i64,
    /// The plan.
    pub plan: &'a Arc<Plan>,
    /// The method.
    pub method: &'a Method,
    /// The connection object, defaults filled in.
    pub connection: &'a Map<String, Value>,
    /// Opens the credentials; called only when they are needed (a cached access token needs none).
    pub credentials: &'a (dyn Fn() -> Result<Secrets, Problem> + Send + Sync),
    /// Arguments without `limit`, `next_cursor` and `fields`.
    pub arguments: &'a Map<String, Value>,
    /// List options; ignored by other methods.
    pub list: ListOptions,
    /// When the caller's patience ends.
    pub deadline: Duration,
    /// The record before a write, when somebody read it just now: it is not read again.
    pub before: Option<Bytes>,
    /// Who makes the call, of those who share the account's rate budget: a hash of the session or the token. `None`: the call is not
    /// held back, and nothing is learned from it.
    pub holder: Option<u64>,
    /// What the budget let go for several calls that belong together, and that none of them has used yet.
    pub pass: Option<&'a Pass>,
    /// Exchanges that belong to this call and are made after it under the same pass: they are asked for with it, all or none.
    pub then: u64,
    /// How long a 429 on a **read** may be waited out (`Prefer: wait=N`); `None`: pass it on at once.
    pub wait: Option<Duration>,
}

/// Options of a list call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// At most so many records; `None` takes the vendor's default page size.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<Position>,
    /// Top-level members of a record to keep; `None` keeps the raw record.
    pub fields: Option<Vec<String>>,
}

/// Where a list stopped: the upstream's cursor of a page, and how many of that page's records were already seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The upstream's cursor (token, URL, number as text); `None` for the first page.
    pub upstream: Option<String>,
    /// Records of that page to skip.
    pub skip: u32,
    /// Page size that the cursor was made with, when pages are numbered or the vendor wants it repeated.
    pub size: Option<u32>,
}

/// What came of a call that worked.
#[derive(Debug)]
pub enum Answer {
    /// Many records.
    List(ListAnswer),
    /// One record, or whatever the method returns, as raw JSON (`null` for an empty body).
    Single(SingleAnswer),
}

/// Records, as slices of what the upstream sent.
#[derive(Debug, Default)]
pub struct ListAnswer {
    /// Comma-separated JSON values without brackets, in order; concatenate with commas between. Empty pieces do not occur.
    pub pieces: Vec<Bytes>,
    /// Ids of the records (raw text without quotes, escapes resolved), for the ledger.
    pub ids: Vec<Bytes>,
    /// Number of records in `pieces`.
    pub count: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<Position>,
    /// Records that were looked at, when a local filter is in force.
    pub scanned: Option<u64>,
    /// True when a bound stopped the walk before `limit` was reached and before the end.
    pub is_partial: bool,
    /// Which bound.
    pub stopped_because: Option<StopReason>,
    /// Names in `fields` that none of the records has; `None` when each was found, and when there are no records to tell.
    pub absent_fields: Option<AbsentFields>,
    /// The last page's limits.
    pub rate_limits: RateLimits,
    /// Calls made.
    pub upstream_calls: u32,
}

/// Wanted members that no record of an answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentFields {
    /// Their names, as they were asked for.
    pub absent: Vec<String>,
    /// What the first record has instead; the first [`FIELDS_NAMED_MAX`](crate::limits::FIELDS_NAMED_MAX).
    pub present: Vec<String>,
}

/// Why a walk over pages stopped early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// `PAGES_MAX` pages were read.
    PageLimit,
    /// `SCANNED_MAX` records were looked at.
    ScanLimit,
    /// `WALK_MAX_BYTES` were gathered.
    SizeLimit,
    /// The deadline came near.
    TimeLimit,
    /// The upstream gave the same cursor again.
    RepeatedCursor,
    /// The upstream rate-limited a later page; what was read so far is here.
    RateLimited,
    /// A later page failed; what was read so far is here.
    UpstreamError,
}

/// One value.
#[derive(Debug)]
pub struct SingleAnswer {
    /// Raw JSON.
    pub body: Bytes,
    /// The record's id, when it has one.
    pub id: Option<Bytes>,
    /// For methods with a transition: whether the state changed. `None` when it is not known or does not apply.
    pub changed: Option<bool>,
    /// The record before the write, when it was read.
    pub before: Option<Bytes>,
    /// Limits.
    pub rate_limits: RateLimits,
    /// Calls made.
    pub upstream_calls: u32,
}

/// What came of a call that did not work.
#[derive(Debug)]
pub struct Failure {
    /// The problem, scrubbed of secrets.
    pub problem: Problem,
    /// Limits that came with it.
    pub rate_limits: RateLimits,
    /// The record before the write, when it was read.
    pub before: Option<Bytes>,
    /// Whether the upstream accepted the write, so that the change most likely happened: what failed came after it.
    pub is_accepted: bool,
    /// Calls made.
    pub upstream_calls: u32,
}

/// The exact request that a call would send, secrets masked as `[secret]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Preview {
    /// HTTP method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Headers, lower-case.
    pub headers: Vec<(String, String)>,
    /// Body, when there is one.
    pub body: Option<Value>,
}

/// One exchange with an upstream, for metrics, logs and `qm demo`. Holds no secret: the query is kept, credentials are not in it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The account.
    pub account: AccountId,
    /// `token` or `users.list`.
    pub purpose: String,
    /// HTTP method.
    pub method: String,
    /// Path and query, secrets masked.
    pub path: String,
    /// Status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Milliseconds that it took.
    pub duration_ms: u64,
    /// When it ended.
    pub at: Timestamp,
}

/// A raw call.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// HTTP method.
    pub method: http::Method,
    /// Path below the base URL and query, already escaped; `..` segments are refused.
    pub path_and_query: String,
    /// `content-type` and `accept` are passed on; everything else is not.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// The answer to a raw call.
#[derive(Debug)]
pub struct RawAnswer {
    /// Status.
    pub status: u16,
    /// `content-type`.
    pub content_type: Option<String>,
    /// Body.
    pub body: Bytes,
    /// Limits.
    pub rate_limits: RateLimits,
}
