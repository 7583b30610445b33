//! What a template that cannot be rendered means to the caller.

use quartermaster_expr::RenderError;
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use super::invalid;

/// An argument that is missing or unsuitable is the caller's fault; a connection field or base URL is the account's.
pub(crate) fn render_problem(error: &RenderError, arguments: &Map<String, Value>) -> Problem {
    let (path, detail) = match error {
        RenderError::Missing { path } => (path, "has no value".to_owned()),
        RenderError::Unsuitable { path, reason } => (path, (*reason).to_owned()),
    };
    let (root, rest) = path.split_once('.').unwrap_or((path, ""));
    if root == "connection" && !arguments.contains_key("connection") {
        return Problem::gateway(Code::InvalidArgument, format!("the account's connection field `{rest}` {detail}"))
            .with_hint("Correct the connection fields of the integrated account, then call again.")
            .with_error(format!("/connection/{rest}"), detail);
    }
    if root == "base_url" && !arguments.contains_key("base_url") {
        return Problem::gateway(Code::InvalidArgument, format!("the account's base URL {detail}"))
            .with_hint("Correct `base_url` in the account's or the environment's override, or the connection fields that it is made of.")
            .with_error("/override/base_url", detail);
    }
    if root == "credentials" {
        return Problem::gateway(Code::AccountNeedsReauth, format!("the account's credential `{rest}` {detail}"))
            .with_hint("Renew the credentials of the integrated account, then call again.");
    }
    invalid(root, &detail)
}
