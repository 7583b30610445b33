//! Why there is no answer.

use std::net::IpAddr;

use crate::tls::TlsFault;

/// Why there is no answer. Texts never hold header values or query values (they may be secret).
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The address is not one that may be reached.
    #[error("{host} resolves to {address}, which is {kind}; such addresses are refused")]
    Forbidden {
        /// Host as asked.
        host: String,
        /// Address as resolved.
        address: IpAddr,
        /// `loopback`, `private`, `link-local`, `a metadata address`, …
        kind: &'static str,
    },
    /// The name does not resolve.
    #[error("{host} does not resolve")]
    Unresolved {
        /// Host as asked.
        host: String,
    },
    /// Connecting failed, or the connection broke during the TLS handshake; nothing was sent.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host as asked.
        host: String,
        /// Why.
        reason: String,
    },
    /// TLS cannot be established; nothing was sent, and it will be the same next time.
    #[error("cannot connect to {host}: {fault}")]
    Tls {
        /// Host as asked.
        host: String,
        /// What is wrong.
        fault: TlsFault,
    },
    /// The connection broke after the request may have been sent.
    #[error("the connection to {host} broke: {reason}")]
    Broken {
        /// Host as asked.
        host: String,
        /// Why.
        reason: String,
    },
    /// No full answer in time. `sent` tells whether the request may have reached the upstream.
    #[error("no full answer from {host} within {limit_ms} ms")]
    Timeout {
        /// Host as asked.
        host: String,
        /// The limit.
        limit_ms: u64,
        /// Whether the request may have been sent.
        sent: bool,
    },
    /// The body went over a cap.
    #[error("the answer of {host} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Host as asked.
        host: String,
        /// The cap.
        limit_bytes: usize,
    },
    /// The body does not decompress.
    #[error("the answer of {host} does not decompress")]
    BadEncoding {
        /// Host as asked.
        host: String,
    },
    /// The URL is not an absolute http or https URL.
    #[error("not an absolute http(s) URL")]
    BadUrl,
}
