//! The simulator's own clock: the machine's time plus a shift that tests can move.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's time, shifted.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift_ms: AtomicI64,
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "the simulator is an upstream with a clock of its own")]
    pub(crate) fn now_ms(&self) -> i64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).saturating_add(self.shift_ms.load(Ordering::Acquire))
    }

    /// Moves the clock.
    pub(crate) fn advance_ms(&self, milliseconds: i64) {
        self.shift_ms.fetch_add(milliseconds, Ordering::AcqRel);
    }
}
