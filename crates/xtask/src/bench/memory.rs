//! Resident memory, and the time from start to ready.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::report::{Report, median};
use super::stage::{Gateway, Stage};

/// A fresh data folder: idle memory and start.
pub(super) fn idle_and_start(stage: &Stage, report: &mut Report) -> Result<()> {
    let data = stage.folder.join("idle");
    Gateway::start(&stage.program, &data, &stage.simulator.address, true)?;
    let (start_ms, resident_mb) = starts(stage, &data)?;
    report.row(
        "idle resident memory of `qm serve`; start to ready",
        format!("{resident_mb:.1} MB; {start_ms:.0} ms"),
        "30 MB; 100 ms",
        "median of 5 starts, a fresh folder".to_owned(),
    );
    Ok(())
}

/// Median start in milliseconds and idle memory in megabytes over five starts on an existing folder.
pub(super) fn starts(stage: &Stage, data: &Path) -> Result<(f64, f64)> {
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        let gateway = Gateway::start(&stage.program, data, &stage.simulator.address, false)?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(Duration::from_millis(300));
        sizes.push(resident_mb(gateway.process.0.id())?);
        stop(gateway);
    }
    Ok((median(&mut times), median(&mut sizes)))
}

/// Asks a gateway to end in an orderly way.
pub(super) fn stop(mut gateway: Gateway) {
    let _ = std::process::Command::new("kill").args(["-TERM", &gateway.process.0.id().to_string()]).status();
    let _ = gateway.process.0.wait();
}

/// Resident memory of a process in megabytes (10^6 bytes).
pub(super) fn resident_mb(process: u32) -> Result<f64> {
    status_mb(process, "VmRSS:").context("the process runs")
}

/// A line of `/proc/PID/status` in megabytes (10^6 bytes).
pub(super) fn status_mb(process: u32, line: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let text = status.lines().find_map(|found| found.strip_prefix(line))?;
    let kibibytes: f64 = text.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1_000_000.0)
}
