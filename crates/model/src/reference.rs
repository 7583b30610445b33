//! `NAME` or `NAME/model-id`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::settings::{check_model, check_name};

/// Names a model: a connection, and perhaps one of its models. `local`, `local/qwen3:8b`, `hub/org/model`: the first `/`
/// divides, the model's id may have more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelReference {
    /// The connection's name.
    pub connection: String,
    /// The model's id; `None` for the connection's default.
    pub model: Option<String>,
}

impl FromStr for ModelReference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (connection, model) = match text.split_once('/') {
            Some((connection, model)) => (connection, Some(model)),
            None => (text, None),
        };
        let expected = "expected NAME of a model connection, or NAME/MODEL";
        check_name(connection).map_err(|reason| format!("{reason}; {expected}"))?;
        if let Some(model) = model {
            check_model(model).map_err(|reason| format!("the model's id {reason}; {expected}"))?;
        }
        Ok(Self { connection: connection.to_owned(), model: model.map(str::to_owned) })
    }
}

impl TryFrom<String> for ModelReference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ModelReference> for String {
    fn from(reference: ModelReference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for ModelReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.connection)?;
        match &self.model {
            Some(model) => write!(formatter, "/{model}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MODEL_NAME_MAX_BYTES, NAME_MAX_BYTES};

    #[test]
    fn the_first_slash_divides() {
        for (text, connection, model) in [
            ("openai", "openai", None),
            ("local/qwen3:8b", "local", Some("qwen3:8b")),
            ("hub/org/model-1.5", "hub", Some("org/model-1.5")),
        ] {
            let reference: ModelReference = text.parse().unwrap();
            assert_eq!((reference.connection.as_str(), reference.model.as_deref()), (connection, model));
            assert_eq!(reference.to_string(), text);
            assert_eq!(serde_json::to_value(&reference).unwrap(), text);
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "/", "/model", "name/", "Name", "a b", "a/\n", "-a", "a/b c"] {
            let error = text.parse::<ModelReference>().unwrap_err();
            assert!(error.contains("expected NAME"), "{text:?}: {error}");
        }
        let at_limit = format!("{}/{}", "a".repeat(NAME_MAX_BYTES), "m".repeat(MODEL_NAME_MAX_BYTES));
        assert!(at_limit.parse::<ModelReference>().is_ok());
        assert!(format!("{at_limit}m").parse::<ModelReference>().is_err());
        assert!(format!("a{at_limit}").parse::<ModelReference>().is_err());
    }
}
