//! The socket side: connections, faults, latency, and the control endpoints under `/_simulator/`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, USERS_MAX};
use crate::control::Control;
use crate::fault::Fault;
use crate::listen::{Socket, accept, reset};
use crate::onepassword::{Account, Reply, Request};
use crate::people::State;

/// The largest request body that is read.
const REQUEST_MAX_BYTES: usize = 64 * 1024;
/// The pause between two drops of a slow body.
const DROP_PAUSE: Duration = Duration::from_millis(200);
/// The bytes in a drop.
const DROP_BYTES: usize = 16;

/// A running simulator; stops when dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    control: Control,
    stop: CancellationToken,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The OAuth application's client id.
    pub fn client_id(&self) -> &str {
        &self.control.account.client_id
    }

    /// Its secret.
    pub fn client_secret(&self) -> &str {
        &self.control.account.client_secret
    }

    /// The account id.
    pub fn account_id(&self) -> &str {
        &self.control.account.account_id
    }

    /// The hand on it.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Ends once the simulator was told to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a simulator on the current runtime.
pub async fn start(mut config: Config) -> io::Result<Running> {
    config.users = config.users.min(USERS_MAX);
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let account = Arc::new(Account::new(config));
    let stop = CancellationToken::new();
    let served = Arc::clone(&account);
    tokio::spawn(accept(listener, stop.clone(), move |request, socket| serve(request, Arc::clone(&served), socket)));
    Ok(Running { address, control: Control { account }, stop })
}

async fn serve(
    request: http::Request<Incoming>,
    account: Arc<Account>,
    socket: Socket,
) -> Result<Response<Answer>, io::Error> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let target = parts.uri.path_and_query().map_or(path, http::uri::PathAndQuery::as_str);
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        let limited = Limited::new(body, REQUEST_MAX_BYTES).collect().await;
        limited.map_err(|error| io::Error::other(error.to_string()))?.to_bytes()
    };
    if let Some(action) = path.strip_prefix("/_simulator/") {
        return Ok(control_endpoint(action, parts.uri.query().unwrap_or_default(), &Control { account }));
    }
    let latency = account.settings().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let fault = account.faults.next();
    match fault {
        Some(Fault::Drop) => {
            account.note(&parts.method, target, 0);
            return Err(io::Error::other("dropped on purpose"));
        }
        Some(Fault::Reset) => {
            account.note(&parts.method, target, 0);
            reset(&socket);
            return Err(io::Error::other("reset on purpose"));
        }
        Some(Fault::InternalError) => {
            account.note(&parts.method, target, 500);
            return Ok(respond(Reply {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                headers: http::HeaderMap::new(),
                body: Bytes::from_static(b"{\"code\":13,\"message\":\"internal error\",\"details\":[]}"),
            }));
        }
        _ => {}
    }
    let query = parts.uri.query().unwrap_or_default();
    let reply = account.answer(&Request { method: &parts.method, path, query, headers: &parts.headers, body: &body });
    account.note(&parts.method, target, reply.status.as_u16());
    if (path.ends_with(":suspend") || path.ends_with(":reactivate")) && account.loses_answer() {
        return Err(io::Error::other("the answer is lost on purpose"));
    }
    Ok(match fault {
        Some(Fault::MalformedJson) => {
            let half = reply.body.len() / 2;
            respond(Reply { body: reply.body.slice(..half), ..reply })
        }
        Some(Fault::SlowBody) => respond(reply).map(Answer::slowed),
        _ => respond(reply),
    })
}

fn respond(reply: Reply) -> Response<Answer> {
    let mut response = Response::new(Answer { rest: reply.body, pause: None });
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

/// `counts`; `clock?advance=SECONDS`; `faults?probability=P`; `answers?lose=N`; `state?email=E&set=STATE`; for scripts that drive a simulator from outside.
fn control_endpoint(action: &str, query: &str, control: &Control) -> Response<Answer> {
    let value = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let body = match action {
        "counts" => {
            let counts = control.counts();
            Some(json!({
                "token": counts.token, "revoke": counts.revoke, "list": counts.list, "get": counts.get,
                "suspend": counts.suspend, "reactivate": counts.reactivate, "other": counts.other,
                "limited": counts.limited, "total": counts.total(),
            }))
        }
        "clock" => value("advance").and_then(|text| text.parse::<u64>().ok()).map(|seconds| {
            control.advance(Duration::from_secs(seconds));
            json!({"advanced_seconds": seconds})
        }),
        "faults" => value("probability").and_then(|text| text.parse::<f64>().ok()).map(|probability| {
            control.set_faults(probability);
            json!({"probability": probability})
        }),
        "answers" => value("lose").and_then(|text| text.parse::<u64>().ok()).map(|writes| {
            control.lose_answers(writes);
            json!({"lose": writes})
        }),
        "state" => value("email")
            .and_then(|email| {
                let set = value("set");
                let state = State::ALL.into_iter().find(|state| set.as_deref() == Some(state.as_str()));
                if let (Some(person), Some(state)) = (control.find(&email), state) {
                    control.set_state(&person.id, state);
                }
                control.find(&email)
            })
            .map(|person| json!({"id": person.id, "email": person.email, "state": person.state.as_str()})),
        _ => None,
    };
    let status = if body.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let mut headers = http::HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    respond(Reply { status, headers, body: Bytes::from(body.unwrap_or_default().to_string()) })
}

/// A body: whole at once, or in drops.
#[derive(Debug)]
pub(crate) struct Answer {
    rest: Bytes,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    fn slowed(mut self) -> Self {
        self.pause = Some(Box::pin(tokio::time::sleep(DROP_PAUSE)));
        self
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let Some(pause) = self.pause.as_mut() else {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        };
        if pause.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        pause.set(tokio::time::sleep(DROP_PAUSE));
        let length = DROP_BYTES.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
