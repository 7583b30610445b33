//! API tokens: `qmt_` + 32 random bytes in base 62 + a checksum, stored as SHA-256 only.
//!
//! The checksum lets a mistyped or truncated token be refused without a look-up, and lets secret scanners tell a real
//! token from a text that only looks like one. It protects nothing: the 256 random bits do.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// What every token begins with.
const PREFIX: &str = "qmt_";
/// Base-62 digits that hold 32 bytes.
const RANDOM_DIGITS: usize = 43;
/// Base-62 digits that hold a CRC-32.
const CHECKSUM_DIGITS: usize = 6;
/// Length of a token.
const TOKEN_BYTES: usize = PREFIX.len() + RANDOM_DIGITS + CHECKSUM_DIGITS;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Equality in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    fn of(text: &[u8]) -> Self {
        let mut bytes = [0u8; 32];
        bytes.copy_from_slice(digest(&SHA256, text).as_ref());
        Self(bytes)
    }
}

/// A token in clear; shown once.
pub struct ApiToken {
    /// The text.
    pub text: SecretString,
    /// What the store keeps.
    pub hash: TokenHash,
}

impl ApiToken {
    /// A new random token.
    pub fn generate() -> Result<Self, crate::VaultError> {
        let random = Zeroizing::new(crate::random_bytes::<32>()?);
        let mut text = Zeroizing::new([0u8; TOKEN_BYTES]);
        let (prefix, rest) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        let (random_digits, checksum_digits) = rest.split_at_mut(RANDOM_DIGITS);
        write_base62(*random, random_digits);
        checksum_digits.copy_from_slice(&checksum(random_digits));
        let hash = TokenHash::of(text.as_slice());
        // Every byte is one of `DIGITS` or of the prefix: the text is ASCII and nothing is replaced here.
        Ok(Self { text: SecretString::from(String::from_utf8_lossy(text.as_slice()).as_ref()), hash })
    }

    /// The hash of a presented token; `None` when its form or checksum is wrong (a typing error costs no look-up).
    pub fn hash_presented(text: &str) -> Option<TokenHash> {
        if text.len() != TOKEN_BYTES {
            return None;
        }
        let digits = text.strip_prefix(PREFIX)?.as_bytes();
        let (random_digits, checksum_digits) = digits.split_at(RANDOM_DIGITS);
        // Whoever forges a checksum gains nothing but a look-up that finds nothing.
        (checksum(random_digits) == checksum_digits).then(|| TokenHash::of(text.as_bytes()))
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiToken([secret])")
    }
}

/// Writes a 256-bit number, big-endian, as base-62 digits that fill `digits`.
fn write_base62(number: [u8; 32], digits: &mut [u8]) {
    let mut number = Zeroizing::new(number);
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u32;
        for byte in number.iter_mut() {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
}

fn checksum(digits: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    let mut rest = crc32(digits);
    let mut text = [0u8; CHECKSUM_DIGITS];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    text
}

/// CRC-32 as in zip and PNG (reflected, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc32_table();
    let mut crc = u32::MAX;
    for byte in bytes {
        crc = TABLE[((crc ^ u32::from(*byte)) & 0xFF) as usize] ^ (crc >> 8);
    }
    !crc
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn the_checksum_is_the_standard_crc32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_generated_token_is_accepted_and_hashes_to_what_the_store_keeps() {
        for _ in 0..100 {
            let token = ApiToken::generate().unwrap();
            let text = token.text.expose_secret();
            assert_eq!(text.len(), TOKEN_BYTES);
            assert!(text.bytes().skip(4).all(|byte| byte.is_ascii_alphanumeric()), "{text}");
            assert!(ApiToken::hash_presented(text).unwrap().matches(&token.hash));
            let plain_sha256 = digest(&SHA256, text.as_bytes());
            assert_eq!(token.hash.0, plain_sha256.as_ref());
        }
    }

    #[test]
    fn any_other_character_anywhere_is_refused() {
        let token = ApiToken::generate().unwrap();
        let text = token.text.expose_secret();
        for position in 0..text.len() {
            for replacement in ["0", "a", "Z", "-", "\u{e9}", ""] {
                let altered = format!("{}{replacement}{}", &text[..position], &text[position + 1..]);
                if altered != text {
                    assert!(ApiToken::hash_presented(&altered).is_none(), "{altered}");
                }
            }
        }
        assert!(ApiToken::hash_presented(&format!("{text}0")).is_none());
        assert!(ApiToken::hash_presented("").is_none());
        assert!(ApiToken::hash_presented("qmt_").is_none());
    }

    #[test]
    fn base62_writes_the_ends_of_the_range() {
        let mut digits = [0u8; RANDOM_DIGITS];
        write_base62([0; 32], &mut digits);
        assert!(digits.iter().all(|digit| *digit == b'0'));
        let mut one = [0u8; 32];
        one[31] = 63;
        write_base62(one, &mut digits);
        assert_eq!(&digits[RANDOM_DIGITS - 2..], b"11");
        write_base62([0xFF; 32], &mut digits);
        // 2^256 - 1 in base 62, computed independently.
        assert_eq!(std::str::from_utf8(&digits).unwrap(), MAXIMUM);
    }
    const MAXIMUM: &str = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";

    #[test]
    fn hashes_match_only_when_equal() {
        let hash = TokenHash([7; 32]);
        assert!(hash.matches(&TokenHash([7; 32])));
        for position in 0..32 {
            let mut other = hash;
            other.0[position] ^= 1;
            assert!(!hash.matches(&other));
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_token() {
        assert_eq!(format!("{:?}", ApiToken::generate().unwrap()), "ApiToken([secret])");
    }
}
