//! What models say at this moment, for those who watch in the same process. Nothing of it is kept: the journal gets the whole
//! answer.

use std::sync::Arc;

use quartermaster_model::Delta;
use quartermaster_types::RunId;
use serde::Serialize;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};

use crate::limits::RUN_DELTAS_HELD_MAX;

/// A piece of what a model says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunDelta {
    /// The question, as in the journal.
    pub key: String,
    /// More of its text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The tool that it begins to call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// Where pieces go.
pub(crate) struct Deltas(Sender<Arc<(RunId, RunDelta)>>);

impl Default for Deltas {
    fn default() -> Self {
        Self(Sender::new(RUN_DELTAS_HELD_MAX))
    }
}

impl Deltas {
    /// Tells those who watch, if there are any.
    pub(crate) fn tell(&self, run: RunId, key: &str, delta: Delta) {
        let (text, tool) = match delta {
            Delta::Text(text) => (text, None),
            Delta::CallBegun { name, .. } => (String::new(), Some(name)),
            _ => return,
        };
        // Nobody watches: that is no fault.
        let _ = self.0.send(Arc::new((run, RunDelta { key: key.to_owned(), text, tool })));
    }

    /// Watches a run from now on.
    pub(crate) fn watch(&self, run: RunId) -> DeltaWatch {
        DeltaWatch { run, pieces: self.0.subscribe() }
    }
}

/// Somebody who watches what the model of one run says. Who is too slow misses pieces.
pub struct DeltaWatch {
    run: RunId,
    pieces: Receiver<Arc<(RunId, RunDelta)>>,
}

impl DeltaWatch {
    /// Waits for the next pieces.
    pub(crate) async fn next(&mut self) -> Vec<RunDelta> {
        loop {
            match self.pieces.recv().await {
                Ok(piece) if piece.0 == self.run => {
                    let mut held = vec![piece.1.clone()];
                    self.take(&mut held);
                    return held;
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// The pieces that are there.
    pub(crate) fn held(&mut self) -> Vec<RunDelta> {
        let mut held = Vec::new();
        self.take(&mut held);
        held
    }

    fn take(&mut self, held: &mut Vec<RunDelta>) {
        loop {
            match self.pieces.try_recv() {
                Ok(piece) if piece.0 == self.run => add(held, &piece.1),
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

/// Text that follows text becomes one piece.
fn add(held: &mut Vec<RunDelta>, piece: &RunDelta) {
    match held.last_mut() {
        Some(last) if last.key == piece.key && last.tool.is_none() && piece.tool.is_none() => {
            last.text.push_str(&piece.text);
        }
        _ => held.push(piece.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Delta {
        Delta::Text(text.to_owned())
    }

    #[tokio::test]
    async fn a_watcher_gets_the_pieces_of_its_run_joined() {
        let deltas = Deltas::default();
        let (run, other) = (RunId(uuid::Uuid::from_u128(1)), RunId(uuid::Uuid::from_u128(2)));
        deltas.tell(run, "turn-1", text("before anybody watches"));
        let mut watch = deltas.watch(run);
        deltas.tell(run, "turn-1", text("I look "));
        deltas.tell(other, "turn-1", text("somebody else"));
        deltas.tell(run, "turn-1", text("for them."));
        deltas.tell(run, "turn-1", Delta::CallBegun { index: 0, name: "list".to_owned() });
        let held = watch.next().await;
        assert_eq!(held.len(), 2);
        assert_eq!((held[0].text.as_str(), held[1].tool.as_deref()), ("I look for them.", Some("list")));
        assert!(watch.held().is_empty());
    }

    #[tokio::test]
    async fn who_is_too_slow_misses_pieces_and_goes_on() {
        let deltas = Deltas::default();
        let run = RunId(uuid::Uuid::from_u128(1));
        let mut watch = deltas.watch(run);
        for n in 0..=RUN_DELTAS_HELD_MAX.next_power_of_two() {
            deltas.tell(run, &format!("turn-{n}"), text("x"));
        }
        let held = watch.held();
        assert!(!held.is_empty() && held.len() <= RUN_DELTAS_HELD_MAX.next_power_of_two(), "{}", held.len());
        assert!(held.iter().all(|piece| piece.key != "turn-0"), "the oldest is gone");
    }
}
