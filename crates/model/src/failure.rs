//! From what the library or the way out says to what it means.

use quartermaster_egress::EgressError;
use quartermaster_vault::Scrubber;
use rig_core::ProviderResponseError;
use rig_core::error::ProviderError;
use rig_core::http_client::Error as HttpError;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::limits::ERROR_TEXT_MAX_BYTES;
use crate::pause::pause;
use crate::transport::Fault;
use crate::{Connection, ErrorKind, ModelError, Reply};

/// Machine codes and types of errors, as providers spell them in a body, with what they mean.
const CODES: &[(&str, ErrorKind)] = &[
    ("context_length_exceeded", ErrorKind::ContextTooLong),
    ("exceed_context_size_error", ErrorKind::ContextTooLong),
    ("request_too_large", ErrorKind::ContextTooLong),
    ("insufficient_quota", ErrorKind::Unauthenticated),
    ("billing_error", ErrorKind::Unauthenticated),
    ("billing_hard_limit_reached", ErrorKind::Unauthenticated),
    ("invalid_api_key", ErrorKind::Unauthenticated),
    ("authentication_error", ErrorKind::Unauthenticated),
    ("permission_error", ErrorKind::Unauthenticated),
    ("rate_limit_exceeded", ErrorKind::RateLimited),
    ("rate_limit_error", ErrorKind::RateLimited),
    ("overloaded_error", ErrorKind::Overloaded),
    ("timeout_error", ErrorKind::Timeout),
    ("api_error", ErrorKind::Unavailable),
    ("server_error", ErrorKind::Unavailable),
    ("internal_server_error", ErrorKind::Unavailable),
    ("unavailable_error", ErrorKind::Overloaded),
    ("not_found_error", ErrorKind::Invalid),
    ("model_not_found", ErrorKind::Invalid),
    ("invalid_request_error", ErrorKind::Invalid),
];

/// Words that say that a conversation is too long, from servers without a code for it.
const TOO_LONG: &[&str] = &[
    "context length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "exceed context limit",
    "too many tokens",
];

/// Makes the errors of one connection.
pub(crate) struct Failures {
    connection: String,
    scrubber: Scrubber,
}

impl Failures {
    pub(crate) fn new(connection: &Connection) -> Self {
        let mut scrubber = Scrubber::default();
        if let Some(key) = &connection.key {
            scrubber.add(key.expose_secret());
        }
        Self { connection: connection.name.clone(), scrubber }
    }

    fn error(&self, kind: ErrorKind, detail: &str) -> ModelError {
        let detail = shortened(&self.scrubber.scrub(detail));
        ModelError { kind, connection: self.connection.clone(), detail, status: None, retry_after: None }
    }

    /// The request cannot be sent.
    pub(crate) fn invalid(&self, reason: &str) -> ModelError {
        self.error(ErrorKind::Invalid, reason)
    }

    /// The answer cannot be used.
    pub(crate) fn malformed(&self, reason: &str) -> ModelError {
        self.error(ErrorKind::Malformed, reason)
    }

    /// A reply in which the key does not stand, not even put together from pieces that came one by one.
    pub(crate) fn without_key(&self, reply: Reply) -> Result<Reply, ModelError> {
        let written = serde_json::to_string(&reply).map_err(|error| self.malformed(&error.to_string()))?;
        let scrubbed = self.scrubber.scrub(&written);
        if scrubbed == written {
            return Ok(reply);
        }
        serde_json::from_str(&scrubbed).map_err(|_| self.malformed("the answer repeats the key"))
    }

    /// Nothing could be sent, or nothing be read.
    pub(crate) fn fault(&self, fault: &Fault) -> ModelError {
        let kind = match fault {
            Fault::Egress(EgressError::Forbidden { .. }) | Fault::Plain { .. } => ErrorKind::Blocked,
            Fault::Egress(EgressError::Timeout { .. }) => ErrorKind::Timeout,
            Fault::Egress(EgressError::TooLarge { .. } | EgressError::BadEncoding { .. }) | Fault::LineTooLong => {
                ErrorKind::Malformed
            }
            Fault::Egress(EgressError::BadUrl) | Fault::Unusable(_) => ErrorKind::Invalid,
            Fault::RequestTooLarge { .. } => ErrorKind::ContextTooLong,
            Fault::Egress(_) => ErrorKind::Unavailable,
        };
        self.error(kind, &fault.to_string())
    }

    /// What the library says.
    pub(crate) fn of(&self, error: &ProviderError) -> ModelError {
        match error {
            ProviderError::Http(error) => self.of_http(error),
            ProviderError::ProviderResponse(answer) | ProviderError::InvalidAuthentication(answer) => {
                self.of_answer(answer)
            }
            ProviderError::Request(reason) => self.invalid(&reason.to_string()),
            ProviderError::UnsupportedOption(option) => self.invalid(&option.to_string()),
            ProviderError::Url(reason) => self.invalid(&reason.to_string()),
            ProviderError::Truncated => self.malformed("the answer ended in the middle"),
            ProviderError::Json(reason) => {
                self.malformed(&format!("the answer is not what the wire format has: {reason}"))
            }
            ProviderError::Response(reason) => {
                self.malformed(&format!("the answer is not what the wire format has: {reason}"))
            }
            other => self.error(ErrorKind::Unavailable, &other.to_string()),
        }
    }

    fn of_http(&self, error: &HttpError) -> ModelError {
        match error {
            HttpError::Instance(inner) => match inner.downcast_ref::<Fault>() {
                Some(fault) => self.fault(fault),
                None => self.error(ErrorKind::Unavailable, &inner.to_string()),
            },
            HttpError::InvalidContentType(value) => {
                let value = value.to_str().unwrap_or_default();
                self.malformed(&format!("the answer is of type {value:?} and no stream of events"))
            }
            other => self.malformed(&other.to_string()),
        }
    }

    /// An answer that is an error, with its status or within a stream that began well.
    fn of_answer(&self, answer: &ProviderResponseError) -> ModelError {
        let status = answer.status.map(|status| status.as_u16());
        let body: Option<Value> = serde_json::from_str(&answer.body).ok();
        let words = body.as_ref().and_then(words);
        let kind = kind(status, body.as_ref(), words.as_deref().unwrap_or_default());
        let said = match (&words, body.is_some() || answer.body.trim().is_empty()) {
            (Some(words), _) => format!(": {words}"),
            (None, true) => String::new(),
            (None, false) => format!(", with a body that is no JSON: {}", plain(&answer.body)),
        };
        let detail = match status {
            Some(status) if !(200..300).contains(&status) => format!("the provider answered {status}{said}"),
            _ => format!("the provider ended its answer with an error{said}"),
        };
        let pause = answer.headers.as_ref().and_then(pause);
        let waits = matches!(kind, ErrorKind::RateLimited | ErrorKind::Overloaded | ErrorKind::Unavailable);
        ModelError { status, retry_after: pause.filter(|_| waits), ..self.error(kind, &detail) }
    }
}

/// What an error means: its own code before the words, the words before the status.
fn kind(status: Option<u16>, body: Option<&Value>, words: &str) -> ErrorKind {
    let coded = body.and_then(|body| {
        let places = ["/error/code", "/error/type", "/code", "/type", "/error/status"];
        let named = places.iter().filter_map(|place| body.pointer(place)?.as_str());
        named
            .filter_map(|name| CODES.iter().find(|(code, _)| code.eq_ignore_ascii_case(name)))
            .map(|(_, kind)| *kind)
            .next()
    });
    let words = words.to_ascii_lowercase();
    let is_too_long = TOO_LONG.iter().any(|phrase| words.contains(phrase));
    match (coded, status) {
        // `invalid_request_error` is what everything is called that has no better name.
        (Some(ErrorKind::Invalid) | None, Some(400 | 413 | 422) | None) if is_too_long => ErrorKind::ContextTooLong,
        (Some(ErrorKind::Invalid) | None, Some(413)) => ErrorKind::ContextTooLong,
        (Some(ErrorKind::Invalid) | None, Some(401..=403)) => ErrorKind::Unauthenticated,
        (Some(kind), _) => kind,
        (None, Some(408 | 504)) => ErrorKind::Timeout,
        (None, Some(429)) => ErrorKind::RateLimited,
        (None, Some(503 | 529)) => ErrorKind::Overloaded,
        (None, Some(300..=399)) => ErrorKind::Malformed,
        (None, Some(400..=499)) => ErrorKind::Invalid,
        (None, _) => ErrorKind::Unavailable,
    }
}

/// The provider's own words.
fn words(body: &Value) -> Option<String> {
    let places = ["/error/message", "/message", "/detail", "/error", "/msg"];
    let text = places.iter().find_map(|place| body.pointer(place)?.as_str())?;
    Some(plain(text)).filter(|text| !text.is_empty())
}

/// On one line, without what a terminal would obey.
fn plain(text: &str) -> String {
    let spaced: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most [`ERROR_TEXT_MAX_BYTES`].
fn shortened(text: &str) -> String {
    if text.len() <= ERROR_TEXT_MAX_BYTES {
        return text.to_owned();
    }
    let mark = "…";
    let end = text.floor_char_boundary(ERROR_TEXT_MAX_BYTES - mark.len());
    format!("{}{mark}", &text[..end])
}
