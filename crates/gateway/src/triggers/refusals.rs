//! How many deliveries that were not verified are written down: anybody who knows a hook's address can send some.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use quartermaster_types::{Timestamp, TriggerId};

use crate::limits::{REFUSALS_COUNTED_MAX, REFUSALS_WRITTEN_PER_MINUTE};

const MINUTE_MS: i64 = 60_000;

/// What was written down in the present minute, by trigger.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<TriggerId, (i64, u32)>>);

impl Refusals {
    /// Whether one more is written down.
    pub(super) fn admits(&self, trigger: TriggerId, now: Timestamp) -> bool {
        let minute = now.unix_ms().div_euclid(MINUTE_MS);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= REFUSALS_COUNTED_MAX && !counts.contains_key(&trigger) {
            counts.retain(|_, (counted_in, _)| *counted_in == minute);
            if counts.len() >= REFUSALS_COUNTED_MAX {
                return false;
            }
        }
        let count = counts.entry(trigger).or_insert((minute, 0));
        if count.0 != minute {
            *count = (minute, 0);
        }
        count.1 = count.1.saturating_add(1);
        count.1 <= REFUSALS_WRITTEN_PER_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> TriggerId {
        TriggerId(uuid::Uuid::from_u128(number as u128))
    }

    #[test]
    fn so_many_a_minute_and_no_more() {
        let refusals = Refusals::default();
        let at = Timestamp::from_unix_ms(1_790_000_040_000);
        for _ in 0..REFUSALS_WRITTEN_PER_MINUTE {
            assert!(refusals.admits(id(1), at));
        }
        assert!(!refusals.admits(id(1), at));
        assert!(refusals.admits(id(2), at), "each trigger by itself");
        assert!(refusals.admits(id(1), at.plus_ms(MINUTE_MS)));
    }

    #[test]
    fn so_many_triggers_are_counted_and_no_more() {
        let refusals = Refusals::default();
        let at = Timestamp::from_unix_ms(1_790_000_040_000);
        for number in 0..REFUSALS_COUNTED_MAX {
            assert!(refusals.admits(id(number), at));
        }
        assert!(!refusals.admits(id(REFUSALS_COUNTED_MAX), at));
        assert!(refusals.admits(id(0), at));
        assert!(refusals.admits(id(REFUSALS_COUNTED_MAX), at.plus_ms(MINUTE_MS)));
    }
}
