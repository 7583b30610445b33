//! Times at which runs are started, and the days on which clocks are changed.

use quartermaster_trigger::{Schedule, Source};
use quartermaster_types::Timestamp;

use crate::support::{document, loaded};

fn schedule(cron: &str, zone: &str) -> Schedule {
    let source = format!("schedule: {{cron: '{cron}', time_zone: {zone}}}");
    let text = document(&source).replace("payload.email", "trigger.name + '@company.com'");
    match loaded(&text).source {
        Source::Schedule(schedule) => schedule,
        Source::Webhook(_) => panic!("a schedule"),
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// The next times after a moment.
fn next(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let mut times = Vec::new();
    let mut last = at(after);
    for _ in 0..count {
        last = schedule.next_after(last).unwrap();
        times.push(last.to_string().replace(":00.000Z", "Z"));
    }
    times
}

#[test]
fn five_fields_and_names_in_a_time_zone() {
    let mondays = schedule("0 7 * * MON-FRI", "Europe/Berlin");
    assert_eq!(
        next(&mondays, "2026-01-02T12:00:00Z", 2),
        ["2026-01-05T06:00Z", "2026-01-06T06:00Z"],
        "the weekend is left out"
    );
    assert_eq!(
        next(&schedule("@hourly", "UTC"), "2026-01-01T00:00:00Z", 2),
        ["2026-01-01T01:00Z", "2026-01-01T02:00Z"]
    );
    assert_eq!(
        next(&schedule("*/15 9 1 * *", "UTC"), "2026-01-31T00:00:00Z", 2),
        ["2026-02-01T09:00Z", "2026-02-01T09:15Z"]
    );
    assert_eq!(next(&schedule("0 0 29 2 *", "UTC"), "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00Z"], "leap years");
    assert_eq!(mondays.time_zone(), "Europe/Berlin");
}

#[test]
fn a_time_that_is_left_out_in_spring_starts_once_when_the_gap_is_over() {
    // 2026-03-29, 02:00 becomes 03:00.
    let early = schedule("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        next(&early, "2026-03-28T00:00:00Z", 3),
        ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]
    );
    let hourly = schedule("0 * * * *", "Europe/Berlin");
    assert_eq!(
        next(&hourly, "2026-03-28T23:30:00Z", 4),
        ["2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z", "2026-03-29T03:00Z"],
        "an hourly one goes on evenly"
    );
}

#[test]
fn a_time_that_comes_twice_in_autumn_starts_once() {
    // 2026-10-25, 03:00 becomes 02:00 again.
    let early = schedule("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        next(&early, "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
        "the first of the two"
    );
    let hourly = schedule("0 * * * *", "Europe/Berlin");
    assert_eq!(
        next(&hourly, "2026-10-24T23:30:00Z", 4),
        ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z", "2026-10-25T03:00Z"],
        "an hourly one goes on evenly"
    );
    // New York changes on another day, and the southern half of the world the other way round.
    assert_eq!(
        next(&schedule("30 1 * * *", "America/New_York"), "2026-10-31T12:00:00Z", 2),
        ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]
    );
    assert_eq!(
        next(&schedule("30 2 * * *", "Australia/Sydney"), "2026-10-02T20:00:00Z", 3),
        ["2026-10-03T16:00Z", "2026-10-04T15:30Z", "2026-10-05T15:30Z"]
    );
}

#[test]
fn the_last_time_that_went_by() {
    let hourly = schedule("@hourly", "UTC");
    let last = |from: &str, until: &str| hourly.last_until(at(from), at(until)).map(|at| at.to_string());
    assert_eq!(last("2026-01-01T00:00:00Z", "2026-01-01T05:30:00Z").as_deref(), Some("2026-01-01T05:00:00.000Z"));
    assert_eq!(last("2026-01-01T05:00:00Z", "2026-01-01T05:00:00Z").as_deref(), Some("2026-01-01T05:00:00.000Z"));
    assert_eq!(last("2026-01-01T05:01:00Z", "2026-01-01T05:30:00Z"), None);
}
