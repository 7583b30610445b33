//! JSON Web Tokens (RFC 7519), signed by the sender for one delivery or for a short time.

use std::collections::HashSet;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use quartermaster_types::Timestamp;
use quartermaster_vault::{MacAlgorithm, Secrets, same_secret, sha256};
use serde_json::{Map, Value};

use super::{Encoding, PREVIOUS_SECRET, SECRET, no_secret};
use crate::delivery::{Delivery, Reason, Refusal};
use crate::limits::TOKEN_LIFE_MAX_SECONDS;

/// A JSON Web Token.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    /// The header with it, in lower case.
    pub(crate) header: String,
    pub(crate) prefix: String,
    pub(crate) algorithm: JwtAlgorithm,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) leeway_seconds: i64,
    pub(crate) body_hash: Option<BodyHash>,
}

/// The only algorithm that is accepted: a token cannot choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum JwtAlgorithm {
    Hs256,
    Rs256,
    Es256,
}

/// A public key of the sender.
#[derive(Clone)]
pub(crate) struct PublicKey {
    id: Option<String>,
    key: DecodingKey,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PublicKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The claim that holds the hash of the body.
#[derive(Clone, Debug)]
pub(crate) struct BodyHash {
    pub(crate) claim: String,
    pub(crate) algorithm: MacAlgorithm,
    pub(crate) encoding: Encoding,
}

/// Reads keys: a JWKS or one JWK as JSON, or a PEM. The message says what is wrong.
pub(crate) fn public_keys(text: &str, algorithm: JwtAlgorithm) -> Result<Vec<PublicKey>, String> {
    let text = text.trim();
    if !text.starts_with('{') {
        let key = match algorithm {
            JwtAlgorithm::Rs256 => DecodingKey::from_rsa_pem(text.as_bytes()),
            _ => DecodingKey::from_ec_pem(text.as_bytes()),
        };
        let key =
            key.map_err(|_| "this is neither a JWKS nor a public key in PEM that fits the algorithm".to_owned())?;
        return Ok(vec![PublicKey { id: None, key }]);
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("this is no JWKS: {error}"))?;
    let set = if value.get("keys").is_some() {
        serde_json::from_value::<JwkSet>(value).map(|set| set.keys)
    } else {
        serde_json::from_value::<Jwk>(value).map(|key| vec![key])
    };
    let set = set.map_err(|error| format!("this is no JWKS: {error}"))?;
    let fits = |key: &&Jwk| match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), JwtAlgorithm::Rs256) => true,
        (AlgorithmParameters::EllipticCurve(curve), JwtAlgorithm::Es256) => {
            curve.curve == jsonwebtoken::jwk::EllipticCurve::P256
        }
        _ => false,
    };
    let keys: Result<Vec<PublicKey>, String> = set
        .iter()
        .filter(fits)
        .map(|key| {
            let id = key.common.key_id.clone();
            let key =
                DecodingKey::from_jwk(key).map_err(|error| format!("a key of the JWKS cannot be used: {error}"))?;
            Ok(PublicKey { id, key })
        })
        .collect();
    match keys {
        Ok(keys) if keys.is_empty() => Err("no key of the JWKS fits the algorithm".to_owned()),
        keys => keys,
    }
}

impl Jwt {
    /// By what the same token is recognised, and until when.
    pub(super) fn verify(
        &self,
        delivery: &Delivery<'_>,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Result<([u8; 32], Timestamp), Refusal> {
        let value = delivery.needed_header(&self.header)?;
        let malformed =
            || Refusal::new(Reason::Malformed, format!("the header `{}` holds no token (JWT)", self.header));
        let token = strip_scheme(value, &self.prefix).ok_or_else(malformed)?.trim();
        let header = decode_header(token).map_err(|_| malformed())?;
        let claims = self.claims(token, header.kid.as_deref(), secrets)?;
        let until = self.check_times(&claims, now)?;
        if let Some(hash) = &self.body_hash {
            hash.check(&claims, delivery.body)?;
        }
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        Ok((sha256(&[b"token", signed.as_bytes()]), until))
    }

    /// The claims, once a key has shown that they are the sender's.
    fn claims(&self, token: &str, key_id: Option<&str>, secrets: &Secrets) -> Result<Map<String, Value>, Refusal> {
        let keys = self.candidates(key_id, secrets)?;
        let mut wrong = Refusal::new(Reason::WrongSignature, "no key that is known fits the token");
        for key in &keys {
            match decode::<Map<String, Value>>(token, key, &self.validation()) {
                Ok(decoded) => return Ok(decoded.claims),
                Err(error) => wrong = refusal(&error),
            }
            // The signature was right: another key cannot do better.
            if wrong.reason == Reason::WrongClaim {
                break;
            }
        }
        Err(wrong)
    }

    fn candidates(&self, key_id: Option<&str>, secrets: &Secrets) -> Result<Vec<DecodingKey>, Refusal> {
        if self.algorithm == JwtAlgorithm::Hs256 {
            let stored = [SECRET, PREVIOUS_SECRET].into_iter().filter_map(|name| secrets.expose(name));
            let keys: Vec<_> = stored.filter_map(|text| DecodingKey::from_secret(text.as_bytes()).ok()).collect();
            return if keys.is_empty() { Err(no_secret()) } else { Ok(keys) };
        }
        let named = |key: &&PublicKey| match (key_id, &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        Ok(self.keys.iter().filter(named).map(|key| key.key.clone()).collect())
    }

    /// The times are looked at apart: they are compared with the gateway's own clock.
    fn validation(&self) -> Validation {
        let mut validation = Validation::new(match self.algorithm {
            JwtAlgorithm::Hs256 => Algorithm::HS256,
            JwtAlgorithm::Rs256 => Algorithm::RS256,
            JwtAlgorithm::Es256 => Algorithm::ES256,
        });
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::from(["exp".to_owned()]);
        validation.validate_aud = self.audience.is_some();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation
    }

    /// Until when the token can be used at most.
    fn check_times(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, Refusal> {
        let wrong = |detail: &str| Refusal::new(Reason::WrongClaim, detail);
        let seconds = now.unix_seconds();
        let expires = moment(claims, "exp")?.ok_or_else(|| wrong("the token does not say when it ends (`exp`)"))?;
        if expires.saturating_add(self.leeway_seconds) <= seconds {
            let detail = format!("the token ended {} s ago", seconds.saturating_sub(expires));
            return Err(Refusal::new(Reason::TooOld, detail));
        }
        if expires.saturating_sub(seconds) > TOKEN_LIFE_MAX_SECONDS {
            return Err(wrong("the token ends in more than a day: it could be used again for too long"));
        }
        for name in ["nbf", "iat"] {
            if moment(claims, name)?.is_some_and(|from| from > seconds.saturating_add(self.leeway_seconds)) {
                let detail = format!("the token is from the future (`{name}`)");
                return Err(Refusal::new(Reason::InFuture, detail));
            }
        }
        Ok(Timestamp::from_unix_ms((expires + self.leeway_seconds + 1) * 1_000))
    }
}

impl BodyHash {
    fn check(&self, claims: &Map<String, Value>, body: &[u8]) -> Result<(), Refusal> {
        let wrong = |detail: String| Refusal::new(Reason::WrongClaim, detail);
        let claim = &self.claim;
        let text = claims.get(claim).and_then(Value::as_str);
        let text = text.ok_or_else(|| wrong(format!("the token has no claim `{claim}` with the hash of the body")))?;
        let given = self
            .encoding
            .decode(text)
            .ok_or_else(|| wrong(format!("the claim `{claim}` is not written as it must be")))?;
        if same_secret(&given, &self.algorithm.digest(body)) {
            return Ok(());
        }
        Err(wrong(format!("the claim `{claim}` is not the hash of this body")))
    }
}

/// Seconds since 1970; fractions are cut.
fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    /// The last second that fits a time in milliseconds, with room for leeway.
    const LAST: f64 = 9.0e15 / 1_000.0;
    match value.as_f64() {
        Some(seconds) if (0.0..LAST).contains(&seconds) => Ok(Some(seconds as i64)),
        _ => Err(Refusal::new(Reason::WrongClaim, format!("the claim `{name}` is no time"))),
    }
}

/// What stands after the prefix; that of a scheme of authorization in any case.
fn strip_scheme<'a>(value: &'a str, prefix: &str) -> Option<&'a str> {
    let head = value.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &value[prefix.len()..])
}

fn refusal(error: &jsonwebtoken::errors::Error) -> Refusal {
    use jsonwebtoken::errors::ErrorKind;
    let (reason, detail) = match error.kind() {
        ErrorKind::InvalidSignature => (Reason::WrongSignature, "the signature of the token is not right".to_owned()),
        ErrorKind::InvalidAlgorithm => {
            (Reason::WrongSignature, "the token is signed with another algorithm than the trigger names".to_owned())
        }
        ErrorKind::InvalidIssuer => (Reason::WrongClaim, "the token is from another issuer (`iss`)".to_owned()),
        ErrorKind::InvalidAudience => (Reason::WrongClaim, "the token is for another audience (`aud`)".to_owned()),
        ErrorKind::MissingRequiredClaim(name) => (Reason::WrongClaim, format!("the token has no claim `{name}`")),
        _ => (Reason::Malformed, "the token cannot be read".to_owned()),
    };
    Refusal::new(reason, detail)
}
