//! The dialects that vendors speak, read without a declaration.

use super::{heuristic, line};

/// Headers, and what they tell: `limit/window remaining reset retry [policies]`.
const DIALECTS: &[(&str, &str, &str)] = &[
    ("draft 03", "RateLimit-Limit: 100, 100;w=10\nRateLimit-Remaining: 50\nRateLimit-Reset: 50", "100/10 50 50 -"),
    (
        "draft 03 with two policies",
        "RateLimit-Limit: 1, 1;w=1, 15;w=60\nRateLimit-Remaining: 0\nRateLimit-Reset: 1\nratelimit-reset-daily: 500",
        "1/1 0 1 - =1/1 =15/60",
    ),
    (
        "draft 03 with a comment",
        "RateLimit-Limit: 10, 10;w=1;burst=1000;comment=\"a, b; c\"\nRateLimit-Remaining: 9",
        "10/1 9 - -",
    ),
    (
        "one member with a window",
        "ratelimit-limit: 110;w=10\nratelimit-remaining: 4\nratelimit-reset: 3",
        "110/10 4 3 -",
    ),
    (
        "draft 06",
        "RateLimit-Limit: 100\nRateLimit-Policy: 100;w=60, 5000;w=3600;burst=0\nRateLimit-Remaining: 50\nRateLimit-Reset: 50",
        "100/60 50 50 - =100/60 =5000/3600",
    ),
    (
        "draft 06, one policy",
        "RateLimit-Policy: 300;w=900\nRateLimit-Limit: 300\nRateLimit-Remaining: 299\nRateLimit-Reset: 899",
        "300/900 299 899 -",
    ),
    ("a trio without policy", "ratelimit-limit: 960\nratelimit-remaining: 959\nratelimit-reset: 12", "960 959 12 -"),
    ("draft 07", "RateLimit: limit=100, remaining=50, reset=5\nRateLimit-Policy: 100;w=10", "100/10 50 5 -"),
    ("draft 07 with semicolons", "RateLimit: limit=240; remaining=239; reset=8", "240 239 8 -"),
    (
        "draft 08",
        "RateLimit: \"default\";r=50;t=30\nRateLimit-Policy: \"default\";q=100;w=60",
        "100/60 50 30 - default=100/60",
    ),
    (
        "draft 10 with two policies",
        "RateLimit: \"burst\";r=90;t=6, \"daily\";r=20;t=4000\nRateLimit-Policy: \"burst\";q=100;w=60,\"daily\";q=1000;w=86400",
        "1000/86400 20 4000 - burst=100/60 daily=1000/86400",
    ),
    (
        "draft 10 with a partition key",
        "RateLimit: \"peruser\";r=1;t=9;pk=:cHsdsRa894==:\nRateLimit-Policy: \"peruser\";q=2;w=10;pk=:cHsdsRa894==:",
        "2/10 1 9 - peruser=2/10",
    ),
    ("a bare token with its quota", "RateLimit: quota;q=10;r=0;t=1", "10 0 1 - quota=10"),
    (
        "several items, some without t",
        "RateLimit: \"minuteRate\";r=1318, \"concurrency\";r=79, \"complexityMinute\";r=4998800;t=41",
        "- 79 - -",
    ),
    (
        "a policy that counts bytes",
        "RateLimit: \"p\";r=5;t=2\nRateLimit-Policy: \"p\";q=50;w=10, \"b\";q=100000;qu=\"content-bytes\";w=60",
        "50/10 5 2 - p=50/10",
    ),
    (
        "draft names with an epoch",
        "RateLimit-Limit: 2000\nRateLimit-Observed: 1\nRateLimit-Remaining: 1999\nRateLimit-Reset: 1752012060",
        "2000 1999 60 -",
    ),
    (
        "epoch seconds",
        "x-ratelimit-limit: 5000\nx-ratelimit-remaining: 4999\nx-ratelimit-used: 1\nx-ratelimit-resource: core\nx-ratelimit-reset: 1752015600",
        "5000 4999 3600 -",
    ),
    (
        "delta seconds",
        "X-RateLimit-Limit: 100\nX-RateLimit-Remaining: 99\nX-RateLimit-Reset: 13\nX-RateLimit-Period: 60\nX-RateLimit-Name: list_users",
        "100/60 99 13 - list_users=100/60",
    ),
    (
        "hyphens and epoch",
        "x-rate-limit-limit: 600\nx-rate-limit-remaining: 0\nx-rate-limit-reset: 1752012001",
        "600 0 1 -",
    ),
    (
        "hyphens and delta",
        "x-rate-limit-limit: 2000\nx-rate-limit-remaining: 1999\nx-rate-limit-reset: 23153",
        "2000 1999 23153 -",
    ),
    (
        "epoch milliseconds, by dimension",
        "X-RateLimit-Requests-Limit: 1500\nX-RateLimit-Requests-Remaining: 1499\nX-RateLimit-Requests-Reset: 1752012012345\nX-RateLimit-Complexity-Limit: 250000\nX-RateLimit-Complexity-Remaining: 3\nX-Complexity: 12",
        "1500 1499 13 - requests=1500",
    ),
    ("several windows with usage", "X-RateLimit-Limit: 200,2000\nX-RateLimit-Usage: 10,1975", "2000 25 - - =200 =2000"),
    (
        "by dimension with an interval",
        "x-rate-limit-api-key-max: 300\nx-rate-limit-api-key-remaining: 299\nx-rate-limit-api-key-interval-ms: 10000\nx-rate-limit-api-token-max: 100\nx-rate-limit-api-token-remaining: 1\nx-rate-limit-db-query-time-max: 7200000\nx-rate-limit-db-query-time-remaining: 1",
        "300/10 299 - - api-key=300/10",
    ),
    (
        "fixed windows",
        "x-rate-limit-minute: 50\nx-rate-limit-hourly: 200\nx-rate-limit-24-hour: 600\nx-minute-requests-left: 49\nx-hourly-requests-left: 5\nx-24-hour-requests-left: 405",
        "200/3600 5 - - minute=50/60 hourly=200/3600 24-hour=600/86400",
    ),
    (
        "a pool of tokens beside the requests",
        "x-daily-ratelimit-token-limit: 150000\nx-daily-ratelimit-token-remaining: 3\nx-ratelimit-limit: 20\nx-ratelimit-remaining: 19\nx-ratelimit-reset: 2",
        "20 19 2 -",
    ),
    ("a bucket", "X-Acme-Shop-Api-Call-Limit: 1/80\nretry-after: 2.0", "80 79 - 2 acme-shop-api=80"),
    ("a usage ratio", "Acme-Limit-Info: api-usage=101/15000", "15000 14899 - - acme=15000"),
    (
        "keys and values",
        "acme-ratelimit-tickets-index: total=100; remaining=98; resets=30",
        "100 98 30 - acme-tickets-index=100",
    ),
    (
        "a category",
        "X-RateLimit-Category: Medium\nX-RateLimit-Type: QPS\nX-RateLimit-Limit: 10\nX-RateLimit-Remaining: 0\nRetry-After: 2025-07-08T22:00:30Z",
        "10 0 - 30",
    ),
    ("a remaining by version", "x-rate-limit-remaining-v3: 9\nx-rate-limit-request-weight-v3: 1", "- 9 - - "),
    ("retry-after in seconds", "retry-after: 30", "- - - 30"),
    ("retry-after with a fraction", "retry-after: 1.2", "- - - 2"),
    ("retry-after as a date", "retry-after: Tue, 08 Jul 2025 22:01:40 GMT", "- - - 100"),
    ("retry-after zero", "retry-after: 0", "- - - 0"),
    ("retry-after under another name", "x-ratelimit-retry-after: 1752012007", "- - - 7"),
    ("retry-after under a third name", "X-RateLimit-RetryAfter: 1752012007", "- - - 7"),
    ("retry-after under a fourth name", "x-retry-after: 7", "- - - 7"),
    ("a name before the family", "x-acme-ratelimit-reset: 5", "- - 5 -"),
    ("an API's own name", "x-acmeapi-limit: 60\nx-acmeapi-remaining: 59\nx-acmeapi-reset: 1752012060", "60 59 60 -"),
    ("reset time", "x-acmeapi-resettime: 1752012060", "- - 60 -"),
    ("a quota", "x-acme-quota-remaining: 28\nx-acme-quota-resets-in: 1779", "- 28 1779 -"),
    (
        "a word between",
        "x-ratelimit-user-limit: 5\nx-ratelimit-user-remaining: 4\nx-ratelimit-user-reset: 9",
        "5 4 9 - user=5",
    ),
    ("a metric between", "x-ratelimit-limit-org-reset: 9", "- - 9 -"),
    (
        "a metric before the word",
        "x-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 59\nx-ratelimit-limit-tokens: 9\nx-ratelimit-remaining-tokens: 0",
        "60 59 - - requests=60",
    ),
    ("a date with an offset", "X-RateLimit-Limit: 5\nX-RateLimit-Reset: 2025-07-08 15:35:40 -0700", "5 - 2140 -"),
    ("a date with T and Z", "X-RateLimit-Reset: 2025-07-08T22:00:10.5Z", "- - 11 -"),
    ("a date without seconds", "X-RateLimit-Reset: 2025-07-08T22:01Z", "- - 60 -"),
    ("an HTTP date", "X-RateLimit-Reset: Tue, 08 Jul 2025 22:00:59 GMT", "- - 59 -"),
    ("a unit that may be anything", "x-ratelimit-minutely-reset: 30000", "- - - -"),
    (
        "nothing at all",
        "content-type: application/json\nx-request-id: 7\ndate: Tue, 08 Jul 2025 22:00:00 GMT",
        "- - - -",
    ),
    (
        "names that only look like it",
        "x-limit: 5\nx-api-version: 3\nx-api-limit: soon\nage: 3\nx-ms-throttle-limit-percentage: 0.9",
        "- - - -",
    ),
];

#[test]
fn every_dialect_is_read() {
    for (name, headers, wanted) in DIALECTS {
        assert_eq!(line(&heuristic(headers)).trim_end(), wanted.trim_end(), "{name}");
    }
}

#[test]
fn retry_after_comes_with_the_rest() {
    let limits = heuristic("x-ratelimit-limit: 10\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 50\nretry-after: 5");
    assert_eq!(line(&limits), "10 0 50 5");
    assert_eq!(limits.retry_after_seconds(super::NOW), Some(5));
}

#[test]
fn absolute_times_are_by_the_upstreams_clock() {
    // Their clock is an hour ahead.
    let ahead = "date: Tue, 08 Jul 2025 23:00:00 GMT\nx-ratelimit-reset: 1752015660\nretry-after: Tue, 08 Jul 2025 23:00:20 GMT";
    assert_eq!(line(&heuristic(ahead)), "- - 60 20");
    // Their clock is an hour behind; seconds from now are not touched.
    let behind = "date: Tue, 08 Jul 2025 21:00:00 GMT\nx-ratelimit-reset: 1752008460\nretry-after: 20";
    assert_eq!(line(&heuristic(behind)), "- - 60 20");
    let iso = "date: Tue, 08 Jul 2025 23:00:00 GMT\nx-ratelimit-reset: 2025-07-08T23:00:05Z";
    assert_eq!(line(&heuristic(iso)), "- - 5 -");
    let unreadable = "date: yesterday\nx-ratelimit-reset: 1752012060";
    assert_eq!(line(&heuristic(unreadable)), "- - 60 -");
}

#[test]
fn bare_numbers_change_their_meaning_at_the_cut_offs() {
    let reset =
        |number: &str| heuristic(&format!("x-ratelimit-reset: {number}")).reset_at.map(|at| at.ms_since(super::NOW));
    let day = 24 * 60 * 60;
    assert_eq!(reset("0"), Some(0));
    assert_eq!(reset("+5"), Some(5000));
    assert_eq!(reset(&(31 * day).to_string()), Some(super::super::AHEAD_MAX_MS));
    assert_eq!(reset(&(31 * day + 1).to_string()), None);
    assert_eq!(reset("946080000"), None);
    assert_eq!(reset("1752011990"), Some(0));
    assert_eq!(reset(&(1_752_012_000 + 31 * day).to_string()), Some(super::super::AHEAD_MAX_MS));
    assert_eq!(reset(&(1_752_012_001 + 31 * day).to_string()), None);
    assert_eq!(reset("100000000000"), None);
    assert_eq!(reset("1752012000001"), Some(1));
    assert_eq!(reset("100000000000001"), None);
}
