//! Tools of an account: listing and calling them.

use http::{HeaderMap, Method};
use quartermaster_types::AccountId;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::client::{Answer, Client, escape, header, query};
use crate::error::ClientError;

/// Which tools, in which shape. Empty members do not narrow.
#[derive(Clone, Debug, Default)]
pub struct ToolsQuery {
    /// `read`, `write`, `custom` or exact method names.
    pub methods: Vec<String>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// Words to rank by.
    pub search: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// A provider's wire shape: `openai`, `anthropic`, …
    pub format: Option<String>,
}

/// How a tool is called.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// `quartermaster-session`: whose reads ground the writes. Without one the token is the session.
    pub session: Option<String>,
    /// `Idempotency-Key`, for writes.
    pub idempotency_key: Option<String>,
    /// `Prefer: wait=N`: lets the gateway hold a read for so many seconds.
    pub wait_seconds: Option<u64>,
    /// Members that the record must have right before a write.
    pub expect: Option<Map<String, Value>>,
}

impl CallOptions {
    fn body(&self, arguments: Map<String, Value>) -> Value {
        match &self.expect {
            Some(expect) => json!({"arguments": arguments, "expect": expect}),
            None => json!({"arguments": arguments}),
        }
    }

    fn headers(&self) -> Result<HeaderMap, ClientError> {
        let mut headers = HeaderMap::new();
        if let Some(session) = &self.session {
            header(&mut headers, "quartermaster-session", session)?;
        }
        if let Some(key) = &self.idempotency_key {
            header(&mut headers, "idempotency-key", key)?;
        }
        if let Some(seconds) = self.wait_seconds {
            header(&mut headers, "prefer", &format!("wait={seconds}"))?;
        }
        Ok(headers)
    }
}

impl Client {
    /// The tools of an account, as the gateway renders them.
    pub async fn tools(&self, account: AccountId, tools: &ToolsQuery) -> Result<Answer<Value>, ClientError> {
        let lists = [("methods", &tools.methods), ("tags", &tools.tags)];
        let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
        let pairs = lists
            .map(|(name, values)| (name, values.join(",")))
            .chain(tools.search.iter().map(|words| ("search", words.clone())))
            .chain(tools.limit.iter().map(|limit| ("limit", limit.to_string())))
            .chain(tools.format.iter().map(|format| ("format", format.clone())));
        self.get(&format!("/integrated-account/{account}/tools{}", query(pairs))).await
    }

    /// Calls a tool by name or alias.
    pub async fn call_tool<T: DeserializeOwned>(
        &self,
        account: AccountId,
        tool: &str,
        arguments: Map<String, Value>,
        options: &CallOptions,
    ) -> Result<Answer<T>, ClientError> {
        let path = format!("/integrated-account/{account}/tools/{}/call", escape(tool));
        let body = options.body(arguments);
        self.send(Method::POST, &path, Some(&body), options.headers()?).await
    }

    /// What a call would send, secrets masked, and what the guards say; nothing is sent to the vendor.
    pub async fn dry_run(
        &self,
        account: AccountId,
        tool: &str,
        arguments: Map<String, Value>,
        options: &CallOptions,
    ) -> Result<Answer<Value>, ClientError> {
        let path = format!("/integrated-account/{account}/tools/{}/call?dry_run=true", escape(tool));
        let body = options.body(arguments);
        self.send(Method::POST, &path, Some(&body), options.headers()?).await
    }
}
