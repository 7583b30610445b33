//! Typed UUIDv7 ids. An id of one kind cannot be passed where another is meant.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::clock::Clock;

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

typed_id! {
    /// An environment: the isolation boundary.
    EnvironmentId,
    /// An integrated account.
    AccountId,
    /// An API token (the row, never the secret).
    TokenId,
    /// One audit record.
    AuditId,
    /// A run.
    RunId,
    /// A trigger: what starts runs by itself.
    TriggerId,
    /// One delivery to a trigger.
    DeliveryId,
    /// A plan: a set of writes with their before-states.
    PlanId,
    /// An approval.
    ApprovalId,
    /// A connection to a server of language models.
    ModelId,
    /// One call; the same in the answer's `x-request-id`, the log and the audit record.
    RequestId,
}

/// Bits of the number within a millisecond.
const SEQUENCE_BITS: u32 = 12;

/// Makes UUIDv7 values from the injected clock and a seed. The values are unique and, within one source, strictly
/// ascending: what was made later sorts later, within a millisecond too. They are **not** secret and must never serve
/// as one (secrets come from `vault`).
#[derive(Clone, Debug)]
pub struct IdSource {
    clock: Clock,
    state: Arc<AtomicU64>,
    /// The last id's milliseconds and number within them (the 12 bits after the version).
    last: Arc<AtomicU64>,
}

impl IdSource {
    /// A source whose random part starts from `seed`; give each process a different one.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { clock, state: Arc::new(AtomicU64::new(seed)), last: Arc::default() }
    }

    /// The next id. More than 4,096 in a millisecond borrow from the next one.
    pub fn next<Id: From<Uuid>>(&self) -> Id {
        let now = u64::try_from(self.clock.now().unix_ms()).unwrap_or(0) << SEQUENCE_BITS;
        let advance = |last: u64| now.max(last + 1);
        let before = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(advance(last)));
        let place = before.map_or(now, advance);
        let sequence = (place & ((1 << SEQUENCE_BITS) - 1)) as u16;
        let mut random = [0u8; 10];
        random[..2].copy_from_slice(&sequence.to_be_bytes());
        random[2..].copy_from_slice(&self.step().to_be_bytes());
        Id::from(uuid::Builder::from_unix_timestamp_millis(place >> SEQUENCE_BITS, &random).into_uuid())
    }

    /// One step of SplitMix64: a bijection of the counter, so that values do not repeat within 2^64 steps.
    fn step(&self) -> u64 {
        let mut value = self.state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn ids_are_version_seven_unique_and_ordered_by_time() {
        let clock = Clock::manual(Timestamp::from_unix_ms(1_700_000_000_000));
        let source = IdSource::new(clock.clone(), 7);
        let mut seen = std::collections::HashSet::new();
        let mut last: Option<AccountId> = None;
        for _ in 0..1000 {
            let id: AccountId = source.next();
            assert_eq!(id.0.get_version_num(), 7);
            assert!(seen.insert(id));
            assert!(last.is_none_or(|before| before < id));
            last = Some(id);
            clock.advance_ms(1);
        }
    }

    #[test]
    fn ids_ascend_within_a_millisecond_and_when_the_clock_goes_back() {
        let clock = Clock::manual(Timestamp::from_unix_ms(1_700_000_000_000));
        let source = IdSource::new(clock.clone(), 7);
        let mut last: AuditId = source.next();
        for step in 0..10_000 {
            if step == 5_000 {
                clock.advance_ms(-60_000);
            }
            let id: AuditId = source.next();
            assert!(last < id, "step {step}");
            last = id;
        }
    }
}
