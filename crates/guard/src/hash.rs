//! SipHash: a keyed hash whose values nobody can steer without the key. An agent chooses what it sends as an id, so an unkeyed
//! or merely seeded hash would not do.

/// Two words of key.
pub(crate) type Key = [u64; 2];

/// SipHash-1-3 of `bytes`.
pub(crate) fn keyed(key: Key, bytes: &[u8]) -> u64 {
    siphash::<1, 3>(key, bytes)
}

/// A key of its own for everything that `bytes` names.
pub(crate) fn derived_key(key: Key, bytes: &[u8]) -> Key {
    [keyed(key, bytes), keyed([!key[0], key[1].rotate_left(17)], bytes)]
}

#[inline]
fn siphash<const COMPRESS: usize, const FINISH: usize>(key: Key, bytes: &[u8]) -> u64 {
    let mut state = State(
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    );
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = state.absorb::<COMPRESS>(u64::from_le_bytes(*word));
    }
    // The last word: what is left of the text, and its length in the highest byte.
    let length = (bytes.len() as u64) << 56;
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)) | length;
    state = state.absorb::<COMPRESS>(last);
    state.2 ^= 0xff;
    for _ in 0..FINISH {
        state = state.round();
    }
    state.0 ^ state.1 ^ state.2 ^ state.3
}

/// Passed by value, so that it stays in registers.
#[derive(Clone, Copy)]
struct State(u64, u64, u64, u64);

impl State {
    #[inline]
    fn absorb<const ROUNDS: usize>(mut self, word: u64) -> Self {
        self.3 ^= word;
        for _ in 0..ROUNDS {
            self = self.round();
        }
        self.0 ^= word;
        self
    }

    #[inline]
    fn round(self) -> Self {
        let Self(mut a, mut b, mut c, mut d) = self;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        Self(a, b, c, d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the published test vectors: bytes 0 to 15.
    const VECTOR_KEY: Key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

    #[test]
    fn the_published_vectors_of_siphash_2_4_come_out() {
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(siphash::<2, 4>(VECTOR_KEY, &bytes), 0xa129_ca61_49be_45e5);
        assert_eq!(siphash::<2, 4>(VECTOR_KEY, &[]), 0x726f_db47_dd0e_0e31);
    }

    #[test]
    #[expect(deprecated, reason = "an independent implementation to compare with")]
    fn every_length_agrees_with_the_standard_librarys() {
        use std::hash::Hasher;
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|index| index.wrapping_mul(37)).collect();
            let mut other = std::hash::SipHasher::new_with_keys(VECTOR_KEY[0], VECTOR_KEY[1]);
            other.write(&bytes);
            assert_eq!(siphash::<2, 4>(VECTOR_KEY, &bytes), other.finish(), "{length}");
        }
    }

    #[test]
    fn derived_keys_depend_on_every_part() {
        let one = derived_key([1, 2], b"users");
        for other in [derived_key([1, 2], b"groups"), derived_key([1, 3], b"users"), derived_key([2, 2], b"users")] {
            assert!(one[0] != other[0] && one[1] != other[1]);
        }
    }
}
