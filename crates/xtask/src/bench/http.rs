//! A small HTTP/1.1 client over one kept connection: enough to set the stage and to time single calls.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    address: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens a connection to `host:port`.
    pub(super) fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address: address.to_owned(), buffer: Vec::with_capacity(256 * 1024) })
    }

    /// Sends a request and reads the answer: status and body.
    pub(super) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(u16, Vec<u8>)> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: bench/1\r\n", self.address);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.stream.write_all(request.as_bytes())?;
        self.read_answer()
    }

    fn read_answer(&mut self) -> Result<(u16, Vec<u8>)> {
        self.buffer.clear();
        let head_end = loop {
            if let Some(place) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break place + 4;
            }
            self.fill()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).context("an HTTP status")?;
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        while self.buffer.len() < head_end + length {
            self.fill()?;
        }
        Ok((status, self.buffer[head_end..head_end + length].to_vec()))
    }

    fn fill(&mut self) -> Result<()> {
        let mut chunk = [0u8; 16 * 1024];
        let read = self.stream.read(&mut chunk)?;
        if read == 0 {
            bail!("{} closed the connection", self.address);
        }
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(())
    }
}

/// One call whose answer must be a success, as JSON.
pub(super) fn json(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<serde_json::Value> {
    let (status, body) = Connection::open(address)?.send(method, path, headers, body)?;
    let text = String::from_utf8_lossy(&body);
    if !(200..300).contains(&status) {
        bail!("{method} {path} at {address} answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{method} {path} at {address} answered no JSON"))
}
