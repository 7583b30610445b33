//! What sessions have read.
//!
//! Ids are kept as keyed hashes: small, and worth nothing to whoever reads the memory. Everything is bounded; what falls out
//! has to be read again, which costs a call and never lets a write through.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

use quartermaster_types::{AccountId, EnvironmentId, Timestamp, TokenId};

use crate::hash::{Key, derived_key, keyed};

/// How long a read grounds an id, in milliseconds: one hour.
pub const LIFETIME_MS: i64 = 3_600_000;

/// Sessions that are remembered at once; the one that was used least recently goes first.
pub const SESSIONS_MAX: usize = 16_384;

/// Ids that one session remembers. One past it, the older half is forgotten.
pub const IDS_PER_SESSION_MAX: usize = 200_000;

/// Ids in one shard, over all its sessions: at most some 5 MB, so that [`SHARDS`] of them stay under 80 MB.
pub const IDS_PER_SHARD_MAX: usize = IDS_PER_SESSION_MAX;

/// Locks over which sessions are spread.
pub const SHARDS: usize = 16;

/// The bounds of a ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// See [`LIFETIME_MS`].
    pub lifetime_ms: i64,
    /// See [`SESSIONS_MAX`]; spread evenly over the shards.
    pub sessions: usize,
    /// See [`IDS_PER_SESSION_MAX`].
    pub ids_per_session: usize,
    /// See [`IDS_PER_SHARD_MAX`].
    pub ids_per_shard: usize,
    /// See [`SHARDS`].
    pub shards: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lifetime_ms: LIFETIME_MS,
            sessions: SESSIONS_MAX,
            ids_per_session: IDS_PER_SESSION_MAX,
            ids_per_shard: IDS_PER_SHARD_MAX,
            shards: SHARDS,
        }
    }
}

/// Whose reading counts: the session that the caller named, or its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Session<'a> {
    /// `quartermaster-session`, the caller's own text.
    Named(&'a str),
    /// No session was named: everything under this token is one.
    Token(TokenId),
}

/// A session at an account. Nothing crosses either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionKey<'a> {
    /// The environment.
    pub environment: EnvironmentId,
    /// The session in it.
    pub session: Session<'a>,
    /// The account.
    pub account: AccountId,
}

/// Whether a session has read an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grounding {
    /// It has, within the lifetime.
    Grounded,
    /// It has, but too long ago.
    Expired,
    /// It has not, or it was forgotten.
    Unread,
}

/// What a session read of one resource, as keyed hashes: what the ledger keeps, and what is noted for other replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The session, over all its accounts and resources.
    name: u128,
    /// The session, the account and the resource.
    scope: u128,
    /// The ids.
    ids: Vec<u64>,
}

impl Reading {
    /// The session, the account and the resource as one keyed hash.
    pub fn scope(&self) -> u128 {
        self.scope
    }

    /// The ids as keyed hashes.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }
}

/// What sessions have read. Shared by reference; all methods take `&self`.
pub struct Ledger {
    key: Key,
    limits: Limits,
    shards: Vec<Mutex<Shard>>,
}

/// Hashes are uniform already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

type Hashed<K, V> = HashMap<K, V, BuildHasherDefault<AsItIs>>;

#[derive(Default)]
struct Shard {
    sessions: Hashed<u128, Entry>,
    /// Ids over all sessions.
    ids: usize,
}

/// One session. Ids go into `young`; when that is half of what a session may hold, it becomes `old` and the `old` before it is
/// forgotten: the bound is kept without ever looking for the oldest id.
#[derive(Default)]
struct Entry {
    young: Hashed<u64, i64>,
    old: Hashed<u64, i64>,
    used_ms: i64,
}

impl Entry {
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn record(&mut self, id: u64, now_ms: i64, half: usize) {
        if let Some(read_ms) = self.young.get_mut(&id) {
            *read_ms = now_ms;
            return;
        }
        if self.young.len() >= half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, now_ms);
    }

    fn read_ms(&self, id: u64) -> Option<i64> {
        self.young.get(&id).or_else(|| self.old.get(&id)).copied()
    }
}

impl Ledger {
    /// An empty ledger. `seed` must be random and secret: it keys the hashes.
    pub fn new(seed: [u64; 2]) -> Self {
        Self::with_limits(seed, Limits::default())
    }

    /// An empty ledger with bounds of its own.
    pub fn with_limits(seed: [u64; 2], limits: Limits) -> Self {
        let shards = (0..limits.shards.max(1)).map(|_| Mutex::default()).collect();
        Self { key: seed, limits, shards }
    }

    /// Notes that the session has read these ids of `resource`.
    pub fn record<'a>(
        &self,
        session: &SessionKey<'_>,
        resource: &str,
        ids: impl Iterator<Item = &'a [u8]>,
        now: Timestamp,
    ) {
        self.keep(&self.reading(session, resource, ids), now);
    }

    /// These ids of `resource` as this ledger keeps them; nothing is noted yet.
    pub fn reading<'a>(
        &self,
        session: &SessionKey<'_>,
        resource: &str,
        ids: impl Iterator<Item = &'a [u8]>,
    ) -> Reading {
        let key = self.resource_key(session, resource);
        let name = self.session_name(session);
        let [high, low] = derived_key(key, &name.to_be_bytes());
        Reading { name, scope: joined(high, low), ids: ids.map(|id| keyed(key, id)).collect() }
    }

    /// The ids of a reading that were not noted since `since`.
    pub fn not_noted_since(&self, reading: &Reading, since: Timestamp) -> Vec<u64> {
        let shard = self.shard(reading.name).lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = shard.sessions.get(&reading.name) else { return reading.ids.clone() };
        let is_old = |id: &u64| entry.read_ms(*id).is_none_or(|read_ms| read_ms < since.unix_ms());
        reading.ids.iter().copied().filter(is_old).collect()
    }

    /// Notes that a reading was made.
    pub fn keep(&self, reading: &Reading, now: Timestamp) {
        if reading.ids.is_empty() {
            return;
        }
        let name = reading.name;
        let mut shard = self.shard(name).lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = now.unix_ms();
        if !shard.sessions.contains_key(&name) {
            let room = self.limits.sessions.div_ceil(self.shards.len());
            shard.make_room(room, self.limits.lifetime_ms, now_ms);
        }
        let entry = shard.sessions.entry(name).or_default();
        entry.used_ms = now_ms;
        let before = entry.len();
        let half = self.limits.ids_per_session.div_ceil(2);
        for id in &reading.ids {
            entry.record(*id, now_ms, half);
        }
        let after = entry.len();
        shard.ids = shard.ids + after - before;
        shard.shrink_to(self.limits.ids_per_shard, name);
    }

    /// Whether the session has read this id of `resource` recently enough.
    pub fn is_grounded(&self, session: &SessionKey<'_>, resource: &str, id: &[u8], now: Timestamp) -> Grounding {
        let hash = keyed(self.resource_key(session, resource), id);
        let name = self.session_name(session);
        let shard = self.shard(name).lock().unwrap_or_else(PoisonError::into_inner);
        match shard.sessions.get(&name).and_then(|entry| entry.read_ms(hash)) {
            None => Grounding::Unread,
            // A clock that was set back makes nothing fresh that is from the future.
            Some(read_ms) => match now.unix_ms().saturating_sub(read_ms) {
                age if age <= self.limits.lifetime_ms => Grounding::Grounded,
                _ => Grounding::Expired,
            },
        }
    }

    /// Sessions and ids that are remembered now, for metrics.
    pub fn size(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(sessions, ids), shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            (sessions + shard.sessions.len(), ids + shard.ids)
        })
    }

    fn shard(&self, name: u128) -> &Mutex<Shard> {
        &self.shards[(name >> 64) as usize % self.shards.len()]
    }

    /// The session's name in the tables. Parts are told apart by kind and length, so that no two keys read the same.
    fn session_name(&self, session: &SessionKey<'_>) -> u128 {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(session.environment.0.as_bytes());
        match session.session {
            Session::Named(name) => {
                bytes.push(b'n');
                bytes.extend_from_slice(name.as_bytes());
            }
            Session::Token(token) => {
                bytes.push(b't');
                bytes.extend_from_slice(token.0.as_bytes());
            }
        }
        let [high, low] = derived_key(self.key, &bytes);
        joined(high, low)
    }

    /// The key under which ids of this account and resource are hashed.
    fn resource_key(&self, session: &SessionKey<'_>, resource: &str) -> Key {
        let mut bytes = Vec::with_capacity(16 + resource.len());
        bytes.extend_from_slice(session.account.0.as_bytes());
        bytes.extend_from_slice(resource.as_bytes());
        derived_key(self.key, &bytes)
    }
}

fn joined(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

impl Shard {
    /// Makes room for one more session: what nobody used for a lifetime goes, then what was used least recently.
    fn make_room(&mut self, room: usize, lifetime_ms: i64, now_ms: i64) {
        if self.sessions.len() < room {
            return;
        }
        self.sessions.retain(|_, entry| now_ms.saturating_sub(entry.used_ms) <= lifetime_ms);
        self.ids = self.sessions.values().map(Entry::len).sum();
        while self.sessions.len() >= room.max(1) {
            self.forget_oldest(None);
        }
    }

    /// Forgets sessions, the one used least recently first and never `keep`, until `ids_max` is kept.
    fn shrink_to(&mut self, ids_max: usize, keep: u128) {
        while self.ids > ids_max && self.sessions.len() > 1 {
            self.forget_oldest(Some(keep));
        }
    }

    fn forget_oldest(&mut self, keep: Option<u128>) {
        let oldest = self
            .sessions
            .iter()
            .filter(|(name, _)| Some(**name) != keep)
            .min_by_key(|(_, entry)| entry.used_ms)
            .map(|(name, _)| *name);
        if let Some(entry) = oldest.and_then(|name| self.sessions.remove(&name)) {
            self.ids -= entry.len();
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ledger").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
