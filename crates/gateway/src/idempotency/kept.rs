//! What is kept under a key: an answer, or the problem that came instead of one.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use quartermaster_types::{Code, Problem};
use serde::{Deserialize, Serialize};

use crate::limits::IDEMPOTENCY_ANSWER_MAX_BYTES;

/// Headers that belong to an answer for as long as it is kept. What tells of the moment (rate limits, ids of requests, dates)
/// would be wrong in a repetition.
const KEPT_HEADERS: [HeaderName; 7] = [
    CONTENT_TYPE,
    ETAG,
    LOCATION,
    CACHE_CONTROL,
    CONTENT_SECURITY_POLICY,
    X_CONTENT_TYPE_OPTIONS,
    HeaderName::from_static("quartermaster-origin"),
];

/// Bytes of the length that stands before the head.
const LENGTH_BYTES: usize = 4;

/// The end of a request.
#[derive(Debug)]
pub(crate) enum Kept {
    /// It was answered.
    Answer(Response<Bytes>),
    /// It failed, and what it changed is not known.
    Problem(Problem),
}

/// What stands before the body.
#[derive(Serialize, Deserialize)]
enum Head {
    Answer { status: u16, headers: Vec<(String, String)> },
    Problem,
}

impl Kept {
    /// An answer; one that is too large to be kept becomes a problem that says so.
    pub(crate) fn answer(answer: &Response<Bytes>) -> Self {
        let size = answer.body().len();
        if size > IDEMPOTENCY_ANSWER_MAX_BYTES {
            let detail = format!(
                "The request was done and answered before. Its answer has {size} bytes, more than the {IDEMPOTENCY_ANSWER_MAX_BYTES} that are kept for a repetition.",
            );
            let problem = Problem::gateway(Code::ResponseTooLarge, detail);
            return Self::Problem(problem.with_hint("Read the state instead. A fresh key would do the request again."));
        }
        let mut kept = Response::new(answer.body().clone());
        *kept.status_mut() = answer.status();
        for name in KEPT_HEADERS {
            if let Some(value) = answer.headers().get(&name) {
                kept.headers_mut().insert(name, value.clone());
            }
        }
        Self::Answer(kept)
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Answer(answer) => answer.status().as_u16(),
            Self::Problem(problem) => problem.status(),
        }
    }

    /// Length of the head (4 bytes, big-endian) | head (JSON) | body.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (head, body) = match self {
            Self::Answer(answer) => {
                let headers = texts(answer.headers());
                (Head::Answer { status: answer.status().as_u16(), headers }, answer.body().clone())
            }
            Self::Problem(problem) => (Head::Problem, serde_json::to_vec(problem).unwrap_or_default().into()),
        };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut bytes = Vec::with_capacity(LENGTH_BYTES + head.len() + body.len());
        bytes.extend_from_slice(&u32::try_from(head.len()).unwrap_or_default().to_be_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The reverse; `None` when it cannot be read.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
        let (head, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        match serde_json::from_slice(head).ok()? {
            Head::Problem => serde_json::from_slice(body).ok().map(Self::Problem),
            Head::Answer { status, headers } => {
                let mut answer = Response::new(Bytes::copy_from_slice(body));
                *answer.status_mut() = StatusCode::from_u16(status).ok()?;
                for (name, value) in headers {
                    answer.headers_mut().insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
                }
                Some(Self::Answer(answer))
            }
        }
    }
}

/// Headers as texts; those that are no text are left out.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    headers.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &[u8]) -> Response<Bytes> {
        let answer = Response::builder().status(201).header("etag", "\"1\"").header("ratelimit-reset", "5");
        answer.body(Bytes::copy_from_slice(body)).unwrap()
    }

    #[test]
    fn an_answer_comes_back_with_its_own_headers_and_without_those_of_the_moment() {
        let kept = Kept::decode(&Kept::answer(&answer(b"\x00body")).encode()).unwrap();
        let Kept::Answer(kept) = kept else { panic!("{kept:?}") };
        assert_eq!((kept.status().as_u16(), kept.body().as_ref()), (201, b"\x00body".as_slice()));
        assert_eq!(kept.headers().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["etag"]);
    }

    #[test]
    fn a_problem_comes_back_as_it_was() {
        let problem = Problem::gateway(Code::Internal, "It broke.").with_hint("Look.");
        let kept = Kept::decode(&Kept::Problem(problem.clone()).encode()).unwrap();
        assert!(matches!(kept, Kept::Problem(found) if found == problem));
    }

    #[test]
    fn an_answer_is_kept_up_to_the_limit() {
        let at = vec![b'x'; IDEMPOTENCY_ANSWER_MAX_BYTES];
        assert!(matches!(Kept::answer(&answer(&at)), Kept::Answer(_)));
        let past = vec![b'x'; IDEMPOTENCY_ANSWER_MAX_BYTES + 1];
        let Kept::Problem(problem) = Kept::answer(&answer(&past)) else { panic!("one past the limit") };
        assert_eq!(problem.code(), Code::ResponseTooLarge);
    }

    #[test]
    fn what_is_cut_or_is_something_else_is_not_read() {
        let whole = Kept::answer(&answer(b"")).encode();
        for length in 0..whole.len() {
            assert!(Kept::decode(&whole[..length]).is_none(), "{length}");
        }
        assert!(Kept::decode(b"{\"result\":true}").is_none());
    }
}
