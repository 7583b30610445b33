//! Connections to servers of language models.

use http::{HeaderMap, Method};
use quartermaster_types::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{Client, escape};
use crate::error::ClientError;
use crate::model::Page;

/// A connection to a server of language models. Holds no key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConnection {
    /// Its name: the first part of a reference to a model.
    pub name: String,
    /// `environment` or `server`.
    pub source: String,
    /// The wire format.
    pub wire: String,
    /// Everything before the format's own path.
    pub base_url: String,
    /// The model that a reference without one means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether it has a key.
    pub has_key: bool,
    /// Version, of one made in the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// All other settings.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a model answered to a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelAnswer {
    /// The connection's name.
    pub name: String,
    /// The model that answered.
    pub model: String,
    /// The beginning of what it said.
    pub said: String,
    /// Why it ended.
    pub stop: String,
    /// What it took.
    pub usage: ModelUsage,
    /// Milliseconds from question to answer.
    pub took_ms: u64,
}

/// Tokens of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUsage {
    /// Read.
    pub input_tokens: u64,
    /// Written.
    pub output_tokens: u64,
    /// Of those read, from the provider's cache.
    #[serde(default)]
    pub cached_tokens: u64,
}

impl Client {
    /// All connections: the environment's own, then the server's.
    pub async fn models(&self) -> Result<Vec<ModelConnection>, ClientError> {
        Ok(self.get::<Page<ModelConnection>>("/model").await?.value.result)
    }

    /// Makes a connection. `settings` are the members of the API's body but for name and key.
    pub async fn create_model(
        &self,
        name: &str,
        settings: Map<String, Value>,
        key: Option<&SecretString>,
    ) -> Result<ModelConnection, ClientError> {
        let mut body = settings;
        body.insert("name".to_owned(), json!(name));
        if let Some(key) = key {
            body.insert("key".to_owned(), json!(key.expose_secret()));
        }
        Ok(self.send(Method::POST, "/model", Some(&Value::Object(body)), HeaderMap::new()).await?.value)
    }

    /// Deletes a connection and its key.
    pub async fn delete_model(&self, name: &str) -> Result<(), ClientError> {
        let path = format!("/model/{}", escape(name));
        self.send::<Value>(Method::DELETE, &path, None, HeaderMap::new()).await.map(|_| ())
    }

    /// Asks a model one short question. `model`: its id, else the connection's default.
    pub async fn check_model(&self, name: &str, model: Option<&str>) -> Result<ModelAnswer, ClientError> {
        let body = model.map_or_else(|| json!({}), |model| json!({"model": model}));
        let path = format!("/model/{}/check", escape(name));
        Ok(self.send(Method::POST, &path, Some(&body), HeaderMap::new()).await?.value)
    }
}
