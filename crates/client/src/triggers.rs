//! Triggers.

use std::collections::BTreeMap;

use http::{HeaderMap, Method};
use quartermaster_types::{Timestamp, TokenId, TriggerId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{Client, header};
use crate::error::ClientError;

/// A trigger (no secret).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Id.
    pub id: TriggerId,
    /// Its name.
    pub name: String,
    /// `webhook` or `schedule`.
    pub kind: String,
    /// The document, YAML.
    pub document: String,
    /// With whose rights its runs work.
    pub token_id: TokenId,
    /// Whether it starts anything.
    pub enabled: bool,
    /// Names of the secrets that are stored.
    pub secrets: Vec<String>,
    /// For webhooks: the path that the other system calls.
    pub hook: Option<String>,
    /// For schedules: the next time.
    pub next_at: Option<Timestamp>,
    /// Version.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A trigger that was just made.
#[derive(Debug, Deserialize)]
pub struct CreatedTrigger {
    /// The trigger.
    #[serde(flatten)]
    pub trigger: Trigger,
    /// The secret that was made for it, shown this once.
    #[serde(deserialize_with = "secret")]
    pub secret: Option<SecretString>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// A new trigger. `Debug` does not show the secrets.
#[derive(Debug, Default)]
pub struct NewTrigger {
    /// The document, YAML.
    pub document: String,
    /// With whose rights its runs work; those of the caller when `None`.
    pub token: Option<TokenId>,
    /// Whether it starts anything.
    pub enabled: bool,
    /// Secrets by name; `None` has one made where one is needed.
    pub secrets: Option<BTreeMap<String, SecretString>>,
}

/// A change of a trigger. `None` leaves a part as it is.
#[derive(Debug, Default)]
pub struct TriggerChange {
    /// The document, YAML.
    pub document: Option<String>,
    /// With whose rights its runs work.
    pub token: Option<TokenId>,
    /// Whether it starts anything.
    pub enabled: Option<bool>,
    /// New secrets, whole.
    pub secrets: Option<BTreeMap<String, SecretString>>,
    /// Whether the secret so far goes on to verify deliveries beside the new one.
    pub keep_previous_secret: bool,
}

/// One delivery, or one scheduled time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerDelivery {
    /// Id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The request, as in the log.
    pub request_id: String,
    /// `started`, `duplicate`, `ignored`, `answered`, `refused`, `failed`, `limited` or `skipped`.
    pub outcome: String,
    /// In words.
    pub detail: String,
    /// What became of each item.
    pub items: Value,
    /// SHA-256 of the body, hexadecimal.
    pub digest: String,
    /// Length of the body.
    pub body_bytes: u32,
    /// The body, without secrets and cut.
    pub payload: Option<String>,
}

/// A delivery that is only looked at.
#[derive(Clone, Debug, Default)]
pub struct TestDelivery {
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Whether it counts as verified.
    pub verified: bool,
}

impl Client {
    /// Every trigger of the token's environment, up to `limit`.
    pub async fn triggers(&self, limit: usize) -> Result<Vec<Trigger>, ClientError> {
        self.every("/trigger", &[], limit).await
    }

    /// One trigger.
    pub async fn trigger(&self, id: TriggerId) -> Result<Trigger, ClientError> {
        Ok(self.get(&format!("/trigger/{id}")).await?.value)
    }

    /// Makes a trigger.
    pub async fn create_trigger(&self, new: &NewTrigger) -> Result<CreatedTrigger, ClientError> {
        let mut body = Map::new();
        body.insert("document".to_owned(), json!(new.document));
        body.insert("enabled".to_owned(), json!(new.enabled));
        put(&mut body, "token_id", new.token.map(|id| json!(id)));
        put(&mut body, "secrets", new.secrets.as_ref().map(exposed));
        Ok(self.send(Method::POST, "/trigger", Some(&Value::Object(body)), HeaderMap::new()).await?.value)
    }

    /// Changes a trigger. `version` is the one that must be present.
    pub async fn update_trigger(
        &self,
        id: TriggerId,
        version: Option<i64>,
        change: &TriggerChange,
    ) -> Result<Trigger, ClientError> {
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            header(&mut headers, "if-match", &format!("\"{version}\""))?;
        }
        let mut body = Map::new();
        put(&mut body, "document", change.document.as_ref().map(|text| json!(text)));
        put(&mut body, "token_id", change.token.map(|id| json!(id)));
        put(&mut body, "enabled", change.enabled.map(|enabled| json!(enabled)));
        put(&mut body, "secrets", change.secrets.as_ref().map(exposed));
        put(&mut body, "keep_previous_secret", change.keep_previous_secret.then(|| json!(true)));
        Ok(self.send(Method::PATCH, &format!("/trigger/{id}"), Some(&Value::Object(body)), headers).await?.value)
    }

    /// Deletes a trigger.
    pub async fn delete_trigger(&self, id: TriggerId) -> Result<(), ClientError> {
        self.send::<Value>(Method::DELETE, &format!("/trigger/{id}"), None, HeaderMap::new()).await.map(|_| ())
    }

    /// What would come of a delivery.
    pub async fn test_trigger(&self, id: TriggerId, delivery: &TestDelivery) -> Result<Value, ClientError> {
        let object = |pairs: &[(String, String)]| -> Map<String, Value> {
            pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
        };
        let mut body = Map::new();
        body.insert("headers".to_owned(), Value::Object(object(&delivery.headers)));
        body.insert("query".to_owned(), Value::Object(object(&delivery.query)));
        body.insert("verified".to_owned(), json!(delivery.verified));
        put(&mut body, "body", (!delivery.body.is_empty()).then(|| json!(delivery.body)));
        let path = format!("/trigger/{id}/test");
        Ok(self.send(Method::POST, &path, Some(&Value::Object(body)), HeaderMap::new()).await?.value)
    }

    /// What was delivered to a trigger, newest first, up to `limit`.
    pub async fn trigger_deliveries(&self, id: TriggerId, limit: usize) -> Result<Vec<TriggerDelivery>, ClientError> {
        self.every(&format!("/trigger/{id}/deliveries"), &[], limit).await
    }
}

fn put(body: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value);
    }
}

fn exposed(secrets: &BTreeMap<String, SecretString>) -> Value {
    secrets.iter().map(|(name, value)| (name.clone(), json!(value.expose_secret()))).collect::<Map<_, _>>().into()
}
