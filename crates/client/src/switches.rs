//! Kill switches.

use http::{HeaderMap, Method};
use quartermaster_types::{AccountId, FieldError, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{Client, escape};
use crate::error::ClientError;

/// What is switched off, or on again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchSubject {
    /// The environment of the token.
    Environment,
    /// An integrated account.
    Account(AccountId),
    /// An API token.
    Token(TokenId),
    /// A tool by name or alias.
    Tool(String),
}

impl SwitchSubject {
    fn path(&self) -> String {
        match self {
            Self::Environment => "/switch/environment".to_owned(),
            Self::Account(id) => format!("/switch/account/{id}"),
            Self::Token(id) => format!("/switch/token/{id}"),
            Self::Tool(name) => format!("/switch/tool/{}", escape(name)),
        }
    }
}

/// Something that is switched off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Switch {
    /// `environment`, `account`, `token` or `tool`.
    pub kind: String,
    /// The id of the account or token, the name of the tool.
    #[serde(default)]
    pub subject: Option<String>,
    /// Why.
    pub reason: String,
    /// Who switched it off.
    pub token_id: TokenId,
    /// When.
    pub created_at: Timestamp,
    /// What may not be as it was meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<FieldError>,
}

impl Client {
    /// Everything that is switched off in the environment.
    pub async fn switches(&self) -> Result<Vec<Switch>, ClientError> {
        self.every("/switch", &[], usize::MAX).await
    }

    /// Switches something off, or changes why.
    pub async fn switch_off(&self, subject: &SwitchSubject, reason: &str) -> Result<Switch, ClientError> {
        let body = json!({"reason": reason});
        Ok(self.send(Method::PUT, &subject.path(), Some(&body), HeaderMap::new()).await?.value)
    }

    /// Switches something on again.
    pub async fn switch_on(&self, subject: &SwitchSubject) -> Result<(), ClientError> {
        self.send::<Value>(Method::DELETE, &subject.path(), None, HeaderMap::new()).await.map(|_| ())
    }
}
