//! What is known of a connection and not secret, parsed and checked.

use std::collections::BTreeMap;

use quartermaster_types::FieldError;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::limits::{
    BASE_URL_MAX_BYTES, MODEL_NAME_MAX_BYTES, NAME_MAX_BYTES, OUTPUT_TOKENS_MAX, QUERY_MAX, QUERY_TEXT_MAX_BYTES,
};

/// How to speak to a server of models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The wire format.
    pub wire: Wire,
    /// Everything before the format's own path: `https://models.example.com/v1`. A query or fragment is refused.
    pub base_url: String,
    /// The model that a reference without one means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The header that carries the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_header: Option<KeyHeader>,
    /// Parameters that every request has in its query, as `api-version`. Not for secrets: they are shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// How the limit of output tokens is called; only [`Wire::OpenAi`] has a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_limit: Option<OutputLimit>,
    /// What tokens cost, for limits of cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Most tokens that a conversation and its answer may have together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u32>,
}

/// The wire formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Chat completions: `POST {base_url}/chat/completions`.
    OpenAi,
    /// Messages: `POST {base_url}/messages`.
    Anthropic,
}

impl Wire {
    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// Where the key stands unless the settings say otherwise.
    pub const fn key_header(self) -> KeyHeader {
        match self {
            Self::OpenAi => KeyHeader::Bearer,
            Self::Anthropic => KeyHeader::XApiKey,
        }
    }
}

/// The header that carries the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY`.
    ApiKey,
    /// `x-api-key: KEY`.
    XApiKey,
}

/// How the limit of output tokens is called in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimit {
    /// `max_tokens`, which nearly every server knows.
    MaxTokens,
    /// `max_completion_tokens`, which models that reason insist on where it exists.
    MaxCompletionTokens,
}

/// What a million tokens cost, in a currency of the reader's choice, with at most six places after the point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A million tokens read.
    pub input: f64,
    /// A million tokens written.
    pub output: f64,
    /// A million tokens read from the provider's cache; as much as `input` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
}

impl Price {
    /// The highest price that is taken.
    pub const MAX: f64 = 1_000_000.0;

    /// Millionths of the currency for a million tokens read.
    pub(crate) fn input_micros(&self) -> u64 {
        micros(self.input)
    }

    pub(crate) fn cached_input_micros(&self) -> u64 {
        micros(self.cached_input.unwrap_or(self.input))
    }

    pub(crate) fn output_micros(&self) -> u64 {
        micros(self.output)
    }
}

fn micros(price: f64) -> u64 {
    // Prices are between 0 and a million: far inside what both types hold exactly. NaN and negative ones become 0.
    (price * 1_000_000.0).round() as u64
}

impl Settings {
    /// The header that carries the key.
    pub fn key_header(&self) -> KeyHeader {
        self.key_header.unwrap_or(self.wire.key_header())
    }

    /// Everything that is wrong, with pointers into the settings.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut wrong = |pointer: &str, detail: String| {
            errors.push(FieldError { pointer: pointer.to_owned(), detail });
        };
        if let Err(reason) = check_base_url(&self.base_url) {
            wrong("/base_url", reason);
        }
        if let Some(model) = &self.model
            && let Err(reason) = check_model(model)
        {
            wrong("/model", reason);
        }
        if self.query.len() > QUERY_MAX {
            wrong("/query", format!("has {} parameters; at most {QUERY_MAX}", self.query.len()));
        }
        for (name, value) in &self.query {
            if name.is_empty() || name.len() > QUERY_TEXT_MAX_BYTES || value.len() > QUERY_TEXT_MAX_BYTES {
                let pointer = format!("/query/{}", name.replace('~', "~0").replace('/', "~1"));
                wrong(&pointer, format!("name and value have 1 to {QUERY_TEXT_MAX_BYTES} bytes"));
            }
        }
        if self.output_limit.is_some() && self.wire != Wire::OpenAi {
            wrong("/output_limit", "only the wire format `openai` has a choice here; leave it out".to_owned());
        }
        if let Some(price) = &self.price {
            let prices =
                [("input", Some(price.input)), ("output", Some(price.output)), ("cached_input", price.cached_input)];
            for (name, value) in prices.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                if !(0.0..=Price::MAX).contains(&value) {
                    wrong(&format!("/price/{name}"), format!("is {value}; expected 0 to {}", Price::MAX));
                }
            }
        }
        if let Some(tokens) = self.context_tokens
            && !(1024..=100 * OUTPUT_TOKENS_MAX).contains(&tokens)
        {
            wrong("/context_tokens", format!("is {tokens}; expected 1024 to {}", 100 * OUTPUT_TOKENS_MAX));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// A base URL that something can be appended to. Whether its address may be reached is decided when it is.
fn check_base_url(text: &str) -> Result<(), String> {
    if text.len() > BASE_URL_MAX_BYTES {
        return Err(format!("has {} bytes; at most {BASE_URL_MAX_BYTES}", text.len()));
    }
    // Never repeat the text: somebody may have put a password into it.
    let url = Url::parse(text).map_err(|reason| format!("is no absolute URL: {reason}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("must begin with https:// (http:// is for addresses that --allow-upstream names)".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; give the key as the key".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment; parameters belong into `query`".to_owned());
    }
    Ok(())
}

/// A name of a connection: lower-case letters, digits, `.`, `_`, `-`, beginning with a letter or digit.
pub fn check_name(name: &str) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if begins && name.len() <= NAME_MAX_BYTES && name.bytes().all(good) {
        return Ok(());
    }
    Err(format!(
        "a connection's name has 1 to {NAME_MAX_BYTES} of a-z, 0-9, `.`, `_`, `-` and begins with a letter or digit"
    ))
}

/// A model's id: anything that can be seen, without spaces.
pub(crate) fn check_model(model: &str) -> Result<(), String> {
    let visible = |letter: char| !letter.is_control() && !letter.is_whitespace();
    if !model.is_empty() && model.len() <= MODEL_NAME_MAX_BYTES && model.chars().all(visible) {
        return Ok(());
    }
    Err(format!("has 1 to {MODEL_NAME_MAX_BYTES} bytes without spaces"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base_url: &str) -> Settings {
        serde_json::from_value(serde_json::json!({"wire": "openai", "base_url": base_url})).unwrap()
    }

    #[test]
    fn every_wrong_place_is_named_at_once() {
        let mut bad = settings("ftp://models.example.com");
        bad.model = Some("a b".to_owned());
        bad.price = Some(Price { input: -1.0, output: f64::NAN, cached_input: Some(1e9) });
        bad.context_tokens = Some(1023);
        bad.query = (0..=QUERY_MAX).map(|number| (format!("p/{number}"), String::new())).collect();
        bad.query.insert("q/r".to_owned(), "x".repeat(QUERY_TEXT_MAX_BYTES + 1));
        bad.wire = Wire::Anthropic;
        bad.output_limit = Some(OutputLimit::MaxTokens);
        let pointers: Vec<String> = bad.check().unwrap_err().into_iter().map(|error| error.pointer).collect();
        assert_eq!(
            pointers,
            [
                "/base_url",
                "/model",
                "/query",
                "/query/q~1r",
                "/output_limit",
                "/price/input",
                "/price/output",
                "/price/cached_input",
                "/context_tokens"
            ]
        );
    }

    #[test]
    fn at_the_limits_all_is_well() {
        let path = "a".repeat(BASE_URL_MAX_BYTES - "https://models.example.com/".len());
        let mut good = settings(&format!("https://models.example.com/{path}"));
        good.model = Some("m".repeat(MODEL_NAME_MAX_BYTES));
        good.query = (0..QUERY_MAX).map(|number| (number.to_string(), "x".repeat(QUERY_TEXT_MAX_BYTES))).collect();
        good.price = Some(Price { input: 0.0, output: Price::MAX, cached_input: None });
        good.context_tokens = Some(1024);
        good.check().unwrap();
        good.base_url.push('a');
        assert_eq!(good.check().unwrap_err().len(), 1);
    }

    #[test]
    fn a_password_in_a_base_url_is_refused_and_not_repeated() {
        for url in ["https://user:hunter2@models.example.com", "https://hunter2@models.example.com", "http://hunter2:x"]
        {
            let errors = settings(url).check().unwrap_err();
            assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
        }
        for url in ["", "models.example.com/v1", "https://a/?x=1", "https://a/#b", "file:///etc/passwd"] {
            assert!(settings(url).check().is_err(), "{url}");
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "openai", "1st", "my.local_model-2", &"n".repeat(NAME_MAX_BYTES)] {
            check_name(good).unwrap();
        }
        for bad in ["", "A", "-a", ".a", "a b", "a/b", "ä", &"n".repeat(NAME_MAX_BYTES + 1)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
