//! Makes connections: resolves, checks every address, connects to exactly the checked one.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::EgressError;
use crate::address::forbidden;
use crate::allowed::AllowedUpstreams;
use crate::origin::Origin;
use crate::tls::{self, TlsFault, UpstreamAuthorities};

/// Most addresses of one name that are tried, one after the other.
const ADDRESSES_MAX: usize = 8;
/// How long one address may take to answer before the next one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection's byte stream, with TLS or without.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens connections.
pub(crate) struct Connector {
    pub(crate) allowed: AllowedUpstreams,
    authorities: UpstreamAuthorities,
    /// Made at the first https connection: reading the system's root certificates takes time and memory.
    tls: OnceLock<Arc<rustls::ClientConfig>>,
}

impl Connector {
    pub(crate) fn new(allowed: AllowedUpstreams, authorities: UpstreamAuthorities) -> Self {
        Self { allowed, authorities, tls: OnceLock::new() }
    }

    /// A new connection to the origin.
    pub(crate) async fn connect(&self, origin: Origin<'_>) -> Result<Connection, EgressError> {
        let is_far = !self.allowed.contains(origin.host, origin.port);
        Connection::new(self.stream(origin).await?, origin, is_far).await
    }

    async fn stream(&self, origin: Origin<'_>) -> Result<Stream, EgressError> {
        let addresses = self.addresses(origin).await?;
        let tcp = connect_any(origin, &addresses).await?;
        // Requests are written in one piece; waiting for more would only add latency.
        tcp.set_nodelay(true).map_err(|error| connect_failed(origin, &error.to_string()))?;
        let tcp = TokioIo::new(tcp);
        if !origin.is_https {
            return Ok(MaybeHttpsStream::Http(tcp));
        }
        self.with_tls(origin, tcp).await
    }

    /// The addresses of the origin that may be reached, at least one.
    async fn addresses(&self, origin: Origin<'_>) -> Result<Vec<SocketAddr>, EgressError> {
        let resolved = resolve(origin).await?;
        if self.allowed.contains(origin.host, origin.port) {
            return Ok(resolved);
        }
        let mut refused = None;
        let mut permitted = Vec::with_capacity(resolved.len());
        for address in resolved {
            match forbidden(address.ip()) {
                Some(kind) => refused = refused.or(Some((address.ip(), kind))),
                None => permitted.push(address),
            }
        }
        match refused {
            Some((address, kind)) if permitted.is_empty() => {
                Err(EgressError::Forbidden { host: origin.host.to_owned(), address, kind })
            }
            _ => Ok(permitted),
        }
    }

    async fn with_tls(&self, origin: Origin<'_>, tcp: TokioIo<TcpStream>) -> Result<Stream, EgressError> {
        let tls_failed = |fault| EgressError::Tls { host: origin.host.to_owned(), fault };
        let tls = self.tls().await.map_err(tls_failed)?;
        let url = http::Uri::builder()
            .scheme("https")
            .authority(origin.authority)
            .path_and_query("/")
            .build()
            .map_err(|_| EgressError::BadUrl)?;
        let mut connector = HttpsConnector::from((Connected(Some(tcp)), tls));
        connector.call(url).await.map_err(|error| match tls::fault_among(error.as_ref()) {
            Some(fault) => tls_failed(fault),
            None => connect_failed(origin, &format!("the TLS handshake did not come to its end: {error}")),
        })
    }

    async fn tls(&self) -> Result<Arc<rustls::ClientConfig>, TlsFault> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let authorities = self.authorities.clone();
        let made = tokio::task::spawn_blocking(move || tls::config(&authorities)).await;
        let made = made.map_err(|error| TlsFault::Other(error.to_string()))??;
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(made))))
    }
}

async fn resolve(origin: Origin<'_>) -> Result<Vec<SocketAddr>, EgressError> {
    if let Ok(address) = origin.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, origin.port)]);
    }
    let unresolved = || EgressError::Unresolved { host: origin.host.to_owned() };
    let found = tokio::net::lookup_host((origin.host, origin.port)).await.map_err(|_| unresolved())?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() { Err(unresolved()) } else { Ok(addresses) }
}

async fn connect_any(origin: Origin<'_>, addresses: &[SocketAddr]) -> Result<TcpStream, EgressError> {
    let mut reason = String::from("no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reason = error.kind().to_string(),
            Err(_) => reason = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(connect_failed(origin, &reason))
}

fn connect_failed(origin: Origin<'_>, reason: &str) -> EgressError {
    EgressError::Connect { host: origin.host.to_owned(), reason: reason.to_owned() }
}

/// Hands a connection that exists already to the TLS connector, which otherwise would resolve and connect itself.
struct Connected(Option<TokioIo<TcpStream>>);

impl Service<http::Uri> for Connected {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _url: http::Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| std::io::Error::other("the connection was taken")))
    }
}

/// An HTTP/1.1 connection with nothing spawned: whoever uses it also drives it.
///
/// A task of its own would cost several wake-ups, often across threads, for every request.
pub(crate) struct Connection {
    sender: hyper::client::conn::http1::SendRequest<Body>,
    /// `None` once it has ended.
    driver: Option<Pin<Box<hyper::client::conn::http1::Connection<Stream, Body>>>>,
    /// The thread that it was made on.
    pub(crate) home: std::thread::ThreadId,
    /// The `host` header of every request here.
    pub(crate) host: http::HeaderValue,
    /// Whether compressed answers are worth asking for: on the same machine or in the same network they cost more than
    /// they save.
    pub(crate) is_far: bool,
}

/// The body of a request: whole.
pub(crate) type Body = http_body_util::Full<bytes::Bytes>;

/// A request that came back: it was not sent, and may be sent on another connection.
pub(crate) type Unsent = http::Request<Body>;

/// Why a connection gave no answer.
pub(crate) enum SendError {
    /// Nothing was sent.
    NotSent(Box<Unsent>),
    /// The request may have been sent.
    Broken(hyper::Error),
}

impl Connection {
    async fn new(stream: Stream, origin: Origin<'_>, is_far: bool) -> Result<Self, EgressError> {
        let host = http::HeaderValue::from_str(origin.authority).map_err(|_| EgressError::BadUrl)?;
        let (sender, driver) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|error| connect_failed(origin, &error.to_string()))?;
        Ok(Self { sender, driver: Some(Box::pin(driver)), home: std::thread::current().id(), host, is_far })
    }

    /// Lets the connection do what it can now; forgets it when it has ended.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(context).is_ready()
        {
            self.driver = None;
        }
    }

    /// Whether another request may be sent here. Notices a close that came while nobody looked.
    pub(crate) fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(std::task::Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    /// As [`Self::is_usable`] right after an answer was read to its end, when most connections are ready as they are. A
    /// close that is not noticed now is noticed when the connection is taken again.
    pub(crate) fn is_usable_after_answer(&mut self) -> bool {
        (self.driver.is_some() && self.sender.is_ready()) || self.is_usable()
    }

    /// Sends a request; the answer's body is read with [`Self::run`].
    pub(crate) async fn send(
        &mut self,
        request: http::Request<Body>,
    ) -> Result<http::Response<hyper::body::Incoming>, SendError> {
        let answer = self.sender.try_send_request(request);
        self.run(answer).await.map_err(|mut error| match error.take_message() {
            Some(unsent) => SendError::NotSent(Box::new(unsent)),
            None => SendError::Broken(error.into_error()),
        })
    }

    /// Waits for something that this connection brings about, and drives the connection meanwhile.
    pub(crate) async fn run<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            self.drive(context);
            // What the connection just did may have made the result ready; asking now saves a round of waking.
            future.as_mut().poll(context)
        })
        .await
    }
}
