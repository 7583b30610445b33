//! The rate-limit headers of an answer, as the gateway normalises them.

use http::HeaderMap;
use serde::Serialize;

/// What an answer's headers say of limits. Fields are `None` when the header is absent or malformed: nothing is guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RateHeaders {
    /// `ratelimit-limit`: requests in a window.
    pub limit: Option<u64>,
    /// The window in seconds, when `ratelimit-limit` tells it (`100;w=60`).
    pub window_seconds: Option<u64>,
    /// `ratelimit-remaining`: requests left in it.
    pub remaining: Option<u64>,
    /// `ratelimit-reset`: seconds until it starts anew. A delta, never a date.
    pub reset_seconds: Option<u64>,
    /// `retry-after`, in seconds.
    pub retry_after_seconds: Option<u64>,
}

impl RateHeaders {
    /// Reads the headers of an answer.
    pub fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
        let (limit, window_seconds) = text("ratelimit-limit").map_or((None, None), read_limit);
        Self {
            limit,
            window_seconds,
            remaining: number("ratelimit-remaining"),
            reset_seconds: number("ratelimit-reset"),
            retry_after_seconds: number("retry-after"),
        }
    }
}

/// Reads `100` or `100;w=60`.
fn read_limit(text: &str) -> (Option<u64>, Option<u64>) {
    let mut parts = text.split(';').map(str::trim);
    let limit = parts.next().and_then(|part| part.parse().ok());
    let window = parts.find_map(|part| part.strip_prefix("w=")).and_then(|value| value.parse().ok());
    if limit.is_some() { (limit, window) } else { (None, None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> RateHeaders {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, http::HeaderValue::from_static(value));
        }
        RateHeaders::read(&headers)
    }

    #[test]
    fn the_normal_form_is_read() {
        let rate = read(&[
            ("ratelimit-limit", "100;w=60"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "6"),
            ("retry-after", "7"),
        ]);
        assert_eq!(rate.limit, Some(100));
        assert_eq!(rate.window_seconds, Some(60));
        assert_eq!(rate.remaining, Some(0));
        assert_eq!(rate.reset_seconds, Some(6));
        assert_eq!(rate.retry_after_seconds, Some(7));
    }

    #[test]
    fn malformed_values_are_dropped() {
        for bad in ["", "soon", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            let rate = read(&[("ratelimit-limit", bad), ("ratelimit-reset", bad), ("retry-after", bad)]);
            assert_eq!(rate, RateHeaders::default(), "{bad}");
        }
    }
}
