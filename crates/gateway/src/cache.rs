//! A small concurrent cache for values that are read on every call and change seldom.
//!
//! Bounded, sharded, second-chance eviction. A value that was loaded while somebody invalidated is not kept: a
//! loader takes a [`Ticket`] first, and an invalidation in between makes [`Cache::insert`] do nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::feed::Trust;

const SHARDS: usize = 16;

/// The state of a cache before a value was loaded.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u64);

struct Slot<V> {
    value: V,
    /// Set by every hit, cleared when room is made: what was not used since then goes first.
    used: AtomicBool,
}

type Shard<K, V> = RwLock<HashMap<K, Slot<V>, foldhash::fast::RandomState>>;

/// See the module.
pub(crate) struct Cache<K, V> {
    shards: Box<[Shard<K, V>]>,
    hasher: foldhash::fast::RandomState,
    shard_capacity: usize,
    generation: AtomicU64,
    /// Where others change what is held here.
    trust: Option<Arc<Trust>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// A cache of at most `capacity` values, rounded up to a multiple of the number of shards.
    pub(crate) fn new(capacity: usize) -> Self {
        let hasher = foldhash::fast::RandomState::default();
        let shards = (0..SHARDS).map(|_| RwLock::new(HashMap::with_hasher(hasher.clone()))).collect();
        Self {
            shards,
            hasher,
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
            generation: AtomicU64::new(0),
            trust: None,
        }
    }

    /// The same for values that other replicas change: it gives none while it is not known what they changed.
    pub(crate) fn shared(capacity: usize, trust: &Arc<Trust>) -> Self {
        Self { trust: Some(Arc::clone(trust)), ..Self::new(capacity) }
    }

    fn shard(&self, key: &K) -> &Shard<K, V> {
        // The upper bits: the maps inside use the lower ones.
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash >> 48) as usize % SHARDS]
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        if self.trust.as_ref().is_some_and(|trust| !trust.holds()) {
            return None;
        }
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        let slot = shard.get(key)?;
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(slot.value.clone())
    }

    /// To be taken before a value is loaded for [`Self::insert`].
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.generation.load(Ordering::SeqCst))
    }

    /// Keeps a value that was loaded after `ticket` was taken, unless something was invalidated since.
    pub(crate) fn insert(&self, ticket: Ticket, key: K, value: V) {
        let mut shard = self.shard(&key).write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::SeqCst) != ticket.0 {
            return;
        }
        if shard.len() >= self.shard_capacity && !shard.contains_key(&key) {
            make_room(&mut shard, self.shard_capacity);
        }
        shard.insert(key, Slot { value, used: AtomicBool::new(false) });
    }

    /// Forgets one value, and every value that is being loaded now.
    pub(crate) fn invalidate(&self, key: &K) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Forgets the values that `keep` does not want, and every value that is being loaded now.
    pub(crate) fn retain(&self, keep: impl Fn(&K, &V) -> bool) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).retain(|key, slot| keep(key, &slot.value));
        }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

/// Removes what was not used since the last time; when everything was, an eighth.
fn make_room<K: Hash + Eq + Clone, V>(shard: &mut HashMap<K, Slot<V>, foldhash::fast::RandomState>, capacity: usize) {
    let target = capacity - capacity.div_ceil(8).min(capacity);
    let mut excess = shard.len().saturating_sub(target);
    shard.retain(|_, slot| {
        let used = std::mem::replace(slot.used.get_mut(), false);
        if used || excess == 0 {
            return true;
        }
        excess -= 1;
        false
    });
    if shard.len() >= capacity {
        let victims: Vec<K> = shard.keys().take(excess).cloned().collect();
        for victim in &victims {
            shard.remove(victim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_more_than_its_capacity() {
        let cache = Cache::new(SHARDS * 4);
        for key in 0..10_000_u32 {
            cache.insert(cache.ticket(), key, key);
            assert!(cache.len() <= SHARDS * 4);
        }
        assert!(cache.len() >= SHARDS);
    }

    #[test]
    fn keeps_what_is_used() {
        let cache = Cache::new(SHARDS * 8);
        cache.insert(cache.ticket(), 0_u32, "kept");
        for key in 1..5_000_u32 {
            assert_eq!(cache.get(&0), Some("kept"), "after {key} others");
            cache.insert(cache.ticket(), key, "other");
        }
    }

    #[test]
    fn a_value_loaded_before_an_invalidation_is_not_kept() {
        let cache = Cache::new(8);
        let ticket = cache.ticket();
        cache.invalidate(&1_u32);
        cache.insert(ticket, 1, "old");
        assert_eq!(cache.get(&1), None);
        cache.insert(cache.ticket(), 1, "new");
        assert_eq!(cache.get(&1), Some("new"));
        cache.retain(|_, value| *value != "new");
        assert_eq!(cache.get(&1), None);
    }
}
