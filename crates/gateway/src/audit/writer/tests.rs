use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use quartermaster_store_model::Outcome;
use quartermaster_types::{Clock, IdSource, Timestamp};
use tokio::sync::Semaphore;

use super::*;

/// Keeps what it gets; can be told to refuse, and to wait for a permit before every write.
pub(crate) struct TestSink {
    batches: Mutex<Vec<usize>>,
    rows: AtomicUsize,
    refuses: AtomicBool,
    permits: Semaphore,
}

impl TestSink {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            batches: Mutex::default(),
            rows: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
            permits: Semaphore::new(permits),
        })
    }

    pub(crate) async fn append(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        self.permits.acquire().await.unwrap().forget();
        if self.refuses.load(Ordering::SeqCst) {
            return Err(StoreError::NoSpace("no room".to_owned()));
        }
        self.batches.lock().unwrap().push(rows.len());
        self.rows.fetch_add(rows.len(), Ordering::SeqCst);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.load(Ordering::SeqCst)
    }
}

fn log(permits: usize) -> (Arc<TestSink>, AuditLog, Arc<Metrics>) {
    let sink = TestSink::new(permits);
    let metrics = Arc::new(Metrics::new());
    let log = AuditLog::start(Sink::Test(Arc::clone(&sink)), Arc::clone(&metrics));
    (sink, log, metrics)
}

fn row() -> AuditRow {
    let clock = Clock::manual(Timestamp::from_unix_ms(1));
    let ids = IdSource::new(clock, 1);
    AuditRow {
        id: ids.next(),
        environment_id: ids.next(),
        at: Timestamp::from_unix_ms(1),
        request_id: ids.next(),
        token_id: ids.next(),
        session: None,
        door: "tool",
        action: "users.list".to_owned(),
        account_id: None,
        target: None,
        arguments: None,
        before: None,
        after: None,
        decision: None,
        outcome: Outcome::Ok,
        code: None,
        upstream_calls: 1,
        duration_ms: 1,
    }
}

#[tokio::test]
async fn reads_are_gathered_and_a_write_is_committed_without_waiting() {
    let (sink, log, metrics) = log(1_000);
    for _ in 0..5 {
        log.record(row()).await;
    }
    tokio::time::sleep(AUDIT_GATHER * 2).await;
    assert_eq!(*sink.batches.lock().unwrap(), [5]);
    assert_eq!(metrics.audit_queue_depth.get(), 0);
    log.record(row()).await;
    log.commit(row()).await.unwrap();
    assert_eq!(sink.rows(), 7, "what waits goes along with what is committed");
    assert_eq!(metrics.audit_queue_depth.get(), 0);
}

#[tokio::test]
async fn a_batch_ends_at_its_limit() {
    let (sink, log, _) = log(1_000);
    for _ in 0..=AUDIT_BATCH_MAX {
        log.record(row()).await;
    }
    tokio::time::sleep(AUDIT_GATHER * 3).await;
    assert_eq!(*sink.batches.lock().unwrap(), [AUDIT_BATCH_MAX, 1]);
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait_and_drops_nothing() {
    let (sink, log, _) = log(0);
    // The writer takes one batch and waits for its permit; then the queue fills to its limit.
    for _ in 0..AUDIT_BATCH_MAX {
        log.record(row()).await;
    }
    tokio::time::sleep(AUDIT_GATHER * 2).await;
    for _ in 0..AUDIT_QUEUE_MAX {
        tokio::time::timeout(AUDIT_GATHER, log.record(row())).await.expect("there is room up to the limit");
    }
    let waiting = tokio::time::timeout(AUDIT_GATHER, log.record(row())).await;
    assert!(waiting.is_err(), "one past the limit waits");
    sink.permits.add_permits(1_000);
    log.record(row()).await;
    log.close().await;
    assert_eq!(sink.rows(), AUDIT_BATCH_MAX + AUDIT_QUEUE_MAX + 1);
}

#[tokio::test]
async fn refused_records_are_kept_and_written_when_there_is_room_again() {
    let (sink, log, metrics) = log(100_000);
    sink.refuses.store(true, Ordering::SeqCst);
    assert!(log.commit(row()).await.is_err());
    assert!(!log.healthy());
    for _ in 0..10 {
        log.record(row()).await;
    }
    tokio::time::sleep(AUDIT_RETRY_EVERY * 3).await;
    assert_eq!((sink.rows(), log.healthy(), metrics.audit_lost.get()), (0, false, 0));
    sink.refuses.store(false, Ordering::SeqCst);
    tokio::time::sleep(AUDIT_RETRY_EVERY * 2).await;
    assert_eq!((sink.rows(), log.healthy()), (11, true));
    assert_eq!(metrics.audit_healthy.get(), 1);
}

#[tokio::test]
async fn what_comes_over_the_limit_while_records_are_refused_is_counted_as_lost() {
    let (sink, log, metrics) = log(1_000_000);
    sink.refuses.store(true, Ordering::SeqCst);
    for _ in 0..AUDIT_HELD_MAX {
        log.record(row()).await;
    }
    tokio::time::sleep(AUDIT_RETRY_EVERY).await;
    assert_eq!(metrics.audit_lost.get(), 0, "at the limit nothing is lost");
    log.record(row()).await;
    tokio::time::sleep(AUDIT_RETRY_EVERY).await;
    assert_eq!(metrics.audit_lost.get(), 1);
    sink.refuses.store(false, Ordering::SeqCst);
    log.close().await;
    assert_eq!(sink.rows(), AUDIT_HELD_MAX);
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_later_records_are_counted_as_lost() {
    let (sink, log, metrics) = log(1_000);
    for _ in 0..300 {
        log.record(row()).await;
    }
    log.close().await;
    assert_eq!(sink.rows(), 300);
    log.record(row()).await;
    assert!(log.commit(row()).await.is_err());
    assert_eq!(metrics.audit_lost.get(), 2);
    log.close().await;
}
