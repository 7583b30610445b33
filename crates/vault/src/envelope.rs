//! Envelope encryption.
use quartermaster_types::{AccountId, EnvironmentId};

/// Sealing or opening failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The value was altered, moved to another row, or sealed under another key.
    #[error("the sealed value does not open: it was altered, belongs to another record, or the key is another one")]
    DoesNotOpen,
    /// The value has a format of a newer version.
    #[error("the sealed value has format {0}, which this version does not know")]
    UnknownFormat(u8),
    /// The key material is not 32 bytes.
    #[error("a root key has 32 bytes")]
    BadRootKey,
    /// The system's random source failed.
    #[error("the system's random source failed")]
    NoRandomness,
}

/// The key that wraps data keys. Never printable.
pub struct RootKey {
    _private: (),
}
impl RootKey {
    /// From 32 bytes of key material.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let _ = bytes;
        todo!()
    }
    /// New data key for an environment: the key, and its wrapped form for the store.
    pub fn new_data_key(&self, environment: EnvironmentId) -> Result<(DataKey, Vec<u8>), VaultError> {
        let _ = environment;
        todo!()
    }
    /// Unwraps an environment's data key.
    pub fn unwrap_data_key(&self, environment: EnvironmentId, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let _ = (environment, wrapped);
        todo!()
    }
    /// The key that authenticates cursors, derived (HKDF) from the root key.
    pub fn cursor_sealer(&self) -> crate::CursorSealer {
        todo!()
    }
}

/// What a sealed value belongs to; goes into the associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealScope {
    /// Environment.
    pub environment: EnvironmentId,
    /// Account.
    pub account: AccountId,
    /// Version of the credentials, counted up at every change.
    pub version: i64,
}

/// An environment's data key. Never printable.
pub struct DataKey {
    _private: (),
}
impl DataKey {
    /// Seals credentials.
    pub fn seal(&self, scope: SealScope, secrets: &crate::Secrets) -> Result<Vec<u8>, VaultError> {
        let _ = (scope, secrets);
        todo!()
    }
    /// Opens them.
    pub fn open(&self, scope: SealScope, sealed: &[u8]) -> Result<crate::Secrets, VaultError> {
        let _ = (scope, sealed);
        todo!()
    }
}
