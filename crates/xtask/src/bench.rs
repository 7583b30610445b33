//! `cargo xtask bench`: the speed and the memory of the product, as ratios to nginx where that makes sense, in one run.
//!
//! The upstream is our simulator in its fast mode, the load comes from a separate process (wrk), and nginx is a reverse
//! proxy that only adds a header. Everything shares the machine, so only the ratios travel; the figures are printed beside
//! them. Nothing here passes or fails by a time.

mod guards;
mod http;
mod latency;
mod load;
mod memory;
mod nginx;
mod report;
mod scale;
mod stage;

use anyhow::Result;
use clap::Args;

use crate::install;
use report::Report;
use stage::Stage;

/// How long and how often to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds for each measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds; nginx and qm take turns, and the median of the ratios counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Connections that the load keeps open.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Only the rows against nginx.
    #[arg(long)]
    throughput_only: bool,
    /// Measure the build for packages (link-time optimisation) instead of the ordinary release build.
    #[arg(long)]
    packaged: bool,
}

/// Measures and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    install::ensure(&[install::C_COMPILER, install::NGINX, install::WRK])?;
    let stage = Stage::set(options.packaged)?;
    let mut report = Report::new();
    load::against_nginx(&stage, options, &mut report)?;
    if !options.throughput_only {
        latency::added(&stage, &mut report)?;
        guards::cost(&stage, &mut report)?;
        memory::idle_and_start(&stage, &mut report)?;
        scale::many_accounts(&stage, options, &mut report)?;
        scale::audit(&stage, &mut report)?;
    }
    report.print();
    Ok(())
}
