//! Whether a delivery comes from who it says.

mod hmac;
mod jwt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use quartermaster_types::Timestamp;
use quartermaster_vault::{Secrets, same_secret};
use secrecy::SecretString;

pub(crate) use hmac::{Hmac, SecretEncoding, SignedPart, TimeFormat, TimestampRule};
pub(crate) use jwt::{BodyHash, Jwt, JwtAlgorithm, PublicKey, public_keys};

use crate::delivery::{Delivery, Reason, Refusal, Verified};
use crate::limits::SECRET_MIN_BYTES;
use crate::model::Webhook;

/// The name of the secret that verifies.
pub(crate) const SECRET: &str = "secret";
/// The name of the one before it, which still does while senders change over.
pub(crate) const PREVIOUS_SECRET: &str = "previous_secret";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";

/// How a delivery is verified.
#[derive(Clone, Debug)]
pub(crate) enum Verify {
    /// A signature.
    Hmac(Hmac),
    /// A JSON Web Token.
    Jwt(Jwt),
    /// User name and password.
    Basic,
    /// A token in the header `authorization`.
    Bearer,
    /// The secret itself.
    SharedSecret(SecretPlace),
}

/// Where a shared secret stands.
#[derive(Clone, Debug)]
pub(crate) enum SecretPlace {
    Header(String),
    Query(String),
}

impl Webhook {
    /// Whether a delivery comes from who it says: signature, time of sending, tokens. Whether it was delivered before is for the
    /// caller to look up, by [`Verified::replay`].
    ///
    /// Secrets are compared in constant time. `secrets` has the names that [`Webhook::secret_names`] and
    /// [`Webhook::optional_secret_names`] give.
    pub fn verify(&self, delivery: &Delivery<'_>, secrets: &Secrets, now: Timestamp) -> Result<Verified, Refusal> {
        let id = match &self.id_header {
            Some(name) => Some(delivery.needed_header(name)?),
            None => None,
        };
        let replay = match &self.verify {
            Verify::Hmac(hmac) => hmac.verify(delivery, id, secrets, now)?,
            Verify::Jwt(jwt) => Some(jwt.verify(delivery, secrets, now)?),
            Verify::Basic => basic(delivery, secrets).map(|()| None)?,
            Verify::Bearer => bearer(delivery, secrets).map(|()| None)?,
            Verify::SharedSecret(place) => shared_secret(place, delivery, secrets).map(|()| None)?,
        };
        Ok(Verified { replay, id: id.map(str::to_owned) })
    }

    /// The secrets that must be stored with it.
    pub fn secret_names(&self) -> &'static [&'static str] {
        match &self.verify {
            Verify::Basic => &[USERNAME, PASSWORD],
            Verify::Jwt(jwt) if jwt.algorithm != JwtAlgorithm::Hs256 => &[],
            _ => &[SECRET],
        }
    }

    /// Those that may be stored besides.
    pub fn optional_secret_names(&self) -> &'static [&'static str] {
        if self.secret_names() == [SECRET] { &[PREVIOUS_SECRET] } else { &[] }
    }

    /// What is wrong with the secrets that are to be stored, each with its name. The texts never repeat them.
    pub fn secret_mistakes(&self, secrets: &Secrets) -> Vec<(String, String)> {
        let (needed, optional) = (self.secret_names(), self.optional_secret_names());
        let missing = needed.iter().filter(|name| secrets.expose(name).is_none());
        let mut mistakes: Vec<(String, String)> =
            missing.map(|name| ((*name).to_owned(), "is missing".to_owned())).collect();
        for name in secrets.names() {
            let text = secrets.expose(name).unwrap_or_default();
            let detail = if !needed.contains(&name) && !optional.contains(&name) {
                let known: Vec<&str> = needed.iter().chain(optional).copied().collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                format!("this trigger has no such secret; it has {known}")
            } else if name != USERNAME && text.len() < SECRET_MIN_BYTES {
                format!("at least {SECRET_MIN_BYTES} bytes are expected: a shorter one could be guessed")
            } else if name == USERNAME && (text.is_empty() || text.contains(':')) {
                "a user name without a colon is expected".to_owned()
            } else if !self.can_use(text) {
                "cannot be read as `secret_prefix` and `secret_encoding` say".to_owned()
            } else {
                continue;
            };
            mistakes.push((name.to_owned(), detail));
        }
        mistakes
    }

    fn can_use(&self, secret: &str) -> bool {
        match &self.verify {
            Verify::Hmac(hmac) => hmac.key(secret).is_some_and(|key| !key.is_empty()),
            _ => true,
        }
    }

    /// A secret of these bytes, written as the trigger wants it.
    pub fn secret_of(&self, bytes: &[u8]) -> SecretString {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        SecretString::from(match &self.verify {
            Verify::Hmac(hmac) => match hmac.secret_encoding {
                SecretEncoding::Text | SecretEncoding::Hex => hmac.secret_prefix.clone() + &hex(bytes),
                SecretEncoding::Base64 => {
                    hmac.secret_prefix.clone() + &GeneralPurpose::new(&STANDARD, BASE64).encode(bytes)
                }
            },
            _ => hex(bytes),
        })
    }

    /// Headers and parameters that hold a secret or a signature: expressions do not see them.
    pub(crate) fn hidden(&self) -> (Vec<&str>, Option<&str>) {
        let mut headers = vec!["authorization", "cookie", "proxy-authorization"];
        match &self.verify {
            Verify::Hmac(hmac) => headers.push(&hmac.header),
            Verify::Jwt(jwt) => headers.push(&jwt.header),
            Verify::SharedSecret(SecretPlace::Header(name)) => headers.push(name),
            Verify::SharedSecret(SecretPlace::Query(name)) => return (headers, Some(name)),
            Verify::Basic | Verify::Bearer => {}
        }
        (headers, None)
    }
}

fn basic(delivery: &Delivery<'_>, secrets: &Secrets) -> Result<(), Refusal> {
    let presented = authorization(delivery, "basic")?;
    let malformed =
        || Refusal::new(Reason::Malformed, "the header `authorization` is not `Basic` with user name and password");
    let decoded = Encoding::Base64.decode(presented).ok_or_else(malformed)?;
    let colon = decoded.iter().position(|byte| *byte == b':').ok_or_else(malformed)?;
    let (Some(username), Some(password)) = (secrets.expose(USERNAME), secrets.expose(PASSWORD)) else {
        return Err(no_secret());
    };
    // Both are looked at, so that nobody learns which of them was right.
    let right =
        same_secret(&decoded[..colon], username.as_bytes()) & same_secret(&decoded[colon + 1..], password.as_bytes());
    if right { Ok(()) } else { Err(wrong_credentials("user name or password")) }
}

fn bearer(delivery: &Delivery<'_>, secrets: &Secrets) -> Result<(), Refusal> {
    let presented = authorization(delivery, "bearer")?;
    known(presented, secrets, "the bearer token")
}

fn shared_secret(place: &SecretPlace, delivery: &Delivery<'_>, secrets: &Secrets) -> Result<(), Refusal> {
    let presented = match place {
        SecretPlace::Header(name) => delivery.needed_header(name)?,
        SecretPlace::Query(name) => delivery.needed_parameter(name)?,
    };
    known(presented, secrets, "the shared secret")
}

fn known(presented: &str, secrets: &Secrets, what: &str) -> Result<(), Refusal> {
    let known: Vec<&str> = [SECRET, PREVIOUS_SECRET].iter().filter_map(|name| secrets.expose(name)).collect();
    if known.is_empty() {
        return Err(no_secret());
    }
    let right = known.iter().fold(false, |right, one| right | same_secret(presented.as_bytes(), one.as_bytes()));
    if right { Ok(()) } else { Err(wrong_credentials(what)) }
}

fn authorization<'a>(delivery: &Delivery<'a>, scheme: &str) -> Result<&'a str, Refusal> {
    let value = delivery.needed_header("authorization")?;
    match value.split_once(' ') {
        Some((given, rest)) if given.eq_ignore_ascii_case(scheme) => Ok(rest.trim()),
        _ => Err(Refusal::new(Reason::Malformed, format!("the header `authorization` is not of the kind `{scheme}`"))),
    }
}

fn wrong_credentials(what: &str) -> Refusal {
    Refusal::new(Reason::WrongCredentials, format!("{what} is not the one that is stored with the trigger"))
}

fn no_secret() -> Refusal {
    Refusal::new(Reason::NoSecret, "no secret is stored with the trigger")
}

/// How bytes are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Encoding {
    #[default]
    Hex,
    Base64,
    Base64Url,
}

/// With its padding or without, as senders differ; what stands in the last digit beyond the bytes must be zero.
const BASE64: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

impl Encoding {
    pub(crate) fn of(name: Option<&str>) -> Self {
        match name {
            Some("base64") => Self::Base64,
            Some("base64url") => Self::Base64Url,
            _ => Self::Hex,
        }
    }

    /// The bytes; `None` when the text is not written so.
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => from_hex(text),
            Self::Base64 => GeneralPurpose::new(&STANDARD, BASE64).decode(text).ok(),
            Self::Base64Url => GeneralPurpose::new(&URL_SAFE, BASE64).decode(text).ok(),
        }
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}
