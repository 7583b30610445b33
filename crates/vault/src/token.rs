//! API tokens: `qmt_` + 32 random bytes (base62 or base64url) + a checksum, stored as SHA-256 only.
use secrecy::SecretString;
/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenHash(pub [u8; 32]);
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
        todo!()
    }
    /// The hash of a presented token; `None` when its form or checksum is wrong (a typing error costs no look-up).
    pub fn hash_presented(text: &str) -> Option<TokenHash> {
        let _ = text;
        todo!()
    }
}
