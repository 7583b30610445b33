//! Message authentication codes of others, compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};

/// A hash behind a message authentication code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MacAlgorithm {
    /// SHA-1: old, and still sound in HMAC.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

impl MacAlgorithm {
    /// HMAC of parts, one after the other, under a key of any length.
    pub fn sign(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }

    /// Whether `code` is that HMAC, told in constant time. One that was cut is not.
    pub fn verifies(self, key: &[u8], parts: &[&[u8]], code: &[u8]) -> bool {
        verify_slices_are_equal(&self.sign(key, parts), code).is_ok()
    }

    /// The plain hash of bytes.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// Whether a secret that was presented is the one that is known. Takes as long for every wrong one of a length, and tells nothing
/// of how long the right one is.
pub fn same_secret(presented: &[u8], known: &[u8]) -> bool {
    verify_slices_are_equal(&crate::sha256_of(presented), &crate::sha256_of(known)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    #[test]
    fn the_codes_are_those_of_the_published_test_cases() {
        // RFC 2202 and RFC 4231, test case 2.
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let sign = |algorithm: MacAlgorithm| hex(&algorithm.sign(b"Jefe", &parts));
        assert_eq!(sign(MacAlgorithm::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(sign(MacAlgorithm::Sha256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(
            sign(MacAlgorithm::Sha512).starts_with("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554")
        );
    }

    #[test]
    fn one_bit_makes_another_code_and_so_does_a_cut() {
        let code = MacAlgorithm::Sha256.sign(b"key", &[b"text"]);
        assert!(MacAlgorithm::Sha256.verifies(b"key", &[b"te", b"xt"], &code));
        for bit in 0..code.len() * 8 {
            let mut other = code.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!MacAlgorithm::Sha256.verifies(b"key", &[b"text"], &other));
        }
        for length in 0..code.len() {
            assert!(!MacAlgorithm::Sha256.verifies(b"key", &[b"text"], &code[..length]));
        }
        assert!(!MacAlgorithm::Sha256.verifies(b"kez", &[b"text"], &code));
    }

    #[test]
    fn secrets_are_the_same_only_when_they_are_equal() {
        assert!(same_secret(b"abc", b"abc"));
        for other in [&b"abd"[..], b"ab", b"abcd", b""] {
            assert!(!same_secret(other, b"abc"));
        }
    }
}
