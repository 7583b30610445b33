//! One request to a token endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use quartermaster_definition::plan::{ClientAuth, ClientCredentials};
use quartermaster_egress::{Limits, Request, Response};
use quartermaster_expr::{Place, Root, Scope};
use quartermaster_types::{Code, Problem};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::kept::Token;
use crate::auth::render;
use crate::errors;
use crate::limits::{TOKEN_BODY_MAX_BYTES, TOKEN_MAX_BYTES};
use crate::request::{parse_url, render_problem};
use crate::run::Run;

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    error: Option<Value>,
}

/// Fetches a token. Problems speak of the token endpoint, and say that the call itself was not sent.
pub(super) async fn fetch(run: &mut Run<'_>, client: &ClientCredentials) -> Result<Token, Problem> {
    let request = request(run, client)?;
    let limits = Limits {
        total: run.remaining(),
        body_max_bytes: TOKEN_BODY_MAX_BYTES,
        decompressed_max_bytes: TOKEN_BODY_MAX_BYTES,
    };
    let response = run
        .exchange(request, limits, || "token".to_owned())
        .await
        .map_err(|error| errors::token_network(run, &error))?;
    if let Some(problem) = errors::token_rate_limited(run, &response) {
        return Err(problem);
    }
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
    let error = answer.as_ref().and_then(|answer| answer.error.as_ref()).and_then(error_name);
    match answer {
        Some(Answer { access_token: Some(text), token_type, expires_in, .. }) if response.status.is_success() => {
            accept(run, client, &text, token_type.as_deref(), expires_in.as_ref())
        }
        _ => Err(errors::token_refused(run, &response, error.as_deref())),
    }
}

/// The error's name: a text, or an object with a `code` or `type`.
fn error_name(error: &Value) -> Option<String> {
    let text = error.as_str().or_else(|| ["code", "type", "status"].iter().find_map(|key| error.get(key)?.as_str()));
    text.map(str::to_owned)
}

fn accept(
    run: &Run<'_>,
    client: &ClientCredentials,
    text: &str,
    token_type: Option<&str>,
    expires_in: Option<&Value>,
) -> Result<Token, Problem> {
    let unusable = |what: &str| {
        let label = &run.call.plan.label;
        Err(Problem::upstream(Code::UpstreamInvalid, format!("the token endpoint of {label} answered with {what}")))
    };
    if token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return unusable("a token that is not of the type bearer");
    }
    if text.is_empty() || text.len() > TOKEN_MAX_BYTES {
        return unusable("a token that is empty or too long");
    }
    if HeaderValue::try_from(text).is_err() {
        return unusable("a token that a header cannot carry");
    }
    let lifetime = expires_in.and_then(seconds).unwrap_or(client.lifetime_seconds);
    Ok(Token::new(text.to_owned(), run.call.credential_version, lifetime, run.engine.inner.clock.now()))
}

/// `expires_in` as vendors write it: a number, or a text that holds one. Negative ones count as absent.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn request(run: &mut Run<'_>, client: &ClientCredentials) -> Result<Request, Problem> {
    let connection = run.call.connection;
    let base = run.targets()?.base.clone();
    let secrets = run.secrets()?.clone();
    let text = |template, place| render(template, place, connection, &base, &secrets);
    let url = text(&client.token_url, Place::BaseUrl)?;
    run.targets()?.check(&url)?;
    let (id, secret) = (text(&client.client_id, Place::Plain)?, text(&client.client_secret, Place::Plain)?);
    let mut fields = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
    if !client.scopes.is_empty() {
        fields.push(("scope".to_owned(), client.scopes.join(&client.scope_separator)));
    }
    for (name, template) in &client.parameters {
        fields.push((name.clone(), text(template, Place::Plain)?));
    }
    let mut headers = common_headers(run)?;
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if client.client_auth == ClientAuth::Basic {
        headers.insert(header::AUTHORIZATION, basic(&id, &secret));
    } else {
        fields.push(("client_id".to_owned(), id));
        fields.push(("client_secret".to_owned(), secret));
    }
    let body = if client.client_auth == ClientAuth::Json {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let object: Map<String, Value> = fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        Bytes::from(Value::Object(object).to_string())
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Bytes::from(form(&fields))
    };
    Ok(Request { method: http::Method::POST, url: parse_url(url)?, headers, body })
}

/// The definition's headers for every call; vendors want a `user-agent` here too.
fn common_headers(run: &Run<'_>) -> Result<HeaderMap, Problem> {
    let nothing = Map::new();
    let roots = [("connection", Root::Object(run.call.connection))];
    let scope = Scope { roots: &roots, arguments: &nothing };
    let mut headers = HeaderMap::new();
    for (name, template) in &run.call.plan.headers {
        let value = template.render(&scope, Place::Header).map_err(|error| render_problem(&error, &nothing))?;
        let bad = || Problem::gateway(Code::Internal, format!("the definition's header {name:?} cannot be sent"));
        let name = HeaderName::try_from(name).map_err(|_| bad())?;
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| bad())?);
    }
    Ok(headers)
}

/// HTTP Basic as RFC 6749 section 2.3.1 wants it: both parts form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> HeaderValue {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
    // Base64 is ASCII without control characters, which a header always carries.
    let mut value =
        HeaderValue::try_from(format!("Basic {pair}")).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

fn form(fields: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Whether an answer says that the client's credentials are not (or no longer) good, rather than that something broke.
pub(crate) fn says_credentials_are_bad(response: &Response, error: Option<&str>) -> bool {
    const BAD: &[&str] = &["invalid_client", "unauthorized_client", "invalid_grant", "access_denied"];
    match error {
        Some(error) if BAD.contains(&error) => true,
        _ => matches!(response.status.as_u16(), 401 | 403),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_parts_of_basic_are_form_encoded_first() {
        let value = basic("a:b c", "s%/é");
        let pair = STANDARD.decode(value.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, b"a%3Ab+c:s%25%2F%C3%A9");
    }

    #[test]
    fn lifetimes_come_as_numbers_and_texts() {
        assert_eq!(seconds(&json!(900)), Some(900));
        assert_eq!(seconds(&json!(900.7)), Some(900));
        assert_eq!(seconds(&json!(" 900 ")), Some(900));
        assert_eq!(seconds(&json!(-1)), None);
        assert_eq!(seconds(&json!("soon")), None);
        assert_eq!(seconds(&json!(null)), None);
    }
}
