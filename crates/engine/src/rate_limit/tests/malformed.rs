//! What is malformed is dropped; nothing makes the reader panic or leave its bounds.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::{AHEAD_MAX_MS, POLICIES_MAX, VALUE_MAX_BYTES, WINDOW_MAX_SECONDS};
use super::{NOW, RateKind, RateLimitRules, RateSource, declared, heuristic, line, read};

#[test]
fn malformed_numbers_are_dropped() {
    for value in [
        "",
        "-1",
        "many",
        "1e3",
        "0x10",
        "1,000 per hour",
        "\u{bd}",
        "1000000000000000",
        "99999999999999999999",
        "1.5",
        "--",
    ] {
        let text = format!("x-ratelimit-limit: {value}\nx-ratelimit-remaining: {value}");
        let limits = heuristic(&text);
        assert_eq!((limits.limit, limits.remaining), (None, None), "{value}");
    }
    for value in ["-5", "soon", "", "1.", ".5", "1.5.5", "1s", "99999999999999999999999", "inf", "NaN"] {
        for text in [format!("retry-after: {value}"), format!("x-ratelimit-reset: {value}")] {
            assert!(heuristic(&text).is_empty(), "{text}");
        }
    }
}

#[test]
fn a_malformed_structured_field_is_ignored_as_a_whole() {
    for field in [
        "\"a\";r=5;t=soon",
        "\"a\";t=5",
        "\"a\";r=-1",
        "\"a\";r=1, ",
        "\"a;r=1",
        "\"a\";r=1,,\"b\";r=2",
        ";r=1",
        "\"a\";r=1;=2",
        "limit=x, remaining=5",
        "limit=10, remaining",
        "\"spaced name\";r=1",
        "\"\";r=1",
    ] {
        assert!(declared(RateSource::Structured, &format!("ratelimit: {field}")).is_empty(), "{field}");
    }
    assert_eq!(line(&declared(RateSource::Structured, "ratelimit: \"a\";r=5;t=1752012060")), "- 5 - -");
}

#[test]
fn a_header_that_contradicts_itself_is_dropped() {
    assert!(heuristic("retry-after: 5\nretry-after: 6").is_empty());
    assert_eq!(line(&heuristic("retry-after: 5\nretry-after: 5")), "- - - 5");
    assert_eq!(line(&heuristic("x-ratelimit-remaining: 5\nx-ratelimit-remaining: 6\nx-ratelimit-limit: 9")), "9 - - -");
}

#[test]
fn limits_of_length_and_number_hold_at_the_limit_and_one_past_it() {
    let padded = |length: usize| format!("ratelimit-limit: 5;c=\"{}\"", "x".repeat(length - 6));
    assert_eq!(line(&declared(RateSource::Trio, &padded(VALUE_MAX_BYTES))), "5 - - -");
    assert!(declared(RateSource::Trio, &padded(VALUE_MAX_BYTES + 1)).is_empty());
    let policies = |count: usize| {
        let list: Vec<String> = (1..=count).map(|number| format!("{number};w={number}")).collect();
        declared(RateSource::Trio, &format!("ratelimit-policy: {}", list.join(","))).policies.len()
    };
    assert_eq!(policies(POLICIES_MAX), POLICIES_MAX);
    assert_eq!(policies(POLICIES_MAX + 1), 0);
    let window = |seconds: u64| declared(RateSource::Trio, &format!("ratelimit-limit: 5;w={seconds}")).window_seconds;
    assert_eq!(window(WINDOW_MAX_SECONDS), Some(WINDOW_MAX_SECONDS));
    assert_eq!(window(WINDOW_MAX_SECONDS + 1), None);
    assert_eq!(window(0), None);
    let families: Vec<String> =
        (0..=POLICIES_MAX).map(|number| format!("x-ratelimit-f{number}-limit: {}", number + 1)).collect();
    let families = families.join("\n");
    assert_eq!(heuristic(&families).policies.len(), POLICIES_MAX);
}

fn any_source() -> impl Strategy<Value = RateSource> {
    use RateKind::{DeltaMilliseconds, DeltaSeconds, EpochMilliseconds, EpochSeconds, HttpDate, Iso};
    let kind =
        prop::sample::select(vec![DeltaSeconds, DeltaMilliseconds, EpochSeconds, EpochMilliseconds, Iso, HttpDate]);
    prop_oneof![
        Just(RateSource::Trio),
        Just(RateSource::Structured),
        Just(RateSource::RetryAfter),
        (kind.clone(), kind).prop_map(|(reset, retry)| RateSource::Headers {
            limit: Some("ratelimit-limit".to_owned()),
            remaining: Some("ratelimit-remaining".to_owned()),
            reset: Some(("ratelimit-reset".to_owned(), reset)),
            retry_after: Some(("retry-after".to_owned(), retry)),
            window_seconds: Some(60),
            name: Some("n".to_owned()),
        }),
    ]
}

const NAMES: &[&str] = &[
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
    "x-ratelimit-usage",
    "x-rate-limit-a-interval-ms",
    "x-rate-limit-a-max",
    "x-ratelimit-name",
    "x-a-api-call-limit",
    "x-limit-info",
    "x-rate-limit-minute",
    "x-quota-resets-in",
];

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[0-9]{1,16}".prop_map(String::into_bytes),
        "[0-9]{1,3}([,;] ?[wqrt]?=?[0-9]{1,4}){0,3}".prop_map(String::into_bytes),
        "\"[a-c]\";r=[0-9]{1,3};t=[0-9]{1,9}".prop_map(String::into_bytes),
        "(limit|remaining|reset)=[0-9]{1,3}[,;] (limit|remaining|reset)=[0-9]{1,9}".prop_map(String::into_bytes),
        "202[0-9]-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,4})?)?( ?[+-][0-9]{2}:?[0-9]{2}|Z)?".prop_map(String::into_bytes),
        "(Mon|Tue), [0-3][0-9] (Jul|Aug) 2025 [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT".prop_map(String::into_bytes),
        "[ -~]{0,30}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn no_answer_panics_or_leaves_the_bounds(
        sources in prop::collection::vec(any_source(), 0..3),
        heuristics: bool,
        lines in prop::collection::vec((prop::sample::select(NAMES), any_value()), 0..8),
        now in prop_oneof![Just(NOW.unix_ms()), any::<i64>()],
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(HeaderName::from_static(name), value);
            }
        }
        let now = quartermaster_types::Timestamp::from_unix_ms(now);
        let rules = RateLimitRules { sources, heuristics, limited_when: vec![], unbudgeted: false };
        let limits = read(&rules, &map, now);
        for at in [limits.reset_at, limits.retry_at].into_iter().flatten() {
            prop_assert!((0..=AHEAD_MAX_MS).contains(&at.ms_since(now)));
        }
        prop_assert!(limits.policies.len() <= POLICIES_MAX);
        let windows = limits.policies.iter().map(|policy| policy.window_seconds).chain([limits.window_seconds]);
        prop_assert!(windows.flatten().all(|seconds| (1..=WINDOW_MAX_SECONDS).contains(&seconds)));
        if map.is_empty() {
            prop_assert!(limits.is_empty());
        }
        for (name, value) in limits.headers(now, true) {
            prop_assert!(HeaderValue::from_str(&value).is_ok(), "{}: {}", name, value);
        }
    }

    #[test]
    fn seconds_from_now_are_told_as_they_are(seconds in 0u64..=31 * 24 * 60 * 60) {
        let limits = heuristic(&format!("ratelimit-limit: 1\nratelimit-reset: {seconds}"));
        prop_assert_eq!(limits.reset_seconds(NOW), Some(seconds));
        let limits = heuristic(&format!("x-ratelimit-reset: {}", NOW.unix_seconds() as u64 + seconds));
        prop_assert_eq!(limits.reset_seconds(NOW), Some(seconds));
    }
}
