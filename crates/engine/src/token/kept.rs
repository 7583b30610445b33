//! The access tokens that are kept: bounded, small, and never older than they may be.
//!
//! A token of 43 characters costs about 140 bytes (measured over 100,000); hundreds of thousands of accounts are ordinary. When the bound is
//! reached, and a little at every insertion, old tokens go first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use quartermaster_types::{AccountId, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::limits::{TOKEN_LIFETIME_MAX_SECONDS, TOKEN_RENEW_BEFORE_SECONDS};

/// Parts with a lock of their own.
const SHARDS: usize = 32;

/// Tokens that an insertion looks at to find old ones.
const LOOKED_AT: usize = 8;

/// An access token. Wiped from memory when it is dropped; there is no `Debug`.
#[derive(Clone)]
pub(super) struct Token {
    text: SecretString,
    version: i64,
    renew_at: Timestamp,
}

impl Token {
    /// A token of credentials `version` that lives for `lifetime_seconds` from `now`.
    pub(super) fn new(text: String, version: i64, lifetime_seconds: u64, now: Timestamp) -> Self {
        let lifetime = lifetime_seconds.min(TOKEN_LIFETIME_MAX_SECONDS);
        let kept_ms = lifetime * 1000 - (lifetime * 100).min(TOKEN_RENEW_BEFORE_SECONDS * 1000);
        Self { text: SecretString::from(text), version, renew_at: now.plus_ms(kept_ms as i64) }
    }

    /// The token itself.
    pub(super) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// As it is sent.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.text())
    }
}

/// See the module.
pub(super) struct Kept {
    shards: Vec<Mutex<Shard>>,
    most_per_shard: usize,
}

#[derive(Default)]
struct Shard {
    tokens: IndexMap<AccountId, Token, RandomState>,
    hand: usize,
}

impl Kept {
    /// Keeps at most `most` tokens, shared out evenly over the shards.
    pub(super) fn new(most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, most_per_shard: (most / SHARDS).max(1) }
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).tokens.len()).sum()
    }

    /// The token to use now, if there is one.
    pub(super) fn get(&self, account: AccountId, version: i64, now: Timestamp) -> Option<Token> {
        let shard = self.shard(account);
        shard.tokens.get(&account).filter(|token| token.version == version && now < token.renew_at).cloned()
    }

    /// Keeps a token, unless one of newer credentials is there.
    pub(super) fn keep(&self, account: AccountId, token: &Token, now: Timestamp) {
        let mut shard = self.shard(account);
        if shard.tokens.get(&account).is_none_or(|kept| kept.version <= token.version) {
            if !shard.tokens.contains_key(&account) {
                shard.make_room(self.most_per_shard, now);
            }
            shard.tokens.insert(account, token.clone());
        }
    }

    /// Forgets an account's token when `holds` for it.
    pub(super) fn forget_where(&self, account: AccountId, holds: impl Fn(&Token) -> bool) {
        let mut shard = self.shard(account);
        if shard.tokens.get(&account).is_some_and(holds) {
            shard.tokens.swap_remove(&account);
        }
    }

    fn shard(&self, account: AccountId) -> MutexGuard<'_, Shard> {
        // The low half of an id is its random part; the multiplication spreads what is not random in tests' ids.
        let mixed = (account.0.as_u128() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        lock(&self.shards[mixed as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// Looks at the next few tokens in turn: drops the old ones and, where the shard is full, the one nearest to its end.
    fn make_room(&mut self, most: usize, now: Timestamp) {
        let mut nearest: Option<(AccountId, Timestamp)> = None;
        for _ in 0..LOOKED_AT.min(self.tokens.len()) {
            if self.hand >= self.tokens.len() {
                self.hand = 0;
            }
            let Some((account, token)) = self.tokens.get_index(self.hand) else { break };
            if token.renew_at <= now {
                self.tokens.swap_remove_index(self.hand);
                continue;
            }
            if nearest.is_none_or(|(_, earliest)| token.renew_at < earliest) {
                nearest = Some((*account, token.renew_at));
            }
            self.hand += 1;
        }
        if self.tokens.len() >= most
            && let Some((account, _)) = nearest
        {
            self.tokens.swap_remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix_ms(0);

    fn token(text: &str, version: i64, lifetime: u64) -> Token {
        Token::new(text.to_owned(), version, lifetime, START)
    }

    fn account(number: u128) -> AccountId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn a_token_is_renewed_a_minute_or_a_tenth_of_its_life_before_it_expires() {
        assert_eq!(token("t", 1, 900).renew_at.unix_ms(), 840_000);
        assert_eq!(token("t", 1, 100).renew_at.unix_ms(), 90_000);
        assert_eq!(token("t", 1, 0).renew_at.unix_ms(), 0);
        let longest = token("t", 1, TOKEN_LIFETIME_MAX_SECONDS).renew_at;
        assert_eq!(token("t", 1, TOKEN_LIFETIME_MAX_SECONDS + 1).renew_at, longest);
        assert_eq!(token("t", 1, u64::MAX).renew_at, longest);
    }

    #[test]
    fn a_token_of_other_credentials_or_too_old_is_not_used() {
        let kept = Kept::new(1000);
        kept.keep(account(1), &token("a", 1, 900), START);
        assert!(kept.get(account(1), 1, Timestamp::from_unix_ms(839_999)).is_some());
        assert!(kept.get(account(1), 1, Timestamp::from_unix_ms(840_000)).is_none());
        assert!(kept.get(account(1), 2, START).is_none());
        assert!(kept.get(account(2), 1, START).is_none());
        kept.keep(account(1), &token("b", 2, 900), START);
        kept.keep(account(1), &token("late", 1, 900), START);
        assert_eq!(kept.get(account(1), 2, START).unwrap().bearer(), "Bearer b");
    }

    #[test]
    fn only_what_is_meant_is_forgotten() {
        let kept = Kept::new(1000);
        kept.keep(account(1), &token("new", 1, 900), START);
        kept.forget_where(account(1), |token| token.text() == "old");
        assert_eq!(kept.len(), 1);
        kept.forget_where(account(1), |token| token.text() == "new");
        assert_eq!(kept.len(), 0);
    }

    #[test]
    fn no_more_tokens_are_kept_than_the_limit_and_the_last_one_always_is() {
        let kept = Kept::new(10 * SHARDS);
        for number in 0..5000 {
            kept.keep(account(number), &token("a", 1, 900), START);
            assert!(kept.get(account(number), 1, START).is_some());
            assert!(kept.len() <= 10 * SHARDS);
        }
        assert_eq!(kept.len(), 10 * SHARDS, "and the room is used");
    }

    #[test]
    fn a_shard_holds_its_limit_and_drops_one_for_one_more() {
        let mut shard = Shard::default();
        for number in 0..3 {
            shard.make_room(3, START);
            shard.tokens.insert(account(number), token("a", 1, 900 + number as u64));
            assert_eq!(shard.tokens.len(), number as usize + 1);
        }
        shard.make_room(3, START);
        assert_eq!(shard.tokens.len(), 2);
        assert!(!shard.tokens.contains_key(&account(0)), "the one nearest to its end goes");
    }

    #[test]
    fn old_tokens_leave_without_being_asked_for() {
        let kept = Kept::new(100_000);
        for number in 0..1000 {
            kept.keep(account(number), &token("a", 1, 900), START);
        }
        let later = Timestamp::from_unix_ms(900_000);
        for number in 1000..2000 {
            kept.keep(account(number), &Token::new("b".to_owned(), 1, 900, later), later);
        }
        assert_eq!(kept.len(), 1000);
    }
}
