//! Opaque, authenticated cursors.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::VaultError;
use crate::sealing::{AssociatedData, OVERHEAD_BYTES, SealingKey};

/// Largest payload of a cursor, in bytes. An upstream's own cursor is inside; one that is longer than this would not fit
/// into a URL either.
pub const CURSOR_PAYLOAD_MAX_BYTES: usize = 6 * 1024;
/// Largest context of a cursor, in bytes over all its parts.
pub const CURSOR_CONTEXT_MAX_BYTES: usize = 1024 * 1024;
/// Longest text that can be a cursor: base64 of the largest sealed payload.
const CURSOR_TEXT_MAX_BYTES: usize = (CURSOR_PAYLOAD_MAX_BYTES + OVERHEAD_BYTES).div_ceil(3) * 4;
/// Purpose in the associated data.
const PURPOSE: &str = "cursor";

/// Seals and opens cursors: base64url of AES-256-GCM over the payload, bound to a context (environment, account, method,
/// filters).
#[derive(Clone)]
pub struct CursorSealer {
    key: Arc<SealingKey>,
}

impl CursorSealer {
    pub(crate) fn new(key: Arc<SealingKey>) -> Self {
        Self { key }
    }

    /// An opaque text for `payload`, bound to `context`: URL-safe base64 without padding.
    pub fn seal(&self, context: &[&[u8]], payload: &[u8]) -> Result<String, VaultError> {
        if payload.len() > CURSOR_PAYLOAD_MAX_BYTES {
            return Err(VaultError::TooLarge { what: "a cursor's payload (bytes)", limit: CURSOR_PAYLOAD_MAX_BYTES });
        }
        let sealed = self.key.seal(&associated(context)?, payload)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The payload, or an error when the text was altered or belongs to another context.
    pub fn open(&self, context: &[&[u8]], cursor: &str) -> Result<Vec<u8>, VaultError> {
        if cursor.len() > CURSOR_TEXT_MAX_BYTES {
            return Err(VaultError::DoesNotOpen);
        }
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| VaultError::DoesNotOpen)?;
        // An altered first character must not look like a cursor of a newer version.
        let plain = self.key.open(&associated(context)?, &sealed).map_err(|_| VaultError::DoesNotOpen)?;
        Ok(plain.to_vec())
    }
}

impl fmt::Debug for CursorSealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CursorSealer([secret])")
    }
}

fn associated(context: &[&[u8]]) -> Result<AssociatedData, VaultError> {
    if context.iter().map(|part| part.len()).sum::<usize>() > CURSOR_CONTEXT_MAX_BYTES {
        return Err(VaultError::TooLarge { what: "a cursor's context (bytes)", limit: CURSOR_CONTEXT_MAX_BYTES });
    }
    Ok(AssociatedData::new(PURPOSE, context))
}
