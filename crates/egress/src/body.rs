//! Reads bodies with few copies, and never more than the caps allow.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::EgressError;
use crate::connect::Connection;

/// Most bytes that are reserved on the word of a `content-length` header alone; more grows with what really comes.
const RESERVED_MAX_BYTES: usize = 1024 * 1024;
/// Bodies above this size are decompressed off the event loop.
const INLINE_DECOMPRESS_MAX_BYTES: usize = 32 * 1024;
/// Most encodings on top of each other that are undone.
const ENCODINGS_MAX: usize = 2;

/// Reads a body to its end. A body that comes in one piece is not copied.
pub(crate) async fn read(
    connection: &mut Connection,
    body: Incoming,
    max_bytes: usize,
    host: &str,
) -> Result<Bytes, EgressError> {
    let too_large = || EgressError::TooLarge { host: host.to_owned(), limit_bytes: max_bytes };
    let announced = body.size_hint().lower();
    if announced > max_bytes as u64 {
        return Err(too_large());
    }
    let announced = usize::try_from(announced).unwrap_or(max_bytes).min(RESERVED_MAX_BYTES);
    connection
        .run(async move {
            let mut body = body;
            let mut first = Bytes::new();
            let mut whole = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| broken(host, &error))?;
                let Ok(data) = frame.into_data() else { continue };
                if first.len() + whole.len() + data.len() > max_bytes {
                    return Err(too_large());
                }
                if first.is_empty() && whole.is_empty() {
                    first = data;
                    continue;
                }
                if whole.is_empty() {
                    whole.reserve(announced.max(first.len() + data.len()));
                    whole.extend_from_slice(&std::mem::take(&mut first));
                }
                whole.extend_from_slice(&data);
            }
            Ok(if whole.is_empty() { first } else { whole.freeze() })
        })
        .await
}

/// What went wrong on a connection, without anything that was sent.
pub(crate) fn broken(host: &str, error: &hyper::Error) -> EgressError {
    let first: &(dyn std::error::Error + 'static) = error;
    let chain = || std::iter::successors(Some(first), |error| error.source());
    let ended_early = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
    };
    let reason = if error.is_incomplete_message() || chain().any(ended_early) {
        "it was closed before the answer was complete".to_owned()
    } else if error.is_parse() {
        "the answer is not valid HTTP".to_owned()
    } else {
        chain().last().map(ToString::to_string).unwrap_or_default()
    };
    EgressError::Broken { host: host.to_owned(), reason }
}

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    Gzip,
    Deflate,
}

/// Undoes what `content-encoding` says, at most to `max_bytes`; takes the header away with it.
pub(crate) async fn decompress(
    headers: &mut http::HeaderMap,
    body: Bytes,
    max_bytes: usize,
    host: &str,
) -> Result<Bytes, EgressError> {
    if !headers.contains_key(http::header::CONTENT_ENCODING) {
        return within(body, max_bytes, host);
    }
    let bad = || EgressError::BadEncoding { host: host.to_owned() };
    let encodings = encodings(headers).ok_or_else(bad)?;
    headers.remove(http::header::CONTENT_ENCODING);
    let mut body = body;
    for encoding in encodings.into_iter().rev() {
        if body.is_empty() {
            break;
        }
        headers.remove(http::header::CONTENT_LENGTH);
        let undone = if body.len() <= INLINE_DECOMPRESS_MAX_BYTES {
            undo(encoding, &body, max_bytes)
        } else {
            let work = move || undo(encoding, &body, max_bytes);
            tokio::task::spawn_blocking(work).await.map_err(|_| bad())?
        };
        body = undone.map_err(|fault| match fault {
            Fault::TooLarge => EgressError::TooLarge { host: host.to_owned(), limit_bytes: max_bytes },
            Fault::Malformed => bad(),
        })?;
    }
    within(body, max_bytes, host)
}

fn within(body: Bytes, max_bytes: usize, host: &str) -> Result<Bytes, EgressError> {
    if body.len() <= max_bytes {
        return Ok(body);
    }
    Err(EgressError::TooLarge { host: host.to_owned(), limit_bytes: max_bytes })
}

/// The encodings in the order in which they were applied; `None` when one is not known or there are too many.
fn encodings(headers: &http::HeaderMap) -> Option<Vec<Encoding>> {
    let mut encodings = Vec::new();
    for value in headers.get_all(http::header::CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => encodings.push(Encoding::Gzip),
                "deflate" => encodings.push(Encoding::Deflate),
                "identity" | "" => {}
                _ => return None,
            }
        }
    }
    (encodings.len() <= ENCODINGS_MAX).then_some(encodings)
}

enum Fault {
    TooLarge,
    Malformed,
}

fn undo(encoding: Encoding, body: &[u8], max_bytes: usize) -> Result<Bytes, Fault> {
    match encoding {
        Encoding::Gzip => read_capped(flate2::bufread::MultiGzDecoder::new(body), body.len(), max_bytes),
        // The standard means zlib by `deflate`; some servers send it raw. The first two bytes tell.
        Encoding::Deflate if is_zlib(body) => {
            read_capped(flate2::bufread::ZlibDecoder::new(body), body.len(), max_bytes)
        }
        Encoding::Deflate => read_capped(flate2::bufread::DeflateDecoder::new(body), body.len(), max_bytes),
    }
}

fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0F == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

/// Reads at most one byte more than allowed, so that a bomb stops at the cap.
fn read_capped(reader: impl Read, compressed: usize, max_bytes: usize) -> Result<Bytes, Fault> {
    let mut plain = Vec::with_capacity(compressed.saturating_mul(4).min(max_bytes));
    reader.take(max_bytes as u64 + 1).read_to_end(&mut plain).map_err(|_| Fault::Malformed)?;
    if plain.len() > max_bytes { Err(Fault::TooLarge) } else { Ok(Bytes::from(plain)) }
}
