//! Well-known header names, tried when no declared source gave anything.

use http::HeaderMap;
use quartermaster_types::RateLimits;

use super::fields;
use super::gauge::{Gauge, fill, policy_name, window};
use super::moment::Moments;
use super::{POLICIES_MAX, joined, single, structured, trio};

/// Words that tell of something else than requests: a small rest of those does not mean that calls will be refused.
const OTHER_UNITS: &[&str] =
    &["complexity", "token", "tokens", "points", "cost", "weight", "bytes", "time", "minutely", "duration"];

/// Names whose window is in the name: limit, remaining, window in seconds, policy name.
const FIXED_WINDOWS: &[(&str, &str, u64, &str)] = &[
    ("x-rate-limit-minute", "x-minute-requests-left", 60, "minute"),
    ("x-rate-limit-hourly", "x-hourly-requests-left", 3600, "hourly"),
    ("x-rate-limit-24-hour", "x-24-hour-requests-left", 86400, "24-hour"),
];

/// Reads whatever is known by name.
pub(super) fn read(headers: &HeaderMap, moments: &Moments, limits: &mut RateLimits) {
    limits.retry_at = ["retry-after", "x-retry-after", "x-ratelimit-retry-after", "x-ratelimit-retryafter"]
        .iter()
        .find_map(|name| single(headers, name).and_then(|text| moments.retry(text).or_else(|| moments.guess(text))));
    if !headers.keys().any(|name| may_matter(name.as_str())) {
        return;
    }
    let standard = structured(headers, moments);
    // Policies without a state leave room for the trio, which has one.
    if standard.iter().any(|gauge| gauge.remaining.is_some() || gauge.reset_at.is_some()) {
        return fill(limits, &standard);
    }
    // Some vendors put an epoch where the drafts want seconds from now.
    let standard = trio(headers, |text| moments.guess(text));
    if !standard.is_empty() {
        return fill(limits, &standard);
    }
    let fixed = fixed_windows(headers);
    if !fixed.is_empty() {
        return fill(limits, &fixed);
    }
    fill(limits, &by_words(headers, moments));
}

/// Whether a name can be one of those read here: cheap, since most answers have none.
fn may_matter(name: &str) -> bool {
    name.as_bytes().windows(4).any(|part| matches!(part, b"imit" | b"uota" | b"eset" | b"-api" | b"api-" | b"left"))
}

fn fixed_windows(headers: &HeaderMap) -> Vec<Gauge> {
    let number = |name: &str| single(headers, name).and_then(fields::count);
    FIXED_WINDOWS
        .iter()
        .map(|(limit, remaining, seconds, name)| Gauge {
            name: Some((*name).to_owned()),
            limit: number(limit),
            remaining: number(remaining),
            window_seconds: Some(*seconds),
            reset_at: None,
        })
        .filter(Gauge::says_something)
        .collect()
}

/// What a header of a rate-limit family tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Metric {
    Limit,
    Remaining,
    Used,
    Reset,
    WindowSeconds,
    WindowMilliseconds,
    Name,
    /// `used/limit`, or `limit=…; remaining=…`.
    Whole,
}

/// A header name taken apart: `x-ratelimit-requests-reset` is the reset of `requests`.
struct Family {
    /// Words that tell families of one answer apart; empty for the usual single one.
    key: String,
    metric: Metric,
}

fn family(name: &str) -> Option<Family> {
    let words: Vec<&str> = name.split('-').filter(|word| *word != "x").collect();
    let marker = words.iter().enumerate().position(|(at, word)| {
        word.ends_with("ratelimit")
            || *word == "quota"
            || (word.ends_with("api") && at + 2 == words.len())
            || (*word == "rate" && matches!(words.get(at + 1), Some(&"limit" | &"limits")))
            || (*word == "limit" && words.get(at + 1) == Some(&"info"))
            || (*word == "call" && words.get(at + 1) == Some(&"limit"))
    })?;
    let marker_length = if matches!(words[marker], "rate" | "limit" | "call") { 2 } else { 1 };
    let before = words[..marker].iter().copied().chain(words[marker].strip_suffix("ratelimit"));
    let after = &words[marker + marker_length..];
    let (metric, taken) = metric(after);
    let rest = after[..after.len() - taken.0 - taken.1].iter().chain(&after[after.len() - taken.1..]).copied();
    let key: Vec<&str> = before.chain(rest).filter(|word| !word.is_empty()).collect();
    if key.iter().any(|word| OTHER_UNITS.contains(word)) {
        return None;
    }
    Some(Family { key: key.join("-"), metric })
}

/// What the words after the marker tell: the metric, how many words name it, and how many follow it.
fn metric(words: &[&str]) -> (Metric, (usize, usize)) {
    for end in (1..=words.len()).rev() {
        let after = words.len() - end;
        let found = match words[..end] {
            [.., "interval", "ms"] => (Metric::WindowMilliseconds, 2),
            [.., "resets" | "reset", "in"] => (Metric::Reset, 2),
            [.., "limit" | "max" | "total"] => (Metric::Limit, 1),
            [.., "remaining"] => (Metric::Remaining, 1),
            [.., "used" | "usage"] => (Metric::Used, 1),
            [.., "reset" | "resettime"] => (Metric::Reset, 1),
            [.., "period" | "window"] => (Metric::WindowSeconds, 1),
            [.., "name"] => (Metric::Name, 1),
            _ => continue,
        };
        // `x-ratelimit-limit-org-reset` is a reset; its `limit` is only a word of the key.
        return (found.0, (found.1, after));
    }
    (Metric::Whole, (0, 0))
}

/// Everything that is told of one family.
#[derive(Default)]
struct Told {
    gauge: Gauge,
    limits: Option<String>,
    remainders: Option<String>,
    used: Option<String>,
}

fn by_words(headers: &HeaderMap, moments: &Moments) -> Vec<Gauge> {
    let mut families: Vec<(String, Told)> = Vec::new();
    for name in headers.keys().map(http::HeaderName::as_str).filter(|name| may_matter(name)) {
        let Some(Family { key, metric }) = family(name) else { continue };
        let known = families.iter().position(|(known, _)| *known == key);
        let index = known.unwrap_or(families.len());
        if known.is_none() {
            if families.len() == POLICIES_MAX {
                continue;
            }
            families.push((key, Told::default()));
        }
        tell(&mut families[index].1, metric, name, headers, moments);
    }
    let mut gauges: Vec<Gauge> = families.into_iter().flat_map(|(key, told)| told.gauges(&key)).collect();
    if gauges.iter().any(|gauge| gauge.limit.is_some() || gauge.remaining.is_some()) {
        gauges.retain(|gauge| gauge.limit.is_some() || gauge.remaining.is_some());
    }
    gauges
}

fn tell(told: &mut Told, metric: Metric, name: &str, headers: &HeaderMap, moments: &Moments) {
    let Some(text) = single(headers, name) else {
        if matches!(metric, Metric::Limit) {
            told.limits = joined(headers, name);
        }
        return;
    };
    let gauge = &mut told.gauge;
    match metric {
        Metric::Limit => told.limits = Some(text.to_owned()),
        Metric::Remaining => told.remainders = Some(text.to_owned()),
        Metric::Used => told.used = Some(text.to_owned()),
        Metric::Reset => gauge.reset_at = gauge.reset_at.or_else(|| moments.guess(text)),
        Metric::WindowSeconds => gauge.window_seconds = fields::count(text).and_then(window),
        Metric::WindowMilliseconds => {
            gauge.window_seconds = fields::count(text).and_then(|number| window(number.div_ceil(1000)));
        }
        Metric::Name => gauge.name = policy_name(text),
        Metric::Whole => {
            if let Some(whole) = used_of_limit(text).or_else(|| fields::dictionary(text, |text| moments.guess(text))) {
                *gauge = whole;
            }
        }
    }
}

/// `1/80`, `api-usage=101/15000`.
fn used_of_limit(text: &str) -> Option<Gauge> {
    let (_, ratio) = text.rsplit_once('=').unwrap_or(("", text));
    let (used, limit) = ratio.split_once('/')?;
    let (used, limit) = (fields::count(used)?, fields::count(limit)?);
    Some(Gauge { limit: Some(limit), remaining: Some(limit.saturating_sub(used)), ..Gauge::default() })
}

impl Told {
    fn gauges(self, key: &str) -> Vec<Gauge> {
        let mut gauges = fields::paired(self.limits.as_deref(), self.remainders.as_deref());
        if gauges.is_empty() && self.gauge.says_something() {
            gauges.push(self.gauge.clone());
        }
        let used: Option<Vec<u64>> = self.used.and_then(|text| text.split(',').map(fields::count).collect());
        let used = used.filter(|used| used.len() == gauges.len()).unwrap_or_default();
        for (gauge, used) in gauges.iter_mut().zip(used) {
            gauge.remaining = gauge.remaining.or_else(|| gauge.limit.map(|limit| limit.saturating_sub(used)));
        }
        let is_one = gauges.len() == 1;
        for gauge in &mut gauges {
            gauge.reset_at = gauge.reset_at.or(self.gauge.reset_at);
            if is_one {
                gauge.window_seconds = gauge.window_seconds.or(self.gauge.window_seconds);
                gauge.name = gauge.name.take().or_else(|| self.gauge.name.clone()).or_else(|| policy_name(key));
            }
        }
        gauges.retain(Gauge::says_something);
        gauges
    }
}
