//! Raw calls with an account's authentication and base URL.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, StatusCode, Uri};
use quartermaster_engine::{RawAnswer, RawRequest};
use quartermaster_types::{Code, Problem};

use super::proxy::{ACCOUNT, DRY_RUN, account_of};
use super::put;
use crate::app::App;
use crate::extract::{Caller, Query, expect, read_body};
use crate::failure::{Failure, limit_headers};
use crate::schema;

/// Tells the vendor's answers from our own problems.
const ORIGIN: HeaderName = HeaderName::from_static("quartermaster-origin");

/// Call a path of the vendor that the definition does not describe
///
/// The rest of the path and all query parameters but `integrated_account_id` go to the vendor as they are, with the
/// account's authentication; of the headers only `content-type` and `accept`. Only for tokens with `custom: true`. The
/// vendor's answer comes back with its own status and `quartermaster-origin: upstream`; problems of the gateway do not have
/// that header.
#[utoipa::path(method(get, post, put, patch, delete), path = "/custom/{*path}", tag = "proxy",
    params(("path" = String, Path, description = "Path below the account's base URL, with its query."), schema::AccountParameter),
    responses((status = 200, description = "The vendor's answer as it is: any status, any media type.", content_type = "*/*",
        headers(("quartermaster-origin" = String, description = "Always `upstream`.")))))]
pub(super) async fn custom(State(app): State<App>, caller: Caller, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let mut query = Query::of(&parts.uri)?;
    let account = query.parsed(ACCOUNT, "the UUID of an integrated account");
    // A rehearsal that sends after all would be the worst of answers.
    let rehearsal = query.text(DRY_RUN).is_some();
    query.rest()?;
    if rehearsal {
        return Err(
            Problem::caller(Code::Unsupported, "A raw call cannot be rehearsed: `dry_run` is not taken here.").into()
        );
    }
    if expect(&parts.headers)?.is_some() {
        let detail = "A raw call names no record that could be read: `quartermaster-expect` is not taken here.";
        return Err(Problem::caller(Code::Unsupported, detail).into());
    }
    let account = account_of(account, &caller.actor)?;
    let body = read_body(&parts, body).await?;
    let raw = RawRequest {
        method: parts.method,
        path_and_query: upstream_path(&parts.uri),
        headers: passed_on(&parts.headers),
        body,
    };
    let answer = app.gateway().custom(&caller.actor, caller.request_id, account, raw).await?;
    Ok(upstream_answer(&app, answer))
}

/// The path after `/custom` and the query without our own parameters, both escaped as they came.
fn upstream_path(uri: &Uri) -> String {
    let mut text = uri.path().strip_prefix("/custom").unwrap_or_default().to_owned();
    let mut separator = '?';
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        if name != ACCOUNT {
            text.push(separator);
            text.push_str(pair);
            separator = '&';
        }
    }
    text
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in [CONTENT_TYPE, ACCEPT] {
        if let Some(value) = headers.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    passed
}

fn upstream_answer(app: &App, answer: RawAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    limit_headers(response.headers_mut(), &answer.rate_limits, app.clock().now(), answer.status == 429);
    if let Some(content_type) = answer.content_type {
        put(&mut response, CONTENT_TYPE, &content_type);
    }
    put(&mut response, ORIGIN, "upstream");
    // A vendor's page must not run as ours in somebody's browser.
    put(&mut response, CONTENT_SECURITY_POLICY, "sandbox");
    put(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_goes_on_as_it_came_without_our_parameter() {
        let check = |uri: &str, expected: &str| assert_eq!(upstream_path(&uri.parse().unwrap()), expected);
        check("/custom/v1/users?integrated_account_id=x", "/v1/users");
        check("/custom/v1/a%2Fb?a=1&integrated_account_id=x&b=%20&c", "/v1/a%2Fb?a=1&b=%20&c");
    }
}
