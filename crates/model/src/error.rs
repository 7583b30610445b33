//! Why there is no reply, and what to do.

use std::fmt;
use std::time::Duration;

use quartermaster_types::{Code, Origin, Problem};

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Too many requests or tokens; the provider often says when to come back.
    RateLimited,
    /// The provider has too much to do.
    Overloaded,
    /// The key is missing, wrong, out of credit or not allowed to use the model.
    Unauthenticated,
    /// The conversation has more tokens than the model can read.
    ContextTooLong,
    /// The provider refuses the request for another reason, an unknown model for instance: the same one fails again.
    Invalid,
    /// Not reachable, or failing.
    Unavailable,
    /// No full answer in time.
    Timeout,
    /// The answer is not what the wire format says, or it is cut or too large.
    Malformed,
    /// The base URL leads to an address that the gateway does not reach.
    Blocked,
}

impl ErrorKind {
    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Overloaded | Self::Unavailable | Self::Timeout | Self::Malformed)
    }
}

/// Why a model gave no reply. Holds no key: what a provider said is scrubbed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// The connection's name.
    pub connection: String,
    /// What happened, with the provider's own words where it had any.
    pub detail: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for ModelError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "model connection `{}`: {}", self.connection, self.detail)
    }
}

impl std::error::Error for ModelError {}

impl ModelError {
    /// As a problem with `origin: model`, so that it is never taken for one of an integration's vendor.
    pub fn problem(&self) -> Problem {
        let (code, hint) = self.advice();
        let origin = if self.kind == ErrorKind::Blocked { Origin::Gateway } else { Origin::Model };
        let seconds = self.retry_after.map(|pause| pause.as_secs() + u64::from(pause.subsec_nanos() > 0));
        Problem::new(code, origin, self.to_string()).with_hint(hint).with_retry(self.kind.is_retryable(), seconds)
    }

    fn advice(&self) -> (Code, String) {
        let name = &self.connection;
        match self.kind {
            ErrorKind::RateLimited => (
                Code::RateLimited,
                "The model's provider asks for fewer requests. Wait as long as `retry_after_seconds` says, or a minute \
                 where it says nothing, then go on."
                    .to_owned(),
            ),
            ErrorKind::Overloaded => (
                Code::ModelUnavailable,
                "The model's provider has too much to do. Try again after a pause, or name another model.".to_owned(),
            ),
            ErrorKind::Unavailable => (
                Code::ModelUnavailable,
                format!("Look whether the server of `{name}` runs and can be reached from the gateway: `qm model check {name}`."),
            ),
            ErrorKind::Timeout => (
                Code::ModelUnavailable,
                "Ask for fewer output tokens, try again after a pause, or name a faster model.".to_owned(),
            ),
            ErrorKind::Unauthenticated => (
                Code::ModelUnauthenticated,
                format!("A person has to look at the key of the model connection `{name}`, and at credit and rights with its provider."),
            ),
            ErrorKind::ContextTooLong => (
                Code::PayloadTooLarge,
                "The conversation is too long for this model. Shorten results, begin a new run, or name a model that \
                 reads more; `context_tokens` of the connection lets the gateway keep to the limit."
                    .to_owned(),
            ),
            ErrorKind::Invalid => (
                Code::ModelRejected,
                format!("The provider's words say what is wrong, a model's id that it does not know for instance: `qm model check {name}`."),
            ),
            ErrorKind::Malformed => (
                Code::ModelInvalid,
                format!("Is the base URL of `{name}` right, and does that server speak the wire format of the connection? If so, try again."),
            ),
            ErrorKind::Blocked => (
                Code::UpstreamForbidden,
                "The gateway reaches loopback and private addresses, and http:// at all, only where it was started with \
                 `--allow-upstream HOST:PORT`."
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ErrorKind; 9] = [
        ErrorKind::RateLimited,
        ErrorKind::Overloaded,
        ErrorKind::Unauthenticated,
        ErrorKind::ContextTooLong,
        ErrorKind::Invalid,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Malformed,
        ErrorKind::Blocked,
    ];

    #[test]
    fn every_kind_teaches_and_is_never_the_vendors() {
        for kind in KINDS {
            let error = ModelError {
                kind,
                connection: "local".to_owned(),
                detail: "it said no".to_owned(),
                status: Some(400),
                retry_after: Some(Duration::from_millis(1001)),
            };
            let problem = error.problem();
            let body = problem.body();
            assert_ne!(body.origin, Origin::Upstream, "{kind:?}");
            assert!(body.hint.as_ref().is_some_and(|hint| hint.len() > 40), "{kind:?}");
            assert_eq!(body.detail, "model connection `local`: it said no");
            assert_eq!(body.retryable, kind.is_retryable(), "{kind:?}");
            assert_eq!(body.retry_after_seconds, Some(2), "a second begun is a second to wait");
        }
    }
}
