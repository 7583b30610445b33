//! Asks a model for its next turn.

use futures_util::StreamExt as _;
use quartermaster_egress::Client as Egress;
use rig_core::completion::{CompletionRequest, CompletionResponse};
use rig_core::driver::Model;
use rig_core::error::ProviderError;
use rig_core::operation::Completion;
use rig_core::streaming::{Item, Part, PartKind, StreamEvent};
use rig_core::wire::{Encoded, Wire as RigWire, WireFrame};
use secrecy::ExposeSecret;

use crate::discreet::Discreet;
use crate::failure::Failures;
use crate::limits::{ANSWER_TIME_MAX, HEAD_TIME_MAX, SILENCE_MAX};
use crate::transport::Transport;
use crate::{Connection, Delta, ModelError, Reply, Request, Wire, wires};

/// Asks models. Cheap to clone; one per process is enough.
#[derive(Clone, Debug)]
pub struct Client {
    egress: Egress,
    patience: Patience,
}

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the head of a streamed answer is there: the model has read the conversation by then.
    pub head: std::time::Duration,
    /// From one piece of a streamed answer to the next.
    pub silence: std::time::Duration,
    /// From sending the request to the last byte.
    pub total: std::time::Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: HEAD_TIME_MAX, silence: SILENCE_MAX, total: ANSWER_TIME_MAX }
    }
}

impl Client {
    /// Asks over `egress`, whose rules on addresses hold.
    pub fn new(egress: Egress) -> Self {
        Self { egress, patience: Patience::default() }
    }

    /// The same, with other patience.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// One turn. With `deltas` the answer is asked for as a stream and told piece by piece while it comes; without, in one
    /// piece. Both give the same reply. Nothing is tried twice; dropping the future ends the exchange.
    ///
    /// # Errors
    /// [`ModelError`], scrubbed of the key. Malformed arguments and tools that are not there are none: see
    /// [`crate::Arguments`].
    pub async fn ask(
        &self,
        connection: &Connection,
        request: &Request,
        deltas: Option<&mut (dyn FnMut(Delta) + Send)>,
    ) -> Result<Reply, ModelError> {
        let failures = Failures::new(connection);
        request.check().map_err(|reason| failures.invalid(&reason))?;
        let transport =
            Transport::new(&self.egress, connection, self.patience).map_err(|fault| failures.fault(&fault))?;
        let settings = &connection.settings;
        let asked = wires::request(settings, request).map_err(|reason| failures.invalid(&reason))?;
        let key = connection.key.as_ref().map(ExposeSecret::expose_secret);
        let mut deltas = deltas.map(|told| Discreet::new(key, told));
        let response = match settings.wire {
            Wire::OpenAi => turn(wires::chat_completions(&request.model), transport, asked, deltas.as_mut()).await,
            Wire::Anthropic => turn(wires::messages(&request.model), transport, asked, deltas.as_mut()).await,
        };
        let response = response.map_err(|error| failures.of(&error))?;
        let reply = wires::reply(response, request).map_err(|reason| failures.malformed(&reason))?;
        failures.without_key(reply)
    }
}

/// One exchange in one wire format.
async fn turn<W>(
    wire: W,
    transport: Transport,
    request: CompletionRequest,
    deltas: Option<&mut Discreet<'_>>,
) -> Result<CompletionResponse, ProviderError>
where
    W: RigWire<Op = Completion, Payload = Encoded, Frame = WireFrame>,
{
    let model = Model::new(wire, transport);
    let Some(told) = deltas else { return model.call(request).await };
    let mut stream = model.stream(request)?;
    let mut calls: Vec<Part> = Vec::new();
    while let Some(item) = stream.next().await {
        if let Item::Event(event) = item?
            && let Some(delta) = delta(event, &mut calls)
        {
            told.tell(delta);
        }
    }
    told.end();
    stream.finish().await
}

/// An event as a watcher is told of it.
fn delta(event: StreamEvent, calls: &mut Vec<Part>) -> Option<Delta> {
    match event {
        StreamEvent::Start { part, kind: PartKind::ToolCall, name } => {
            calls.push(part);
            let name = name.map(String::from).unwrap_or_default();
            Some(Delta::CallBegun { index: calls.len() - 1, name })
        }
        StreamEvent::Text { text, .. } => Some(Delta::Text(text)),
        StreamEvent::Reasoning { text, .. } => Some(Delta::Reasoning(text)),
        StreamEvent::Arguments { part, json } => {
            let index = calls.iter().position(|known| *known == part)?;
            Some(Delta::CallArguments { index, text: json })
        }
        StreamEvent::Start { .. } | StreamEvent::End { .. } => None,
    }
}
