//! Raw calls (`/custom`): the account's base URL and authentication, nothing else is interpreted.

use http::{HeaderMap, HeaderName, header};
use quartermaster_types::{Code, Problem};
use serde_json::Map;

use crate::call::{RawAnswer, RawRequest};
use crate::limits::URL_MAX_BYTES;
use crate::request::{Body, Draft, has_dot_segment, render_problem};
use crate::run::{Purpose, Run};

/// The caller's headers that are passed on.
const PASSED: &[HeaderName] = &[header::CONTENT_TYPE, header::ACCEPT];

/// Sends the request; whatever the upstream answers is the answer.
pub(crate) async fn call(run: &mut Run<'_>, request: RawRequest) -> Result<RawAnswer, Problem> {
    let draft = draft(run, request)?;
    let read = matches!(draft.method, http::Method::GET | http::Method::HEAD | http::Method::OPTIONS);
    let response = run.send_raw(&draft, Purpose { method: None, read }).await?;
    let content_type =
        response.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(RawAnswer {
        status: response.status.as_u16(),
        content_type,
        body: run.without_credential(response.body),
        rate_limits: std::mem::take(&mut run.limits),
    })
}

fn draft(run: &mut Run<'_>, request: RawRequest) -> Result<Draft, Problem> {
    let target = request.path_and_query;
    check_target(&target)?;
    let nothing = Map::new();
    let values = crate::request::Values { connection: run.call.connection, arguments: &nothing };
    let mut headers = HeaderMap::new();
    for (name, template) in &run.call.plan.headers {
        let value = values
            .scope(|scope| template.render(scope, quartermaster_expr::Place::Header))
            .map_err(|error| render_problem(&error, &nothing))?;
        let bad = || Problem::gateway(Code::Internal, format!("the definition's header {name:?} cannot be sent"));
        headers.insert(
            HeaderName::try_from(name).map_err(|_| bad())?,
            http::HeaderValue::try_from(value).map_err(|_| bad())?,
        );
    }
    for name in PASSED {
        if let Some(value) = request.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    let targets = run.targets()?;
    let url = format!("{}{target}", targets.base);
    targets.check(&url)?;
    Ok(Draft { method: request.method, url, headers, body: Body::Raw(request.body) })
}

/// A path below the base URL: it begins with `/`, takes no step back, and names no fragment.
fn check_target(target: &str) -> Result<(), Problem> {
    let refused =
        |what: &str| Err(Problem::caller(Code::InvalidArgument, format!("the path {what}")).with_error("/path", what));
    if !target.starts_with('/') {
        return refused("must begin with `/`");
    }
    if target.len() > URL_MAX_BYTES {
        return refused("is too long");
    }
    if has_dot_segment(target) {
        return refused("must not have `.` or `..` as a segment");
    }
    if target.contains('#') || target.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\') {
        return refused("has a character that must be percent-encoded");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_paths_stay_below_the_base_url() {
        for good in ["/", "/v1/users?filter=a%20b", "/v1//x", "/a:b@c"] {
            assert!(check_target(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "v1",
            "@evil.test/",
            "/../admin",
            "/%2e%2e/admin",
            "/a#b",
            "/a b",
            "/a\nb",
            "/a\\b",
            "https://evil.test/",
        ] {
            assert_eq!(check_target(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn the_length_limit_holds_and_one_past_it_is_refused() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert!(check_target(&path(URL_MAX_BYTES)).is_ok());
        assert!(check_target(&path(URL_MAX_BYTES + 1)).is_err());
    }
}
