//! The server: takes connections, keeps them within limits, and lets calls in flight finish when it has to stop.
//!
//! A connection is served by one thread from its beginning to its end, with the upstream connections that this thread
//! made: a call crosses no thread, so that nothing has to be woken elsewhere and no cache line moves.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use quartermaster_gateway::Gateway;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Api;

/// Connections that are open at a time; more of them wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Bytes of a request's first line and headers together; more is answered with a bare 431.
pub const HEADERS_MAX_BYTES: usize = 32 * 1024;
/// Headers of a request; more of them are answered with a bare 431.
pub const HEADERS_MAX: usize = 100;
/// How long a connection may take to send the headers of its next request. This is also how long an idle connection is
/// kept, so it is longer than what clients commonly use, lest both ends close and send at the same moment.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// How long calls in flight may take to finish after the signal to stop.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);
/// How long the server pauses when it cannot take a connection for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of a server. [`Limits::default`] is what the product runs with; tests choose smaller ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections that are open at a time.
    pub connections: usize,
    /// How long a connection may take to send the headers of its next request.
    pub header_read_timeout: Duration,
    /// How long calls in flight may take to finish after the signal to stop.
    pub shutdown_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            header_read_timeout: HEADER_READ_TIMEOUT,
            shutdown_deadline: SHUTDOWN_DEADLINE,
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shutdown {
    /// Connections and calls that were still unfinished after [`SHUTDOWN_DEADLINE`]; 0 for a clean end.
    pub unfinished: usize,
}

/// Serves the API on `listener` until `stop` is ready. Then the listener closes, calls in flight finish (at most
/// [`SHUTDOWN_DEADLINE`]), and the function returns. The gateway is left open: call its `shutdown` afterwards.
///
/// Connections are dealt out to the runtimes of `workers` in turn, and each stays where it was put; without any they are
/// served where this function runs. The runtimes have to go on until the function returns.
pub async fn serve(
    gateway: Gateway,
    listener: TcpListener,
    workers: Vec<Handle>,
    stop: impl Future<Output = ()>,
) -> Shutdown {
    serve_within(Limits::default(), gateway, listener, workers, stop).await
}

/// The same within other limits.
pub async fn serve_within(
    limits: Limits,
    gateway: Gateway,
    listener: TcpListener,
    mut workers: Vec<Handle>,
    stop: impl Future<Output = ()>,
) -> Shutdown {
    let api = Api::new(gateway);
    if workers.is_empty() {
        workers.push(Handle::current());
    }
    let connections = Connections {
        api: api.clone(),
        workers,
        tasks: TaskTracker::new(),
        permits: Arc::new(Semaphore::new(limits.connections)),
        limits,
        graceful: GracefulShutdown::new(),
        cut: CancellationToken::new(),
    };
    tokio::select! {
        () = connections.accept(&listener) => {}
        () = stop => {}
    }
    drop(listener);
    connections.finish().await
}

/// The connections of one server.
struct Connections {
    limits: Limits,
    api: Api,
    /// Never empty.
    workers: Vec<Handle>,
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
    graceful: GracefulShutdown,
    cut: CancellationToken,
}

impl Connections {
    /// Takes connections for ever.
    async fn accept(&self, listener: &TcpListener) {
        let mut turns = self.workers.iter().cycle();
        loop {
            let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
            let accepted = match listener.accept().await {
                Ok((stream, _)) => stream.into_std(),
                Err(error) => Err(error),
            };
            match accepted {
                Ok(stream) => {
                    if let Some(worker) = turns.next() {
                        self.start(worker, stream, permit);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection; trying again shortly");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Starts serving a connection on `worker`, which watches the socket from then on.
    fn start(&self, worker: &Handle, stream: std::net::TcpStream, permit: OwnedSemaphorePermit) {
        let (api, watcher, cut) = (self.api.clone(), self.graceful.watcher(), self.cut.clone());
        let header_read_timeout = self.limits.header_read_timeout;
        let served = async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    tokio::select! {
                        () = connection(api, stream, watcher, header_read_timeout) => {}
                        () = cut.cancelled() => {}
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot watch a connection"),
            }
            drop(permit);
        };
        self.tasks.spawn_on(served, worker);
    }

    /// Asks every connection to end after its present request, waits, and cuts what is left at the deadline.
    async fn finish(self) -> Shutdown {
        let Self { limits, api, tasks, graceful, cut, .. } = self;
        let all = async {
            graceful.shutdown().await;
            tasks.close();
            tasks.wait().await;
            api.drain().await;
        };
        if tokio::time::timeout(limits.shutdown_deadline, all).await.is_ok() {
            return Shutdown { unfinished: 0 };
        }
        let unfinished = tasks.len().max(api.unfinished());
        tracing::warn!(unfinished, "calls were still in flight at the shutdown deadline");
        cut.cancel();
        Shutdown { unfinished }
    }
}

/// Serves one connection to its end.
async fn connection(api: Api, stream: TcpStream, watcher: Watcher, header_read_timeout: Duration) {
    // Answers are whole when they are sent: waiting to fill a packet only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.handle(request.map(Body::new)).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read_timeout)
        .max_header_size(HEADERS_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Errors that concern the one connection that was being taken, not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
