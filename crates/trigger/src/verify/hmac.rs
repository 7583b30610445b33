//! Signatures under a shared secret.

use quartermaster_types::Timestamp;
use quartermaster_vault::{MacAlgorithm, Secrets, sha256};

use super::{Encoding, PREVIOUS_SECRET, SECRET};
use crate::delivery::{Delivery, Reason, Refusal};
use crate::limits::SIGNATURES_MAX;

/// A signature under a shared secret.
#[derive(Clone, Debug)]
pub(crate) struct Hmac {
    /// The header with the signatures, in lower case.
    pub(crate) header: String,
    pub(crate) algorithm: MacAlgorithm,
    pub(crate) encoding: Encoding,
    pub(crate) prefix: String,
    pub(crate) separator: Option<String>,
    pub(crate) signed: Vec<SignedPart>,
    pub(crate) timestamp: Option<TimestampRule>,
    pub(crate) secret_encoding: SecretEncoding,
    pub(crate) secret_prefix: String,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignedPart {
    Text(String),
    Body,
    Timestamp,
    Id,
}

/// How a secret is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum SecretEncoding {
    #[default]
    Text,
    Hex,
    Base64,
}

/// Where the time of sending stands.
#[derive(Clone, Debug)]
pub(crate) struct TimestampRule {
    /// The header, in lower case.
    pub(crate) header: String,
    pub(crate) prefix: String,
    pub(crate) separator: Option<String>,
    pub(crate) format: TimeFormat,
    pub(crate) tolerance_ms: i64,
}

/// How a time is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum TimeFormat {
    #[default]
    Unix,
    UnixMs,
    Rfc3339,
}

impl Hmac {
    /// By what the very same delivery is recognised, and until when, where it says when it was sent.
    pub(super) fn verify(
        &self,
        delivery: &Delivery<'_>,
        id: Option<&str>,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Result<Option<([u8; 32], Timestamp)>, Refusal> {
        let sent = self.timestamp.as_ref().map(|rule| rule.read(delivery)).transpose()?;
        let given = self.given(delivery)?;
        let keys = self.keys(secrets)?;
        let parts: Vec<&[u8]> = self
            .signed
            .iter()
            .map(|part| match part {
                SignedPart::Text(text) => text.as_bytes(),
                SignedPart::Body => delivery.body,
                SignedPart::Timestamp => sent.map_or(&[][..], |(text, _)| text.as_bytes()),
                SignedPart::Id => id.unwrap_or_default().as_bytes(),
            })
            .collect();
        let right: Vec<Vec<u8>> = keys.iter().map(|key| self.algorithm.sign(key, &parts)).collect();
        let matched = right
            .iter()
            .find(|code| given.iter().fold(false, |found, one| found | quartermaster_vault::same_secret(one, code)));
        let Some(code) = matched else {
            let detail = "no signature is right: the body was changed, or the sender has another secret";
            return Err(Refusal::new(Reason::WrongSignature, detail));
        };
        // The time counts only now that the sender has signed it.
        match (&self.timestamp, sent) {
            (Some(rule), Some((_, at))) => {
                rule.check(at, now)?;
                Ok(Some((sha256(&[b"signature", code]), at.plus_ms(rule.tolerance_ms + 1))))
            }
            _ => Ok(None),
        }
    }

    /// The signatures of a delivery.
    fn given(&self, delivery: &Delivery<'_>) -> Result<Vec<Vec<u8>>, Refusal> {
        let value = delivery.needed_header(&self.header)?;
        let texts = parts(value, self.separator.as_deref(), &self.prefix);
        let malformed = |detail: String| Err(Refusal::new(Reason::Malformed, detail));
        if texts.is_empty() {
            return malformed(format!(
                "the header `{}` has no signature with the prefix that the trigger names",
                self.header
            ));
        }
        if texts.len() > SIGNATURES_MAX {
            return malformed(format!("the header `{}` has more than {SIGNATURES_MAX} signatures", self.header));
        }
        let decoded: Vec<Vec<u8>> = texts.iter().filter_map(|text| self.encoding.decode(text)).collect();
        if decoded.is_empty() {
            let wanted = match self.encoding {
                Encoding::Hex => "hexadecimal digits",
                Encoding::Base64 => "base64",
                Encoding::Base64Url => "base64url",
            };
            return malformed(format!("the signature in the header `{}` is not written as {wanted}", self.header));
        }
        Ok(decoded)
    }

    /// The keys that are stored: the secret, and the one before it.
    fn keys(&self, secrets: &Secrets) -> Result<Vec<Vec<u8>>, Refusal> {
        let stored = [SECRET, PREVIOUS_SECRET].into_iter().filter_map(|name| secrets.expose(name));
        let keys: Vec<Vec<u8>> = stored.filter_map(|text| self.key(text)).filter(|key| !key.is_empty()).collect();
        if keys.is_empty() {
            return Err(Refusal::new(Reason::NoSecret, "no secret that can be used is stored with the trigger"));
        }
        Ok(keys)
    }

    pub(super) fn key(&self, text: &str) -> Option<Vec<u8>> {
        let text = text.strip_prefix(self.secret_prefix.as_str())?;
        match self.secret_encoding {
            SecretEncoding::Text => Some(text.as_bytes().to_vec()),
            SecretEncoding::Hex => Encoding::Hex.decode(text),
            SecretEncoding::Base64 => Encoding::Base64.decode(text),
        }
    }
}

impl TimestampRule {
    /// The text as it was signed, and the time that it says.
    fn read<'a>(&self, delivery: &Delivery<'a>) -> Result<(&'a str, Timestamp), Refusal> {
        let value = delivery.needed_header(&self.header)?;
        let malformed = || {
            let detail = format!("the header `{}` holds no time that can be read", self.header);
            Refusal::new(Reason::Malformed, detail)
        };
        let [text] = parts(value, self.separator.as_deref(), &self.prefix)[..] else { return Err(malformed()) };
        let number = || {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<i64>().ok()).flatten()
        };
        let at = match self.format {
            TimeFormat::Unix => number().and_then(|seconds| seconds.checked_mul(1_000)).map(Timestamp::from_unix_ms),
            TimeFormat::UnixMs => number().map(Timestamp::from_unix_ms),
            TimeFormat::Rfc3339 => Timestamp::parse_rfc3339(text),
        };
        Ok((text, at.ok_or_else(malformed)?))
    }

    fn check(&self, at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        let age_ms = now.ms_since(at);
        let seconds = age_ms.unsigned_abs().div_ceil(1_000);
        let allowed = self.tolerance_ms / 1_000;
        if age_ms > self.tolerance_ms {
            let detail = format!("it was sent {seconds} s ago, and {allowed} s are allowed");
            return Err(Refusal::new(Reason::TooOld, detail));
        }
        if age_ms < -self.tolerance_ms {
            let detail = format!("it is said to be sent {seconds} s from now, and {allowed} s are allowed");
            return Err(Refusal::new(Reason::InFuture, detail));
        }
        Ok(())
    }
}

/// The parts of a header that have the prefix, without it.
fn parts<'v>(value: &'v str, separator: Option<&str>, prefix: &str) -> Vec<&'v str> {
    let all = match separator {
        None => vec![value],
        Some(separator) => value.split(separator).collect(),
    };
    all.into_iter().filter_map(|part| part.trim().strip_prefix(prefix)).collect()
}
