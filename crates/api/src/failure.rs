//! Refusals and faults on their way to the caller: `application/problem+json` with the request id.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use quartermaster_gateway::CallProblem;
use quartermaster_types::{Code, FieldError, Origin, Problem, RateLimits, RequestId, Timestamp};

use crate::app::App;

/// What a handler answers when it does not answer: a problem and the limits that came with it. Handlers put no request id
/// in; [`render`] does.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    problem: Problem,
    rate_limits: Option<Box<RateLimits>>,
}

impl Failure {
    /// A wrong request, with all its wrong places.
    pub(crate) fn invalid(detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        let mut problem = Problem::caller(Code::InvalidArgument, detail);
        problem.body_mut().errors = errors;
        problem.into()
    }

    /// The problem.
    #[cfg(test)]
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, rate_limits: None }
    }
}

impl From<CallProblem> for Failure {
    fn from(failed: CallProblem) -> Self {
        let rate_limits = (!failed.rate_limits.is_empty()).then_some(failed.rate_limits);
        Self { problem: failed.problem, rate_limits }
    }
}

impl From<Failure> for CallProblem {
    fn from(failure: Failure) -> Self {
        let rate_limits = failure.rate_limits.unwrap_or_default();
        Self { problem: failure.problem, rate_limits }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem, if there is one in the response, as its body.
pub(crate) fn render(app: &App, request_id: RequestId, mut response: Response) -> Response {
    let Some(Failure { problem, rate_limits }) = response.extensions_mut().remove::<Failure>() else {
        return response;
    };
    let problem = problem.with_instance(request_id);
    if problem.body().origin == Origin::Gateway && problem.status() >= 500 {
        tracing::error!(%request_id, code = %problem.code(), detail = problem.body().detail, "a request failed");
    }
    let headers = response.headers_mut();
    // The router wrote down the length of the body that was empty until now.
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(limits) = &rate_limits {
        limit_headers(headers, limits, app.clock().now(), problem.status() == 429);
    }
    if let Some(seconds) = problem.body().retry_after_seconds
        && matches!(problem.status(), 429 | 503)
        && !headers.contains_key(RETRY_AFTER)
    {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.code() == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    // A problem is texts, numbers and JSON values, so that it always serialises; an empty body is the fallback.
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    response
}

/// Adds the rate-limit headers of an answer.
pub(crate) fn limit_headers(headers: &mut HeaderMap, limits: &RateLimits, now: Timestamp, limited: bool) {
    if limits.is_empty() {
        return;
    }
    for (name, value) in limits.headers(now, limited) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
