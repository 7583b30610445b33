#![allow(clippy::unwrap_used, reason = "tests")]

mod declared;
mod malformed;
mod well_known;

use http::{HeaderMap, HeaderName, HeaderValue};
use quartermaster_definition::plan::{RateKind, RateLimitRules, RateSource};
use quartermaster_types::{RateLimits, RatePolicy, Timestamp};

use super::read;

/// 2025-07-08T22:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_ms(1_752_012_000_000);

fn headers(text: &str) -> HeaderMap {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).unwrap();
            (name, HeaderValue::from_str(value.trim()).unwrap())
        })
        .fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
}

fn heuristic(text: &str) -> RateLimits {
    let rules = RateLimitRules { sources: vec![], heuristics: true, ..RateLimitRules::default() };
    read(&rules, &headers(text), NOW)
}

fn declared(source: RateSource, text: &str) -> RateLimits {
    let rules = RateLimitRules { sources: vec![source], ..RateLimitRules::default() };
    read(&rules, &headers(text), NOW)
}

/// In one line: `limit/window remaining reset retry [policies]`, resets and retries in seconds from now, `-` for nothing.
fn line(limits: &RateLimits) -> String {
    let or_dash = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let window = |window: Option<u64>| window.map_or(String::new(), |seconds| format!("/{seconds}"));
    let retry = limits.retry_at.map(|at| u64::try_from(at.ms_since(NOW)).unwrap().div_ceil(1000));
    let mut line = format!(
        "{}{} {} {} {}",
        or_dash(limits.limit),
        window(limits.window_seconds),
        or_dash(limits.remaining),
        or_dash(limits.reset_seconds(NOW)),
        or_dash(retry)
    );
    for RatePolicy { name, limit, window_seconds } in &limits.policies {
        line.push_str(&format!(" {}={limit}{}", name.as_deref().unwrap_or(""), window(*window_seconds)));
    }
    line
}
