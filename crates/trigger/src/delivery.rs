//! What was delivered, and what is found about it.

use quartermaster_types::Timestamp;

use crate::limits::VERIFIED_HEADER_MAX_BYTES;

/// One inbound request.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Names in lower case, with their values.
    pub headers: &'a [(String, String)],
    /// Parameters of the query, decoded.
    pub query: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
}

impl<'a> Delivery<'a> {
    /// A header that must be there once.
    pub(crate) fn needed_header(&self, name: &str) -> Result<&'a str, Refusal> {
        match self.header(name)? {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(Refusal::new(Reason::Missing, format!("there is no header `{name}`"))),
        }
    }

    /// A header that may be there once. Which of two would count is decided differently by every program in between.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        one(self.headers, name, &format!("the header `{name}`"))
    }

    /// A parameter of the query that must be there once.
    pub(crate) fn needed_parameter(&self, name: &str) -> Result<&'a str, Refusal> {
        match one(self.query, name, &format!("the query parameter `{name}`"))? {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(Refusal::new(Reason::Missing, format!("there is no query parameter `{name}`"))),
        }
    }
}

fn one<'a>(pairs: &'a [(String, String)], name: &str, what: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = pairs.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::new(Reason::Malformed, format!("{what} stands there more than once")));
    }
    if value.len() > VERIFIED_HEADER_MAX_BYTES {
        let detail = format!("{what} has {} bytes; at most {VERIFIED_HEADER_MAX_BYTES} are read", value.len());
        return Err(Refusal::new(Reason::Malformed, detail));
    }
    Ok(Some(value))
}

/// A delivery that comes from who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the very same delivery is recognised by, and until when that must be remembered; `None` where nothing in it says when
    /// it was sent, so that one that is sent again cannot be told from a second attempt.
    pub replay: Option<([u8; 32], Timestamp)>,
    /// The sender's own id of the delivery.
    pub id: Option<String>,
}

/// Why a delivery is not accepted. Nothing of it is told to the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The kind of reason.
    pub reason: Reason,
    /// In words; never a secret, and never what was presented as one.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Kinds of reasons for which a delivery is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// A header or parameter is not there.
    Missing,
    /// It is there, and cannot be read.
    Malformed,
    /// No signature is the right one.
    WrongSignature,
    /// User name, password, token or secret is not the right one.
    WrongCredentials,
    /// A claim of the token is not as it must be.
    WrongClaim,
    /// It was sent too long ago.
    TooOld,
    /// It is said to be sent in the future.
    InFuture,
    /// It was delivered before.
    Replayed,
    /// No secret is stored to verify it with, or one that cannot be used.
    NoSecret,
}

impl Reason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Missing,
        Self::Malformed,
        Self::WrongSignature,
        Self::WrongCredentials,
        Self::WrongClaim,
        Self::TooOld,
        Self::InFuture,
        Self::Replayed,
        Self::NoSecret,
    ];

    /// The form in which it is stored and told: `wrong_signature`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::WrongSignature => "wrong_signature",
            Self::WrongCredentials => "wrong_credentials",
            Self::WrongClaim => "wrong_claim",
            Self::TooOld => "too_old",
            Self::InFuture => "in_future",
            Self::Replayed => "replayed",
            Self::NoSecret => "no_secret",
        }
    }
}
