//! Credentials in memory.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::VaultError;

/// Most secrets that one account may have.
pub const SECRETS_MAX: usize = 32;
/// Longest name of a secret, in bytes.
pub const SECRET_NAME_MAX_BYTES: usize = 128;
/// Longest value of a secret, in bytes: room for a private key with its certificates.
pub const SECRET_VALUE_MAX_BYTES: usize = 64 * 1024;

/// Named secrets of one account. Zeroized on drop; `Debug` shows names only; there is no `Serialize`.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<String, SecretString>,
}

impl Secrets {
    /// From names and values. The limits are checked when they are sealed.
    pub fn new(values: BTreeMap<String, SecretString>) -> Self {
        Self { values }
    }

    /// The value of one secret: the only way to its text.
    pub fn expose(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Checks the limits: number, names and values.
    pub fn check(&self) -> Result<(), VaultError> {
        let too_large = |what, limit| Err(VaultError::TooLarge { what, limit });
        if self.values.len() > SECRETS_MAX {
            return too_large("the number of secrets", SECRETS_MAX);
        }
        for (name, value) in &self.values {
            if name.len() > SECRET_NAME_MAX_BYTES {
                return too_large("a secret's name (bytes)", SECRET_NAME_MAX_BYTES);
            }
            if value.expose_secret().len() > SECRET_VALUE_MAX_BYTES {
                return too_large("a secret's value (bytes)", SECRET_VALUE_MAX_BYTES);
            }
        }
        Ok(())
    }

    /// The plain form inside a sealed value: pairs of length-prefixed name and value. The buffer has its final size from
    /// the start, so that no copy stays behind in a reallocated one.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.check()?;
        let size = self.values.iter().map(|(name, value)| name.len() + value.expose_secret().len() + 8).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        for (name, value) in &self.values {
            for text in [name.as_str(), value.expose_secret()] {
                bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        Ok(bytes)
    }

    /// The reverse of [`Self::encode`]; `None` when the bytes have another form.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut values = BTreeMap::new();
        while !bytes.is_empty() {
            let name = take_text(&mut bytes)?;
            let value = take_text(&mut bytes)?;
            values.insert(name.to_owned(), SecretString::from(value));
        }
        Some(Self { values })
    }
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}
