//! Records as they are when a plan is made: each read once, rate limits waited out.

use std::time::Duration;

use quartermaster_types::{Code, Problem, RateLimits};
use serde_json::Value;
use tokio::time::Instant;

use crate::Gateway;
use crate::call::Prepared;

/// Seconds to wait after a rate limit that does not tell how long.
const RETRY_AFTER_DEFAULT_SECONDS: u64 = 5;

/// What making a plan has learned of the vendor.
#[derive(Default)]
pub(super) struct Spent {
    /// Calls that it made.
    pub(super) calls: u64,
    /// How long those of which the time was taken took, and how many they are.
    timed: (Duration, u32),
    /// What the vendor last told of its limits.
    pub(super) limits: RateLimits,
}

impl Spent {
    pub(super) fn add(&mut self, calls: u32, limits: &RateLimits, took: Duration) {
        self.calls += u64::from(calls);
        if calls > 0 {
            self.timed.0 += took;
            self.timed.1 += calls;
        }
        self.learn(limits);
    }

    /// Takes over what another read learned.
    pub(super) fn join(&mut self, other: Self) {
        self.calls += other.calls;
        self.timed.0 += other.timed.0;
        self.timed.1 += other.timed.1;
        self.learn(&other.limits);
    }

    fn learn(&mut self, limits: &RateLimits) {
        let tells_less = self.limits.remaining.is_none_or(|known| limits.remaining.is_some_and(|left| left <= known));
        let is_newer = limits.reset_at > self.limits.reset_at;
        if !limits.is_empty() && (tells_less || is_newer) {
            self.limits = limits.clone();
        }
    }

    /// How long one call takes.
    pub(super) fn latency(&self) -> Option<Duration> {
        (self.timed.1 > 0).then(|| self.timed.0 / self.timed.1)
    }
}

/// A record, and what reading it took.
pub(super) struct Read {
    pub(super) record: Result<Value, Problem>,
    pub(super) spent: Spent,
}

/// A pause that the vendor asks for, when it fits before the deadline.
pub(super) fn pause(problem: &Problem, deadline: Instant) -> Option<Duration> {
    let body = problem.body();
    if body.code != Code::RateLimited || !body.retryable {
        return None;
    }
    let seconds = body.retry_after_seconds.unwrap_or(RETRY_AFTER_DEFAULT_SECONDS).max(1);
    let pause = Duration::from_secs(seconds);
    (Instant::now() + pause < deadline).then_some(pause)
}

impl Gateway {
    /// The record that a write names, as it is now.
    pub(super) async fn read_for_plan(&self, prepared: &Prepared, deadline: Instant) -> Read {
        let mut spent = Spent::default();
        loop {
            let started = Instant::now();
            let problem = match self.fresh_record(prepared).await {
                Ok(read) => {
                    spent.add(read.upstream_calls, &read.rate_limits, started.elapsed());
                    return Read { record: Ok(read.record), spent };
                }
                Err(failure) => {
                    spent.add(failure.upstream_calls, &failure.rate_limits, started.elapsed());
                    failure.problem
                }
            };
            match pause(&problem, deadline) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Read { record: Err(problem), spent },
            }
        }
    }
}
