//! The socket side: keys, checks, which turn it is, what goes wrong, and the book of requests.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::check::Wrong;
use super::conversation::Conversation;
use super::fault::{Answer, Step};
use super::script::{Reply, Script, Stop, Trouble, Usage};
use super::{Wire, anthropic, digest, openai, template};
use crate::control::lock;
use crate::listen::{Socket, accept, reset};

/// The largest request that is read.
const REQUEST_MAX_BYTES: usize = 16 * 1024 * 1024;
/// The most requests that are kept, and the most conversations whose troubles are counted.
const KEPT_MAX: usize = 10_000;

/// Everything that can be chosen.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// What it says.
    pub script: Script,
    /// The only wire format that it speaks; both when absent.
    pub wire: Option<Wire>,
    /// The key that it wants; none when absent.
    pub key: Option<String>,
    /// The models that it has; any when empty.
    pub models: Vec<String>,
}

impl Config {
    /// A script on any free port, without a key, in both wire formats.
    pub fn new(script: Script) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen, script, wire: None, key: None, models: Vec::new() }
    }
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Path and query, raw.
    pub path_and_query: String,
    /// Headers by lower-case name, values of keys included.
    pub headers: BTreeMap<String, String>,
    /// The body; null when it was no JSON.
    pub body: Value,
    /// Status of the answer.
    pub status: u16,
    /// Which turn or rule answered; empty when none did.
    pub place: String,
    /// Why it was refused, or what the script got wrong; empty when neither.
    pub fault: String,
}

/// A handle on a running stand-in; clones share it.
#[derive(Clone, Debug)]
pub struct Control {
    state: Arc<State>,
}

impl Control {
    /// The requests so far, at most 10,000.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// What was wrong with requests or with the script, in order: empty when everything was as it should be.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.state.seen).iter().map(|seen| seen.fault.clone()).filter(|fault| !fault.is_empty()).collect()
    }

    /// Another script from the next request on.
    pub fn set_script(&self, script: Script) {
        *lock(&self.state.script) = Arc::new(script);
    }
}

/// A running stand-in; stops when dropped.
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

    /// `http://127.0.0.1:PORT/v1`: what clients of both wire formats take as base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The hand on it.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Ends once it was told to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
struct State {
    script: Mutex<Arc<Script>>,
    wire: Option<Wire>,
    key: Option<String>,
    models: Vec<String>,
    seen: Mutex<Vec<Seen>>,
    /// How often something went wrong already, by turn and conversation.
    troubles: Mutex<HashMap<String, usize>>,
}

/// Starts a stand-in on the current runtime.
pub async fn start(config: Config) -> io::Result<Running> {
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let state = Arc::new(State {
        script: Mutex::new(Arc::new(config.script)),
        wire: config.wire,
        key: config.key,
        models: config.models,
        seen: Mutex::default(),
        troubles: Mutex::default(),
    });
    let stop = CancellationToken::new();
    let served = Arc::clone(&state);
    tokio::spawn(accept(listener, stop.clone(), move |request, socket| serve(request, Arc::clone(&served), socket)));
    Ok(Running { address, control: Control { state }, stop })
}

/// A turn with its templates filled in.
pub(super) struct Said {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) text: Option<String>,
    pub(super) reasoning: Option<String>,
    pub(super) calls: Vec<SaidCall>,
    pub(super) stop: Option<Stop>,
    pub(super) usage: Usage,
}

pub(super) struct SaidCall {
    pub(super) tool: String,
    /// As text, JSON or not.
    pub(super) arguments: String,
    pub(super) id: Option<String>,
}

/// One event of a stream, in its wire form.
pub(super) struct Event(Bytes);

impl Event {
    pub(super) fn data(data: &str) -> Self {
        Self(Bytes::from(format!("data: {data}\n\n")))
    }

    pub(super) fn named(name: &str, data: &str) -> Self {
        Self(Bytes::from(format!("event: {name}\ndata: {data}\n\n")))
    }
}

/// What is answered, before it is a body.
struct Outcome {
    status: u16,
    headers: Vec<(String, String)>,
    steps: Vec<Step>,
    place: String,
    fault: String,
    delay: Duration,
    resets: bool,
}

impl Outcome {
    fn json(status: u16, value: &Value) -> Self {
        Self::bytes(status, "application/json", Bytes::from(value.to_string()))
    }

    fn bytes(status: u16, media_type: &str, body: Bytes) -> Self {
        let headers =
            if media_type.is_empty() { Vec::new() } else { vec![("content-type".to_owned(), media_type.to_owned())] };
        let steps = vec![Step::Bytes(body)];
        Self {
            status,
            headers,
            steps,
            place: String::new(),
            fault: String::new(),
            delay: Duration::ZERO,
            resets: false,
        }
    }
}

async fn serve(
    request: http::Request<Incoming>,
    state: Arc<State>,
    socket: Socket,
) -> Result<Response<Answer>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_MAX_BYTES).collect().await;
    let body = body.map_err(|error| io::Error::other(error.to_string()))?.to_bytes();
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    if parts.uri.path() == "/_simulator/seen" {
        let seen = lock(&state.seen).iter().map(shown).collect::<Vec<_>>();
        return respond(Outcome::json(200, &json!(seen)), socket);
    }
    let outcome = outcome(&parts, &body, &state);
    note(&state, target, &parts.headers, &body, &outcome);
    if !outcome.delay.is_zero() {
        tokio::time::sleep(outcome.delay).await;
    }
    if outcome.resets {
        reset(&socket);
        return Err(io::Error::other("reset on purpose"));
    }
    respond(outcome, socket)
}

fn note(state: &State, path_and_query: String, sent: &http::HeaderMap, body: &[u8], outcome: &Outcome) {
    let mut seen = lock(&state.seen);
    if seen.len() < KEPT_MAX {
        seen.push(Seen {
            path_and_query,
            headers: headers(sent),
            body: serde_json::from_slice(body).unwrap_or_default(),
            status: outcome.status,
            place: outcome.place.clone(),
            fault: outcome.fault.clone(),
        });
    }
}

fn shown(seen: &Seen) -> Value {
    json!({
        "path_and_query": seen.path_and_query, "body": seen.body, "status": seen.status, "place": seen.place,
        "fault": seen.fault,
    })
}

fn headers(headers: &http::HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn respond(outcome: Outcome, socket: Socket) -> Result<Response<Answer>, io::Error> {
    let mut response = Response::new(Answer::new(outcome.steps, socket));
    *response.status_mut() = StatusCode::from_u16(outcome.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in outcome.headers {
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        response.headers_mut().insert(name, HeaderValue::try_from(value).map_err(io::Error::other)?);
    }
    Ok(response)
}

fn outcome(parts: &http::request::Parts, body: &[u8], state: &State) -> Outcome {
    let path = parts.uri.path();
    let asked = if path.ends_with("/chat/completions") {
        Some(Wire::OpenAi)
    } else if path.ends_with("/messages") {
        Some(Wire::Anthropic)
    } else {
        None
    };
    let Some(wire) = asked.filter(|wire| state.wire.is_none_or(|only| only == *wire)) else {
        let message = format!("Invalid URL ({} {path})", parts.method);
        return refused(state.wire.unwrap_or(Wire::OpenAi), &Wrong { status: 404, ..Wrong::new(message) });
    };
    let answer = || {
        if parts.method != http::Method::POST {
            let message = format!("Not allowed to {} on {path}.", parts.method);
            return Err(Wrong { status: 405, ..Wrong::new(message) });
        }
        authenticated(wire, &parts.headers, state)?;
        let body: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| Wrong::new(format!("We could not parse the JSON body of your request: {error}")))?;
        let conversation = match wire {
            Wire::OpenAi => openai::read(&body)?,
            Wire::Anthropic => anthropic::read(&body)?,
        };
        known_model(wire, &body, state)?;
        Ok((body, conversation))
    };
    match answer() {
        Ok((body, conversation)) => scripted(wire, &body, &conversation, &parts.headers, state),
        Err(wrong) => refused(wire, &wrong),
    }
}

/// The key that a request carries, in whichever header.
fn key(headers: &http::HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| text("api-key")).or_else(|| text("x-api-key"))
}

fn authenticated(wire: Wire, headers: &http::HeaderMap, state: &State) -> Result<(), Wrong> {
    if let Some(wanted) = &state.key
        && key(headers) != Some(wanted)
    {
        let (code, message) = match wire {
            Wire::OpenAi => (Some("invalid_api_key"), "Incorrect API key provided."),
            Wire::Anthropic => (None, "invalid x-api-key"),
        };
        return Err(Wrong { status: 401, code, ..Wrong::new(message) });
    }
    if wire == Wire::Anthropic && !headers.contains_key("anthropic-version") {
        return Err(Wrong::new("anthropic-version: header is required"));
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.starts_with("application/json") {
        return Err(Wrong::new(format!(
            "Unsupported content type: '{media_type}'. This API method only accepts 'application/json' requests."
        )));
    }
    Ok(())
}

fn known_model(wire: Wire, body: &Map<String, Value>, state: &State) -> Result<(), Wrong> {
    let model = body["model"].as_str().unwrap_or_default();
    if state.models.is_empty() || state.models.iter().any(|known| known == model) {
        return Ok(());
    }
    let (code, message) = match wire {
        Wire::OpenAi => {
            (Some("model_not_found"), format!("The model `{model}` does not exist or you do not have access to it."))
        }
        Wire::Anthropic => (None, format!("model: {model}")),
    };
    Err(Wrong { status: 404, code, ..Wrong::new(message) })
}

fn refused(wire: Wire, wrong: &Wrong) -> Outcome {
    let value = match wire {
        Wire::OpenAi => openai::error(wrong.status, None, wrong.code, wrong.param.as_deref(), &wrong.message),
        Wire::Anthropic => anthropic::error(wrong.status, None, &wrong.message),
    };
    Outcome { fault: wrong.message.clone(), ..Outcome::json(wrong.status, &value) }
}

/// What the script has for this conversation.
fn scripted(
    wire: Wire,
    body: &Map<String, Value>,
    conversation: &Conversation,
    headers: &http::HeaderMap,
    state: &State,
) -> Outcome {
    let script = Arc::clone(&lock(&state.script));
    let over = Reply { text: Some("The script is over.".to_owned()), ..Reply::default() };
    let (place, reply) = script.next(conversation).unwrap_or_else(|| ("nothing left".to_owned(), &over));
    let id = digest(&format!("{}{}", body["messages"], body.get("system").unwrap_or(&Value::Null)));
    let said = match say(wire, reply, conversation, body, &id) {
        Ok(said) => said,
        Err(reason) => {
            let fault = format!("{place}: {reason}");
            let value = match wire {
                Wire::OpenAi => openai::error(500, None, None, None, &format!("script: {fault}")),
                Wire::Anthropic => anthropic::error(500, None, &format!("script: {fault}")),
            };
            return Outcome { place, fault, ..Outcome::json(500, &value) };
        }
    };
    let trouble = trouble(reply, &place, &id, state);
    let mut outcome = match trouble {
        Some(Trouble::Error { status, kind, code, message, headers: told }) => {
            let message = message.clone().unwrap_or_else(|| "something went wrong on purpose".to_owned());
            let message = message.replace("{{ key }}", key(headers).unwrap_or_default());
            let value = match wire {
                Wire::OpenAi => openai::error(*status, kind.as_deref(), code.as_deref(), None, &message),
                Wire::Anthropic => anthropic::error(*status, kind.as_deref(), &message),
            };
            let mut outcome = Outcome::json(*status, &value);
            outcome.headers.extend(told.iter().map(|(name, value)| (name.clone(), value.clone())));
            outcome
        }
        Some(Trouble::Raw { status, media_type, body }) => {
            Outcome::bytes(*status, media_type, Bytes::from(body.clone()))
        }
        Some(Trouble::Reset) => Outcome { resets: true, ..Outcome::json(200, &Value::Null) },
        other => answered(wire, body, reply, &said, other),
    };
    outcome.delay = Duration::from_millis(reply.delay_ms);
    outcome.place = place;
    outcome
}

/// What goes wrong now: each of `first` once for the same conversation, then `trouble`.
fn trouble<'r>(reply: &'r Reply, place: &str, id: &str, state: &State) -> Option<&'r Trouble> {
    if reply.first.is_empty() {
        return reply.trouble.as_ref();
    }
    let mut troubles = lock(&state.troubles);
    if troubles.len() >= KEPT_MAX {
        troubles.clear();
    }
    let count = troubles.entry(format!("{place} {id}")).or_default();
    *count += 1;
    reply.first.get(*count - 1).or(reply.trouble.as_ref())
}

fn say(
    wire: Wire,
    reply: &Reply,
    conversation: &Conversation,
    body: &Map<String, Value>,
    id: &str,
) -> Result<Said, String> {
    let fill = |text: &Option<String>| text.as_ref().map(|text| template::fill(text, conversation)).transpose();
    let mut calls = Vec::with_capacity(reply.calls.len());
    for (index, call) in reply.calls.iter().enumerate() {
        let arguments = match &call.raw {
            Some(raw) => template::fill(raw, conversation)?,
            None => template::fill_value(&Value::Object(call.arguments.clone()), conversation)?.to_string(),
        };
        let made_up = || match wire {
            Wire::OpenAi => openai::call_id(id, index),
            Wire::Anthropic => anthropic::call_id(id, index),
        };
        let id = match &call.id {
            None => Some(made_up()),
            Some(told) => fill(told)?,
        };
        calls.push(SaidCall { tool: template::fill(&call.tool, conversation)?, arguments, id });
    }
    let text = fill(&reply.text)?;
    let reasoning = fill(&reply.reasoning)?;
    let written = calls.iter().map(|call| call.arguments.len() + call.tool.len()).sum::<usize>()
        + text.as_ref().map_or(0, String::len)
        + reasoning.as_ref().map_or(0, String::len);
    // Four letters a token is what people reckon with.
    let read = Value::Object(body.clone()).to_string().len();
    let usage = reply.usage.unwrap_or(Usage { input: read as u64 / 4 + 1, output: written as u64 / 4 + 1, cached: 0 });
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    Ok(Said { id: id.to_owned(), model, text, reasoning, calls, stop: reply.stop, usage })
}

/// A turn on the wire, in one piece or as a stream, perhaps with a bad end.
fn answered(wire: Wire, body: &Map<String, Value>, reply: &Reply, said: &Said, trouble: Option<&Trouble>) -> Outcome {
    let streams = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let pieces: Vec<Bytes> = if streams {
        let with_usage = body.get("stream_options").is_some_and(|options| options["include_usage"] == true);
        let events = match wire {
            Wire::OpenAi => openai::events(said, with_usage),
            Wire::Anthropic => anthropic::events(said),
        };
        events.into_iter().map(|event| event.0).collect()
    } else {
        let whole = match wire {
            Wire::OpenAi => openai::whole(said),
            Wire::Anthropic => anthropic::whole(said),
        };
        let mut whole = Bytes::from(whole.to_string());
        let half = whole.split_to(whole.len() / 2);
        vec![half, whole]
    };
    let whole = pieces.len();
    let kept = match trouble {
        Some(Trouble::CutAfter { events } | Trouble::SilenceAfter { events } | Trouble::ErrorAfter { events, .. }) => {
            if streams {
                (*events).min(whole)
            } else {
                1
            }
        }
        _ => whole,
    };
    let mut steps = Vec::with_capacity(kept * 2 + 1);
    for piece in pieces.into_iter().take(kept) {
        if streams && reply.pause_ms > 0 && !steps.is_empty() {
            steps.push(Step::Pause(Duration::from_millis(reply.pause_ms)));
        }
        steps.push(Step::Bytes(piece));
    }
    if let Some(size) = reply.piece_bytes {
        steps = Answer::cut(steps, size.max(1));
    }
    match trouble {
        Some(Trouble::CutAfter { .. }) => steps.push(Step::Break),
        Some(Trouble::SilenceAfter { .. }) => steps.push(Step::Silence),
        Some(Trouble::ErrorAfter { kind, message, .. }) => {
            let event = match wire {
                Wire::OpenAi => Event::data(&openai::error(500, Some(kind), None, None, message).to_string()),
                Wire::Anthropic => Event::named("error", &anthropic::error(500, Some(kind), message).to_string()),
            };
            steps.push(Step::Bytes(event.0));
        }
        _ => {}
    }
    let media_type = if streams { "text/event-stream; charset=utf-8" } else { "application/json" };
    let mut outcome = Outcome { steps, ..Outcome::bytes(200, media_type, Bytes::new()) };
    let request_id = match wire {
        Wire::OpenAi => "x-request-id",
        Wire::Anthropic => "request-id",
    };
    outcome.headers.push((request_id.to_owned(), format!("req_{}", said.id)));
    outcome
}
