//! A server by hand: every connection is given to a script that reads requests and writes bytes as it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A listening server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) authority: String,
    connections: Arc<AtomicUsize>,
}

/// One accepted connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// Counted from 0.
    pub(crate) number: usize,
    read: Vec<u8>,
}

impl Server {
    pub(crate) async fn start<Script, Done>(script: Script) -> Self
    where
        Script: Fn(Peer) -> Done + Send + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Peer { stream, number, read: Vec::new() }));
            }
        });
        Self { authority, connections }
    }

    /// Answers every request on every connection with these bytes, and closes after each when `close` says so.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>, close: bool) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut peer| {
            let answer = Arc::clone(&answer);
            async move {
                while peer.request().await.is_some() {
                    peer.write(&answer).await;
                    if close {
                        return;
                    }
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Peer {
    /// The next request, head and body as text; `None` at the end of the connection.
    pub(crate) async fn request(&mut self) -> Option<String> {
        loop {
            if let Some(length) = whole_request(&self.read) {
                let rest = self.read.split_off(length);
                let request = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8(request).unwrap());
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            self.read.extend_from_slice(&buffer[..count]);
        }
    }

    /// Writes as much as the other side takes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Ends the connection with a reset instead of a proper close.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// The length of the first request when all of it is here.
fn whole_request(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap().to_ascii_lowercase();
    let body = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse::<usize>().unwrap());
    (bytes.len() >= head + body).then_some(head + body)
}

/// An answer with a body and its length.
pub(crate) fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
