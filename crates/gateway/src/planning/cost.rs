//! What executing a plan costs: calls to the vendor, and time.

use std::time::Duration;

use quartermaster_definition::Plan;
use quartermaster_playbook::ATTEMPTS_MAX;
use quartermaster_playbook::plan::PlannedStep;
use quartermaster_types::{RateLimits, Timestamp};

use super::record::Spent;
use super::view::{PlanCost, RateBudget};

pub(super) fn of(steps: &[PlannedStep], plan: &Plan, spent: &Spent, now: Timestamp) -> PlanCost {
    let calls: u64 = steps.iter().map(|step| expected(step, plan)).sum();
    let at_most: u64 = steps.iter().map(|step| worst(step, plan)).sum();
    let (latency, limits) = (spent.latency(), &spent.limits);
    PlanCost {
        upstream_calls: calls,
        upstream_calls_at_most: at_most,
        worst_case: format!(
            "every write gets no answer, is found not done by a read, and is made {ATTEMPTS_MAX} times"
        ),
        seconds: seconds(calls, latency, limits, now),
        seconds_at_most: seconds(at_most, latency, limits, now),
        rate_budget: (!limits.is_empty()).then_some(RateBudget {
            limit: limits.limit,
            remaining: limits.remaining,
            window_seconds: limits.window_seconds,
            reset_at: limits.reset_at,
        }),
        calls_made: spent.calls,
    }
}

/// Reads that the write itself makes: before it, to compare the record; after it, when its answer does not tell the state.
fn own_reads(step: &PlannedStep, plan: &Plan) -> (u64, u64) {
    let Some(method) = plan.method(&step.resource, &step.method) else { return (0, 0) };
    let reads = method.read_before.is_some();
    (u64::from(reads || step.expects().is_some()), u64::from(reads && method.transition.is_some()))
}

/// A look where one is needed, the write with the read before it, and the read that proves it.
fn expected(step: &PlannedStep, plan: &Plan) -> u64 {
    let look = u64::from(step.looks);
    if step.is_done {
        return look;
    }
    look + own_reads(step, plan).0 + 1 + u64::from(step.is_provable())
}

fn worst(step: &PlannedStep, plan: &Plan) -> u64 {
    let look = u64::from(step.looks);
    if step.is_done {
        return look;
    }
    let (before, after) = own_reads(step, plan);
    let proof = u64::from(step.is_provable());
    let attempts = if step.is_provable() { u64::from(ATTEMPTS_MAX) } else { 1 };
    attempts * (look + before + 1 + after + proof)
}

/// How long so many calls take, one after the other, within the vendor's limit. `None` when neither is known.
fn seconds(calls: u64, latency: Option<Duration>, limits: &RateLimits, now: Timestamp) -> Option<u64> {
    let work = latency.map(|latency| {
        let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX).max(1);
        calls.saturating_mul(millis).div_ceil(1_000)
    });
    let waits = waits(calls, limits, now);
    work.max(waits)
}

/// Seconds until the vendor's windows have let so many calls through. `None` when it tells no limit.
fn waits(calls: u64, limits: &RateLimits, now: Timestamp) -> Option<u64> {
    let limit = limits.limit.filter(|limit| *limit > 0)?;
    let left = limits.remaining.unwrap_or(limit);
    if calls <= left {
        return Some(0);
    }
    let windows = (calls - left).div_ceil(limit);
    let first = limits.reset_seconds(now).or(limits.window_seconds)?;
    let further = windows - 1;
    if further > 0 && limits.window_seconds.is_none() {
        return None;
    }
    Some(first.saturating_add(further.saturating_mul(limits.window_seconds.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

    fn limits(remaining: u64, reset_seconds: i64) -> RateLimits {
        RateLimits {
            limit: Some(50),
            window_seconds: Some(10),
            remaining: Some(remaining),
            reset_at: Some(NOW.plus_ms(reset_seconds * 1_000)),
            ..RateLimits::default()
        }
    }

    #[test]
    fn waits_are_whole_windows_after_what_is_left() {
        assert_eq!(waits(20, &limits(20, 4), NOW), Some(0), "what is left is enough");
        assert_eq!(waits(21, &limits(20, 4), NOW), Some(4), "one past it waits for the reset");
        assert_eq!(waits(70, &limits(20, 4), NOW), Some(4), "a whole window more");
        assert_eq!(waits(71, &limits(20, 4), NOW), Some(14));
        assert_eq!(waits(1_000, &RateLimits::default(), NOW), None);
        let unknown_window = RateLimits { window_seconds: None, ..limits(0, 4) };
        assert_eq!((waits(50, &unknown_window, NOW), waits(51, &unknown_window, NOW)), (Some(4), None));
    }

    #[test]
    fn the_longer_of_work_and_waits_counts() {
        let latency = Some(Duration::from_millis(200));
        assert_eq!(seconds(20, latency, &limits(20, 4), NOW), Some(4));
        assert_eq!(seconds(21, latency, &limits(20, 40), NOW), Some(40));
        assert_eq!(seconds(3, latency, &RateLimits::default(), NOW), Some(1), "rounded up");
        assert_eq!(seconds(3, None, &RateLimits::default(), NOW), None);
    }
}
