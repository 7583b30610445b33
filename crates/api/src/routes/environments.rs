//! Environments.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use quartermaster_types::EnvironmentId;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::json_secret;
use crate::app::App;
use crate::extract::{Caller, JsonBody, Query};
use crate::failure::Failure;
use crate::schema;

/// An environment with the text of its first token.
#[derive(Serialize)]
struct Created<'a> {
    id: EnvironmentId,
    name: &'a str,
    token: &'a str,
}

/// Make an environment
///
/// An environment is the isolation boundary: accounts, tokens, overrides and the audit log belong to one, and nothing
/// crosses it. `token` in the answer is its first admin token, shown this once. Only an operator token, such as the one of `qm init`, may do this.
#[utoipa::path(post, path = "/environment", tag = "environments",
    request_body = schema::NewEnvironment,
    responses(
        (status = 201, description = "The environment with its first token.", body = schema::CreatedEnvironment),
        (status = 409, description = "`conflict`: the name is taken."),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`")))]
pub(super) async fn create_environment(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    body: JsonBody,
) -> Result<Response, Failure> {
    Query::of(&uri)?.finish()?;
    let mut members = body.members()?;
    let name = members.required_text("name");
    members.finish()?;
    let gateway = app.gateway().clone();
    let work = async move {
        let made = gateway.create_environment(&caller.actor, caller.request_id, &name).await?;
        Ok((made, name))
    };
    let ((id, token), name) = app.to_the_end(work).await?;
    json_secret(None, &Created { id, name: &name, token: token.expose_secret() })
}
