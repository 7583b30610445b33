//! One policy with its state, and the choice between several.

use std::cmp::Ordering;

use quartermaster_types::{RateLimits, RatePolicy, RateWindow, Timestamp};

use super::{POLICIES_MAX, WINDOW_MAX_SECONDS};

/// Longest name of a policy.
const NAME_MAX_BYTES: usize = 64;

/// What is known of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gauge {
    pub(super) name: Option<String>,
    pub(super) limit: Option<u64>,
    pub(super) remaining: Option<u64>,
    pub(super) reset_at: Option<Timestamp>,
    pub(super) window_seconds: Option<u64>,
}

impl Gauge {
    pub(super) fn says_something(&self) -> bool {
        self.limit.is_some() || self.remaining.is_some() || self.reset_at.is_some()
    }

    /// Which of two is closer to being spent comes first: the smaller share that is left. Nothing left is the smallest
    /// share whatever the limit is; an unknown share comes after every known one, and then the smaller number left counts.
    fn closer_to_spent(&self, other: &Self) -> Ordering {
        let key = |gauge: &Self| match (gauge.remaining, gauge.limit) {
            (Some(0), _) => (0, (0, 1), 0),
            (Some(remaining), Some(limit)) if limit > 0 => (1, (u128::from(remaining), u128::from(limit)), 0),
            (Some(remaining), _) => (2, (0, 1), remaining),
            (None, Some(_)) => (3, (0, 1), 0),
            (None, None) => (4, (0, 1), 0),
        };
        let (own, others) = (key(self), key(other));
        let shares = (own.1.0 * others.1.1).cmp(&(others.1.0 * own.1.1));
        own.0.cmp(&others.0).then(shares).then(own.2.cmp(&others.2))
    }
}

/// A name that may be published; `None` for an empty one or one with other characters.
pub(super) fn policy_name(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
    (!text.is_empty() && text.len() <= NAME_MAX_BYTES && text.bytes().all(plain)).then(|| text.to_owned())
}

/// A window that may be believed.
pub(super) fn window(seconds: u64) -> Option<u64> {
    (1..=WINDOW_MAX_SECONDS).contains(&seconds).then_some(seconds)
}

/// Puts what the gauges tell where nothing was told before: the one closest to being spent into the fields, all of them
/// into the policies.
pub(super) fn fill(limits: &mut RateLimits, gauges: &[Gauge]) {
    let Some(current) = gauges.iter().min_by(|one, other| one.closer_to_spent(other)) else { return };
    if limits.limit.is_none() {
        limits.limit = current.limit;
        limits.window_seconds = current.window_seconds.filter(|_| current.limit.is_some());
    }
    limits.remaining = limits.remaining.or(current.remaining);
    limits.reset_at = limits.reset_at.or(current.reset_at);
    let is_worth_it = gauges.len() > 1 || current.name.is_some();
    if limits.policies.is_empty() && is_worth_it {
        let policy = |gauge: &Gauge| {
            Some(RatePolicy { name: gauge.name.clone(), limit: gauge.limit?, window_seconds: gauge.window_seconds })
        };
        limits.policies = gauges.iter().filter_map(policy).take(POLICIES_MAX).collect();
    }
    if limits.windows.is_empty() {
        let window = |gauge: &Gauge| {
            Some(RateWindow {
                name: gauge.name.clone(),
                limit: gauge.limit,
                window_seconds: gauge.window_seconds,
                remaining: gauge.remaining?,
                reset_at: gauge.reset_at,
            })
        };
        limits.windows = gauges.iter().filter_map(window).take(POLICIES_MAX).collect();
    }
}
