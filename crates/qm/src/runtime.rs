//! The asynchronous runtimes: one thread for commands that talk, a few for those that serve.

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Threads that serve unless said otherwise, at most: the pipeline is short, and each thread costs memory.
const WORKERS_DEFAULT_MAX: usize = 4;

/// For commands that talk to a gateway.
pub(crate) fn talking() -> Result<Runtime, Failure> {
    build(&mut Builder::new_current_thread())
}

/// For commands that serve.
pub(crate) fn serving(workers: Option<u16>) -> Result<Runtime, Failure> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.map_or(available.min(WORKERS_DEFAULT_MAX), usize::from);
    build(Builder::new_multi_thread().worker_threads(workers))
}

fn build(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(Failure::io("starting the runtime"))
}
