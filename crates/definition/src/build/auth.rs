//! How calls prove who they are.

use quartermaster_expr::Template;

use super::Context;
use super::hosts;
use super::placement::{Allowed, fixed};
use super::variables::Roots;
use crate::diagnostics::Rule;
use crate::plan::{Auth, ClientAuth, ClientCredentials};
use crate::report::Report;
use crate::shape::duration_seconds;
use crate::tree::Node;

/// How long a token lives when neither the answer nor the definition tells.
const TOKEN_LIFETIME_SECONDS: u64 = 3600;

pub(super) fn build(context: &Context<'_>, report: &mut Report<'_>) -> Option<Auth> {
    let Some(node) = context.root.at(&["connection", "auth"]) else { return Some(Auth::None) };
    if node.text().is_some() {
        return Some(Auth::None);
    }
    let mut secret = |node: &Node| context.variables.template(node, Roots::CREDENTIALS, &[], report);
    if let Some(bearer) = node.get("bearer") {
        return Some(Auth::Bearer { token: secret(bearer.get("token")?)? });
    }
    if let Some(key) = node.get("api_key") {
        let value = secret(key.get("value")?)?;
        return match key.get("header").and_then(Node::text) {
            Some(header) => Some(Auth::ApiKeyHeader { header: header.to_ascii_lowercase(), value }),
            None => Some(Auth::ApiKeyQuery { parameter: key.get("query")?.text()?.to_owned(), value }),
        };
    }
    if let Some(basic) = node.get("basic") {
        let username = secret(basic.get("username")?)?;
        let password = match basic.get("password") {
            Some(password) => secret(password)?,
            None => Template::parse("").ok()?,
        };
        return Some(Auth::Basic { username, password });
    }
    client_credentials(node.get("client_credentials")?, context, report).map(Auth::ClientCredentials)
}

fn client_credentials(node: &Node, context: &Context<'_>, report: &mut Report<'_>) -> Option<ClientCredentials> {
    let token_url = node.get("token_url")?;
    hosts::check_absolute(token_url, context, report);
    let token_url = context.variables.template(token_url, Roots::TOKEN_URL, &[], report);
    let client_id = client_value(node, "client_id", context, report);
    let client_secret = client_value(node, "client_secret", context, report);
    let parameters = node.get("parameters").map(|node| fixed(node, false, context, &Allowed::CONNECTION, report));
    let text = |key: &str| node.get(key).and_then(Node::text);
    let scopes = node.get("scopes").map_or(&[][..], Node::items).iter().filter_map(Node::text).map(str::to_owned);
    Some(ClientCredentials {
        token_url: token_url?,
        client_auth: match text("client_auth") {
            Some("body") => ClientAuth::Body,
            Some("json") => ClientAuth::Json,
            _ => ClientAuth::Basic,
        },
        client_id: client_id?,
        client_secret: client_secret?,
        scopes: scopes.collect(),
        scope_separator: text("scope_separator").unwrap_or(" ").to_owned(),
        parameters: parameters.unwrap_or_default(),
        lifetime_seconds: node.get("lifetime").and_then(duration_seconds).unwrap_or(TOKEN_LIFETIME_SECONDS),
    })
}

/// The template under `key`, or the credential of that name.
fn client_value(node: &Node, key: &str, context: &Context<'_>, report: &mut Report<'_>) -> Option<Template> {
    if let Some(given) = node.get(key) {
        return context.variables.template(given, Roots::CREDENTIALS, &[], report);
    }
    if context.root.at(&["connection", "credentials", key]).is_none() {
        let help = format!("declare the credential `{key}` under `connection`, or say here where the value comes from");
        report.error_with_help(
            node,
            Rule::MissingKey,
            format!("`{key}` is missing, and there is no credential of that name"),
            help,
        );
        return None;
    }
    let usual = crate::tree::Node {
        span: node.span.clone(),
        data: crate::tree::Data::Text(format!("{{{{ credentials.{key} }}}}")),
    };
    context.variables.template(&usual, Roots::CREDENTIALS, &[], report)
}
