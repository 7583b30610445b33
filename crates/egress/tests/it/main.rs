//! The client over real sockets, against servers that do what they should not.
#![allow(clippy::unwrap_used, reason = "tests")]

mod addresses;
mod bodies;
mod certificates;
mod connections;
mod server;
mod streams;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use quartermaster_egress::{AllowedUpstreams, Client, EgressError, Limits, Request, Response};

const KIB: usize = 1024;

fn limits() -> Limits {
    Limits { total: Duration::from_secs(5), body_max_bytes: 64 * KIB, decompressed_max_bytes: 256 * KIB }
}

fn get(url: &str) -> Request {
    Request {
        method: http::Method::GET,
        url: url.parse().unwrap(),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
    }
}

/// A client that may reach the server.
fn client_for(server: &server::Server) -> Client {
    Client::new(AllowedUpstreams::parse([server.authority.as_str()]).unwrap())
}

async fn fetch(server: &server::Server) -> Result<Response, EgressError> {
    client_for(server).send(get(&server.url("/")), limits()).await
}
