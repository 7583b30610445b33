//! Secrets: envelope encryption, API tokens, authenticated cursors, and the scrubber that keeps secret values out of
//! everything that people and models read.
//!
//! Root key (32 bytes, a file of the data folder or `QM_ROOT_KEY_FILE`) → one data key per environment, wrapped by the
//! root key → every credential sealed with AES-256-GCM under the data key, with associated data that names environment,
//! account and version, so that a sealed value moved to another row does not open.

mod cursor;
mod envelope;
mod scrub;
mod secrets;
mod token;

pub use cursor::CursorSealer;
pub use envelope::{DataKey, RootKey, SealScope, VaultError};
pub use scrub::Scrubber;
pub use secrets::Secrets;
pub use token::{ApiToken, TokenHash};

/// Fills a buffer from the system's secure random source: the only source of secret randomness in the product.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    todo!()
}
