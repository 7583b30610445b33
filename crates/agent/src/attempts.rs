//! One call or question over rate limits and passing faults.

use quartermaster_types::run::{Waits, Wake};
use quartermaster_types::{Code, Problem, Timestamp};

use crate::limits::{CALL_COUNTED_SECONDS, RATE_LIMITED_MAX};

/// Seconds to wait after a rate limit that does not tell how long.
const RETRY_AFTER_DEFAULT_SECONDS: u64 = 5;

/// How long a run may wait, and how long it has waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) waits: Waits,
    pub(crate) seconds: u64,
    /// When the run's time is over.
    pub(crate) deadline: Timestamp,
}

impl Patience {
    /// Takes what a call waited for others out of the run's time.
    pub(crate) fn excuse(&mut self, begun: Option<Timestamp>, ended: Timestamp) {
        let over = begun.map_or(0, |begun| ended.ms_since(begun) - CALL_COUNTED_SECONDS * 1000);
        self.deadline = self.deadline.plus_ms(over.max(0));
    }
}

/// What is tried until it works, or cannot.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    base: String,
    made: u32,
    rate_limited: u32,
    failed: u32,
    pub(crate) pause: Option<Wake>,
}

impl Attempts {
    /// The first one, under `base`.
    pub(crate) fn new(base: String) -> Self {
        Self { base, made: 1, rate_limited: 0, failed: 0, pause: None }
    }

    /// The key of this one: an attempt that failed has an answer stored under its own.
    pub(crate) fn key(&self) -> String {
        if self.made == 1 { self.base.clone() } else { format!("{}~{}", self.base, self.made) }
    }

    /// Tries again.
    pub(crate) fn again(&mut self) {
        self.made += 1;
        self.pause = None;
    }

    /// How often it failed for reasons that pass.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// Counts a failure that is answered with another attempt at once.
    pub(crate) fn count(&mut self) {
        self.failed += 1;
    }

    /// Waits for the next attempt if that can help, or gives the problem back. `most`: how often something that failed for
    /// reasons that pass, and was not done, is tried; 0 for what may have been done.
    pub(crate) fn wait(
        &mut self,
        mut problem: Problem,
        at: Timestamp,
        most: u32,
        patience: &mut Patience,
    ) -> Option<Problem> {
        let body = problem.body();
        let seconds = match body.code {
            Code::RateLimited if body.retryable && self.rate_limited < RATE_LIMITED_MAX => {
                self.rate_limited += 1;
                body.retry_after_seconds.unwrap_or(RETRY_AFTER_DEFAULT_SECONDS).max(1)
            }
            Code::RateLimited => return Some(problem),
            _ if body.retryable && self.failed + 1 < most => {
                self.failed += 1;
                body.retry_after_seconds.unwrap_or(1 << self.failed).max(1)
            }
            _ => return Some(problem),
        };
        let until = at.plus_ms(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX));
        let waited = patience.waits.seconds;
        let why_not = if waited.saturating_add(seconds) > patience.seconds {
            format!("{waited} s were waited already, and {} s are allowed", patience.seconds)
        } else if until >= patience.deadline {
            "that is after the end of the run's time".to_owned()
        } else {
            patience.waits.count += 1;
            patience.waits.seconds += seconds;
            self.pause = Some(Wake { key: format!("{}/pause", self.key()), until, pause: true });
            return None;
        };
        let body = problem.body_mut();
        body.detail = format!("{} Another {seconds} s are asked for; waiting was given up: {why_not}.", body.detail);
        Some(problem)
    }
}
