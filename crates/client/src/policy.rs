//! The policy of an environment.

use http::{HeaderMap, Method};
use quartermaster_types::{Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{Client, header};
use crate::error::ClientError;

/// A policy with its document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// From 1; 0 while there is none.
    pub version: i64,
    /// The YAML document.
    pub document: String,
    /// Who set it.
    #[serde(default)]
    pub token_id: Option<TokenId>,
    /// The version whose document this one brought back.
    #[serde(default)]
    pub restored_from: Option<i64>,
    /// When it was set.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

/// A version of a policy, without its document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// From 1.
    pub version: i64,
    /// Length of the document.
    pub document_bytes: u64,
    /// Who set it.
    pub token_id: TokenId,
    /// The version whose document this one brought back.
    #[serde(default)]
    pub restored_from: Option<i64>,
    /// When it was set.
    pub created_at: Timestamp,
}

/// What came of the cases of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyTest {
    /// Every case.
    pub result: Vec<PolicyCaseResult>,
    /// How many came out as expected.
    pub passed: u64,
    /// How many did not.
    pub failed: u64,
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyCaseResult {
    /// Its name.
    pub name: String,
    /// Whether it came out as expected.
    pub passed: bool,
    /// What differs.
    #[serde(default)]
    pub difference: Option<String>,
    /// The decision.
    pub decision: Value,
}

/// How much of a limit has been used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlastLimit {
    /// The limit's name.
    pub limit: String,
    /// Whom it counts for.
    pub per: String,
    /// The window.
    #[serde(default)]
    pub within_seconds: Option<u64>,
    /// How many changes it allows.
    #[serde(default)]
    pub max: Option<u64>,
    /// Which part of the directory it allows.
    #[serde(default)]
    pub share: Option<f64>,
    /// Those who have used most of it.
    pub subjects: Vec<BlastSubject>,
}

/// How much one of them has used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlastSubject {
    /// Who.
    pub subject: String,
    /// Changes that count now.
    pub used: u64,
    /// The oldest of them.
    pub first_at: Timestamp,
    /// The newest.
    pub last_at: Timestamp,
    /// When the oldest leaves the window.
    #[serde(default)]
    pub frees_at: Option<Timestamp>,
}

impl Client {
    /// How much of each limit of the policy has been used.
    pub async fn blast_radius(&self) -> Result<Vec<BlastLimit>, ClientError> {
        self.every("/policy/blast-radius", &[], usize::MAX).await
    }

    /// The policy in force, or one of its versions.
    pub async fn policy(&self, version: Option<i64>) -> Result<Policy, ClientError> {
        let path = version.map_or_else(|| "/policy".to_owned(), |version| format!("/policy/version/{version}"));
        Ok(self.get(&path).await?.value)
    }

    /// Sets the policy. `expected` is the version that must be present (0: none yet).
    pub async fn set_policy(&self, document: &str, expected: Option<i64>) -> Result<Policy, ClientError> {
        let body = json!({"document": document});
        Ok(self.send(Method::PUT, "/policy", Some(&body), if_version(expected)?).await?.value)
    }

    /// Sets the document of an earlier version again.
    pub async fn restore_policy(&self, version: i64, expected: Option<i64>) -> Result<Policy, ClientError> {
        let path = format!("/policy/version/{version}/restore");
        Ok(self.send(Method::POST, &path, None, if_version(expected)?).await?.value)
    }

    /// The versions of the policy, the newest first, up to `limit`.
    pub async fn policy_versions(&self, limit: usize) -> Result<Vec<PolicyVersion>, ClientError> {
        self.every("/policy/version", &[], limit).await
    }

    /// Runs cases against a document, or against the policy in force.
    pub async fn test_policy(&self, document: Option<&str>, cases: Value) -> Result<PolicyTest, ClientError> {
        let mut body = Map::from_iter([("cases".to_owned(), cases)]);
        if let Some(document) = document {
            body.insert("document".to_owned(), document.into());
        }
        Ok(self.send(Method::POST, "/policy/test", Some(&Value::Object(body)), HeaderMap::new()).await?.value)
    }
}

fn if_version(expected: Option<i64>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    if let Some(version) = expected {
        header(&mut headers, "if-match", &format!("\"{version}\""))?;
    }
    Ok(headers)
}
