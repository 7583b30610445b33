//! API tokens.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use quartermaster_gateway::{NewToken, TokenView};
use quartermaster_store_model::{Narrowing, Role};
use quartermaster_types::{FieldError, TokenId};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::accounts::page;
use super::{empty, json, json_secret};
use crate::app::App;
use crate::extract::{Caller, JsonBody, Members, PathParts, Query};
use crate::failure::Failure;
use crate::schema;

/// List API tokens
///
/// Never their text, only the first characters of it.
#[utoipa::path(get, path = "/token", tag = "tokens", params(schema::PageParameters),
    responses((status = 200, description = "One page.", body = schema::TokenPage)))]
pub(super) async fn list_tokens(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let page = page(&mut query);
    query.finish()?;
    json(StatusCode::OK, &app.gateway().list_tokens(&caller.actor, &page).await?)
}

/// A token with its text.
#[derive(Serialize)]
struct WithText<'a> {
    #[serde(flatten)]
    view: &'a TokenView,
    token: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [FieldError],
}

/// Make an API token
///
/// `token` in the answer is its text, shown this once; only a hash of it is kept, and with an `Idempotency-Key` the sealed
/// answer for a day.
#[utoipa::path(post, path = "/token", tag = "tokens",
    request_body = schema::NewToken,
    responses(
        (status = 201, description = "The token with its text.", body = schema::CreatedToken,
            headers(("location" = String, description = "Its path."))),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn create_token(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let (token, operator) = new_token(body.members()?)?;
    let gateway = app.gateway().clone();
    let work = async move {
        let narrowing = token.narrowing.clone();
        let (view, text) = if operator {
            gateway.create_operator_token(&caller.actor, caller.request_id, token).await?
        } else {
            gateway.create_token(&caller.actor, caller.request_id, token).await?
        };
        // The token is made; not to know what to warn of is no reason to lose it.
        let warnings = gateway.unknown_names(&caller.actor, &narrowing).await.unwrap_or_default();
        Ok((view, text, warnings))
    };
    let (view, text, warnings) = app.to_the_end(work).await?;
    let location = format!("/token/{}", view.id);
    json_secret(Some(&location), &WithText { view: &view, token: text.expose_secret(), warnings: &warnings })
}

/// Revoke an API token
///
/// It stops working at once. A token does not revoke itself, an operator token is revoked only by another operator token, and
/// the last one of them stays.
#[utoipa::path(delete, path = "/token/{id}", tag = "tokens",
    params(("id" = String, Path, format = "uuid", description = "Id of the token.")),
    responses((status = 204, description = "It is revoked."), (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: the token itself, or the last operator token.")))]
pub(super) async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<TokenId>,
    uri: Uri,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let gateway = app.gateway().clone();
    let work = async move { Ok(gateway.revoke_token(&caller.actor, caller.request_id, id).await?) };
    app.to_the_end(work).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The token, and whether it is to be an operator token.
fn new_token(mut members: Members<'_>) -> Result<(NewToken, bool), Failure> {
    let name = members.required_text("name");
    let role = members.required_text("role");
    let role = match role.as_str() {
        "admin" => Role::Admin,
        "agent" => Role::Agent,
        "auditor" => Role::Auditor,
        other => {
            if !other.is_empty() {
                members.wrong("role", "Must be `admin`, `agent` or `auditor`.");
            }
            Role::Auditor
        }
    };
    let narrowing = Narrowing {
        accounts: members.ids("accounts"),
        tools: members.texts("tools"),
        methods: members.texts("methods"),
        custom: members.boolean("custom").unwrap_or(false),
    };
    let email = members.text("email");
    let expires_at = members.time("expires_at");
    let operator = members.boolean("operator").unwrap_or(false);
    members.finish()?;
    Ok((NewToken { name, role, narrowing, email, expires_at }, operator))
}
