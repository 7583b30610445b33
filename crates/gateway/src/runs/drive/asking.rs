//! One question of a run to a language model.

use std::sync::Arc;

use quartermaster_agent::{Message, Prompt};
use quartermaster_model as model;
use quartermaster_model::{ErrorKind, ModelError, ModelReference};
use quartermaster_store_model::RunRow;
use quartermaster_types::run::{AskedCall, Stop};
use quartermaster_types::{Code, Origin, Problem};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::machine::{Ask, Reply, Usage};
use super::perform::{Ending, Performed, no_rights};
use crate::Gateway;

/// What a question needs besides itself.
pub(super) struct Asking {
    pub(super) gateway: Gateway,
    pub(super) run: Arc<RunRow>,
    pub(super) cancel: CancellationToken,
}

impl Asking {
    /// Asks. A question that is cut off is asked again by whoever goes on with the run: that does no harm.
    pub(super) async fn perform(self, ask: Ask, prompt: Prompt) -> Performed {
        let ending = tokio::select! {
            ending = self.answer(&ask, prompt) => ending,
            () = self.cancel.cancelled() => Ending::Halted,
            () = self.gateway.inner.runs.stopping.cancelled() => Ending::Halted,
        };
        Performed { key: ask.key, ending }
    }

    async fn answer(&self, ask: &Ask, prompt: Prompt) -> Ending {
        match self.gateway.actor_of(self.run.environment_id, self.run.token_id).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ending::NoRights(no_rights()),
            Err(problem) => return Ending::Failed(problem),
        }
        match self.ask(ask, prompt).await {
            Ok(reply) => Ending::Replied(reply),
            Err(problem) => Ending::Failed(problem),
        }
    }

    async fn ask(&self, ask: &Ask, prompt: Prompt) -> Result<Reply, Problem> {
        let reference: ModelReference = ask
            .model
            .parse()
            .map_err(|reason| Problem::caller(Code::InvalidArgument, format!("The run names no model: {reason}.")))?;
        let connection = self.gateway.model_connection(self.run.environment_id, &reference).await?;
        let id = connection.model_for(&reference).ok_or_else(|| no_model(&reference))?;
        let deltas = &self.gateway.inner.runs.deltas;
        let mut tell = |delta| deltas.tell(self.run.id, &ask.key, delta);
        let request = request(id, prompt);
        let asked = self.gateway.inner.models.client.ask(&connection, &request, Some(&mut tell)).await;
        let reply = asked.map_err(|error| problem(&error))?;
        let cost_micros = connection.settings.price.as_ref().map(|price| reply.usage.cost_micros(price));
        Ok(told(reply, cost_micros))
    }
}

fn request(id: String, prompt: Prompt) -> model::Request {
    model::Request {
        model: id,
        system: prompt.system,
        messages: prompt.messages.into_iter().map(message).collect(),
        tools: prompt
            .tools
            .into_iter()
            .map(|tool| model::ToolSpec {
                name: tool.name,
                description: tool.description,
                input_schema: tool.input_schema,
            })
            .collect(),
        tool_choice: model::ToolChoice::Auto,
        max_output_tokens: prompt.max_output_tokens,
        temperature: None,
    }
}

fn message(message: Message) -> model::Message {
    match message {
        Message::User { text } => model::Message::User { text },
        Message::Assistant { text, calls, opaque } => {
            let calls = calls.into_iter().map(|call| model::ToolCall {
                id: call.id,
                name: call.name,
                arguments: model::Arguments::from_value(call.arguments),
            });
            model::Message::Assistant { text, calls: calls.collect(), opaque }
        }
        Message::Results { results } => model::Message::ToolResults {
            results: results
                .into_iter()
                .map(|result| model::ToolResult {
                    call_id: result.call_id,
                    name: result.name,
                    content: result.content,
                    is_error: result.is_error,
                })
                .collect(),
        },
    }
}

/// A reply as the journal keeps it.
fn told(reply: model::Reply, cost_micros: Option<u64>) -> Reply {
    let calls = reply.calls.into_iter().map(|call| AskedCall {
        id: call.id,
        name: call.name,
        arguments: match call.arguments {
            model::Arguments::Object(members) => Value::Object(members),
            model::Arguments::Malformed(text) => Value::String(text),
        },
    });
    Reply {
        text: reply.text,
        calls: calls.collect(),
        opaque: reply.opaque,
        stop: match reply.stop {
            model::Stop::End => Stop::End,
            model::Stop::ToolCalls => Stop::ToolCalls,
            model::Stop::Length => Stop::Length,
            model::Stop::Refused => Stop::Refused,
            model::Stop::Other => Stop::Other,
        },
        usage: Usage {
            input_tokens: reply.usage.input_tokens,
            output_tokens: reply.usage.output_tokens,
            cached_tokens: reply.usage.cached_tokens,
            cost_micros,
        },
    }
}

/// A prompt that is too long has a code of its own: the machine makes a shorter one.
fn problem(error: &ModelError) -> Problem {
    let problem = error.problem();
    if error.kind != ErrorKind::ContextTooLong {
        return problem;
    }
    let hint = problem.body().hint.clone().unwrap_or_default();
    Problem::new(Code::PayloadTooLarge, Origin::Model, problem.body().detail.clone()).with_hint(hint)
}

fn no_model(reference: &ModelReference) -> Problem {
    let name = &reference.connection;
    Problem::caller(Code::InvalidArgument, format!("The model connection {name} has no model of its own."))
        .with_hint(format!("Name one: {name}/MODEL."))
        .with_error("/agent/model", "NAME/MODEL is expected")
}
