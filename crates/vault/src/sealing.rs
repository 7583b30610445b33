//! AES-256-GCM with a format byte and a random nonce: the one way in which anything is sealed.
//!
//! Layout: format (1 byte) | nonce (12) | ciphertext | tag (16). The format byte is part of the associated data, so that
//! it cannot be altered either.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::VaultError;

/// Bytes of an AES-256 key.
pub(crate) const KEY_BYTES: usize = 32;
/// The one format so far: AES-256-GCM with a 96-bit random nonce.
const FORMAT_AES_256_GCM: u8 = 1;
/// Bytes of the authentication tag.
const TAG_BYTES: usize = 16;
/// What sealing adds to the length of a plain text.
pub(crate) const OVERHEAD_BYTES: usize = 1 + NONCE_LEN + TAG_BYTES;

/// A key that seals and opens. Never printable.
pub(crate) struct SealingKey(LessSafeKey);

impl SealingKey {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| VaultError::BadRootKey)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// `plain` sealed under a fresh nonce and bound to `associated`.
    pub(crate) fn seal(&self, associated: &AssociatedData, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce: [u8; NONCE_LEN] = crate::random_bytes()?;
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        sealed.push(FORMAT_AES_256_GCM);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated.bytes(FORMAT_AES_256_GCM)),
                &mut sealed[1 + NONCE_LEN..],
            )
            .map_err(|_| VaultError::NoRandomness)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// The plain text; wiped when dropped.
    pub(crate) fn open(&self, associated: &AssociatedData, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let format = *sealed.first().ok_or(VaultError::DoesNotOpen)?;
        if format != FORMAT_AES_256_GCM {
            return Err(VaultError::UnknownFormat(format));
        }
        if sealed.len() < OVERHEAD_BYTES {
            return Err(VaultError::DoesNotOpen);
        }
        let (nonce, body) = sealed[1..].split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::DoesNotOpen)?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(associated.bytes(format)), &mut plain)
            .map_err(|_| VaultError::DoesNotOpen)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// What a sealed value is bound to: a purpose and parts, each with its length, so that no two lists of parts collide.
pub(crate) struct AssociatedData(Vec<u8>);

impl AssociatedData {
    pub(crate) fn new(purpose: &str, parts: &[&[u8]]) -> Self {
        let length = parts.iter().map(|part| part.len() + 8).sum::<usize>() + purpose.len() + 9;
        let mut bytes = Vec::with_capacity(length);
        bytes.push(0); // the format's place
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }

    fn bytes(&self, format: u8) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes[0] = format;
        bytes
    }
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// A sealing key for one purpose.
pub(crate) fn derive(root: &[u8], purpose: &str) -> Result<SealingKey, VaultError> {
    SealingKey::from_bytes(derive_bytes(root, purpose)?.as_slice())
}

/// Key bytes for one purpose, derived from root key material (HKDF with SHA-256), so that no two purposes share a key.
pub(crate) fn derive_bytes(root: &[u8], purpose: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
    let mut bytes = Zeroizing::new([0u8; KEY_BYTES]);
    Salt::new(HKDF_SHA256, b"quartermaster")
        .extract(root)
        .expand(&[purpose.as_bytes()], KeyLength)
        .and_then(|material| material.fill(bytes.as_mut_slice()))
        .map_err(|_| VaultError::BadRootKey)?;
    Ok(bytes)
}
