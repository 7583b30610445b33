//! What handlers share, and the one function that every request goes through.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Version};
use quartermaster_gateway::Gateway;
use quartermaster_types::{Clock, Code, Problem, RequestId};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::failure::{self, Failure};
use crate::routes;

/// The header that carries the request id on every answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    gateway: Gateway,
    tasks: TaskTracker,
}

impl App {
    /// The gateway.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// The clock.
    pub(crate) fn clock(&self) -> &Clock {
        self.0.gateway.clock()
    }

    /// Work that was begun and must come to its end, whether or not somebody still waits for the answer.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Runs a change of configuration to its end even when the caller goes away, and graceful shutdown waits for it. (Calls
    /// need no such care: the gateway finishes the writes among them.)
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        match self.0.tasks.spawn(work).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Problem::gateway(Code::Unavailable, "The gateway is shutting down.").into()),
        }
    }
}

/// The HTTP API over one gateway. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    app: App,
    router: Router,
}

impl Api {
    /// The API over `gateway`.
    pub fn new(gateway: Gateway) -> Self {
        let app = App(Arc::new(Inner { gateway, tasks: TaskTracker::new() }));
        let router = routes::router(&app)
            .fallback(routes::no_route)
            .method_not_allowed_fallback(routes::no_method)
            .with_state(app.clone());
        Self { app, router }
    }

    /// Answers one request. Never fails: what goes wrong is a problem in the answer, with the request id in it.
    pub async fn handle(&self, mut request: Request) -> Response {
        let request_id = self.app.gateway().request_id();
        request.extensions_mut().insert(request_id);
        // The query is left out of the log: it may hold what nobody should keep.
        let log = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (request.method().clone(), request.uri().path().to_owned(), Instant::now()));
        let response = match host_mistake(&request) {
            Some(failure) => failure.into_response(),
            None => answer(self.router.clone(), request_id, request).await,
        };
        let mut response = failure::render(&self.app, request_id, response);
        let mut buffer = [0; 36];
        let text: &str = request_id.0.hyphenated().encode_lower(&mut buffer);
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        if let Some((method, path, started)) = log {
            let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            tracing::debug!(%request_id, %method, path, status = response.status().as_u16(), duration_us, "request");
        }
        response
    }

    /// Waits until the work that has to come to its end has done so. No request may come in any more.
    pub(crate) async fn drain(&self) {
        self.app.tasks().close();
        self.app.tasks().wait().await;
    }

    /// How much such work there is.
    pub(crate) fn unfinished(&self) -> usize {
        self.app.tasks().len()
    }
}

/// What is wrong with the `host` header, if anything: RFC 9112 (3.2) wants exactly one from HTTP/1.1 on. Intermediaries that
/// pick another one than we do would apply their rules to another host.
fn host_mistake(request: &Request) -> Option<Failure> {
    let hosts = request.headers().get_all(HOST).iter().count();
    let detail = match hosts {
        1 => return None,
        0 if request.version() < Version::HTTP_11 => return None,
        0 => "The request has no `host` header.",
        _ => "The request has more than one `host` header.",
    };
    Some(Failure::invalid(format!("{detail} Send exactly one."), Vec::new()))
}

/// What the routes answer; a panic among them is a fault like any other.
async fn answer(router: Router, request_id: RequestId, request: Request) -> Response {
    match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => panicked(request_id, &*panic),
    }
}

fn panicked(request_id: RequestId, panic: &(dyn std::any::Any + Send)) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(%request_id, panic = text.unwrap_or("?"), "a request panicked");
    Failure::from(Problem::gateway(Code::Internal, "The gateway failed on this request.")).into_response()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_that_does_not_tell_its_text() {
        async fn handler() -> &'static str {
            panic!("the password is hunter2")
        }
        let router = Router::new().route("/", get(handler));
        let response = answer(router, RequestId(uuid::Uuid::nil()), Request::default()).await;
        assert_eq!(response.status(), 500);
        let failure = response.extensions().get::<Failure>().unwrap();
        assert_eq!(failure.problem().code(), Code::Internal);
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
}
