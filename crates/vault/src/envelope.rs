//! Envelope encryption: root key, data keys, sealed credentials.

use std::fmt;
use std::sync::Arc;

use quartermaster_types::{AccountId, EnvironmentId, ModelId, TokenId, TriggerId};
use zeroize::Zeroizing;

use crate::sealing::{AssociatedData, KEY_BYTES, SealingKey, derive, derive_bytes};
use crate::{Fingerprinter, SigningKey};

/// Purpose of a wrapped data key, in the associated data.
const PURPOSE_DATA_KEY: &str = "data-key";
/// Purpose of sealed credentials, in the associated data.
const PURPOSE_CREDENTIALS: &str = "credentials";
/// Purpose of the sealed secrets of a trigger, in the associated data.
const PURPOSE_TRIGGER: &str = "trigger-secrets";
/// Purpose of the key of a model connection, in the associated data.
const PURPOSE_MODEL: &str = "model-key";
/// Purpose of an answer that is kept for a repetition of its request, in the associated data.
const PURPOSE_ANSWER: &str = "kept-answer";
/// Purpose of the seed of a signing key, in the associated data.
const PURPOSE_SIGNING_KEY: &str = "signing-key";
/// Purpose of the key that wraps data keys, in the derivation.
const PURPOSE_WRAP: &str = "wrap data keys";
/// Purpose of the key that seals cursors, in the derivation.
const PURPOSE_CURSORS: &str = "seal cursors";
/// Purpose of the key behind fingerprints, in the derivation.
const PURPOSE_FINGERPRINTS: &str = "fingerprint requests";
/// Purpose of the key under which the ledger hashes what sessions read, in the derivation.
const PURPOSE_LEDGER: &str = "hash what sessions read";

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
    /// Something to be sealed is over its limit.
    #[error("{what} is over its limit of {limit}")]
    TooLarge {
        /// What is too large; never its value.
        what: &'static str,
        /// The limit, in the unit that `what` names.
        limit: usize,
    },
}

/// The key that wraps data keys. Never printable.
#[derive(Clone)]
pub struct RootKey {
    wrapping: Arc<SealingKey>,
    cursors: Arc<SealingKey>,
    fingerprints: Fingerprinter,
    ledger: Arc<Zeroizing<[u8; KEY_BYTES]>>,
}

impl RootKey {
    /// From 32 bytes of key material.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.len() != KEY_BYTES {
            return Err(VaultError::BadRootKey);
        }
        Ok(Self {
            wrapping: Arc::new(derive(bytes, PURPOSE_WRAP)?),
            cursors: Arc::new(derive(bytes, PURPOSE_CURSORS)?),
            fingerprints: Fingerprinter::new(derive_bytes(bytes, PURPOSE_FINGERPRINTS)?.as_slice()),
            ledger: Arc::new(derive_bytes(bytes, PURPOSE_LEDGER)?),
        })
    }

    /// New data key for an environment: the key, and its wrapped form for the store.
    pub fn new_data_key(&self, environment: EnvironmentId) -> Result<(DataKey, Vec<u8>), VaultError> {
        let bytes = Zeroizing::new(crate::random_bytes::<KEY_BYTES>()?);
        let wrapped = self.wrapping.seal(&data_key_scope(environment), bytes.as_slice())?;
        Ok((DataKey { key: SealingKey::from_bytes(bytes.as_slice())? }, wrapped))
    }

    /// Unwraps an environment's data key.
    pub fn unwrap_data_key(&self, environment: EnvironmentId, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let bytes = self.wrapping.open(&data_key_scope(environment), wrapped)?;
        let key = SealingKey::from_bytes(&bytes).map_err(|_| VaultError::DoesNotOpen)?;
        Ok(DataKey { key })
    }

    /// The key that authenticates cursors, derived (HKDF) from the root key.
    pub fn cursor_sealer(&self) -> crate::CursorSealer {
        crate::CursorSealer::new(Arc::clone(&self.cursors))
    }

    /// The key behind fingerprints, derived (HKDF) from the root key.
    pub fn fingerprinter(&self) -> Fingerprinter {
        self.fingerprints.clone()
    }

    /// The key under which the ledger hashes what sessions read, derived (HKDF) from the root key: the same on every replica, so
    /// that each finds what the others noted.
    pub fn ledger_key(&self) -> [u64; 2] {
        let (words, _) = self.ledger.as_chunks::<8>();
        [u64::from_be_bytes(words[0]), u64::from_be_bytes(words[1])]
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RootKey([secret])")
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

impl SealScope {
    fn associated_data(self) -> AssociatedData {
        AssociatedData::new(
            PURPOSE_CREDENTIALS,
            &[self.environment.0.as_bytes(), self.account.0.as_bytes(), &self.version.to_be_bytes()],
        )
    }
}

/// What the sealed secrets of a trigger belong to; goes into the associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerScope {
    /// Environment.
    pub environment: EnvironmentId,
    /// The trigger.
    pub trigger: TriggerId,
    /// Version of the secrets, counted up at every change.
    pub version: i64,
}

impl TriggerScope {
    fn associated_data(self) -> AssociatedData {
        AssociatedData::new(
            PURPOSE_TRIGGER,
            &[self.environment.0.as_bytes(), self.trigger.0.as_bytes(), &self.version.to_be_bytes()],
        )
    }
}

/// What the sealed key of a model connection belongs to; goes into the associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelScope {
    /// Environment.
    pub environment: EnvironmentId,
    /// The connection.
    pub model: ModelId,
    /// Version of the key, counted up at every change.
    pub version: i64,
}

impl ModelScope {
    fn associated_data(self) -> AssociatedData {
        AssociatedData::new(
            PURPOSE_MODEL,
            &[self.environment.0.as_bytes(), self.model.0.as_bytes(), &self.version.to_be_bytes()],
        )
    }
}

/// What a kept answer belongs to; goes into the associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerScope<'a> {
    /// Environment.
    pub environment: EnvironmentId,
    /// The token of the caller.
    pub token: TokenId,
    /// The caller's key.
    pub key: &'a str,
}

impl AnswerScope<'_> {
    fn associated_data(self) -> AssociatedData {
        AssociatedData::new(
            PURPOSE_ANSWER,
            &[self.environment.0.as_bytes(), self.token.0.as_bytes(), self.key.as_bytes()],
        )
    }
}

fn data_key_scope(environment: EnvironmentId) -> AssociatedData {
    AssociatedData::new(PURPOSE_DATA_KEY, &[environment.0.as_bytes()])
}

/// The public half is part of it: one that was replaced beside the sealed half does not open.
fn signing_key_scope(environment: EnvironmentId, public_key: &[u8; 32]) -> AssociatedData {
    AssociatedData::new(PURPOSE_SIGNING_KEY, &[environment.0.as_bytes(), public_key])
}

/// An environment's data key. Never printable.
pub struct DataKey {
    key: SealingKey,
}

impl DataKey {
    /// Seals credentials. Fails when there are too many of them or one is too large (see [`crate::SECRETS_MAX`] and its
    /// neighbours).
    pub fn seal(&self, scope: SealScope, secrets: &crate::Secrets) -> Result<Vec<u8>, VaultError> {
        self.key.seal(&scope.associated_data(), &secrets.encode()?)
    }

    /// Opens them.
    pub fn open(&self, scope: SealScope, sealed: &[u8]) -> Result<crate::Secrets, VaultError> {
        let plain = self.key.open(&scope.associated_data(), sealed)?;
        crate::Secrets::decode(&plain).ok_or(VaultError::DoesNotOpen)
    }

    /// Seals the secrets of a trigger, within the same limits.
    pub fn seal_trigger(&self, scope: TriggerScope, secrets: &crate::Secrets) -> Result<Vec<u8>, VaultError> {
        self.key.seal(&scope.associated_data(), &secrets.encode()?)
    }

    /// Opens them.
    pub fn open_trigger(&self, scope: TriggerScope, sealed: &[u8]) -> Result<crate::Secrets, VaultError> {
        let plain = self.key.open(&scope.associated_data(), sealed)?;
        crate::Secrets::decode(&plain).ok_or(VaultError::DoesNotOpen)
    }

    /// Seals the key of a model connection, within the same limits.
    pub fn seal_model(&self, scope: ModelScope, secrets: &crate::Secrets) -> Result<Vec<u8>, VaultError> {
        self.key.seal(&scope.associated_data(), &secrets.encode()?)
    }

    /// Opens it.
    pub fn open_model(&self, scope: ModelScope, sealed: &[u8]) -> Result<crate::Secrets, VaultError> {
        let plain = self.key.open(&scope.associated_data(), sealed)?;
        crate::Secrets::decode(&plain).ok_or(VaultError::DoesNotOpen)
    }

    /// Seals an answer that is kept for a repetition of its request: it may hold a secret that is shown once.
    pub fn seal_answer(&self, scope: AnswerScope<'_>, answer: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.key.seal(&scope.associated_data(), answer)
    }

    /// Opens it; wiped when dropped.
    pub fn open_answer(&self, scope: AnswerScope<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.key.open(&scope.associated_data(), sealed)
    }

    /// A new key that signs for this environment: itself, and its private half sealed for the store.
    pub fn new_signing_key(&self, environment: EnvironmentId) -> Result<(SigningKey, Vec<u8>), VaultError> {
        let seed = Zeroizing::new(crate::random_bytes::<KEY_BYTES>()?);
        let key = SigningKey::from_seed(seed.as_slice())?;
        let sealed = self.key.seal(&signing_key_scope(environment, &key.public_key()), seed.as_slice())?;
        Ok((key, sealed))
    }

    /// Opens it. Fails when it was sealed for another environment or beside another public key.
    pub fn open_signing_key(
        &self,
        environment: EnvironmentId,
        public_key: &[u8; 32],
        sealed: &[u8],
    ) -> Result<SigningKey, VaultError> {
        let seed = self.key.open(&signing_key_scope(environment, public_key), sealed)?;
        let key = SigningKey::from_seed(&seed)?;
        if key.public_key() == *public_key { Ok(key) } else { Err(VaultError::DoesNotOpen) }
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DataKey([secret])")
    }
}
