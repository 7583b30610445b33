//! Latency that the gateway adds, at a fixed rate: an open loop, timed from the moment at which a call was due.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::http::Connection;
use super::report::Report;
use super::stage::Stage;

const RATE: u32 = 1000;
const WORKERS: u32 = 8;
const SECONDS: u32 = 8;

/// p50 and p99 of direct calls and of calls through the gateway.
pub(super) fn added(stage: &Stage, report: &mut Report) -> Result<()> {
    let direct_path = stage.simulator.users_path("?max_page_size=25");
    let proxy_path = format!("/proxy/users?limit=25&integrated_account_id={}", stage.account);
    let bearer = format!("Bearer {}", stage.access_token);
    let direct = run(&stage.simulator.address, &direct_path, &bearer)?;
    let through = run(&stage.gateway.address, &proxy_path, &stage.gateway.authorization())?;
    let at = |times: &[Duration], share: f64| {
        let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(place).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    let figures = format!(
        "direct p50 {:.2} ms, p99 {:.2} ms; through qm p50 {:.2} ms, p99 {:.2} ms",
        at(&direct, 0.5),
        at(&direct, 0.99),
        at(&through, 0.5),
        at(&through, 0.99)
    );
    let added = format!("{:.2} ms", at(&through, 0.99) - at(&direct, 0.99));
    report.row("added latency at 1,000 requests/s, p99", added, "under 1 ms", figures);
    Ok(())
}

/// Times of all calls, sorted. Workers are staggered so that the whole is even.
fn run(address: &str, path: &str, authorization: &str) -> Result<Vec<Duration>> {
    let interval = Duration::from_secs(1) * WORKERS / RATE;
    let began = Instant::now() + Duration::from_millis(50);
    let results: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address)?;
                    let mut times = Vec::new();
                    for call in 0..RATE / WORKERS * SECONDS {
                        let due = began + interval * call + interval / WORKERS * worker;
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let (status, _) = connection.send("GET", path, &[("authorization", authorization)], "")?;
                        anyhow::ensure!(status == 200, "{path} answered {status}");
                        // The first second warms connections and caches.
                        if call > RATE / WORKERS {
                            times.push(due.elapsed());
                        }
                    }
                    Ok(times)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
            .collect()
    });
    let mut times = Vec::new();
    for result in results {
        times.extend(result?);
    }
    times.sort();
    Ok(times)
}
