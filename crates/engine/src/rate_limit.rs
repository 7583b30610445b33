//! Reads what an upstream says of its limits, in every dialect that is declared or well known.
//!
//! A definition declares its vendor's dialect ([`RateLimitRules`]); only when no declared source gave anything are
//! well-known header names tried. A malformed value is dropped, never guessed at, and nothing is invented: what the
//! upstream did not say stays `None`.

mod fields;
mod gauge;
mod moment;
mod names;

#[cfg(test)]
mod tests;

use http::HeaderMap;
use quartermaster_definition::plan::{RateKind, RateLimitRules, RateSource};
use quartermaster_types::{RateLimits, Timestamp};

use gauge::Gauge;
use moment::Moments;

/// Furthest that a reset or a retry may lie ahead, in milliseconds: 31 days. What lies further (or as far back) is a
/// misread value, and dropped.
pub const AHEAD_MAX_MS: i64 = 31 * 24 * 60 * 60 * 1000;
/// Longest window that is believed, in seconds: 366 days.
pub const WINDOW_MAX_SECONDS: u64 = 366 * 24 * 60 * 60;
/// Longest header value that is read, in bytes.
pub const VALUE_MAX_BYTES: usize = 1024;
/// Most policies of one answer that are read.
pub const POLICIES_MAX: usize = 16;

/// The limits that an answer's headers tell. `now` is the time of the answer by our clock; where the answer has a `date`
/// header, absolute times are taken relative to it, so that a clock that goes wrong there does no harm here.
pub fn read(rules: &RateLimitRules, headers: &HeaderMap, now: Timestamp) -> RateLimits {
    let mut limits = RateLimits::default();
    let moments = Moments::new(headers, now);
    for source in &rules.sources {
        read_source(source, headers, &moments, &mut limits);
    }
    if rules.heuristics && limits.is_empty() {
        names::read(headers, &moments, &mut limits);
    }
    limits
}

fn read_source(source: &RateSource, headers: &HeaderMap, moments: &Moments, limits: &mut RateLimits) {
    match source {
        RateSource::Headers { limit, remaining, reset, retry_after, window_seconds, name } => {
            let moment = |(header, kind): &(String, RateKind)| moments.at(single(headers, header)?, *kind);
            let mut gauges = fields::paired(
                limit.as_deref().and_then(|header| joined(headers, header)).as_deref(),
                remaining.as_deref().and_then(|header| joined(headers, header)).as_deref(),
            );
            let reset_at = reset.as_ref().and_then(moment);
            if gauges.is_empty() && reset_at.is_some() {
                gauges.push(Gauge::default());
            }
            let is_one = gauges.len() == 1;
            for gauge in &mut gauges {
                gauge.reset_at = reset_at;
                if is_one {
                    gauge.window_seconds = gauge.window_seconds.or(*window_seconds);
                    gauge.name = gauge.name.take().or_else(|| name.clone());
                }
            }
            gauge::fill(limits, &gauges);
            limits.retry_at = limits.retry_at.or_else(|| retry_after.as_ref().and_then(moment));
        }
        RateSource::Trio => gauge::fill(limits, &trio(headers, |text| moments.at(text, RateKind::DeltaSeconds))),
        RateSource::Structured => gauge::fill(limits, &structured(headers, moments)),
        RateSource::RetryAfter => {
            limits.retry_at = limits.retry_at.or_else(|| moments.retry(single(headers, "retry-after")?));
        }
    }
}

/// The drafts 03 to 06, with `reset` read as the caller knows how.
fn trio(headers: &HeaderMap, reset: impl Fn(&str) -> Option<Timestamp>) -> Vec<Gauge> {
    let limit = joined(headers, "ratelimit-limit");
    let remaining = single(headers, "ratelimit-remaining").and_then(fields::count);
    let reset_at = single(headers, "ratelimit-reset").and_then(reset);
    let listed = limit.as_deref().and_then(fields::quotas).unwrap_or_default();
    let mut policies = joined(headers, "ratelimit-policy").as_deref().and_then(fields::policies).unwrap_or_default();
    // The first member is the limit in force; what follows are policies. A lone member with a window is both.
    let mut first = listed.first().cloned().unwrap_or_default();
    if policies.is_empty() {
        policies.extend(listed.into_iter().filter(|policy| policy.window_seconds.is_some()));
    }
    if first.limit.is_none() && policies.len() == 1 {
        first.limit = policies[0].limit;
    }
    let same = policies.iter().find(|policy| policy.limit == first.limit);
    let current = Gauge {
        remaining,
        reset_at,
        window_seconds: first.window_seconds.or_else(|| same.and_then(|policy| policy.window_seconds)),
        name: same.and_then(|policy| policy.name.clone()),
        ..first
    };
    policies.retain(|policy| policy.limit != current.limit || policy.window_seconds != current.window_seconds);
    if current.says_something() {
        policies.insert(0, current);
    }
    policies
}

/// The drafts 07 and later.
fn structured(headers: &HeaderMap, moments: &Moments) -> Vec<Gauge> {
    let reset = |text: &str| moments.at(text, RateKind::DeltaSeconds);
    let policies = joined(headers, "ratelimit-policy").as_deref().and_then(fields::policies).unwrap_or_default();
    let items =
        joined(headers, "ratelimit").as_deref().and_then(|text| fields::states(text, reset)).unwrap_or_default();
    fields::merged(items, policies)
}

/// The value of a header that should have one: `None` when it is absent, contradicts itself, is too long or no text.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.any(|other| other != first) || first.len() > VALUE_MAX_BYTES {
        return None;
    }
    first.to_str().ok().map(str::trim)
}

/// The value of a header that holds a list, which may stand in several lines.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut whole = String::new();
    for value in headers.get_all(name) {
        if !whole.is_empty() {
            whole.push(',');
        }
        whole.push_str(value.to_str().ok()?);
        if whole.len() > VALUE_MAX_BYTES {
            return None;
        }
    }
    (!whole.is_empty()).then_some(whole)
}
