//! The HTTP adapter over the gateway: routes, extractors, problems, the OpenAPI document and the server that carries
//! them. It knows no vendor and decides nothing: every rule is the gateway's.
//!
//! A request goes through one function, [`Api::handle`]: it gives the request its id, catches panics, turns refusals into
//! `application/problem+json` and writes the access log. Authentication is the `Caller` extractor of each handler, so that
//! a route without it stands out; a test over the OpenAPI document holds every other route to it.

mod app;
mod body;
mod document;
mod extract;
mod failure;
mod keyed;
mod routes;
mod schema;
mod server;

pub use app::Api;
pub use document::{OPENAPI, PUBLIC_PATHS, SIGNED_PATHS, document};
pub use extract::{
    BODY_DRAIN_MAX_BYTES, BODY_MAX_BYTES, BODY_READ_TIMEOUT, IDEMPOTENCY_KEY_MAX_BYTES, JSON_DEPTH_MAX,
    RUN_BODY_MAX_BYTES, RUN_BODY_MAX_VALUES, SESSION_MAX_BYTES,
};
pub use routes::problems_markdown;
pub use server::{
    CONNECTIONS_MAX, HEADER_READ_TIMEOUT, HEADERS_MAX, HEADERS_MAX_BYTES, Limits, SHUTDOWN_DEADLINE, Shutdown, serve,
    serve_within,
};
