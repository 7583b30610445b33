//! `POST /v1beta1/users/oauth2/token` and `…/revoke`: client credentials by HTTP Basic, opaque tokens, 900 seconds.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{StatusCode, header};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::errors::{Fail, Status};
use super::{Account, Operation, Reply, Request};
use crate::config::{Config, Obfuscation};
use crate::control::lock;

/// The most tokens that are remembered; the oldest go first.
const TOKENS_MAX: usize = 200_000;

/// Access tokens that were given out, with the moment at which they end.
#[derive(Debug)]
pub(crate) struct Tokens {
    state: Mutex<(HashMap<String, i64>, StdRng)>,
}

impl Tokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: Mutex::new((HashMap::new(), StdRng::seed_from_u64(seed ^ 0x0A07_4000))) }
    }

    fn issue(&self, now_ms: i64, lifetime_seconds: u64) -> String {
        let mut state = lock(&self.state);
        if state.0.len() >= TOKENS_MAX {
            state.0.retain(|_, ends_ms| *ends_ms > now_ms);
            if state.0.len() >= TOKENS_MAX {
                state.0.clear();
            }
        }
        let token: String = (0..43)
            .map(|_| {
                char::from(
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[state.1.random_range(0..64)],
                )
            })
            .collect();
        let lifetime_ms = i64::try_from(lifetime_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        state.0.insert(token.clone(), now_ms.saturating_add(lifetime_ms));
        token
    }

    fn is_valid(&self, token: &str, now_ms: i64) -> bool {
        lock(&self.state).0.get(token).is_some_and(|ends_ms| *ends_ms > now_ms)
    }

    fn forget(&self, token: &str) {
        lock(&self.state).0.remove(token);
    }

    pub(crate) fn clear(&self) {
        lock(&self.state).0.clear();
    }
}

impl Account {
    /// A new access token.
    pub(super) fn token(&self, request: &Request<'_>, settings: &Config, now_ms: i64) -> Result<Reply, Fail> {
        self.check_client(request)?;
        let form = form(request)?;
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match field("grant_type") {
            Some("client_credentials") => {}
            Some(_) => {
                return Err(Fail::oauth(StatusCode::BAD_REQUEST, "unsupported_grant_type", "use client_credentials"));
            }
            None => return Err(Fail::oauth(StatusCode::BAD_REQUEST, "invalid_request", "grant_type is missing")),
        }
        if field("scope").is_some_and(|scope| scope != "openid") {
            return Err(Fail::oauth(StatusCode::BAD_REQUEST, "invalid_scope", "the only scope is openid"));
        }
        let lifetime = settings.token_lifetime_seconds;
        let body = json!({
            "access_token": self.tokens.issue(now_ms, lifetime),
            "token_type": "bearer",
            "expires_in": lifetime,
            "scope": "openid",
        });
        let mut reply = Reply::json(StatusCode::OK, Bytes::from(body.to_string()));
        reply.headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        Ok(reply)
    }

    /// Revocation: 200 with no body, also for tokens that are unknown or invalid already.
    pub(super) fn revoke(&self, request: &Request<'_>) -> Result<Reply, Fail> {
        self.check_client(request)?;
        let form = form(request)?;
        let Some((_, token)) = form.iter().find(|(key, _)| key == "token") else {
            return Err(Fail::oauth(StatusCode::BAD_REQUEST, "invalid_request", "token is missing"));
        };
        self.tokens.forget(token);
        Ok(Reply::json(StatusCode::OK, Bytes::new()))
    }

    /// Basic authentication only: credentials in the body are not documented.
    fn check_client(&self, request: &Request<'_>) -> Result<(), Fail> {
        let expected = format!("{}:{}", self.client_id, self.client_secret);
        let given = authorization(request, "basic").and_then(|text| STANDARD.decode(text).ok());
        if given.as_deref() == Some(expected.as_bytes()) {
            return Ok(());
        }
        Err(Fail::oauth(StatusCode::UNAUTHORIZED, "invalid_client", "client authentication failed"))
    }

    /// Token, account and permission, in this order.
    pub(super) fn admit(
        &self,
        request: &Request<'_>,
        account: &str,
        operation: Operation,
        settings: &Config,
        now_ms: i64,
    ) -> Result<(), Fail> {
        let valid = authorization(request, "bearer").is_some_and(|token| self.tokens.is_valid(token, now_ms));
        if !valid {
            return Err(Fail::status(Status::Unauthenticated, "invalid or expired access token"));
        }
        if account != self.account_id {
            return Err(obfuscated(settings.obfuscation));
        }
        if settings.permissions.as_ref().is_some_and(|permissions| !permissions.contains(&operation)) {
            return Err(Fail::status(Status::PermissionDenied, "permission denied"));
        }
        Ok(())
    }
}

/// What somebody sees of a thing that is not theirs to see.
pub(super) fn obfuscated(obfuscation: Obfuscation) -> Fail {
    match obfuscation {
        Obfuscation::NotFound => Fail::status(Status::NotFound, "not found"),
        Obfuscation::Forbidden => Fail::status(Status::PermissionDenied, "permission denied"),
    }
}

/// The credentials behind a scheme of the `Authorization` header.
fn authorization<'a>(request: &Request<'a>, scheme: &str) -> Option<&'a str> {
    let text = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (given, rest) = text.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn form(request: &Request<'_>) -> Result<Vec<(String, String)>, Fail> {
    let kind = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(Fail::oauth(StatusCode::BAD_REQUEST, "invalid_request", "the body must be a form"));
    }
    Ok(url::form_urlencoded::parse(request.body).into_owned().collect())
}

/// Something that looks like a UUID version 4.
pub(super) fn uuid_like(random: &mut StdRng) -> String {
    let bits: u128 = random.random();
    let text = format!("{bits:032x}");
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
}
