//! Writes that are not calls of a method: changes of configuration, and raw calls. Calls have the same rule inside the
//! pipeline, where it is known what was sent.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Response, StatusCode, Uri};
use quartermaster_store_model::Outcome;
use quartermaster_types::{Code, Problem, RequestId};
use serde_json::{Map, Value};

use super::{Found, HeldKey, Kept, Repeatable, key_mistake};
use crate::limits::AUDIT_TARGET_MAX_BYTES;
use crate::plans::canonical;
use crate::{Actor, CallProblem, Gateway};

/// What a write does: it decides what a failure leaves behind, and whether a write that was cut off may be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// Changes the configuration, in one transaction or not at all.
    Configuration,
    /// Sends something to a vendor that no definition describes.
    RawCall,
}

/// A write under an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct KeyedWrite {
    /// The request id.
    pub request_id: RequestId,
    /// `Idempotency-Key`: 1 to 255 visible ASCII characters.
    pub key: String,
    /// What it does.
    pub kind: WriteKind,
    /// HTTP method.
    pub method: Method,
    /// Path and query, as they came.
    pub uri: Uri,
    /// Values of the headers that change what the request means: `If-Match`, `Content-Type`. Empty for one that was not sent.
    pub headers: [Bytes; 2],
    /// The body, whole.
    pub body: Bytes,
}

/// What came of it.
#[derive(Debug)]
pub struct WriteAnswer {
    /// The answer, byte for byte the same in every repetition. A repetition has only those headers that belong to the answer
    /// itself.
    pub answer: Response<Bytes>,
    /// True when this is the stored answer of an earlier request with the same key.
    pub replayed: bool,
}

impl Gateway {
    /// Does a write once under its key: the same request under the same key gets the stored answer.
    ///
    /// 422 `idempotency_key_reused` for another request under the key, 409 `conflict` while the first is in flight. Work that
    /// fails before it changed anything gives the key back. It runs to its end even when this future is dropped.
    pub async fn once<W>(&self, actor: &Arc<Actor>, write: KeyedWrite, work: W) -> Result<WriteAnswer, CallProblem>
    where
        W: Future<Output = Result<Response<Bytes>, CallProblem>> + Send + 'static,
    {
        if let Some(mistake) = key_mistake(&write.key) {
            let mistakes = vec![("/idempotency-key".to_owned(), mistake)];
            return Err(crate::mistaken("A header of the request is not as it should be.", mistakes).into());
        }
        let gateway = self.clone();
        let actor = Arc::clone(actor);
        let running = self.inner.writes.spawn(async move { gateway.once_to_the_end(&actor, write, work).await });
        running.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a write panicked");
            Err(failed_inside().into())
        })
    }

    async fn once_to_the_end(
        &self,
        actor: &Actor,
        write: KeyedWrite,
        work: impl Future<Output = Result<Response<Bytes>, CallProblem>>,
    ) -> Result<WriteAnswer, CallProblem> {
        let fingerprint = self.fingerprint_of(actor, &write);
        let repeatable = write.is_repeatable().then_some(Repeatable::default());
        let held = match self.claim_key(actor, &write.key, fingerprint, repeatable).await? {
            Found::New(held) => held,
            Found::Kept(kept) => return self.replay(actor, &write, kept).await,
        };
        let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
            // The text of a panic may hold anything; the panic hook has written it down.
            tracing::error!("a write panicked");
            Err(failed_inside().into())
        });
        self.settle_write(held, write.kind, &result).await;
        result.map(|answer| WriteAnswer { answer, replayed: false })
    }

    async fn settle_write(&self, held: HeldKey, kind: WriteKind, result: &Result<Response<Bytes>, CallProblem>) {
        match result {
            Ok(answer) if kind.was_turned_away(answer.status()) => self.release_key(held).await,
            Ok(answer) => self.keep_answer(held, &Kept::answer(answer)).await,
            Err(failed) if kind.leaves_open(failed.problem.code()) => {
                self.keep_answer(held, &Kept::Problem(failed.problem.clone())).await;
            }
            Err(_) => self.release_key(held).await,
        }
    }

    /// A stored answer, given once more. It may hold a secret, so it goes out only when that is on record.
    async fn replay(&self, actor: &Actor, write: &KeyedWrite, kept: Kept) -> Result<WriteAnswer, CallProblem> {
        let path = write.uri.path();
        let mut target = format!("{} {path}", write.method);
        target.truncate((0..=AUDIT_TARGET_MAX_BYTES).rev().find(|end| target.is_char_boundary(*end)).unwrap_or(0));
        let outcome = if matches!(kept, Kept::Answer(_)) { Outcome::Unchanged } else { Outcome::Failed };
        let record = self.change(actor, write.request_id, "idempotency.replay").target(target).outcome(outcome).row();
        self.inner.audit.commit(record).await.map_err(|_| {
            Problem::gateway(
                Code::Unavailable,
                "The stored answer cannot be given now: its audit record cannot be stored.",
            )
            .with_hint("Try again later with the same key.")
        })?;
        match kept {
            Kept::Answer(answer) => Ok(WriteAnswer { answer, replayed: true }),
            Kept::Problem(problem) => Err(problem.into()),
        }
    }

    /// What makes two writes the same: method, path with query, `If-Match`, media type, body.
    fn fingerprint_of(&self, actor: &Actor, write: &KeyedWrite) -> [u8; 32] {
        // Programs write the members of an object in any order. Other bodies are taken as they are.
        let object = serde_json::from_slice::<Map<String, Value>>(&write.body).ok();
        let object = object.map(|object| canonical(&Value::Object(object)));
        let body = object.as_deref().map_or(&write.body[..], str::as_bytes);
        let [if_match, media_type] = &write.headers;
        let uri = write.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        self.fingerprint(
            actor,
            &[b"write", write.method.as_str().as_bytes(), uri.as_bytes(), if_match, media_type, body],
        )
    }
}

impl KeyedWrite {
    /// Whether doing it twice is the same as doing it once.
    fn is_repeatable(&self) -> bool {
        match self.kind {
            // A merge patch, a whole new value, or a deletion.
            WriteKind::Configuration => self.method != Method::POST,
            // What a vendor takes a PATCH for is not known.
            WriteKind::RawCall => self.method == Method::PUT || self.method == Method::DELETE,
        }
    }
}

impl WriteKind {
    /// Whether a failure with this code may have changed something.
    fn leaves_open(self, code: Code) -> bool {
        match code {
            Code::Internal => true,
            // A vendor is asked before a change of configuration is kept, and only then.
            Code::UpstreamInvalid | Code::UpstreamUnavailable | Code::UpstreamTimeout | Code::ResponseTooLarge => {
                self == Self::RawCall
            }
            _ => false,
        }
    }

    /// Whether the vendor answered a raw call without doing anything: it does not know the caller, or it is asked too often.
    fn was_turned_away(self, status: StatusCode) -> bool {
        self == Self::RawCall && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS)
    }
}

fn failed_inside() -> Problem {
    Problem::gateway(Code::Internal, "The request failed inside the gateway.")
        .with_hint("Read the state before doing anything: the change may have happened.")
}
