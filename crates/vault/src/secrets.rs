//! Credentials in memory.
use secrecy::SecretString;
use std::collections::BTreeMap;
/// Named secrets of one account. Zeroized on drop; `Debug` shows names only; there is no `Serialize`.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<String, SecretString>,
}
impl Secrets {
    /// From names and values.
    pub fn new(values: BTreeMap<String, SecretString>) -> Self {
        Self { values }
    }
    /// The value of one secret: the only way to its text.
    pub fn expose(&self, name: &str) -> Option<&str> {
        use secrecy::ExposeSecret;
        self.values.get(name).map(|value| value.expose_secret())
    }
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}
