//! Opaque, authenticated cursors.
/// Seals and opens cursors: base64url of AES-256-GCM (or HMAC) over the payload, bound to a context (environment, account, method, filters).
pub struct CursorSealer {
    _private: (),
}
impl CursorSealer {
    /// An opaque text for `payload`, bound to `context`.
    pub fn seal(&self, context: &[&[u8]], payload: &[u8]) -> Result<String, crate::VaultError> {
        let _ = (context, payload);
        todo!()
    }
    /// The payload, or an error when the text was altered or belongs to another context.
    pub fn open(&self, context: &[&[u8]], cursor: &str) -> Result<Vec<u8>, crate::VaultError> {
        let _ = (context, cursor);
        todo!()
    }
}
