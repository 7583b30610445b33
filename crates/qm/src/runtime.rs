//! The asynchronous runtimes: one thread for commands that talk, a few for those that serve.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Threads that serve unless said otherwise, at most: the pipeline is short, and each thread costs memory.
const WORKERS_DEFAULT_MAX: usize = 4;

/// For commands that talk to a gateway, and for what a server does apart from its connections.
pub(crate) fn talking() -> Result<Runtime, Failure> {
    build(&mut Builder::new_current_thread())
}

/// For commands that play several parts at once.
pub(crate) fn serving() -> Result<Runtime, Failure> {
    build(Builder::new_multi_thread().worker_threads(workers(None)))
}

fn workers(wanted: Option<u16>) -> usize {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    wanted.map_or(available.min(WORKERS_DEFAULT_MAX), usize::from)
}

fn build(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(Failure::io("starting the runtime"))
}

/// Threads that serve connections, each with a runtime of its own. Dropping ends them.
pub(crate) struct Workers {
    stop: CancellationToken,
    threads: Vec<(Handle, Option<JoinHandle<()>>)>,
}

impl Workers {
    /// Starts as many as wanted, or one for each processor, [`WORKERS_DEFAULT_MAX`] at most.
    pub(crate) fn start(wanted: Option<u16>) -> Result<Self, Failure> {
        let mut started = Self { stop: CancellationToken::new(), threads: Vec::new() };
        for number in 1..=workers(wanted) {
            let runtime = talking()?;
            let handle = runtime.handle().clone();
            let stop = started.stop.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            let thread = thread.spawn(move || runtime.block_on(stop.cancelled()));
            started.threads.push((handle, Some(thread.map_err(Failure::io("starting a thread"))?)));
        }
        Ok(started)
    }

    /// Their runtimes.
    pub(crate) fn handles(&self) -> Vec<Handle> {
        self.threads.iter().map(|(handle, _)| handle.clone()).collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.iter_mut().filter_map(|(_, thread)| thread.take()) {
            // A worker that panicked has ended, too.
            let _ = thread.join();
        }
    }
}
