//! Health, metrics and the description of the API.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use quartermaster_store_model::Role;
use quartermaster_types::{Code, Problem};
use serde_json::json;

use super::{fixed, put};
use crate::app::App;
use crate::document::OPENAPI;
use crate::extract::Caller;
use crate::failure::Failure;
use crate::schema;

/// Describe this API
///
/// This document: OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "system",
    responses((status = 200, description = "This document.", body = schema::AnyObject)))]
pub(super) async fn get_openapi() -> Response {
    let mut response = fixed("application/json", OPENAPI.as_bytes());
    put(&mut response, CACHE_CONTROL, "no-cache");
    response
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "system",
    responses((status = 200, description = "It does.", body = schema::Status)))]
pub(super) async fn get_health() -> Result<Response, Failure> {
    super::json(StatusCode::OK, &json!({"status": "ok"}))
}

/// Whether requests can be served
#[utoipa::path(get, path = "/readyz", tag = "system",
    responses(
        (status = 200, description = "They can.", body = schema::Status),
        (status = 503, description = "`unavailable`: storage does not answer.")))]
pub(super) async fn get_readiness(State(app): State<App>) -> Result<Response, Failure> {
    app.gateway().ready().await?;
    super::json(StatusCode::OK, &json!({"status": "ready"}))
}

/// Read the metrics
///
/// In the Prometheus text format. For admins and auditors: the numbers tell who works with which vendor.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, description = "Metrics.", body = String, content_type = "text/plain")))]
pub(super) async fn get_metrics(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    if caller.actor.role == Role::Agent {
        return Err(Problem::gateway(Code::PermissionDenied, "Metrics are for admin and auditor tokens.").into());
    }
    let text = app.gateway().metrics();
    let content_type = if text.ends_with("# EOF\n") {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    Ok(fixed(content_type, text))
}
