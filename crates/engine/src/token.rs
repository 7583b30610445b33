//! Access tokens of the client credentials grant: kept until shortly before they expire, fetched once however many calls
//! of this process ask at the same time.

mod fetch;

pub(crate) use fetch::says_credentials_are_bad;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use quartermaster_definition::plan::ClientCredentials;
use quartermaster_types::{AccountId, Code, Problem, RateLimits, Timestamp};

use crate::auth::Credential;
use crate::limits::{TOKEN_LIFETIME_MAX_SECONDS, TOKEN_RENEW_BEFORE_SECONDS};
use crate::run::Run;

/// An access token as it is sent. The header value is shared, not copied, by the calls that use it.
#[derive(Clone)]
struct Token {
    header: HeaderValue,
    version: i64,
    renew_at: Timestamp,
}

impl Token {
    /// A token that lives for `lifetime_seconds` from `now`.
    fn new(header: HeaderValue, version: i64, lifetime_seconds: u64, now: Timestamp) -> Self {
        let lifetime = lifetime_seconds.min(TOKEN_LIFETIME_MAX_SECONDS);
        let kept_ms = lifetime * 1000 - (lifetime * 100).min(TOKEN_RENEW_BEFORE_SECONDS * 1000);
        Self { header, version, renew_at: now.plus_ms(kept_ms as i64) }
    }
}

/// A credential and where it came from.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) credential: Credential,
    cached: bool,
}

impl Grant {
    /// A credential that no token endpoint gave.
    pub(crate) fn fixed(credential: Credential) -> Self {
        Self { credential, cached: false }
    }

    /// Whether a refusal may only mean that the token grew old: it was cached before this attempt.
    pub(crate) fn renewable(&self) -> bool {
        self.cached
    }

    fn of(token: &Token, cached: bool) -> Self {
        Self { credential: Credential::Header(http::header::AUTHORIZATION, token.header.clone()), cached }
    }
}

/// What a fetch came to, for everybody who waited for it.
type Outcome = Result<Token, (Problem, RateLimits)>;

/// One fetch in progress. Whoever holds the lock fetches; the others find the outcome.
type Flight = Arc<tokio::sync::Mutex<Option<Outcome>>>;

/// The access tokens of this process, and the fetches in progress.
pub(crate) struct Tokens {
    kept: moka::sync::Cache<AccountId, Token, foldhash::fast::RandomState>,
    flights: Mutex<HashMap<(AccountId, i64), Flight>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").field("kept", &self.kept.entry_count()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Keeps at most `most` tokens.
    pub(crate) fn new(most: u64) -> Self {
        Self {
            kept: moka::sync::Cache::builder()
                .max_capacity(most)
                .build_with_hasher(foldhash::fast::RandomState::default()),
            flights: Mutex::new(HashMap::new()),
        }
    }

    /// Forgets an account's token.
    pub(crate) fn forget(&self, account: AccountId) {
        self.kept.invalidate(&account);
    }

    /// Forgets an account's token if it still is the one that was refused; another call may have renewed it meanwhile.
    pub(crate) fn forget_if(&self, account: AccountId, refused: &Grant) {
        let Credential::Header(_, refused) = &refused.credential else { return };
        if self.kept.get(&account).is_some_and(|token| token.header == *refused) {
            self.kept.invalidate(&account);
        }
    }

    /// The token to use now, if there is one.
    fn get(&self, account: AccountId, version: i64, now: Timestamp) -> Option<Token> {
        self.kept.get(&account).filter(|token| token.version == version && now < token.renew_at)
    }

    /// Keeps a token, unless one of newer credentials is there.
    fn keep(&self, account: AccountId, token: &Token) {
        if self.kept.get(&account).is_none_or(|kept| kept.version <= token.version) {
            self.kept.insert(account, token.clone());
        }
    }

    fn join(&self, key: (AccountId, i64)) -> Flight {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
    }

    /// Ends a flight: who comes later starts another.
    fn land(&self, key: (AccountId, i64), flight: &Flight) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&key).is_some_and(|present| Arc::ptr_eq(present, flight)) {
            flights.remove(&key);
        }
    }
}

/// Takes the flight out of the table when its fetch ends, also when the fetching call is dropped halfway. The callers that
/// wait for it keep it alive, and the next of them fetches.
struct Landing<'a> {
    tokens: &'a Tokens,
    key: (AccountId, i64),
    flight: &'a Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.tokens.land(self.key, self.flight);
    }
}

/// A token for this call: cached, or fetched by this call, or by another that was fetching it already.
pub(crate) async fn grant(run: &mut Run<'_>, client: &ClientCredentials) -> Result<Grant, Problem> {
    let engine = run.engine;
    let tokens = &engine.inner.tokens;
    let key = (run.call.account, run.call.credential_version);
    if let Some(token) = tokens.get(key.0, key.1, engine.inner.clock.now()) {
        return Ok(Grant::of(&token, true));
    }
    let flight = tokens.join(key);
    let Ok(mut outcome) = tokio::time::timeout(run.remaining(), flight.lock()).await else {
        return Err(Problem::upstream(
            Code::UpstreamTimeout,
            "no access token came in time; the call itself was not sent",
        ));
    };
    if let Some(outcome) = outcome.as_ref() {
        return settle(run, outcome.clone());
    }
    let landing = Landing { tokens, key, flight: &flight };
    if let Some(token) = tokens.get(key.0, key.1, engine.inner.clock.now()) {
        return Ok(Grant::of(&token, false));
    }
    let fetched = fetch::fetch(run, client).await.map_err(|problem| (problem, run.limits.clone()));
    if let Ok(token) = &fetched {
        tokens.keep(key.0, token);
    }
    // A caller with more patience may succeed where this one ran out of time, so that outcome is not shared.
    if !matches!(&fetched, Err((problem, _)) if problem.code() == Code::UpstreamTimeout) {
        *outcome = Some(fetched.clone());
    }
    drop(landing);
    settle(run, fetched)
}

fn settle(run: &mut Run<'_>, outcome: Outcome) -> Result<Grant, Problem> {
    outcome.map(|token| Grant::of(&token, false)).map_err(|(problem, limits)| {
        run.limits = limits;
        problem
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &'static str, version: i64, lifetime: u64) -> Token {
        Token::new(HeaderValue::from_static(text), version, lifetime, Timestamp::from_unix_ms(0))
    }

    fn account(number: u128) -> AccountId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn a_token_is_renewed_a_minute_or_a_tenth_of_its_life_before_it_expires() {
        assert_eq!(token("t", 1, 900).renew_at.unix_ms(), 840_000);
        assert_eq!(token("t", 1, 100).renew_at.unix_ms(), 90_000);
        assert_eq!(token("t", 1, 0).renew_at.unix_ms(), 0);
        assert!(token("t", 1, u64::MAX).renew_at.unix_ms() > 0);
    }

    #[test]
    fn a_token_of_other_credentials_or_too_old_is_not_used() {
        let tokens = Tokens::new(10);
        tokens.keep(account(1), &token("Bearer a", 1, 900));
        assert!(tokens.get(account(1), 1, Timestamp::from_unix_ms(839_999)).is_some());
        assert!(tokens.get(account(1), 1, Timestamp::from_unix_ms(840_000)).is_none());
        assert!(tokens.get(account(1), 2, Timestamp::from_unix_ms(0)).is_none());
        assert!(tokens.get(account(2), 1, Timestamp::from_unix_ms(0)).is_none());
        tokens.keep(account(1), &token("Bearer b", 2, 900));
        tokens.keep(account(1), &token("Bearer late", 1, 900));
        assert!(tokens.get(account(1), 2, Timestamp::from_unix_ms(0)).is_some());
    }

    #[test]
    fn only_the_refused_token_is_forgotten() {
        let tokens = Tokens::new(10);
        let (old, new) = (token("Bearer old", 1, 900), token("Bearer new", 1, 900));
        tokens.keep(account(1), &new);
        tokens.forget_if(account(1), &Grant::of(&old, true));
        assert!(tokens.get(account(1), 1, Timestamp::from_unix_ms(0)).is_some());
        tokens.forget_if(account(1), &Grant::of(&new, true));
        assert!(tokens.get(account(1), 1, Timestamp::from_unix_ms(0)).is_none());
    }

    #[test]
    fn no_more_tokens_are_kept_than_the_limit() {
        let tokens = Tokens::new(8);
        for number in 0..8 {
            tokens.keep(account(number), &token("Bearer a", 1, 900));
        }
        tokens.kept.run_pending_tasks();
        assert_eq!(tokens.kept.entry_count(), 8);
        tokens.keep(account(8), &token("Bearer a", 1, 900));
        tokens.kept.run_pending_tasks();
        assert_eq!(tokens.kept.entry_count(), 8);
    }
}
