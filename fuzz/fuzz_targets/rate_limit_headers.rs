//! Rate-limit headers of any text: what is read is within bounds and can be sent on.
#![no_main]

use arbitrary::Arbitrary;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use quartermaster_definition::plan::{RateKind, RateLimitRules, RateSource};
use quartermaster_engine::rate_limit::{AHEAD_MAX_MS, POLICIES_MAX, read};
use quartermaster_types::Timestamp;

/// Names that some vendor uses; a random name would hardly ever be one.
const NAMES: [&str; 16] = [
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "date",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-reset-after",
    "x-rate-limit-limit",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "retry-after-ms",
    "x-ratelimit-limit-requests",
];

const KINDS: [RateKind; 6] = [
    RateKind::DeltaSeconds,
    RateKind::DeltaMilliseconds,
    RateKind::EpochSeconds,
    RateKind::EpochMilliseconds,
    RateKind::Iso,
    RateKind::HttpDate,
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    headers: Vec<(u8, &'a [u8])>,
    sources: u8,
    kind: u8,
    heuristics: bool,
    now_seconds: u32,
}

fuzz_target!(|input: Input<'_>| {
    let mut headers = HeaderMap::new();
    for (name, value) in &input.headers {
        let name = HeaderName::from_static(NAMES[usize::from(*name) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let kind = KINDS[usize::from(input.kind) % KINDS.len()];
    let declared = RateSource::Headers {
        limit: Some("x-ratelimit-limit".into()),
        remaining: Some("x-ratelimit-remaining".into()),
        reset: Some(("x-ratelimit-reset".into(), kind)),
        retry_after: Some(("retry-after-ms".into(), kind)),
        window_seconds: None,
        name: None,
    };
    let all = [declared, RateSource::Trio, RateSource::Structured, RateSource::RetryAfter];
    let sources =
        all.into_iter().enumerate().filter(|(index, _)| input.sources & (1 << index) != 0).map(|(_, source)| source);
    let rules = RateLimitRules { sources: sources.collect(), heuristics: input.heuristics, limited_when: Vec::new() };
    let now = Timestamp::from_unix_ms(i64::from(input.now_seconds) * 1000);

    let limits = read(&rules, &headers, now);
    assert!(limits.policies.len() <= POLICIES_MAX);
    for seconds in [limits.reset_seconds(now), limits.retry_after_seconds(now)].into_iter().flatten() {
        assert!(seconds <= AHEAD_MAX_MS as u64 / 1000 + 1, "{seconds}");
    }
    for (name, value) in limits.headers(now, true) {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        assert!(HeaderValue::from_str(&value).is_ok(), "{name}: {value:?}");
    }
});
