//! What is wrong when TLS cannot be established.

use quartermaster_types::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

/// Most names of a certificate that a fault repeats.
const NAMES_MAX: usize = 5;
/// Most characters of each.
const NAME_MAX: usize = 100;

/// Why TLS could not be established. Nothing was sent. The texts complete "cannot connect to HOST: …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Nobody that we trust issued the certificate.
    #[error("its certificate was issued by an authority that this gateway does not trust")]
    UnknownIssuer,
    /// The certificate is too old.
    #[error("its certificate expired on {0}")]
    Expired(Timestamp),
    /// The certificate is not valid yet.
    #[error("its certificate is valid only from {0} on")]
    NotYetValid(Timestamp),
    /// The certificate is somebody else's.
    #[error("its certificate is not for this name but for {presented}")]
    WrongName {
        /// The certificate's names, the first few of them.
        presented: String,
    },
    /// The server shows the certificate of an authority as its own.
    #[error("it shows a certificate authority's certificate as its own")]
    AuthorityAsServer,
    /// Anything else that is wrong with the certificate.
    #[error("its certificate cannot be accepted: {0}")]
    BadCertificate(String),
    /// No version of TLS in common.
    #[error("it speaks neither TLS 1.2 nor TLS 1.3")]
    NoCommonVersion,
    /// The server ended the handshake, with this reason.
    #[error("it refused the TLS handshake ({0})")]
    Refused(String),
    /// What the server sends is not TLS at all.
    #[error("what answers there does not speak TLS")]
    NotTls,
    /// The platform trusts nobody that we know of.
    #[error("this gateway has no root certificates, so that it can trust nobody")]
    NoAuthorities,
    /// Anything else.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl TlsFault {
    pub(super) fn of(error: &rustls::Error) -> Self {
        use rustls::{Error, PeerIncompatible};
        match error {
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Self::NoCommonVersion,
            Error::AlertReceived(alert) => Self::Refused(format!("{alert:?}")),
            Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Other(other.to_string()),
        }
    }
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
        CertificateError::ExpiredContext { not_after, .. } => TlsFault::Expired(timestamp(*not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => TlsFault::NotYetValid(timestamp(*not_before)),
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsFault::WrongName { presented: names(presented) }
        }
        // The verifier's own error has no place in this list and comes by its name.
        CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => TlsFault::AuthorityAsServer,
        other => TlsFault::BadCertificate(other.to_string()),
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(seconds.saturating_mul(1000))
}

/// The names for reading, from rustls's form `DnsName("example.com")`. A stranger wrote them: few, short, printable.
fn names(presented: &[String]) -> String {
    let mut listed: Vec<String> = presented
        .iter()
        .take(NAMES_MAX)
        .map(|name| {
            let name = name.split_once('(').map_or(name.as_str(), |(_, value)| value.trim_end_matches(')'));
            name.trim_matches('"').chars().filter(char::is_ascii_graphic).take(NAME_MAX).collect()
        })
        .collect();
    match presented.len().saturating_sub(NAMES_MAX) {
        0 if listed.is_empty() => return "no name at all".to_owned(),
        0 => {}
        more => listed.push(format!("{more} more")),
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_short_and_printable() {
        let given = |names: &[&str]| super::names(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(given(&[]), "no name at all");
        assert_eq!(given(&["DnsName(\"a.example\")", "IpAddress(127.0.0.1)"]), "a.example, 127.0.0.1");
        assert_eq!(given(&["DnsName(\"a\u{1b}[31m\nb\")"]), "a[31mb");
        assert_eq!(given(&[&format!("DnsName(\"{}\")", "x".repeat(NAME_MAX + 1))]).len(), NAME_MAX);
        assert_eq!(given(&["DnsName(\"a\")"; NAMES_MAX]), "a, a, a, a, a");
        assert_eq!(given(&["DnsName(\"a\")"; NAMES_MAX + 1]), "a, a, a, a, a, 1 more");
    }
}
