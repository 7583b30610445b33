//! What can go wrong between the client and the gateway.

use quartermaster_types::{Code, Problem};

use crate::rate::RateHeaders;

/// A request that did not give an answer of the expected shape. No text here holds the token.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The gateway answered with a problem.
    #[error("{}", problem.body().detail)]
    Problem {
        /// The problem.
        problem: Problem,
        /// Rate limits that came with it.
        rate: RateHeaders,
    },
    /// The gateway could not be reached; nothing was sent.
    #[error("cannot reach the gateway at {url}: {reason}")]
    Unreachable {
        /// The gateway's address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The connection broke or timed out after the request may have been sent: a write may have happened.
    #[error("the gateway at {url} gave no full answer: {reason}")]
    NoAnswer {
        /// The gateway's address.
        url: String,
        /// Why.
        reason: String,
    },
    /// Something answered that is not this gateway, or not this version of it.
    #[error("{url} answered {status} with something that is not an answer of the gateway: {excerpt}")]
    NotOurs {
        /// The gateway's address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Why it cannot be used, or the start of the body.
        excerpt: String,
    },
    /// The address, the token or an argument cannot be put into a request.
    #[error("{0}")]
    BadRequest(String),
}

impl ClientError {
    /// The problem, when the gateway gave one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// The code of the problem, when the gateway gave one.
    pub fn code(&self) -> Option<Code> {
        self.problem().map(Problem::code)
    }

    /// True when the caller is asked for fewer calls and nothing was done.
    pub fn is_rate_limited(&self) -> bool {
        self.code() == Some(Code::RateLimited)
    }

    /// True when a write may have happened although there is no answer that says so.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::NotOurs { .. } => true,
            Self::Problem { problem, .. } => {
                matches!(
                    problem.code(),
                    Code::UpstreamInvalid
                        | Code::UpstreamUnavailable
                        | Code::UpstreamTimeout
                        | Code::ResponseTooLarge
                        | Code::Internal
                )
            }
            Self::Unreachable { .. } | Self::BadRequest(_) => false,
        }
    }

    /// How many seconds to wait before the same call, as the gateway said: `retry-after`, else the problem's own field,
    /// else `ratelimit-reset`. `None` when nothing was said.
    pub fn wait_seconds(&self) -> Option<u64> {
        match self {
            Self::Problem { problem, rate } => {
                rate.retry_after_seconds.or(problem.body().retry_after_seconds).or(rate.reset_seconds)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: Code, rate: RateHeaders) -> ClientError {
        ClientError::Problem { problem: Problem::upstream(code, "x"), rate }
    }

    #[test]
    fn a_refusal_changed_nothing_and_a_lost_answer_may_have() {
        let none = RateHeaders::default();
        let lost = ClientError::NoAnswer { url: String::new(), reason: String::new() };
        let unreachable = ClientError::Unreachable { url: String::new(), reason: String::new() };
        for (error, expected) in [
            (problem(Code::UpstreamTimeout, none), true),
            (problem(Code::UpstreamInvalid, none), true),
            (problem(Code::Internal, none), true),
            (problem(Code::RateLimited, none), false),
            (problem(Code::UngroundedId, none), false),
            (problem(Code::NotFound, none), false),
            (lost, true),
            (unreachable, false),
        ] {
            assert_eq!(error.may_have_happened(), expected, "{error:?}");
        }
    }

    #[test]
    fn retry_after_comes_before_the_reset() {
        let both = RateHeaders { retry_after_seconds: Some(3), reset_seconds: Some(60), ..RateHeaders::default() };
        assert_eq!(problem(Code::RateLimited, both).wait_seconds(), Some(3));
        let reset = RateHeaders { reset_seconds: Some(60), ..RateHeaders::default() };
        assert_eq!(problem(Code::RateLimited, reset).wait_seconds(), Some(60));
        assert_eq!(problem(Code::RateLimited, RateHeaders::default()).wait_seconds(), None);
    }
}
