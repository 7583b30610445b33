//! A small HTTP client for tests: one connection a request, nothing hidden.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::secrets::Secrets;

/// Sends requests to one address, with one token or none.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
    secrets: Secrets,
}

impl Client {
    /// A client for `address`; answers are noted in `secrets`.
    pub fn new(address: SocketAddr, token: Option<&str>, secrets: Secrets) -> Self {
        Self { address, token: token.map(str::to_owned), secrets }
    }

    /// The same with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same without a token.
    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// Where it sends to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token's text.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request to be filled in.
    pub fn request(&self, method: &str, path: &str) -> Outgoing<'_> {
        let method = method.parse().expect("an HTTP method");
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert("authorization", token.parse().expect("a header value"));
        }
        Outgoing { client: self, method, path: path.to_owned(), headers, body: Bytes::new(), shows_secret: false }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body).send().await
    }

    /// `PATCH` with a JSON Merge Patch.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        let request = self.request("PATCH", path).json(body);
        request.header("content-type", "application/merge-patch+json").send().await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request("PUT", path).json(body).send().await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }
}

/// A request that is being filled in.
pub struct Outgoing<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    shows_secret: bool,
}

impl Outgoing<'_> {
    /// Sets a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    /// Adds a header beside those of the same name.
    pub fn more(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().expect("a header value"));
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        let bytes = serde_json::to_vec(body).expect("JSON serialises");
        self.header("content-type", "application/json").bytes(bytes)
    }

    /// Sets a body of any bytes.
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// This answer may show a secret: it is the one that hands it out.
    pub fn shows_secret(mut self) -> Self {
        self.shows_secret = true;
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("the gateway answers")
    }

    /// The same; `None` when the connection breaks.
    pub async fn try_send(self) -> Option<Answer> {
        let stream = TcpStream::connect(self.client.address).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let connection = tokio::spawn(connection);
        let name = format!("{} {}", self.method, self.path);
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().expect("a path");
        *request.headers_mut() = self.headers;
        request.headers_mut().insert("host", self.client.address.to_string().parse().expect("a header value"));
        let answer = sender.send_request(request).await.ok()?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        connection.abort();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        if !self.shows_secret {
            let mut text = format!("{:?}\n", answer.headers).into_bytes();
            text.extend_from_slice(&answer.body);
            self.client.secrets.answered(name, text);
        }
        Some(answer)
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The status as a number.
    pub fn code(&self) -> u16 {
        self.status.as_u16()
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON ({}): {}", self.status, self.text()))
    }

    /// The body as JSON, after a look at the status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.code(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem, after a look at everything that every problem has.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["code"], code, "{problem:#}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems/{}", code.replace('_', "-")));
        assert_eq!(problem["instance"], self.header("x-request-id"), "the problem names the request");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem:#}");
        problem
    }
}
