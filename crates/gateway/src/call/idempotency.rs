//! `Idempotency-Key` on calls.
//!
//! The key is claimed before the vendor is asked. A call that sent nothing gives it back; any other outcome, failures
//! included, is stored and replayed, because the change may have happened.

use bytes::Bytes;
use http::Response;
use quartermaster_types::{Code, Problem, RateLimits};
use serde_json::Value;

use super::prepare::Prepared;
use super::{CallAnswer, CallProblem};
use crate::idempotency::{Found, HeldKey, Kept, Repeatable};
use crate::plans::canonical;
use crate::{Actor, Gateway};

/// A claimed key; `None` when the caller gave none.
pub(crate) struct Key(Option<HeldKey>);

/// What claiming a key found.
pub(crate) enum Claimed {
    /// Go on.
    New(Key),
    /// An earlier call with the same key and payload ended like this.
    Replay(Result<CallAnswer, CallProblem>),
}

impl Gateway {
    pub(crate) async fn claim(&self, actor: &Actor, prepared: &Prepared) -> Result<Claimed, Problem> {
        let Some(key) = &prepared.idempotency_key else { return Ok(Claimed::New(Key(None))) };
        let fingerprint = self.fingerprint_of_call(actor, prepared);
        let repeatable = prepared.method().idempotent.then_some(Repeatable { cut_off_before: prepared.takes_over });
        Ok(match self.claim_key(actor, key, fingerprint, repeatable).await? {
            Found::New(held) => Claimed::New(Key(Some(held))),
            Found::Kept(Kept::Answer(answer)) => Claimed::Replay(Ok(CallAnswer {
                body: vec![answer.into_body()],
                rate_limits: RateLimits::default(),
                upstream_calls: 0,
                replayed: true,
            })),
            Found::Kept(Kept::Problem(problem)) => Claimed::Replay(Err(problem.into())),
        })
    }

    /// Gives a key back: nothing was sent.
    pub(crate) async fn release(&self, key: Key) {
        if let Some(held) = key.0 {
            self.release_key(held).await;
        }
    }

    /// Stores the outcome under the key; gives the key back when the vendor did not even look at the call. `is_accepted`: it accepted the
    /// write, and what failed came after.
    pub(crate) async fn settle(&self, key: Key, result: &Result<CallAnswer, CallProblem>, is_accepted: bool) {
        let Some(held) = key.0 else { return };
        match result {
            Ok(answer) => {
                let body = Bytes::from(answer.body.concat());
                self.keep_answer(held, &Kept::answer(&Response::new(body))).await;
            }
            Err(failed) if !is_accepted && nothing_happened(&failed.problem) => self.release_key(held).await,
            Err(failed) => self.keep_answer(held, &Kept::Problem(failed.problem.clone())).await,
        }
    }

    /// What makes two calls the same: account, method, arguments, and `expect` where it was given. The door does not matter.
    fn fingerprint_of_call(&self, actor: &Actor, prepared: &Prepared) -> [u8; 32] {
        let method = prepared.method();
        let arguments = canonical(&Value::Object(prepared.arguments.clone()));
        let expect = prepared.expect.as_ref().map(|expect| canonical(&Value::Object(expect.clone())));
        let mut parts: Vec<&[u8]> = vec![
            b"call",
            prepared.entry.id.0.as_bytes(),
            method.resource.as_bytes(),
            method.name.as_bytes(),
            arguments.as_bytes(),
        ];
        parts.extend(expect.as_ref().map(String::as_bytes));
        self.fingerprint(actor, &parts)
    }
}

/// Problems after which the same call may be made again under the same key.
pub(super) fn nothing_happened(problem: &Problem) -> bool {
    matches!(problem.code(), Code::RateLimited | Code::UpstreamForbidden | Code::AccountNeedsReauth | Code::Unavailable)
}
