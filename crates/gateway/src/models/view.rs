//! Model connections as callers see and give them.

use quartermaster_model::limits::KEY_MAX_BYTES;
use quartermaster_model::{Connection, Reply, Settings, Stop, Usage};
use quartermaster_store_model::ModelRow;
use quartermaster_types::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most letters of a model's answer that a check shows.
const SHOWN_MAX_CHARACTERS: usize = 200;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// Made in this environment; its key is in the vault.
    Environment,
    /// The server's: every environment has it.
    Server,
}

/// A connection without its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelView {
    /// Its name: the first part of a reference to a model.
    pub name: String,
    /// Whose it is.
    pub source: ModelSource,
    /// Everything that is not secret.
    #[serde(flatten)]
    pub settings: Settings,
    /// Whether it has a key.
    pub has_key: bool,
    /// Version, of one made in this environment; the `ETag` is this in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// All connections that an environment has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelList {
    /// By name, the environment's own first.
    pub result: Vec<ModelView>,
    /// There is never more than one page.
    pub next_cursor: Option<String>,
    /// There is never more than one page.
    pub prev_cursor: Option<String>,
    /// How many.
    pub result_count: usize,
}

/// A new connection.
pub struct NewModel {
    /// Its name.
    pub name: String,
    /// Everything that is not secret.
    pub settings: Settings,
    /// The key; `None` for a server that wants none.
    pub key: Option<SecretString>,
}

/// A change of a connection. What is not given stays.
#[derive(Default)]
pub struct ModelChange {
    /// Another name.
    pub name: Option<String>,
    /// Merge patch on the settings.
    pub settings: Map<String, Value>,
    /// Another key, or `Some(None)` for none any more.
    pub key: Option<Option<SecretString>>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelAnswer {
    /// The connection's name.
    pub name: String,
    /// The model that answered, as the server named it.
    pub model: String,
    /// The beginning of what it said.
    pub said: String,
    /// Why it ended.
    pub stop: Stop,
    /// What it took.
    pub usage: Usage,
    /// Milliseconds from question to answer.
    pub took_ms: u64,
}

pub(super) fn of(row: &ModelRow, settings: Settings) -> ModelView {
    ModelView {
        name: row.name.clone(),
        source: ModelSource::Environment,
        settings,
        has_key: row.sealed_key.is_some(),
        version: Some(row.version),
        created_at: Some(row.created_at),
        updated_at: Some(row.updated_at),
    }
}

pub(super) fn of_server(connection: &Connection) -> ModelView {
    ModelView {
        name: connection.name.clone(),
        source: ModelSource::Server,
        settings: connection.settings.clone(),
        has_key: connection.key.is_some(),
        version: None,
        created_at: None,
        updated_at: None,
    }
}

pub(super) fn answer(name: &str, reply: &Reply, took_ms: u64) -> ModelAnswer {
    ModelAnswer {
        name: name.to_owned(),
        model: reply.model.clone(),
        said: reply.text.chars().take(SHOWN_MAX_CHARACTERS).collect(),
        stop: reply.stop,
        usage: reply.usage,
        took_ms,
    }
}

/// Adds every mistake in settings and key, with pointers into the body of the request.
pub(super) fn check(settings: &Settings, key: Option<&SecretString>, mistakes: &mut Vec<(String, String)>) {
    if let Err(errors) = settings.check() {
        mistakes.extend(errors.into_iter().map(|error| (error.pointer, error.detail)));
    }
    let visible = |byte: u8| (0x21..=0x7e).contains(&byte);
    if let Some(key) = key.map(|key| key.expose_secret().as_bytes())
        && (key.is_empty() || key.len() > KEY_MAX_BYTES || !key.iter().copied().all(visible))
    {
        let detail = format!("a key has 1 to {KEY_MAX_BYTES} letters, digits and signs without spaces");
        mistakes.push(("/key".to_owned(), detail));
    }
}
