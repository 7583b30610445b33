//! What an upstream said of its limits, in one normal form, and the headers that carry it to the caller.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// One declared policy: so many requests in so many seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatePolicy {
    /// The vendor's name for it, when it has one. Only `[A-Za-z0-9_.:-]`, at most 64 characters.
    pub name: Option<String>,
    /// Requests in a window.
    pub limit: u64,
    /// The window in seconds, when known.
    pub window_seconds: Option<u64>,
}

/// One window of requests, as far as an answer told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    /// The vendor's name for it, when it has one; as in [`RatePolicy::name`].
    pub name: Option<String>,
    /// Requests in it, when known.
    pub limit: Option<u64>,
    /// Its length in seconds, when known.
    pub window_seconds: Option<u64>,
    /// Requests left in it.
    pub remaining: u64,
    /// When it starts anew, when known.
    pub reset_at: Option<Timestamp>,
}

/// Rate limits as the upstream told them. Every field is `None` when the upstream said nothing: nothing is invented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// Requests in the window that is closest to being spent.
    pub limit: Option<u64>,
    /// That window in seconds.
    pub window_seconds: Option<u64>,
    /// Requests left in it.
    pub remaining: Option<u64>,
    /// When it starts anew.
    pub reset_at: Option<Timestamp>,
    /// When the upstream wants to be asked again (`Retry-After` and its relatives). Wins over `reset_at`.
    pub retry_at: Option<Timestamp>,
    /// All policies that the upstream published.
    pub policies: Vec<RatePolicy>,
    /// All windows of which the upstream told how many requests are left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RateWindow>,
}

impl RateLimits {
    /// True when the upstream told nothing at all.
    pub fn is_empty(&self) -> bool {
        self.limit.is_none()
            && self.remaining.is_none()
            && self.reset_at.is_none()
            && self.retry_at.is_none()
            && self.policies.is_empty()
    }

    /// Seconds until the window starts anew, rounded up, never negative.
    pub fn reset_seconds(&self, now: Timestamp) -> Option<u64> {
        self.reset_at.map(|at| seconds_until(now, at))
    }

    /// Seconds to wait before the next attempt: `Retry-After` first, else the reset; rounded up, never negative.
    pub fn retry_after_seconds(&self, now: Timestamp) -> Option<u64> {
        self.retry_at.or(self.reset_at).map(|at| seconds_until(now, at))
    }

    /// The headers for the caller, lower-case name first: `ratelimit-limit` (`100;w=60` when the window is known),
    /// `ratelimit-remaining`, `ratelimit-reset` (delta seconds), `x-ratelimit-reset-at` (epoch seconds), the structured
    /// `ratelimit` and `ratelimit-policy`, and `retry-after` when `limited` (the answer is a 429).
    pub fn headers(&self, now: Timestamp, limited: bool) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(7);
        if let Some(limit) = self.limit {
            let window = self.window_seconds.map(|window| format!(";w={window}")).unwrap_or_default();
            headers.push(("ratelimit-limit", format!("{limit}{window}")));
        }
        if let Some(remaining) = self.remaining {
            headers.push(("ratelimit-remaining", remaining.to_string()));
        }
        if let Some(at) = self.reset_at {
            headers.push(("ratelimit-reset", seconds_until(now, at).to_string()));
            headers.push(("x-ratelimit-reset-at", at.plus_ms(999).unix_seconds().to_string()));
        }
        if let Some(remaining) = self.remaining {
            let reset = self.reset_at.map(|at| format!(";t={}", seconds_until(now, at))).unwrap_or_default();
            headers.push(("ratelimit", format!("\"{}\";r={remaining}{reset}", self.policy_name())));
        }
        let policies = self.policy_items();
        if !policies.is_empty() {
            headers.push(("ratelimit-policy", policies.join(", ")));
        }
        if limited && let Some(seconds) = self.retry_after_seconds(now) {
            headers.push(("retry-after", seconds.to_string()));
        }
        headers
    }

    /// The name of the policy that `limit` speaks of; `default` when the upstream names none.
    fn policy_name(&self) -> &str {
        self.policies
            .iter()
            .find(|policy| Some(policy.limit) == self.limit)
            .and_then(|policy| policy.name.as_deref())
            .unwrap_or("default")
    }

    fn policy_items(&self) -> Vec<String> {
        let item = |name: Option<&str>, limit: u64, window: Option<u64>| {
            let window = window.map(|window| format!(";w={window}")).unwrap_or_default();
            format!("\"{}\";q={limit}{window}", name.unwrap_or("default"))
        };
        if self.policies.is_empty() {
            return self.limit.map(|limit| item(None, limit, self.window_seconds)).into_iter().collect();
        }
        self.policies.iter().map(|policy| item(policy.name.as_deref(), policy.limit, policy.window_seconds)).collect()
    }
}

fn seconds_until(now: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.ms_since(now)).unwrap_or(0).div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_invented() {
        assert!(RateLimits::default().headers(Timestamp::from_unix_ms(0), true).is_empty());
    }

    #[test]
    fn headers_carry_delta_seconds_rounded_up_and_the_absolute_reset() {
        let limits = RateLimits {
            limit: Some(100),
            window_seconds: Some(60),
            remaining: Some(0),
            reset_at: Some(Timestamp::from_unix_ms(10_001)),
            ..RateLimits::default()
        };
        let headers = limits.headers(Timestamp::from_unix_ms(5_000), true);
        assert_eq!(
            headers,
            vec![
                ("ratelimit-limit", "100;w=60".to_owned()),
                ("ratelimit-remaining", "0".to_owned()),
                ("ratelimit-reset", "6".to_owned()),
                ("x-ratelimit-reset-at", "11".to_owned()),
                ("ratelimit", "\"default\";r=0;t=6".to_owned()),
                ("ratelimit-policy", "\"default\";q=100;w=60".to_owned()),
                ("retry-after", "6".to_owned()),
            ]
        );
    }

    #[test]
    fn retry_after_wins_over_the_reset_and_is_never_negative() {
        let limits = RateLimits {
            reset_at: Some(Timestamp::from_unix_ms(60_000)),
            retry_at: Some(Timestamp::from_unix_ms(3_000)),
            ..RateLimits::default()
        };
        assert_eq!(limits.retry_after_seconds(Timestamp::from_unix_ms(1_000)), Some(2));
        assert_eq!(limits.retry_after_seconds(Timestamp::from_unix_ms(9_000)), Some(0));
    }
}
