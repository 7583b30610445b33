//! A server that sends exactly what it is told, and knows nothing of models.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) struct Answer {
    media_type: String,
    body: String,
}

impl Answer {
    pub(crate) fn ok(media_type: &str, body: String) -> Self {
        Self { media_type: media_type.to_owned(), body }
    }
}

pub(crate) struct Server(std::net::SocketAddr);

impl Server {
    pub(crate) fn address(&self) -> String {
        self.0.to_string()
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.0)
    }
}

/// Serves the same answer on every connection, one request each.
pub(crate) async fn serve(answer: Answer) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let kind = if answer.media_type.is_empty() {
                String::new()
            } else {
                format!("content-type: {}\r\n", answer.media_type)
            };
            let text = format!("HTTP/1.1 200 OK\r\n{kind}connection: close\r\n\r\n{}", answer.body);
            tokio::spawn(async move {
                let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
                // The whole request has to be read, or the answer may be lost in a reset.
                while let Ok(count) = stream.read(&mut buffer).await {
                    seen.extend_from_slice(&buffer[..count]);
                    if count == 0 || is_whole(&seen) {
                        break;
                    }
                }
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    Server(address)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_none_or(|length| body.len() >= length)
}
