use std::sync::atomic::{AtomicU32, Ordering};

use quartermaster_client::RateHeaders;
use quartermaster_types::{Code, Problem};

use super::*;
use crate::event::StopSource;

fn limited(retry_after_seconds: Option<u64>) -> ClientError {
    ClientError::Problem {
        problem: Problem::upstream(Code::RateLimited, "slow down"),
        rate: RateHeaders { retry_after_seconds, ..RateHeaders::default() },
    }
}

fn fault() -> ClientError {
    ClientError::Problem { problem: Problem::upstream(Code::UpstreamUnavailable, "down"), rate: RateHeaders::default() }
}

/// A millisecond to the second.
const SECOND: Duration = Duration::from_millis(1);

struct Watched {
    patience: Patience,
    told: Arc<Mutex<Vec<u64>>>,
}

fn patience(limit_seconds: u32) -> Watched {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let progress = Progress::new(move |event| match event {
        Event::Waiting { seconds, .. } | Event::TryingAgain { seconds, .. } => sink.lock().unwrap().push(seconds),
        _ => {}
    });
    let patience = Patience { second: SECOND, ..Patience::new(SECOND * limit_seconds, progress) };
    Watched { patience, told }
}

/// Runs a call that fails with the given errors, then succeeds; returns calls made and the waits that were told.
async fn run(watched: &Watched, errors: Vec<ClientError>) -> (Result<(), AgentError>, u32, Vec<u64>) {
    let start = Instant::now();
    let calls = AtomicU32::new(0);
    let mut errors = errors.into_iter();
    let result = watched
        .patience
        .read("test", &Stop::never(), async || {
            calls.fetch_add(1, Ordering::Relaxed);
            errors.next().map_or(Ok(()), Err)
        })
        .await;
    let told = watched.told.lock().unwrap().clone();
    let slept: u64 = told.iter().sum();
    assert!(start.elapsed() >= SECOND * u32::try_from(slept).unwrap_or(0), "what was told was waited");
    (result, calls.into_inner(), told)
}

#[tokio::test]
async fn waits_as_the_headers_say() {
    let patience = patience(3600);
    let (result, calls, told) = run(&patience, vec![limited(Some(7)), limited(Some(3))]).await;
    assert!(result.is_ok());
    assert_eq!((calls, told), (3, vec![7, 3]));
    assert_eq!(patience.patience.waits(), Waits { count: 2, seconds: 10 });
}

#[tokio::test]
async fn without_headers_the_steps_double_up_to_a_minute() {
    let patience = patience(3600);
    let errors = (0..8).map(|_| limited(None)).collect();
    let (result, calls, told) = run(&patience, errors).await;
    assert!(result.is_ok());
    assert_eq!((calls, told), (9, vec![1, 2, 4, 8, 16, 32, 60, 60]));
}

#[tokio::test]
async fn patience_ends_at_its_limit_and_one_second_past_it() {
    let (result, ..) = run(&patience(10), vec![limited(Some(10))]).await;
    assert!(result.is_ok());
    let (result, calls, told) = run(&patience(10), vec![limited(Some(11))]).await;
    assert!(matches!(result, Err(AgentError::OutOfPatience { needed_seconds: 11, limit_seconds: 10, .. })));
    assert_eq!((calls, told), (1, vec![]));
}

#[tokio::test]
async fn a_wait_of_zero_seconds_is_never_a_tight_loop() {
    let (_, calls, told) = run(&patience(60), vec![limited(Some(0)), limited(Some(0))]).await;
    assert_eq!((calls, told), (3, vec![1, 1]));
}

#[tokio::test]
async fn passing_faults_of_a_read_are_tried_again_a_few_times() {
    let (result, calls, told) = run(&patience(60), vec![fault(), fault()]).await;
    assert!(result.is_ok());
    assert_eq!((calls, told), (3, vec![1, 2]));
    let (result, calls, _) = run(&patience(60), (0..9).map(|_| fault()).collect()).await;
    assert!(matches!(result, Err(AgentError::Call { .. })));
    assert_eq!(calls, READ_RETRIES_MAX + 1);
}

#[tokio::test]
async fn a_limit_met_by_several_tasks_at_once_is_one_wait() {
    let patience = Patience::new(Duration::from_secs(60), Progress::silent());
    for _ in 0..4 {
        patience.hold(&limited(Some(5)), 0).unwrap();
    }
    assert_eq!(patience.waits().count, 1);
    assert_eq!(patience.waits().seconds, 5, "some milliseconds more are no second more");
}

#[tokio::test]
async fn a_stop_ends_a_wait_at_once() {
    let (source, stop) = StopSource::new();
    let patience = Patience::new(Duration::from_secs(3600), Progress::silent());
    patience.hold(&limited(Some(600)), 0).unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        source.stop();
    });
    let start = Instant::now();
    let result = patience.read("test", &stop, async || Ok(())).await;
    assert!(matches!(result, Err(AgentError::Interrupted)));
    assert!(start.elapsed() < Duration::from_secs(60));
}
