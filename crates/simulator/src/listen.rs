//! Accepts connections and serves HTTP/1.1 on them until told to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A second handle on a connection's socket, so that a fault can reset it while hyper owns the first.
pub(crate) type Socket = Arc<io::Result<socket2::Socket>>;

/// Resets the connection instead of closing it in good order.
pub(crate) fn reset(socket: &Socket) {
    if let Ok(socket) = socket.as_ref() {
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
}

/// Serves until `stop`; one task for each connection.
pub(crate) async fn accept<H, F, B>(listener: TcpListener, stop: CancellationToken, handle: H)
where
    H: Fn(Request<Incoming>, Socket) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, io::Error>> + Send + 'static,
    B: Body<Data = bytes::Bytes, Error = io::Error> + Send + 'static,
{
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of file descriptors, most likely: let some connections end.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        tokio::spawn(connection(stream, stop.clone(), handle.clone()));
    }
}

async fn connection<H, F, B>(stream: TcpStream, stop: CancellationToken, handle: H)
where
    H: Fn(Request<Incoming>, Socket) -> F,
    F: Future<Output = Result<Response<B>, io::Error>> + Send + 'static,
    B: Body<Data = bytes::Bytes, Error = io::Error> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let socket: Socket = Arc::new(socket2::SockRef::from(&stream).try_clone());
    let service = service_fn(|request| handle(request, Arc::clone(&socket)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = stop.cancelled() => {}
        _ = connection => {}
    }
}
