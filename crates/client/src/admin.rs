//! Integrations, accounts, tokens, environments and the audit log.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method};
use quartermaster_types::{AccountId, EnvironmentId, FieldError, TokenId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::client::{Answer, Client, escape, header, query};
use crate::error::ClientError;
use crate::model::{Account, AuditEntry, Budget, CreatedEnvironment, CreatedToken, Integration, Page, Token};

/// The most pages that a full listing reads: a guard against an endless list.
const PAGES_MAX: usize = 10_000;

/// A new account. `Debug` does not show the credentials.
#[derive(Debug, Default)]
pub struct NewAccount {
    /// Integration name.
    pub integration: String,
    /// The caller's own name for the tenant.
    pub tenant_id: String,
    /// Connection object.
    pub connection: Map<String, Value>,
    /// Credentials by name.
    pub credentials: BTreeMap<String, SecretString>,
    /// Override: a merge patch on the definition.
    pub override_patch: Option<Value>,
    /// Whether writes are refused.
    pub sandbox: bool,
}

/// A new token. `None` does not narrow.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Name.
    pub name: String,
    /// `admin`, `agent` or `auditor`.
    pub role: String,
    /// Accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// Tools.
    pub tools: Option<Vec<String>>,
    /// Methods.
    pub methods: Option<Vec<String>>,
    /// Whether raw calls are allowed.
    pub custom: bool,
    /// The e-mail address of the person behind it.
    pub email: Option<String>,
    /// When it ends, RFC 3339.
    pub expires_at: Option<String>,
    /// Whether it is to make environments and other operator tokens (operators only).
    pub operator: bool,
}

/// Which audit records.
#[derive(Clone, Debug, Default)]
pub struct AuditLogQuery {
    /// On this account.
    pub account: Option<AccountId>,
    /// With this action, `users.suspend`.
    pub action: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// At most so many on a page.
    pub limit: Option<u32>,
    /// Where to go on.
    pub next_cursor: Option<String>,
}

impl Client {
    /// Every integration that the gateway knows.
    pub async fn integrations(&self) -> Result<Vec<Integration>, ClientError> {
        Ok(self.get::<Page<Integration>>("/integration").await?.value.result)
    }

    /// One integration.
    pub async fn integration(&self, name: &str) -> Result<Integration, ClientError> {
        Ok(self.get(&format!("/integration/{}", escape(name))).await?.value)
    }

    /// Every account of the token's environment, up to `limit`.
    pub async fn accounts(&self, integration: Option<&str>, limit: usize) -> Result<Vec<Account>, ClientError> {
        let filter: Vec<_> = integration.iter().map(|name| ("integration", (*name).to_owned())).collect();
        self.every("/integrated-account", &filter, limit).await
    }

    /// One account.
    pub async fn account(&self, id: AccountId) -> Result<Account, ClientError> {
        Ok(self.get(&format!("/integrated-account/{id}")).await?.value)
    }

    /// What is known of the calls that an account's vendor still takes.
    pub async fn budget(&self, id: AccountId) -> Result<Budget, ClientError> {
        Ok(self.get(&format!("/integrated-account/{id}/budget")).await?.value)
    }

    /// Connects an account. The gateway tries the credentials at the vendor first and keeps nothing when they do not work.
    pub async fn create_account(&self, account: &NewAccount) -> Result<Account, ClientError> {
        let mut body = json!({
            "integration": account.integration,
            "tenant_id": account.tenant_id,
            "connection": account.connection,
            "credentials": exposed(&account.credentials),
            "sandbox": account.sandbox,
        });
        if let (Some(patch), Some(body)) = (&account.override_patch, body.as_object_mut()) {
            body.insert("override".to_owned(), patch.clone());
        }
        Ok(self.send(Method::POST, "/integrated-account", Some(&body), HeaderMap::new()).await?.value)
    }

    /// Changes an account: a merge patch of its members, and new credentials. `version` is the one that must be present.
    pub async fn update_account(
        &self,
        id: AccountId,
        version: Option<i64>,
        mut patch: Map<String, Value>,
        credentials: Option<&BTreeMap<String, SecretString>>,
    ) -> Result<Account, ClientError> {
        if let Some(credentials) = credentials {
            patch.insert("credentials".to_owned(), Value::Object(exposed(credentials)));
        }
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/merge-patch+json"));
        if let Some(version) = version {
            header(&mut headers, "if-match", &format!("\"{version}\""))?;
        }
        let path = format!("/integrated-account/{id}");
        Ok(self.send(Method::PATCH, &path, Some(&Value::Object(patch)), headers).await?.value)
    }

    /// Deletes an account and its credentials.
    pub async fn delete_account(&self, id: AccountId) -> Result<(), ClientError> {
        let path = format!("/integrated-account/{id}");
        self.send::<Value>(Method::DELETE, &path, None, HeaderMap::new()).await.map(|_| ())
    }

    /// Makes a token. Its text is in the answer, and nowhere else ever after.
    pub async fn create_token(&self, token: &NewToken) -> Result<CreatedToken, ClientError> {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(token.name));
        body.insert("role".to_owned(), json!(token.role));
        for (name, value) in [
            ("accounts", token.accounts.as_ref().map(|ids| json!(ids))),
            ("tools", token.tools.as_ref().map(|tools| json!(tools))),
            ("methods", token.methods.as_ref().map(|methods| json!(methods))),
            ("custom", token.custom.then(|| json!(true))),
            ("email", token.email.as_ref().map(|email| json!(email))),
            ("expires_at", token.expires_at.as_ref().map(|at| json!(at))),
            ("operator", token.operator.then(|| json!(true))),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
        #[derive(Deserialize)]
        struct Created {
            #[serde(deserialize_with = "secret")]
            token: SecretString,
            #[serde(default)]
            warnings: Vec<FieldError>,
            #[serde(flatten)]
            view: Token,
        }
        let body = Value::Object(body);
        let created: Created = self.send(Method::POST, "/token", Some(&body), HeaderMap::new()).await?.value;
        Ok(CreatedToken { token: created.token, warnings: created.warnings, view: created.view })
    }

    /// Every token of the environment, up to `limit`.
    pub async fn tokens(&self, limit: usize) -> Result<Vec<Token>, ClientError> {
        self.every("/token", &[], limit).await
    }

    /// Revokes a token; it stops working at once.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ClientError> {
        self.send::<Value>(Method::DELETE, &format!("/token/{id}"), None, HeaderMap::new()).await.map(|_| ())
    }

    /// Makes an environment and its first admin token (operators only).
    pub async fn create_environment(&self, name: &str) -> Result<CreatedEnvironment, ClientError> {
        #[derive(Deserialize)]
        struct Created {
            id: EnvironmentId,
            #[serde(deserialize_with = "secret")]
            token: SecretString,
        }
        let body = json!({"name": name});
        let made: Created = self.send(Method::POST, "/environment", Some(&body), HeaderMap::new()).await?.value;
        Ok(CreatedEnvironment { id: made.id, token: made.token })
    }

    /// One page of the audit log, newest first.
    pub async fn audit_log(&self, log: &AuditLogQuery) -> Result<Page<AuditEntry>, ClientError> {
        let pairs = [
            ("account_id", log.account.map(|id| id.to_string())),
            ("action", log.action.clone()),
            ("request_id", log.request_id.clone()),
            ("limit", log.limit.map(|limit| limit.to_string())),
            ("next_cursor", log.next_cursor.clone()),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(self.get(&format!("/audit-log{}", query(pairs))).await?.value)
    }

    /// What a problem code means and what to do.
    pub async fn explain_code(&self, code: &str) -> Result<Value, ClientError> {
        Ok(self.get(&format!("/problems/{}", escape(code))).await?.value)
    }

    /// Whether the gateway is ready to serve.
    pub async fn ready(&self) -> Result<Answer<Value>, ClientError> {
        self.get("/readyz").await
    }

    /// Walks a configuration list to its end or to `limit` items.
    pub(crate) async fn every<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        filter: &[(&'static str, String)],
        limit: usize,
    ) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let pairs = filter.iter().cloned().chain(cursor.take().map(|cursor| ("next_cursor", cursor)));
            let page: Page<T> = self.get(&format!("{path}{}", query(pairs))).await?.value;
            items.extend(page.result);
            cursor = page.next_cursor;
            if cursor.is_none() || items.len() >= limit {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }
}

fn exposed(credentials: &BTreeMap<String, SecretString>) -> Map<String, Value> {
    credentials.iter().map(|(name, value)| (name.clone(), json!(value.expose_secret()))).collect()
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}
