//! A fixed window of requests, and how it is told.

use std::sync::Mutex;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{RateHeaders, RateLimit};

/// One bucket.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    started_ms: i64,
    used: u64,
}

/// What a bucket says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether the request is served.
    pub(crate) admitted: bool,
    limit: RateLimit,
    remaining: u64,
    reset_seconds: u64,
}

impl Bucket {
    /// Counts one request at `now_ms`. Refused requests do not count.
    pub(crate) fn take(&self, limit: RateLimit, now_ms: i64) -> Verdict {
        let window_ms = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX);
        let mut window = self.window.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if now_ms.saturating_sub(window.started_ms) >= window_ms {
            *window = Window { started_ms: now_ms, used: 0 };
        }
        let admitted = window.used < limit.requests;
        window.used += u64::from(admitted);
        let left_ms = window_ms.saturating_sub(now_ms.saturating_sub(window.started_ms)).max(0);
        Verdict {
            admitted,
            limit,
            remaining: limit.requests.saturating_sub(window.used),
            reset_seconds: u64::try_from(left_ms).unwrap_or(0).div_ceil(1000),
        }
    }
}

impl Verdict {
    /// Writes what the profile tells.
    pub(crate) fn write(self, profile: RateHeaders, headers: &mut HeaderMap) {
        let Self { admitted, limit, remaining, reset_seconds } = self;
        let (quota, window) = (limit.requests, limit.window.as_secs());
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        match profile {
            RateHeaders::None => {}
            RateHeaders::RetryAfter => {
                if !admitted {
                    put("retry-after", reset_seconds.to_string());
                }
            }
            RateHeaders::Trio => {
                put("ratelimit-limit", format!("{quota}, {quota};w={window}"));
                put("ratelimit-remaining", remaining.to_string());
                put("ratelimit-reset", reset_seconds.to_string());
            }
            RateHeaders::Structured => {
                put("ratelimit", format!("\"default\";r={remaining};t={reset_seconds}"));
                put("ratelimit-policy", format!("\"default\";q={quota};w={window}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_window_admits_its_limit_and_then_starts_anew() {
        let limit = RateLimit { requests: 2, window: Duration::from_secs(10) };
        let bucket = Bucket::default();
        assert!(bucket.take(limit, 100_000).admitted);
        assert!(bucket.take(limit, 101_000).admitted);
        let refused = bucket.take(limit, 101_500);
        assert!(!refused.admitted);
        assert_eq!((refused.remaining, refused.reset_seconds), (0, 9));
        assert!(bucket.take(limit, 110_000).admitted);
    }
}
