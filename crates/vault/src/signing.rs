//! Ed25519 signatures: what the product states to third parties, who check it with the public key alone.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::VaultError;

/// A key that signs. Never printable.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl SigningKey {
    pub(crate) fn from_seed(seed: &[u8]) -> Result<Self, VaultError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| VaultError::DoesNotOpen)?;
        let mut public = [0; 32];
        let bytes = pair.public_key().as_ref();
        if bytes.len() != public.len() {
            return Err(VaultError::DoesNotOpen);
        }
        public.copy_from_slice(bytes);
        Ok(Self { pair, public })
    }

    /// The public half.
    pub fn public_key(&self) -> [u8; 32] {
        self.public
    }

    /// The signature of a message; the same every time.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // An Ed25519 signature has 64 bytes (RFC 8032); one of another length would not verify.
        for (place, byte) in signature.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *place = *byte;
        }
        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey([secret])")
    }
}

/// Whether the holder of this public key signed the message.
pub fn verify_signature(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use quartermaster_types::EnvironmentId;

    use super::*;
    use crate::RootKey;

    fn environment(number: u128) -> EnvironmentId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn the_first_test_vector_of_rfc_8032_comes_out() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = SigningKey::from_seed(&seed).unwrap();
        assert_eq!(key.public_key()[..4], [0xd7, 0x5a, 0x98, 0x01]);
        assert_eq!(key.sign(b"")[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(verify_signature(&key.public_key(), b"", &key.sign(b"")));
    }

    #[test]
    fn a_sealed_key_opens_for_its_environment_and_beside_its_public_half_alone() {
        let root = RootKey::from_bytes(&[7; 32]).unwrap();
        let (data_key, _) = root.new_data_key(environment(1)).unwrap();
        let (key, sealed) = data_key.new_signing_key(environment(1)).unwrap();
        let public = key.public_key();
        let opened = data_key.open_signing_key(environment(1), &public, &sealed).unwrap();
        assert_eq!(opened.sign(b"a"), key.sign(b"a"));
        assert!(data_key.open_signing_key(environment(2), &public, &sealed).is_err());
        let (other, _) = data_key.new_signing_key(environment(1)).unwrap();
        assert!(data_key.open_signing_key(environment(1), &other.public_key(), &sealed).is_err());
        assert_eq!(format!("{key:?}"), "SigningKey([secret])");
    }

    #[test]
    fn nothing_else_verifies() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let signature = key.sign(b"message");
        let mut altered = signature;
        altered[5] ^= 1;
        assert!(verify_signature(&key.public_key(), b"message", &signature));
        assert!(!verify_signature(&key.public_key(), b"messagf", &signature));
        assert!(!verify_signature(&key.public_key(), b"message", &altered));
        assert!(!verify_signature(&[9; 32], b"message", &signature));
    }
}
