//! Tools: what an account can do, in the shape that a model takes, and the door that runs it.

use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderMap, StatusCode, Uri};
use quartermaster_gateway::{Arguments, CallRequest, Door, Target, ToolQuery};
use quartermaster_types::AccountId;

use super::{call_answer, empty, fixed, json, put};
use crate::app::App;
use crate::extract::{CallHeaders, Caller, MaybeJsonBody, PathParts, Query, matches_etag};
use crate::failure::Failure;
use crate::schema;

/// List the tools of an account
///
/// Every method of every resource, with description and schemas; at once as the definition and its overrides stand now.
/// Order and bytes are stable: send the `etag` back as `If-None-Match` and get 304 while nothing changed.
#[utoipa::path(get, path = "/integrated-account/{id}/tools", tag = "tools",
    params(schema::AccountPath, schema::ToolParameters, schema::IfNoneMatch),
    responses(
        (status = 200, description = "The tools. Without `format` in this shape; with it in the provider's own.", body = schema::ToolList,
            headers(("etag" = String, description = "Changes when the tools do."))),
        (status = 304, description = "Not changed since the `etag` in `If-None-Match`."),
        (status = 404, description = "`not_found`")))]
pub(super) async fn list_tools(
    State(app): State<App>,
    caller: Caller,
    PathParts(id): PathParts<AccountId>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let tools = ToolQuery {
        methods: query.list("methods"),
        tags: query.list("tags"),
        search: query.text("search"),
        limit: query.parsed::<std::num::NonZeroU32>("limit", "a whole number from 1").map(std::num::NonZeroU32::get),
        format: query.text("format"),
    };
    query.finish()?;
    let rendered = app.gateway().tools(&caller.actor, id, &tools).await?;
    let mut response = if matches_etag(&headers, &rendered.etag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        fixed("application/json", rendered.body)
    };
    put(&mut response, ETAG, &rendered.etag);
    put(&mut response, CACHE_CONTROL, "private, no-cache");
    Ok(response)
}

/// Call a tool
///
/// Runs the method behind the tool: arguments are checked, the guards asked, the vendor called, the outcome recorded. `name`
/// is the tool's name or one of its aliases. On this door a destructive method takes only an id that was read in the same
/// session (`quartermaster-session`, or the token when there is none). With `expect` it is written to only if the record, read
/// right before, has these members.
#[utoipa::path(post, path = "/integrated-account/{id}/tools/{name}/call", tag = "tools",
    params(schema::AccountPath, ("name" = String, Path, description = "Name or alias of the tool."), schema::DryRun, schema::CallHeaderParameters),
    request_body = Option<schema::ToolCall>,
    responses(
        (status = 200, description = "The method's result; with `dry_run=true` the request that would be sent and the guards' decision.", body = schema::CallResult),
        (status = 403, description = "`permission_denied`, `ungrounded_id`, `sandbox_write`, `account_blocked` or another refusal"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
        (status = 412, description = "`precondition_failed`"),
        (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`upstream_rejected`, or an idempotency key used with another payload"),
        (status = 424, description = "`account_needs_reauth`"),
        (status = 429, description = "`rate_limited`, passed on at once"),
        (status = 502, description = "`upstream_invalid`, `upstream_forbidden` or `response_too_large`"),
        (status = 503, description = "`upstream_unavailable` or `unavailable`"),
        (status = 504, description = "`upstream_timeout`")))]
pub(super) async fn call_tool(
    State(app): State<App>,
    caller: Caller,
    PathParts((account, name)): PathParts<(AccountId, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: MaybeJsonBody,
) -> Result<Response, Failure> {
    let mut query = Query::of(&uri)?;
    let dry_run = query.flag("dry_run");
    query.finish()?;
    let CallHeaders { session, wait, idempotency_key, expect: in_header } = CallHeaders::of(&headers)?;
    let mut members = body.members()?;
    let arguments = members.object("arguments").unwrap_or_default();
    let expect = members.object("expect");
    if expect.is_some() && in_header.is_some() {
        members.wrong("expect", "Is given in the body and in the header `quartermaster-expect`; give it once.");
    }
    members.finish()?;
    let request = CallRequest {
        request_id: caller.request_id,
        door: Door::Tool,
        account,
        target: Target::Tool(name),
        arguments: Arguments::Json(arguments),
        session,
        wait,
        idempotency_key,
        takes_over: None,
        expect: expect.or(in_header),
    };
    run(&app, caller, request, dry_run, false).await
}

/// Runs a call, or shows what it would do. `reads`: the route only reads, so that a wait that was asked for is honoured.
/// A write that was begun is finished by the gateway even when the caller goes away.
pub(super) async fn run(
    app: &App,
    caller: Caller,
    request: CallRequest,
    dry_run: bool,
    reads: bool,
) -> Result<Response, Failure> {
    if dry_run {
        let shown = app.gateway().dry_run(&caller.actor, request).await?;
        return json(StatusCode::OK, &shown);
    }
    let waited = request.wait.filter(|_| reads);
    let answer = Box::pin(app.gateway().call(&caller.actor, request)).await?;
    Ok(call_answer(app, answer, waited))
}
