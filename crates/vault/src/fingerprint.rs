//! Fingerprints: whether two requests are the same, told without keeping either.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

/// Makes fingerprints: HMAC-SHA-256 under a key of its own. A plain hash would not do: a request may hold credentials, and
/// who reads the store could try guesses against the hash of a short one. Cheap to clone.
#[derive(Clone)]
pub struct Fingerprinter(Arc<hmac::Key>);

impl Fingerprinter {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The fingerprint of parts, each with its length, so that no two lists of parts give the same bytes.
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprinter([secret])")
    }
}

#[cfg(test)]
mod tests {
    use crate::{RootKey, sha256};

    #[test]
    fn a_fingerprint_needs_the_key_and_tells_every_list_of_parts_apart() {
        let of = |key: u8, parts: &[&[u8]]| RootKey::from_bytes(&[key; 32]).unwrap().fingerprinter().of(parts);
        let parts: &[&[u8]] = &[b"ab", b"c"];
        assert_eq!(of(7, parts), of(7, parts));
        assert_ne!(of(7, parts), of(8, parts), "another key");
        assert_ne!(of(7, parts), sha256(parts), "nobody without the key can try a guess");
        for other in [&[b"a".as_slice(), b"bc"] as &[&[u8]], &[b"abc"], &[b"ab", b"c", b""]] {
            assert_ne!(of(7, parts), of(7, other));
        }
    }
}
