//! What sessions read, noted in the store: for the other replicas, and for the time after a restart.
//!
//! Where replicas share the store, an answer goes out when its reading is noted, so that a write that follows it is grounded wherever it
//! arrives. Alone on a file, nothing waits: a crash can lose the last moments, and then an id is read again. Rows are gathered while
//! a write is under way, so that a busy gateway writes many at once.

use std::sync::Mutex;
use std::time::Duration;

use quartermaster_engine::Answer;
use quartermaster_guard::{Grounding, Reading, SessionKey, requires_grounding};
use quartermaster_store::Store;
use quartermaster_store_model::{READ_IDS_MAX, READS_NOTED_MAX, ReadRow};
use quartermaster_types::{Problem, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::call::Door;
use crate::call::Prepared;
use crate::call::guarding::{brings_a_record, grounding_facts, session_key};
use crate::limits::{READS_GATHER, READS_NOTE_AGAIN_EVERY, READS_QUEUE_MAX};
use crate::runs::RUN_SESSION_PREFIX;
use crate::{Actor, Gateway, storage_problem};

struct Entry {
    row: ReadRow,
    /// Told whether the row was stored.
    noted: Option<oneshot::Sender<bool>>,
}

/// The way to the writer.
pub(crate) struct Reads {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Entry>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    waits: bool,
}

impl Reads {
    /// Starts the writer on the present runtime.
    pub(crate) fn start(store: Store) -> Self {
        let (queue, incoming) = mpsc::channel(READS_QUEUE_MAX);
        let waits = store.is_shared();
        let writer = tokio::spawn(write(store, incoming, (!waits).then_some(READS_GATHER)));
        Self { queue: Mutex::new(Some(queue)), writer: Mutex::new(Some(writer)), waits }
    }

    /// Notes rows; waits for that where others have to find them.
    async fn note(&self, rows: impl Iterator<Item = ReadRow>) {
        let queue = self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let Some(queue) = queue else { return };
        let mut answers = Vec::new();
        for row in rows {
            if !self.waits {
                // A full queue costs a session that it reads an id again after a restart.
                let _ = queue.try_send(Entry { row, noted: None });
                continue;
            }
            let (noted, answer) = oneshot::channel();
            if queue.send(Entry { row, noted: Some(noted) }).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            // The answer goes out all the same: the ids are grounded here, and on other replicas they have to be read again.
            let _ = answer.await;
        }
    }

    /// Writes out what is queued and stops the writer.
    pub(crate) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.await;
        }
    }
}

async fn write(store: Store, mut incoming: mpsc::Receiver<Entry>, gather: Option<Duration>) {
    let mut entries = Vec::with_capacity(READS_NOTED_MAX);
    while incoming.recv_many(&mut entries, READS_NOTED_MAX).await > 0 {
        if let Some(gather) = gather
            && entries.len() < READS_NOTED_MAX
            && !incoming.is_closed()
        {
            tokio::time::sleep(gather).await;
            while entries.len() < READS_NOTED_MAX
                && let Ok(entry) = incoming.try_recv()
            {
                entries.push(entry);
            }
        }
        let (rows, waiting): (Vec<ReadRow>, Vec<_>) = entries.drain(..).map(|entry| (entry.row, entry.noted)).unzip();
        let stored = store.note_reads(&rows).await;
        if let Err(error) = &stored {
            tracing::warn!(%error, rows = rows.len(), "what sessions read could not be noted");
        }
        for noted in waiting.into_iter().flatten() {
            let _ = noted.send(stored.is_ok());
        }
    }
}

impl Gateway {
    /// Notes the ids that a call brought, so that writes to them are grounded. A record that this session made counts as read.
    pub(crate) async fn remember(&self, actor: &Actor, prepared: &Prepared, answer: &Answer) {
        let method = prepared.method();
        let session = session_key(actor, prepared);
        let ledger = &self.inner.ledger;
        let reading = match answer {
            Answer::List(list) => ledger.reading(&session, &method.resource, list.ids.iter().map(|id| &id[..])),
            Answer::Single(single) if brings_a_record(method) => {
                ledger.reading(&session, &method.resource, single.id.iter().map(|id| &id[..]))
            }
            Answer::Single(_) => return,
        };
        let now = self.inner.clock.now();
        if is_noted(prepared) {
            self.note(&reading, now).await;
        }
        ledger.keep(&reading, now);
    }

    /// Stores the ids of a reading that were not stored a short while ago.
    async fn note(&self, reading: &Reading, now: Timestamp) {
        let every_ms = READS_NOTE_AGAIN_EVERY.as_millis() as i64;
        // In each such period the first time counts: a reading that is repeated is not noted again and again.
        let since = now.plus_ms(-now.unix_ms().rem_euclid(every_ms));
        let ids = self.inner.ledger.not_noted_since(reading, since);
        let rows = ids.chunks(READ_IDS_MAX);
        let scope = reading.scope();
        self.inner.reads.note(rows.map(|ids| ReadRow { scope, at: now, ids: ids.to_vec() })).await;
    }

    /// Takes into the ledger what the store knows of the id that a call writes to, where the ledger does not know it: read through
    /// another replica, or before a restart.
    pub(crate) async fn recall(&self, actor: &Actor, prepared: &Prepared) -> Result<(), Problem> {
        let Some(id) = prepared.id().filter(|_| is_noted(prepared)) else { return Ok(()) };
        if !requires_grounding(&grounding_facts(actor, prepared)) {
            return Ok(());
        }
        let (ledger, now) = (&self.inner.ledger, self.inner.clock.now());
        let session: SessionKey<'_> = session_key(actor, prepared);
        let resource = &prepared.method().resource;
        if ledger.is_grounded(&session, resource, id.as_bytes(), now) == Grounding::Grounded {
            return Ok(());
        }
        let reading = ledger.reading(&session, resource, std::iter::once(id.as_bytes()));
        let since = now.plus_ms(-quartermaster_guard::ledger::LIFETIME_MS);
        for id in reading.ids() {
            let found = self.inner.store.find_read(reading.scope(), *id, since).await.map_err(storage_problem)?;
            if let Some(at) = found {
                ledger.keep(&reading, at);
            }
        }
        Ok(())
    }
}

/// Whether readings by such a call are noted: those of agents. What a run read stands in its journal.
fn is_noted(prepared: &Prepared) -> bool {
    match &prepared.session {
        Some(session) => !session.starts_with(RUN_SESSION_PREFIX),
        None => prepared.door == Door::Tool,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64) -> ReadRow {
        ReadRow { scope: 1, at: Timestamp::from_unix_ms(1), ids: vec![number] }
    }

    #[tokio::test]
    async fn where_nobody_waits_a_full_queue_takes_no_more() {
        let (queue, mut incoming) = mpsc::channel(READS_QUEUE_MAX);
        let reads = Reads { queue: Mutex::new(Some(queue)), writer: Mutex::new(None), waits: false };
        reads.note((0..=READS_QUEUE_MAX as u64).map(row)).await;
        reads.close().await;
        let mut ids = Vec::new();
        while let Some(entry) = incoming.recv().await {
            ids.extend(entry.row.ids);
        }
        assert!(ids.into_iter().eq(0..READS_QUEUE_MAX as u64));
    }

    #[tokio::test]
    async fn where_others_read_it_everybody_waits_until_it_is_noted() {
        let (queue, mut incoming) = mpsc::channel(READS_QUEUE_MAX);
        let reads = Reads { queue: Mutex::new(Some(queue)), writer: Mutex::new(None), waits: true };
        let noted = std::pin::pin!(reads.note([row(1), row(2)].into_iter()));
        let mut noted = noted;
        assert!(futures_util::poll!(&mut noted).is_pending());
        let _ = incoming.recv().await.unwrap().noted.unwrap().send(true);
        assert!(futures_util::poll!(&mut noted).is_pending(), "one of two");
        let _ = incoming.recv().await.unwrap().noted.unwrap().send(false);
        assert!(futures_util::poll!(&mut noted).is_ready(), "a failure is no reason to wait for ever");
    }
}
