//! Watching a run: server-sent events, in the form that the gateway writes.

use http::HeaderMap;
use quartermaster_egress::Stream;
use quartermaster_types::RunId;
use serde_json::Value;

use crate::client::{Client, header};
use crate::error::ClientError;
use crate::runs::RunSummary;

/// The longest event that is read, in bytes: an entry of a journal with the answer of one call.
const EVENT_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// Its number, from 1; watching goes on after it. `None` for what is not kept.
    pub number: Option<u32>,
    /// What happened.
    pub happening: RunHappening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum RunHappening {
    /// An entry of the journal: `entry` is `begun`, `finished`, `failed`, `woken`, or one that came with a later gateway.
    Entry(Value),
    /// What a model says at this moment: `key`, and `text` or `tool`. Has no number, and may be missing.
    Delta(Value),
    /// The run ended.
    End(Box<RunSummary>),
}

/// A run that is being watched.
#[derive(Debug)]
pub struct RunWatch {
    client: Client,
    stream: Stream,
    /// What has come and is no whole event yet.
    buffer: Vec<u8>,
    /// How much of it has no end of an event in it.
    searched: usize,
}

impl Client {
    /// Watches a run from the event after `after`; 0 for all of it. `None` when its end was that event.
    ///
    /// # Errors
    /// Those of every request; nothing is tried again here.
    pub async fn watch_run(&self, id: RunId, after: u32) -> Result<Option<RunWatch>, ClientError> {
        let mut headers = HeaderMap::new();
        if after > 0 {
            header(&mut headers, "last-event-id", &after.to_string())?;
        }
        let stream = self.open(&format!("/run/{id}/events"), headers).await?;
        Ok(stream.map(|stream| RunWatch { client: self.clone(), stream, buffer: Vec::new(), searched: 0 }))
    }
}

impl RunWatch {
    /// The next event; `None` at the end of the stream, which is not that of the run: the gateway ends each after some minutes,
    /// and when it stops. May be dropped and asked for again: nothing is lost.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`] when the connection broke; watch again after the last event.
    pub async fn next(&mut self) -> Result<Option<RunEvent>, ClientError> {
        loop {
            while let Some(text) = self.whole() {
                if let Some(event) = self.read(&text)? {
                    return Ok(Some(event));
                }
            }
            let piece = self.stream.next().await.map_err(|error| self.client.fault(&error))?;
            let Some(piece) = piece else { return Ok(None) };
            self.buffer.extend_from_slice(&piece);
            if self.buffer.len() > EVENT_MAX_BYTES {
                return Err(self.bad(&format!("an event of more than {EVENT_MAX_BYTES} bytes")));
            }
        }
    }

    /// Takes the first whole event out of the buffer.
    fn whole(&mut self) -> Option<Vec<u8>> {
        let found = self.buffer[self.searched..].windows(2).position(|pair| pair == b"\n\n");
        let Some(found) = found else {
            self.searched = self.buffer.len().saturating_sub(1);
            return None;
        };
        let end = self.searched + found + 2;
        self.searched = 0;
        let rest = self.buffer.split_off(end);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// `None` for a comment, and for events that are no part of the journal.
    fn read(&self, text: &[u8]) -> Result<Option<RunEvent>, ClientError> {
        let text = std::str::from_utf8(text).map_err(|_| self.bad("events that are not UTF-8"))?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let broken = |error: serde_json::Error| self.bad(&format!("an event that cannot be read: {error}"));
        let (data, id) = match (field("data"), field("id")) {
            (Some(data), Some(id)) => (data, id),
            (Some(data), None) if field("event") == Some("delta") => {
                let happening = RunHappening::Delta(serde_json::from_str(data).map_err(broken)?);
                return Ok(Some(RunEvent { number: None, happening }));
            }
            _ => return Ok(None),
        };
        let number = Some(id.parse().map_err(|_| self.bad("an event whose id is no number"))?);
        let happening = if field("event") == Some("end") {
            RunHappening::End(Box::new(serde_json::from_str(data).map_err(broken)?))
        } else {
            RunHappening::Entry(serde_json::from_str(data).map_err(broken)?)
        };
        Ok(Some(RunEvent { number, happening }))
    }

    fn bad(&self, what: &str) -> ClientError {
        self.client.not_ours(self.stream.status, what)
    }
}
