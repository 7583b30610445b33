//! `Idempotency-Key`: a write is made once, however often it is asked for.
//!
//! The key is claimed before the vendor is asked. A call that sent nothing gives it back; any other outcome, failures
//! included, is stored and replayed, because the change may have happened.

use bytes::Bytes;
use quartermaster_store::Claim;
use quartermaster_store_model::IdempotencyRow;
use quartermaster_types::{Code, EnvironmentId, Problem, RateLimits, TokenId};
use serde_json::Value;

use super::prepare::Prepared;
use super::{CallAnswer, CallProblem};
use crate::limits::IDEMPOTENCY_IN_FLIGHT_MAX;
use crate::plans::canonical;
use crate::{Actor, Gateway, storage_problem};

/// A claimed key; `None` when the caller gave none.
pub(crate) struct Key(Option<(EnvironmentId, TokenId, String)>);

/// What claiming a key found.
pub(crate) enum Claimed {
    /// Go on.
    New(Key),
    /// An earlier call with the same key and payload ended like this.
    Replay(Result<CallAnswer, CallProblem>),
}

/// The HTTP status of stored successes.
const STATUS_OK: u16 = 200;

impl Gateway {
    pub(crate) async fn claim(&self, actor: &Actor, prepared: &Prepared) -> Result<Claimed, Problem> {
        let Some(key) = &prepared.idempotency_key else { return Ok(Claimed::New(Key(None))) };
        let row = IdempotencyRow {
            environment_id: actor.environment_id,
            token_id: actor.token_id,
            key: key.clone(),
            fingerprint: fingerprint(prepared),
            answer: None,
            created_at: self.inner.clock.now(),
        };
        let mut claim = self.inner.store.claim_idempotency(&row).await.map_err(storage_problem)?;
        if was_cut_off(prepared, &row, &claim) {
            let released = self.inner.store.release_idempotency(row.environment_id, row.token_id, &row.key).await;
            released.map_err(storage_problem)?;
            claim = self.inner.store.claim_idempotency(&row).await.map_err(storage_problem)?;
        }
        match claim {
            Claim::New => Ok(Claimed::New(Key(Some((actor.environment_id, actor.token_id, key.clone()))))),
            Claim::Existing(existing) if existing.fingerprint != row.fingerprint => Err(Problem::caller(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was used for another call; nothing was sent.",
            )
            .with_hint("Use a fresh key for every new call, and the same key only to repeat the very same call.")),
            Claim::Existing(IdempotencyRow { answer: Some((status, body)), .. }) => {
                Ok(Claimed::Replay(stored(status, body)))
            }
            Claim::Existing(_) => Err(Problem::caller(
                Code::Conflict,
                "A call with this Idempotency-Key is still in flight, or was cut off by a crash; nothing was sent.",
            )
            .with_hint("Try again in a moment, or after two minutes if the gateway was restarted. If it stays like this, read the state: the change may have happened.")),
        }
    }

    /// Gives a key back: nothing was sent.
    pub(crate) async fn release(&self, key: Key) {
        if let Some((environment, token, key)) = key.0
            && let Err(error) = self.inner.store.release_idempotency(environment, token, &key).await
        {
            tracing::warn!(%error, "an idempotency key could not be given back");
        }
    }

    /// Stores the outcome under the key; gives the key back when the vendor did not even look at the call.
    pub(crate) async fn settle(&self, key: Key, result: &Result<CallAnswer, CallProblem>) {
        if let Err(failed) = result
            && nothing_happened(&failed.problem)
        {
            return self.release(key).await;
        }
        let Some((environment, token, key)) = key.0 else { return };
        let (status, body) = match result {
            Ok(answer) => (STATUS_OK, answer.body.concat()),
            Err(failed) => (failed.problem.status(), serde_json::to_vec(&failed.problem).unwrap_or_default()),
        };
        if let Err(error) = self.inner.store.finish_idempotency(environment, token, &key, status, &body).await {
            tracing::error!(%error, "the answer under an idempotency key could not be stored");
        }
    }
}

/// Whether the key is held by the same call, which a crash cut off, and doing it again is the same as doing it once.
fn was_cut_off(prepared: &Prepared, row: &IdempotencyRow, claim: &Claim) -> bool {
    let Claim::Existing(existing) = claim else { return false };
    existing.answer.is_none()
        && existing.fingerprint == row.fingerprint
        && prepared.method().idempotent
        && row.created_at.ms_since(existing.created_at) > IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64
}

/// Problems after which the same call may be made again under the same key.
fn nothing_happened(problem: &Problem) -> bool {
    matches!(problem.code(), Code::RateLimited | Code::UpstreamForbidden | Code::AccountNeedsReauth | Code::Unavailable)
}

fn stored(status: u16, body: Vec<u8>) -> Result<CallAnswer, CallProblem> {
    if status == STATUS_OK {
        return Ok(CallAnswer { body: vec![Bytes::from(body)], rate_limits: RateLimits::default(), replayed: true });
    }
    Err(CallProblem::from(serde_json::from_slice::<Problem>(&body).unwrap_or_else(|error| {
        tracing::error!(%error, "a stored problem cannot be read");
        Problem::gateway(Code::Internal, "The stored answer of the earlier call cannot be read.")
    })))
}

/// What makes two calls the same: account, method and arguments. The door does not matter.
fn fingerprint(prepared: &Prepared) -> [u8; 32] {
    let method = prepared.method();
    let arguments = canonical(&Value::Object(prepared.arguments.clone()));
    quartermaster_vault::sha256(&[
        prepared.entry.id.0.as_bytes(),
        method.resource.as_bytes(),
        method.name.as_bytes(),
        arguments.as_bytes(),
    ])
}
