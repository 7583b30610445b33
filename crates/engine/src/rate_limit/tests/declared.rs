//! Declared sources: exactly what the definition says, in its order.

use super::{NOW, RateKind, RateLimitRules, RateSource, declared, headers, line, read};

fn reset(kind: RateKind) -> RateSource {
    RateSource::Headers {
        limit: None,
        remaining: None,
        reset: Some(("x-reset".to_owned(), kind)),
        retry_after: None,
        window_seconds: None,
        name: None,
    }
}

fn custom() -> RateSource {
    RateSource::Headers {
        limit: Some("x-max".to_owned()),
        remaining: Some("x-left".to_owned()),
        reset: Some(("x-reset".to_owned(), RateKind::DeltaSeconds)),
        retry_after: Some(("x-wait".to_owned(), RateKind::DeltaMilliseconds)),
        window_seconds: Some(60),
        name: Some("burst".to_owned()),
    }
}

#[test]
fn every_kind_is_read_as_declared() {
    use RateKind::{DeltaMilliseconds, DeltaSeconds, EpochMilliseconds, EpochSeconds, HttpDate, Iso};
    for (kind, text, seconds) in [
        (DeltaSeconds, "5", Some(5)),
        (DeltaSeconds, "5.001", Some(6)),
        (DeltaSeconds, "1752012060", None),
        (DeltaMilliseconds, "5000", Some(5)),
        (DeltaMilliseconds, "5001", Some(6)),
        (DeltaMilliseconds, "5000.5", Some(6)),
        (EpochSeconds, "1752012005", Some(5)),
        (EpochSeconds, "1752012005.25", Some(6)),
        (EpochSeconds, "5", None),
        (EpochMilliseconds, "1752012005000", Some(5)),
        (EpochMilliseconds, "1752012005", None),
        (Iso, "2025-07-08T22:00:05Z", Some(5)),
        (Iso, "2025-07-08t22:00:05z", Some(5)),
        (Iso, "2025-07-08 15:00:05 -0700", Some(5)),
        (Iso, "2025-07-09T00:00:05+02:00", Some(5)),
        (Iso, "2025-07-09T00:00:05+02", Some(5)),
        (Iso, "2025-07-08 22:00:05 UTC", Some(5)),
        (Iso, "2025-07-08T22:00:05.123456789Z", Some(6)),
        (Iso, "2025-07-08T22:00:05", None),
        (Iso, "2025-07-08T22:00:60Z", Some(59)),
        (Iso, "2025-07-08T22:00:61Z", None),
        (Iso, "2025-02-30T22:00:05Z", None),
        (Iso, "2025-13-01T22:00:05Z", None),
        (Iso, "2025-07-08T24:00:05Z", None),
        (Iso, "2025-07-08T22:00:05.Z", None),
        (Iso, "2025-07-08T22:00:05+2:00", None),
        (Iso, "2025-07-08T22:00:05+02:60", None),
        (Iso, "2025-07-08T22:00:05Zx", None),
        (Iso, "5", None),
        (HttpDate, "Tue, 08 Jul 2025 22:00:05 GMT", Some(5)),
        (HttpDate, "Tue, 08 Jul 2025 22:00:05 UTC", None),
        (HttpDate, "Xyz, 08 Jul 2025 22:00:05 GMT", None),
        (HttpDate, "Tue, 8 Jul 2025 22:00:05 GMT", None),
        (HttpDate, "Tue, 08 jul 2025 22:00:05 GMT", None),
        (HttpDate, "Tue, 31 Jun 2025 22:00:05 GMT", None),
        (HttpDate, "5", None),
    ] {
        let limits = declared(reset(kind), &format!("x-reset: {text}"));
        assert_eq!(limits.reset_seconds(NOW), seconds, "{kind:?} {text}");
    }
}

#[test]
fn declared_headers_fill_every_field() {
    let limits = declared(custom(), "x-max: 100\nx-left: 40\nx-reset: 7\nx-wait: 1500");
    assert_eq!(line(&limits), "100/60 40 7 2 burst=100/60");
}

#[test]
fn a_window_in_the_value_wins_over_the_declared_one() {
    assert_eq!(line(&declared(custom(), "x-max: 100;w=10")), "100/10 - - - burst=100/10");
    assert_eq!(line(&declared(custom(), "x-max: 100, 100;w=10\nx-left: 3")), "100/10 3 - - burst=100/10");
}

#[test]
fn lists_of_equal_length_are_pairs_and_the_tightest_counts() {
    let limits = declared(custom(), "x-max: 100, 1000\nx-left: 40, 3\nx-reset: 5");
    assert_eq!(line(&limits), "1000 3 5 - =100 =1000");
}

#[test]
fn the_first_source_that_gives_a_field_wins() {
    let rules = RateLimitRules {
        sources: vec![custom(), RateSource::Trio, RateSource::RetryAfter],
        heuristics: true,
        limited_when: vec![],
        unbudgeted: false,
    };
    let both = headers(
        "x-max: 10\nratelimit-limit: 99\nratelimit-remaining: 98\nratelimit-reset: 97\nretry-after: 9\nx-ratelimit-reset: 1",
    );
    assert_eq!(line(&read(&rules, &both, NOW)), "10/60 98 97 9 burst=10/60");
    let standard = headers("ratelimit-limit: 99\nretry-after: 9");
    assert_eq!(line(&read(&rules, &standard, NOW)), "99 - - 9");
}

#[test]
fn heuristics_only_help_when_allowed_and_when_nothing_was_declared_to_be_found() {
    let well_known = headers("x-ratelimit-remaining: 5");
    let mut rules =
        RateLimitRules { sources: vec![RateSource::Trio], heuristics: true, limited_when: vec![], unbudgeted: false };
    assert_eq!(line(&read(&rules, &well_known, NOW)), "- 5 - -");
    rules.heuristics = false;
    assert!(read(&rules, &well_known, NOW).is_empty());
    rules.heuristics = true;
    let both = headers("x-ratelimit-remaining: 5\nratelimit-limit: 9");
    assert_eq!(line(&read(&rules, &both, NOW)), "9 - - -");
}

#[test]
fn a_declared_trio_is_seconds_from_now_and_never_an_epoch() {
    let text = "ratelimit-limit: 10\nratelimit-remaining: 9\nratelimit-reset: 1752012060";
    assert_eq!(line(&declared(RateSource::Trio, text)), "10 9 - -");
}

#[test]
fn structured_fields_are_read_and_nothing_else() {
    let text = "ratelimit: \"a\";r=1;t=2\nratelimit-policy: \"a\";q=10;w=60\nratelimit-limit: 77\nretry-after: 5";
    assert_eq!(line(&declared(RateSource::Structured, text)), "10/60 1 2 - a=10/60");
    assert_eq!(line(&declared(RateSource::RetryAfter, text)), "- - - 5");
}

#[test]
fn a_policy_alone_tells_the_limit() {
    assert_eq!(line(&declared(RateSource::Structured, "ratelimit-policy: \"a\";q=10;w=60")), "10/60 - - - a=10/60");
    assert_eq!(line(&declared(RateSource::Trio, "ratelimit-policy: 10;w=60\nratelimit-remaining: 4")), "10/60 4 - -");
}

#[test]
fn a_field_may_stand_in_several_lines() {
    let text = "ratelimit: \"a\";r=9\nratelimit: \"b\";r=1\nratelimit-policy: \"a\";q=10\nratelimit-policy: \"b\";q=10";
    assert_eq!(line(&declared(RateSource::Structured, text)), "10 1 - - a=10 b=10");
}
