//! How long a provider asks to wait, from its headers.

use std::time::Duration;

use http::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use crate::limits::RETRY_AFTER_MAX;

/// Pairs of a rest and the time at which it is full again: `NAME-remaining-WHAT` and `NAME-reset-WHAT`, or with the two
/// words the other way round.
const BUDGETS: &[(&str, &str)] = &[
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

/// What `retry-after-ms` or `retry-after` say, else when the budgets that are spent are full again, else the longest of all
/// budgets. Times of day count from the answer's own `date`; what cannot be read is left out, never guessed.
pub(crate) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let now = text("date").and_then(date);
    let asked =
        text("retry-after-ms").and_then(millis).or_else(|| text("retry-after").and_then(|text| moment(text, now)));
    let resets = || {
        let budgets = BUDGETS.iter().filter_map(|(rest, reset)| Some((text(rest), moment(text(reset)?, now)?)));
        let budgets: Vec<(Option<&str>, Duration)> = budgets.collect();
        let spent = budgets.iter().filter(|(rest, _)| *rest == Some("0")).map(|(_, pause)| *pause).max();
        spent.or_else(|| budgets.iter().map(|(_, pause)| *pause).max())
    };
    asked.or_else(resets).map(|pause| pause.min(RETRY_AFTER_MAX))
}

fn millis(text: &str) -> Option<Duration> {
    let millis: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(millis / 1000.0).ok()
}

/// `20`, `1.5`, `6m0s`, `120ms`, a date of mail or of RFC 3339.
fn moment(text: &str, now: Option<OffsetDateTime>) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if let Some(length) = length(text) {
        return Some(length);
    }
    let until = date(text)? - now?;
    Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
}

fn date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc2822).or_else(|_| OffsetDateTime::parse(text, &Rfc3339)).ok()
}

/// Numbers with units, one after the other: `1h2m3.5s`, `7ms`.
fn length(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, unit) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let unit_end = unit.find(|letter: char| letter.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(unit_end);
        seconds += number
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                _ => return None,
            };
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Option<u128> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap()));
        pause(&headers.collect()).map(|pause| pause.as_millis())
    }

    #[test]
    fn the_pause_is_what_the_provider_says() {
        for (pairs, expected) in [
            (vec![("retry-after", "20")], Some(20_000)),
            (vec![("retry-after", "1.5")], Some(1_500)),
            (vec![("retry-after", "20"), ("retry-after-ms", "1250")], Some(1_250)),
            (
                vec![("retry-after", "Sat, 28 Nov 2026 10:00:30 GMT"), ("date", "Sat, 28 Nov 2026 10:00:00 GMT")],
                Some(30_000),
            ),
            // A date in the past: at once.
            (
                vec![("retry-after", "Sat, 28 Nov 2026 09:00:30 GMT"), ("date", "Sat, 28 Nov 2026 10:00:00 GMT")],
                Some(0),
            ),
            (vec![("retry-after", "Sat, 28 Nov 2026 10:00:30 GMT")], None),
            (
                vec![
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "8.64s"),
                    ("x-ratelimit-remaining-tokens", "149984"),
                    ("x-ratelimit-reset-tokens", "6m0s"),
                ],
                Some(8_640),
            ),
            (vec![("x-ratelimit-reset-requests", "120ms"), ("x-ratelimit-reset-tokens", "1h2m3s")], Some(3_723_000)),
            (
                vec![
                    ("date", "Sat, 28 Nov 2026 10:00:00 GMT"),
                    ("anthropic-ratelimit-input-tokens-remaining", "0"),
                    ("anthropic-ratelimit-input-tokens-reset", "2026-11-28T10:00:07Z"),
                ],
                Some(7_000),
            ),
            (vec![("retry-after", "999999999")], Some(RETRY_AFTER_MAX.as_millis())),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "NaN")], None),
            (vec![("x-ratelimit-reset-requests", "5 parsecs")], None),
            (vec![], None),
        ] {
            assert_eq!(told(&pairs), expected, "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_header_says_breaks_anything(text in "[ -~]{0,40}", length in "([0-9.]{0,6}(ms|s|m|h|d|x)?){0,5}") {
            for value in [&text, &length] {
                let pause = told(&[("retry-after", value), ("x-ratelimit-reset-tokens", value)]);
                prop_assert!(pause.is_none_or(|pause| pause <= RETRY_AFTER_MAX.as_millis()));
            }
        }
    }
}
