//! A scripted model and a client on it.

use std::time::Duration;

use quartermaster_egress::{AllowedUpstreams, Client as Egress};
use quartermaster_model::{
    Client, Connection, Delta, Message, ModelError, Patience, Reply, Request, Settings, ToolChoice, ToolResult,
    ToolSpec, Wire,
};
use quartermaster_simulator::model::{Config, Running, Script, start};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The key of every stage: it must never be seen in an error.
pub(crate) const KEY: &str = "sk-live-0123456789abcdef";

pub(crate) const WIRES: [Wire; 2] = [Wire::OpenAi, Wire::Anthropic];

pub(crate) struct Stage {
    pub(crate) running: Running,
    pub(crate) client: Client,
    pub(crate) connection: Connection,
}

pub(crate) fn client(address: &str) -> Client {
    let patience =
        Patience { head: Duration::from_secs(2), silence: Duration::from_millis(300), total: Duration::from_secs(5) };
    Client::new(Egress::new(AllowedUpstreams::parse([address]).expect("an address"))).with_patience(patience)
}

pub(crate) fn connection(wire: Wire, base_url: &str) -> Connection {
    let settings = json!({"wire": wire.as_str(), "base_url": base_url});
    let settings: Settings = serde_json::from_value(settings).expect("settings");
    Connection { name: "scripted".to_owned(), settings, key: Some(SecretString::from(KEY)) }
}

impl Stage {
    pub(crate) async fn new(wire: Wire, script: Value) -> Self {
        let script = Script::from_value(script).expect("a script");
        let running = start(Config { key: Some(KEY.to_owned()), ..Config::new(script) }).await.expect("it listens");
        let client = client(&running.address().to_string());
        let connection = connection(wire, &running.base_url());
        Self { running, client, connection }
    }

    pub(crate) async fn ask(&self, request: &Request) -> Result<Reply, ModelError> {
        self.client.ask(&self.connection, request, None).await
    }

    pub(crate) async fn stream(&self, request: &Request) -> (Result<Reply, ModelError>, Vec<Delta>) {
        let mut told = Vec::new();
        let mut note = |delta: Delta| told.push(delta);
        let reply = self.client.ask(&self.connection, request, Some(&mut note)).await;
        (reply, told)
    }

    /// In one piece and as a stream, which must be the same; and the server must have found nothing wrong.
    pub(crate) async fn both(&self, request: &Request) -> (Reply, Vec<Delta>) {
        let whole = self.ask(request).await.unwrap_or_else(|error| panic!("{error:?}"));
        let (streamed, told) = self.stream(request).await;
        let streamed = streamed.unwrap_or_else(|error| panic!("{error:?}"));
        // Usage is estimated from the size of the request, which differs by the wish for a stream.
        assert_eq!(
            Reply { usage: whole.usage, ..streamed },
            whole,
            "a stream and an answer in one piece are the same reply"
        );
        assert_eq!(self.running.control().faults(), Vec::<String>::new());
        (whole, told)
    }
}

pub(crate) fn user(text: &str) -> Message {
    Message::User { text: text.to_owned() }
}

pub(crate) fn request(messages: Vec<Message>) -> Request {
    let schema = json!({"type": "object", "properties": {"email": {"type": "string"}}});
    let tool = |name: &str| ToolSpec {
        name: name.to_owned(),
        description: "Does it.".to_owned(),
        input_schema: schema.clone(),
    };
    Request {
        model: "scripted-1".to_owned(),
        system: "Be exact.".to_owned(),
        messages,
        tools: vec![tool("find_user"), tool("suspend_user")],
        tool_choice: ToolChoice::Auto,
        max_output_tokens: 500,
        temperature: None,
    }
}

/// The conversation a turn further: the reply and a result for each of its calls.
pub(crate) fn further(request: &Request, reply: &Reply, results: &[&str]) -> Request {
    let mut next = request.clone();
    next.messages.push(reply.message());
    let results = reply.calls.iter().zip(results).map(|(call, content)| ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        content: (*content).to_owned(),
        is_error: false,
    });
    next.messages.push(Message::ToolResults { results: results.collect() });
    next
}
