//! Secrets: envelope encryption, API tokens, authenticated cursors, keyed fingerprints, and the scrubber that keeps secret values out of
//! everything that people and models read.
//!
//! Root key (32 bytes, a file of the data folder or `QM_ROOT_KEY_FILE`) → one data key per environment, wrapped by the
//! root key → every credential sealed with AES-256-GCM under the data key, with associated data that names environment,
//! account and version, so that a sealed value moved to another row does not open.

mod cursor;
mod envelope;
mod fingerprint;
mod mac;
mod scrub;
mod sealing;
mod secrets;
mod signing;
#[cfg(test)]
mod tests;
mod token;

pub use cursor::{CURSOR_CONTEXT_MAX_BYTES, CURSOR_PAYLOAD_MAX_BYTES, CursorSealer};
pub use envelope::{AnswerScope, DataKey, ModelScope, RootKey, SealScope, TriggerScope, VaultError};
pub use fingerprint::Fingerprinter;
pub use mac::{MacAlgorithm, same_secret};
pub use scrub::{SCRUBBED_MIN_BYTES, Scrubber};
pub use secrets::{SECRET_NAME_MAX_BYTES, SECRET_VALUE_MAX_BYTES, SECRETS_MAX, Secrets};
pub use signing::{SigningKey, verify_signature};
pub use token::{ApiToken, TokenHash};

/// Fresh bytes from the system's secure random source: the only source of secret randomness in the product.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0u8; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(bytes)
}

/// SHA-256 over parts, each with its length, so that no two lists of parts give the same bytes.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// SHA-256 of bytes as they are: for forms that others have to be able to repeat.
pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    digest
}
