//! Where a model is served, with the key.

use secrecy::SecretString;

use crate::{ModelReference, Settings};

/// Where models are served and how to speak to them. `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name: the first part of a [`ModelReference`].
    pub name: String,
    /// Everything that is not secret.
    pub settings: Settings,
    /// The key; servers of one's own often want none.
    pub key: Option<SecretString>,
}

impl Connection {
    /// The id of the model that a reference means here: its own, else the default of the connection.
    pub fn model_for(&self, reference: &ModelReference) -> Option<String> {
        reference.model.clone().or_else(|| self.settings.model.clone())
    }
}
