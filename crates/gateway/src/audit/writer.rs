//! The writer that gathers records of calls.
//!
//! Records go through a bounded queue to one task that writes them in batches. A read does not wait for its record. A
//! write does: its answer goes out when the record is committed. While the store refuses records, writes are refused
//! before anything is sent, reads go on, and their records are kept in memory up to a limit.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quartermaster_store::Store;
use quartermaster_store_model::{AuditRow, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::limits::{
    AUDIT_BATCH_MAX, AUDIT_CHECKPOINT_RECORDS, AUDIT_GATHER, AUDIT_HELD_MAX, AUDIT_QUEUE_MAX, AUDIT_RETRY_EVERY,
};
use crate::metrics::Metrics;

/// Where records go.
pub(crate) enum Sink {
    /// To stay.
    Store(Store),
    /// To be looked at.
    #[cfg(test)]
    Test(Arc<tests::TestSink>),
}

impl Sink {
    async fn append(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        match self {
            Self::Store(store) => store.append_audit(rows).await,
            #[cfg(test)]
            Self::Test(sink) => sink.append(rows).await,
        }
    }
}

/// The record could not be committed; it is kept and tried again.
#[derive(Debug)]
pub(crate) struct NotCommitted;

struct Entry {
    row: AuditRow,
    /// Told when the row is committed, or that it could not be.
    committed: Option<oneshot::Sender<bool>>,
}

/// The way to the writer.
pub(crate) struct AuditLog {
    queue: mpsc::Sender<Entry>,
    state: Arc<State>,
    closed: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
    close: std::sync::Mutex<Option<oneshot::Sender<()>>>,
}

struct State {
    healthy: AtomicBool,
    /// Ends the writer's gathering: somebody waits for a record, or the queue fills.
    urgent: Notify,
    /// Told when so many records were written that their chains should be signed.
    checkpoint_due: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl AuditLog {
    /// Starts the writer on the present runtime.
    pub(crate) fn start(sink: Sink, metrics: Arc<Metrics>) -> Self {
        let (queue, incoming) = mpsc::channel(AUDIT_QUEUE_MAX);
        let (close, closing) = oneshot::channel();
        let (done, closed) = oneshot::channel();
        let state = Arc::new(State {
            healthy: AtomicBool::new(true),
            urgent: Notify::new(),
            checkpoint_due: Arc::default(),
            metrics,
        });
        let writer = Writer { sink, state: Arc::clone(&state), held: Vec::new(), waiting: Vec::new(), unsigned: 0 };
        tokio::spawn(async move {
            writer.run(incoming, closing).await;
            let _ = done.send(());
        });
        Self { queue, state, closed: tokio::sync::Mutex::new(Some(closed)), close: std::sync::Mutex::new(Some(close)) }
    }

    /// Whether the last write of records worked.
    pub(crate) fn healthy(&self) -> bool {
        self.state.healthy.load(Ordering::Acquire)
    }

    /// Told when so many records were written that their chains should be signed.
    pub(crate) fn checkpoint_due(&self) -> Arc<Notify> {
        Arc::clone(&self.state.checkpoint_due)
    }

    /// Hands a record over; waits only while the queue is full.
    pub(crate) async fn record(&self, row: AuditRow) {
        self.send(Entry { row, committed: None }).await;
    }

    /// Hands a record over and waits until it is committed.
    pub(crate) async fn commit(&self, row: AuditRow) -> Result<(), NotCommitted> {
        let (committed, answer) = oneshot::channel();
        self.send(Entry { row, committed: Some(committed) }).await;
        match answer.await {
            Ok(true) => Ok(()),
            _ => Err(NotCommitted),
        }
    }

    /// Hands a record over from where nothing can wait (a dropped call); counted as lost when the queue is full.
    pub(crate) fn record_now(&self, row: AuditRow) {
        match self.queue.try_send(Entry { row, committed: None }) {
            Ok(()) => {
                self.state.metrics.audit_queue_depth.inc();
            }
            Err(_) => {
                self.state.metrics.audit_lost.inc();
            }
        }
    }

    async fn send(&self, entry: Entry) {
        let metrics = &self.state.metrics;
        metrics.audit_queue_depth.inc();
        let waits_for_it = entry.committed.is_some();
        if self.queue.capacity() <= AUDIT_QUEUE_MAX / 2 {
            self.state.urgent.notify_one();
        }
        if self.queue.send(entry).await.is_err() {
            metrics.audit_queue_depth.dec();
            metrics.audit_lost.inc();
            tracing::error!("an audit record came after the writer had stopped");
        }
        if waits_for_it {
            self.state.urgent.notify_one();
        }
    }

    /// Writes everything that is queued and stops the writer.
    pub(crate) async fn close(&self) {
        let close = self.close.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(close) = close {
            let _ = close.send(());
        }
        if let Some(closed) = self.closed.lock().await.take() {
            let _ = closed.await;
        }
    }
}

struct Writer {
    sink: Sink,
    state: Arc<State>,
    /// Records that are to be written next.
    held: Vec<AuditRow>,
    /// Who waits for them.
    waiting: Vec<oneshot::Sender<bool>>,
    /// Records that were written since checkpoints were last asked for.
    unsigned: usize,
}

impl Writer {
    async fn run(mut self, mut incoming: mpsc::Receiver<Entry>, closing: oneshot::Receiver<()>) {
        let mut closing = std::pin::pin!(closing);
        let mut retry_at: Option<Instant> = None;
        let mut open = true;
        loop {
            let retry = tokio::time::sleep_until(retry_at.unwrap_or_else(Instant::now));
            tokio::select! {
                biased;
                first = incoming.recv() => match first {
                    None => break,
                    Some(first) => {
                        let hurry = !open || first.committed.is_some();
                        self.take(first);
                        if !hurry {
                            self.gather(&mut closing, &mut open).await;
                        }
                        if !open {
                            incoming.close();
                        }
                    }
                },
                () = retry, if retry_at.is_some() => {}
                _ = &mut closing, if open => {
                    open = false;
                    incoming.close();
                }
            }
            while let Ok(entry) = incoming.try_recv() {
                self.take(entry);
            }
            let refused_earlier = retry_at.is_some_and(|at| at > Instant::now());
            if refused_earlier && self.waiting.is_empty() {
                self.shed();
                continue;
            }
            retry_at = self.write().await.is_err().then(|| Instant::now() + AUDIT_RETRY_EVERY);
            self.shed();
        }
        if self.write().await.is_err() {
            tracing::error!(records = self.held.len(), "audit records could not be written before the end");
            self.state.metrics.audit_lost.inc_by(self.held.len() as u64);
        }
    }

    /// Lets more records come. The queue is not looked at meanwhile, so that a record costs its sender no wake-up.
    async fn gather(&self, closing: &mut Pin<&mut oneshot::Receiver<()>>, open: &mut bool) {
        tokio::select! {
            () = tokio::time::sleep(AUDIT_GATHER) => {}
            () = self.state.urgent.notified() => {}
            _ = closing.as_mut(), if *open => *open = false,
        }
    }

    fn take(&mut self, entry: Entry) {
        self.state.metrics.audit_queue_depth.dec();
        self.held.push(entry.row);
        self.waiting.extend(entry.committed);
    }

    /// Writes what is held, oldest first. On failure everything stays held and whoever waits is told.
    async fn write(&mut self) -> Result<(), ()> {
        let mut written = 0;
        let mut result = Ok(());
        for rows in self.held.chunks(AUDIT_BATCH_MAX) {
            if let Err(error) = self.sink.append(rows).await {
                tracing::error!(%error, records = self.held.len() - written, "audit records cannot be written");
                result = Err(());
                break;
            }
            written += rows.len();
        }
        self.held.drain(..written);
        self.unsigned += written;
        if self.unsigned >= AUDIT_CHECKPOINT_RECORDS {
            self.unsigned = 0;
            self.state.checkpoint_due.notify_one();
        }
        self.state.healthy.store(result.is_ok(), Ordering::Release);
        self.state.metrics.audit_healthy.set(i64::from(result.is_ok()));
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(result.is_ok());
        }
        result
    }

    /// Drops the oldest held records over the limit, counted.
    fn shed(&mut self) {
        let excess = self.held.len().saturating_sub(AUDIT_HELD_MAX);
        if excess > 0 {
            self.held.drain(..excess);
            self.state.metrics.audit_lost.inc_by(excess as u64);
        }
    }
}

#[cfg(test)]
mod tests;
