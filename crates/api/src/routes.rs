//! Every route of the API, in one place.

mod accounts;
mod approvals;
mod audit;
mod custom;
mod environments;
mod hooks;
mod integrations;
mod models;
mod plans;
mod policy;
mod problems;
mod proxy;
mod runs;
mod switches;
mod system;
mod tokens;
mod tools;
mod triggers;

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use axum::{Router, middleware};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use quartermaster_gateway::limits::PREFER_WAIT_MAX;
use quartermaster_gateway::{CallAnswer, WriteKind};
use quartermaster_types::{Code, Problem};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::body::Pieces;
use crate::failure::{Failure, limit_headers};
use crate::keyed::{Keyed, REPLAYED};

pub use problems::markdown as problems_markdown;

/// All routes, with their description.
pub(crate) fn all() -> OpenApiRouter<App> {
    groups().into_iter().fold(OpenApiRouter::default(), |all, (_, group)| all.merge(group))
}

/// All routes, each behind what its group needs.
pub(crate) fn router(app: &App) -> Router<App> {
    let routes = groups().into_iter().fold(OpenApiRouter::default(), |all, (kind, group)| match kind {
        None => all.merge(group),
        Some(kind) => {
            let keyed = Keyed { app: app.clone(), kind };
            all.merge(group.route_layer(middleware::from_fn_with_state(keyed, crate::keyed::keyed)))
        }
    });
    routes.split_for_parts().0
}

/// The routes, by what an `Idempotency-Key` means on them; `None`: they see to it themselves, or only read.
fn groups() -> [(Option<WriteKind>, OpenApiRouter<App>); 4] {
    [
        (Some(WriteKind::Configuration), configuration()),
        (Some(WriteKind::RawCall), OpenApiRouter::default().routes(routes!(custom::custom))),
        (None, calls()),
        (None, service()),
    ]
}

fn configuration() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(accounts::list_accounts, accounts::create_account))
        .routes(routes!(accounts::get_account, accounts::update_account, accounts::delete_account))
        .routes(routes!(accounts::get_budget))
        .routes(routes!(integrations::list_integrations))
        .routes(routes!(integrations::get_integration))
        .routes(routes!(integrations::put_integration_override))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(environments::create_environment))
        .routes(routes!(policy::get_policy, policy::put_policy))
        .routes(routes!(policy::check_policy))
        .routes(routes!(policy::test_policy))
        .routes(routes!(policy::get_blast_radius))
        .routes(routes!(policy::list_policy_versions))
        .routes(routes!(policy::get_policy_version))
        .routes(routes!(policy::restore_policy))
        .routes(routes!(switches::list_switches))
        .routes(routes!(switches::switch_environment_off, switches::switch_environment_on))
        .routes(routes!(switches::switch_account_off, switches::switch_account_on))
        .routes(routes!(switches::switch_token_off, switches::switch_token_on))
        .routes(routes!(switches::switch_tool_off, switches::switch_tool_on))
        .routes(routes!(approvals::list_approvals))
        .routes(routes!(approvals::get_approval))
        .routes(routes!(approvals::decide_approval))
        .routes(routes!(models::list_models, models::create_model))
        .routes(routes!(models::get_model, models::update_model, models::delete_model))
        .routes(routes!(models::check_model))
        .routes(routes!(runs::list_runs, runs::start_run))
        .routes(routes!(runs::get_run))
        .routes(routes!(runs::cancel_run))
        .routes(routes!(plans::list_plans, plans::make_plan))
        .routes(routes!(plans::get_plan))
        .routes(routes!(plans::execute_plan))
        .routes(routes!(plans::discard_plan))
        .routes(routes!(plans::undo_run))
        .routes(routes!(audit::prune_audit_log))
        .routes(routes!(triggers::list_triggers, triggers::create_trigger))
        .routes(routes!(triggers::get_trigger, triggers::update_trigger, triggers::delete_trigger))
        .routes(routes!(triggers::test_trigger))
        .routes(routes!(triggers::list_deliveries))
}

fn calls() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(tools::list_tools))
        .routes(routes!(tools::call_tool))
        .routes(routes!(proxy::proxy_list, proxy::proxy_create))
        .routes(routes!(proxy::proxy_get, proxy::proxy_update, proxy::proxy_delete, proxy::proxy_custom))
        .routes(routes!(proxy::proxy_custom_with_id))
}

fn service() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(hooks::receive_hook))
        .routes(routes!(audit::list_audit_log))
        .routes(routes!(runs::get_run_report))
        .routes(routes!(runs::export_run))
        .routes(routes!(runs::watch_run))
        .routes(routes!(audit::export_audit_log))
        .routes(routes!(audit::get_audit_log_key))
        .routes(routes!(problems::list_problems))
        .routes(routes!(problems::get_problem))
        .routes(routes!(system::get_openapi))
        .routes(routes!(system::get_health))
        .routes(routes!(system::get_readiness))
        .routes(routes!(system::get_metrics))
}

/// Answers paths that no route has.
pub(crate) async fn no_route() -> Failure {
    Problem::caller(Code::NotFound, "There is no such route.")
        .with_hint("The routes are described at /openapi.json. A trailing slash matters.")
        .into()
}

/// Answers methods that a route does not have; axum adds the `allow` header.
pub(crate) async fn no_method(method: Method, uri: Uri) -> Failure {
    let detail = format!("{} has no method {method}.", uri.path());
    Problem::caller(Code::MethodNotAllowed, detail)
        .with_hint("The `allow` header lists the methods of this route.")
        .into()
}

/// A JSON answer.
fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Failure> {
    let bytes = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer does not serialise");
        Problem::gateway(Code::Internal, "The answer could not be written.")
    })?;
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    put(&mut response, CONTENT_TYPE, "application/json");
    Ok(response)
}

/// The same, with an entity tag.
fn json_tagged(status: StatusCode, value: &impl Serialize, etag: &str) -> Result<Response, Failure> {
    let mut response = json(status, value)?;
    put(&mut response, ETAG, etag);
    Ok(response)
}

/// An answer that holds a secret, shown this once.
fn json_secret(location: Option<&str>, value: &impl Serialize) -> Result<Response, Failure> {
    let mut response = json(StatusCode::CREATED, value)?;
    put(&mut response, CACHE_CONTROL, "no-store");
    if let Some(location) = location {
        put(&mut response, LOCATION, location);
    }
    Ok(response)
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer of fixed bytes.
fn fixed(content_type: &str, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(bytes.into()));
    put(&mut response, CONTENT_TYPE, content_type);
    response
}

/// The answer to a call that worked. `waited`: the `Prefer: wait=N` that was honoured.
fn call_answer(app: &App, answer: CallAnswer, waited: Option<Duration>) -> Response {
    let mut response = Response::new(Body::new(Pieces::new(answer.body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !answer.rate_limits.is_empty() {
        limit_headers(headers, &answer.rate_limits, app.clock().now(), false);
    }
    if answer.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(wait) = waited {
        let seconds = wait.min(PREFER_WAIT_MAX).as_secs();
        put(&mut response, HeaderName::from_static("preference-applied"), &format!("wait={seconds}"));
    }
    response
}

/// Sets a header whose value is known to be made of visible characters; anything else is left out.
fn put(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
