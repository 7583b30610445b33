//! What this process holds in memory stays true although other replicas change it.
//!
//! Every change of something that is held stands in the store's revisions, written with the change itself. Each replica follows
//! them: a commit wakes it, and a look every [`REVISIONS_POLL_EVERY`] is the net for when that does not arrive. Who cannot look for
//! [`REVISIONS_SILENCE_MAX`] trusts nothing that it holds until it can again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use quartermaster_store::Store;
use quartermaster_store_model::{Revisions, Stale, StoreError};
use quartermaster_types::EnvironmentId;
use tokio::sync::Notify;

use crate::limits::{REVISIONS_ANSWER_MAX, REVISIONS_LISTEN_RETRY_EVERY, REVISIONS_POLL_EVERY, REVISIONS_SILENCE_MAX};
use crate::{Gateway, Inner};

/// Whether what is held in memory may be believed.
pub(crate) struct Trust {
    /// `None`: nobody else changes anything.
    shared: Option<Followed>,
}

struct Followed {
    begun: Instant,
    /// Milliseconds since `begun`, plus one, at which the last look that found nothing unread began; 0: there was none.
    up_to_date_ms: AtomicU64,
}

impl Trust {
    /// For the only process on its store, or one of several.
    pub(crate) fn new(is_shared: bool) -> Arc<Self> {
        let followed = || Followed { begun: Instant::now(), up_to_date_ms: AtomicU64::new(0) };
        Arc::new(Self { shared: is_shared.then(followed) })
    }

    /// Whether every change up to a short while ago is known here.
    pub(crate) fn holds(&self) -> bool {
        let Some(followed) = &self.shared else { return true };
        let last = followed.up_to_date_ms.load(Ordering::Acquire);
        last > 0 && followed.now_ms() - last.min(followed.now_ms()) <= REVISIONS_SILENCE_MAX.as_millis() as u64
    }

    fn now_ms(&self) -> u64 {
        self.shared.as_ref().map_or(0, Followed::now_ms)
    }

    fn is_up_to_date(&self, since_ms: u64) {
        if let Some(followed) = &self.shared {
            followed.up_to_date_ms.store(since_ms, Ordering::Release);
        }
    }
}

impl Followed {
    fn now_ms(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64 + 1
    }
}

impl Gateway {
    /// Forgets what is held of something that was changed: called by whoever changes it, and by the feed for changes that other
    /// replicas made. Whatever is being loaded at this moment is not kept either.
    pub(crate) fn forget(&self, environment: EnvironmentId, stale: &Stale) {
        let inner = &self.inner;
        match stale {
            Stale::Token(id) => inner.actors.retain(|_, held| held.token_id != *id),
            Stale::Account(id) => {
                inner.accounts.invalidate(id);
                inner.engine.forget(*id);
            }
            Stale::Override(integration) => inner
                .accounts
                .retain(|_, entry| entry.environment_id() != environment || entry.plan.plan.name != *integration),
            Stale::Policy => inner.policies.invalidate(&environment),
            Stale::Switches => inner.switches.invalidate(&environment),
            Stale::RateBudget(account) => self.hear_budget(environment, *account),
            Stale::Unknown => self.forget_everything(),
        }
    }

    fn forget_everything(&self) {
        self.inner.actors.retain(|_, _| false);
        self.inner.accounts.retain(|_, _| false);
        self.inner.policies.retain(|_, _| false);
        self.inner.switches.retain(|_, _| false);
    }
}

/// Follows the revisions for as long as the gateway lives.
pub(crate) async fn follow(inner: Weak<Inner>, store: Store) {
    if !store.is_shared() {
        return;
    }
    let heard = Arc::new(Notify::new());
    tokio::spawn(listen(Weak::clone(&inner), store.clone(), Arc::clone(&heard)));
    let mut position = None;
    let mut failing = false;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let outcome = catch_up(&Gateway { inner: Arc::clone(&inner) }, &store, &mut position).await;
        if let Err(error) = &outcome
            && !failing
        {
            tracing::warn!(error = &**error, "the changes that other replicas make cannot be read");
        }
        failing = outcome.is_err();
        inner.metrics.revisions_followed.set(i64::from(inner.trust.holds()));
        drop(inner);
        tokio::select! {
            () = heard.notified() => {}
            () = tokio::time::sleep(REVISIONS_POLL_EVERY) => {}
        }
    }
}

/// Reads and applies everything that was changed since `position`.
async fn catch_up(gateway: &Gateway, store: &Store, position: &mut Option<i64>) -> Result<(), String> {
    let inner = &gateway.inner;
    loop {
        let begun_ms = inner.trust.now_ms();
        let read = tokio::time::timeout(REVISIONS_ANSWER_MAX, store.revisions_after(*position));
        let read = read.await.map_err(|_| "the database does not answer in time".to_owned())?;
        let read = read.map_err(|error: StoreError| error.to_string())?;
        if apply(gateway, &read, position) {
            inner.trust.is_up_to_date(begun_ms);
            return Ok(());
        }
    }
}

/// Forgets what was changed and moves on; true when nothing is left to be read.
fn apply(gateway: &Gateway, read: &Revisions, position: &mut Option<i64>) -> bool {
    let next = position.map(|position| position + 1);
    let continues = match read.rows.first() {
        Some(first) => next == Some(first.number),
        None => *position == Some(read.head),
    };
    if !continues {
        // At the beginning, when changes are gone that nobody read here, and when the database is an older one.
        gateway.forget_everything();
        *position = Some(read.head);
        return true;
    }
    for revision in &read.rows {
        gateway.forget(revision.environment_id, &revision.stale);
        *position = Some(revision.number);
    }
    gateway.inner.metrics.revisions_heard.inc_by(read.rows.len() as u64);
    *position == Some(read.head)
}

/// Wakes the follower when another process changed something.
async fn listen(inner: Weak<Inner>, store: Store, heard: Arc<Notify>) {
    while inner.strong_count() > 0 {
        if let Ok(mut listener) = store.listen_for_revisions().await {
            while listener.heard().await.is_ok() {
                heard.notify_one();
                if inner.strong_count() == 0 {
                    return;
                }
            }
        }
        heard.notify_one();
        tokio::time::sleep(REVISIONS_LISTEN_RETRY_EVERY).await;
    }
}
