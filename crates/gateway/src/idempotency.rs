//! `Idempotency-Key`: a write is made once, however often it is asked for. Here is what calls and all other writes have in
//! common: claiming a key, keeping the answer under it, giving it back.
//!
//! Keys belong to one token of one environment. What is kept is sealed, because an answer may hold a secret that is shown
//! once; what a request was is told by a keyed fingerprint, because a request may hold credentials.

mod kept;
mod write;

use quartermaster_store::Claim;
use quartermaster_store_model::IdempotencyRow;
use quartermaster_types::{Code, EnvironmentId, Problem, Timestamp, TokenId};
use quartermaster_vault::AnswerScope;

pub(crate) use kept::Kept;
pub use write::{KeyedWrite, WriteAnswer, WriteKind};

use crate::limits::{IDEMPOTENCY_IN_FLIGHT_MAX, IDEMPOTENCY_KEY_MAX_CHARACTERS};
use crate::{Actor, Gateway, storage_problem, vault_problem};

/// A key that was claimed and has no answer yet.
pub(crate) struct HeldKey {
    environment_id: EnvironmentId,
    token_id: TokenId,
    key: String,
    /// When it was claimed: a claim that was taken over since is somebody else's.
    claimed_at: Timestamp,
}

impl HeldKey {
    fn scope(&self) -> AnswerScope<'_> {
        AnswerScope { environment: self.environment_id, token: self.token_id, key: &self.key }
    }
}

/// Work that is the same done twice as done once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeatable {
    /// Claims from before this moment are known to be cut off; others are when they are old enough.
    pub(crate) cut_off_before: Option<Timestamp>,
}

/// What claiming a key found.
pub(crate) enum Found {
    /// Go on.
    New(HeldKey),
    /// An earlier request with the same key and payload ended like this.
    Kept(Kept),
}

impl Gateway {
    /// A keyed hash of what a request is.
    pub(crate) fn fingerprint(&self, actor: &Actor, parts: &[&[u8]]) -> [u8; 32] {
        let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len() + 1);
        all.push(actor.environment_id.0.as_bytes());
        all.extend_from_slice(parts);
        self.inner.fingerprints.of(&all)
    }

    /// Claims a key for a request; a claim that a crash left behind may be taken over when the work is `repeatable`.
    pub(crate) async fn claim_key(
        &self,
        actor: &Actor,
        key: &str,
        fingerprint: [u8; 32],
        repeatable: Option<Repeatable>,
    ) -> Result<Found, Problem> {
        // Before the claim: with a data key that cannot be had, no answer could be kept.
        let data_key = self.data_key(actor.environment_id).await?;
        let row = IdempotencyRow {
            environment_id: actor.environment_id,
            token_id: actor.token_id,
            key: key.to_owned(),
            fingerprint,
            answer: None,
            created_at: self.inner.clock.now(),
        };
        let held = HeldKey {
            environment_id: row.environment_id,
            token_id: row.token_id,
            key: row.key.clone(),
            claimed_at: row.created_at,
        };
        let mut claim = self.inner.store.claim_idempotency(&row).await.map_err(storage_problem)?;
        if let Some(claimed_at) = repeatable.and_then(|repeatable| cut_off(&row, &claim, repeatable)) {
            // Of several repetitions at the same moment only one takes the old claim away; the others then find the new one.
            let (environment, token) = (row.environment_id, row.token_id);
            let released = self.inner.store.release_idempotency(environment, token, &row.key, claimed_at).await;
            released.map_err(storage_problem)?;
            claim = self.inner.store.claim_idempotency(&row).await.map_err(storage_problem)?;
        }
        match claim {
            Claim::New => Ok(Found::New(held)),
            Claim::Existing(existing) if existing.fingerprint != row.fingerprint => Err(Problem::caller(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was used for another request; nothing was done.",
            )
            .with_hint(
                "Use a fresh key for every new request, and the same key only to repeat the very same request.",
            )),
            Claim::Existing(IdempotencyRow { answer: Some((_, sealed)), .. }) => {
                let plain = data_key.key.open_answer(held.scope(), &sealed).map_err(vault_problem)?;
                Kept::decode(&plain).map(Found::Kept).ok_or_else(unreadable)
            }
            Claim::Existing(_) => Err(Problem::caller(
                Code::Conflict,
                "A request with this Idempotency-Key is still in flight, or was cut off by a crash; nothing was done now.",
            )
            .with_hint(
                "Try again in a moment, or after two minutes if the gateway was restarted. If it stays like this, read the state: the change may have happened.",
            )),
        }
    }

    /// Gives a key back: nothing was done.
    pub(crate) async fn release_key(&self, held: HeldKey) {
        let HeldKey { environment_id, token_id, key, claimed_at } = held;
        let released = self.inner.store.release_idempotency(environment_id, token_id, &key, claimed_at).await;
        if let Err(error) = released {
            tracing::warn!(%error, "an idempotency key could not be given back");
        }
    }

    /// Keeps an answer under the key, sealed. When that fails, the key stays claimed: whoever repeats the request learns that
    /// its outcome is not known, and the work is not done twice.
    pub(crate) async fn keep_answer(&self, held: HeldKey, kept: &Kept) {
        let sealed = match self.data_key(held.environment_id).await {
            Ok(data_key) => data_key.key.seal_answer(held.scope(), &kept.encode()).map_err(vault_problem),
            Err(problem) => Err(problem),
        };
        let Ok(sealed) = sealed else {
            return tracing::error!("the answer under an idempotency key could not be sealed");
        };
        let (environment, token) = (held.environment_id, held.token_id);
        let stored = self.inner.store.finish_idempotency(environment, token, &held.key, kept.status(), &sealed).await;
        if let Err(error) = stored {
            tracing::error!(%error, "the answer under an idempotency key could not be stored");
        }
    }
}

/// What is wrong with a key; `None`: nothing.
pub(crate) fn key_mistake(key: &str) -> Option<String> {
    let good = !key.is_empty()
        && key.len() <= IDEMPOTENCY_KEY_MAX_CHARACTERS
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    (!good).then(|| format!("1 to {IDEMPOTENCY_KEY_MAX_CHARACTERS} visible ASCII characters are expected"))
}

/// When the key was claimed by the same request, if a crash cut that off.
fn cut_off(row: &IdempotencyRow, claim: &Claim, repeatable: Repeatable) -> Option<Timestamp> {
    let Claim::Existing(existing) = claim else { return None };
    let is_cut_off = existing.answer.is_none()
        && existing.fingerprint == row.fingerprint
        && (row.created_at.ms_since(existing.created_at) > IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64
            || repeatable.cut_off_before.is_some_and(|before| existing.created_at < before));
    is_cut_off.then_some(existing.created_at)
}

fn unreadable() -> Problem {
    tracing::error!("a stored answer cannot be read");
    Problem::gateway(Code::Internal, "The stored answer of the earlier request cannot be read.")
        .with_hint("Read the state instead: the change was made.")
}
