//! Certificate authorities that are trusted beside the platform's.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Largest text of certificates: several times what the public authorities together take.
pub const UPSTREAM_CA_MAX_BYTES: usize = 1024 * 1024;

/// How every section of a PEM text begins, before its label.
const BEGIN: &str = "-----BEGIN ";

/// Most characters of a label that an error repeats.
const LABEL_MAX: usize = 40;

/// Certificate authorities that upstreams' certificates may come from, beside those that the platform trusts: a company's
/// own, for upstreams that stand behind it. None by default.
#[derive(Clone, Default)]
pub struct UpstreamAuthorities(Vec<CertificateDer<'static>>);

/// Why a text gives no certificate authorities. Never holds the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthoritiesError {
    /// Longer than [`UPSTREAM_CA_MAX_BYTES`].
    #[error("it is larger than {UPSTREAM_CA_MAX_BYTES} bytes")]
    TooLarge,
    /// There is a private key in it.
    #[error("it holds a private key, which has no business there: give the authority's certificate alone")]
    PrivateKey,
    /// There is something else in it than certificates.
    #[error("it holds a section `{0}`: only `CERTIFICATE` sections belong there")]
    OtherSection(String),
    /// There is no certificate in it.
    #[error("there is no certificate in it: it must be in PEM form, `-----BEGIN CERTIFICATE-----` and so on")]
    NoCertificate,
    /// A section cannot be read as a certificate.
    #[error("certificate {number} in it is damaged: {reason}")]
    Damaged {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
}

impl UpstreamAuthorities {
    /// Reads one or more certificates in PEM form; text between them is passed over.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthoritiesError> {
        if pem.len() > UPSTREAM_CA_MAX_BYTES {
            return Err(AuthoritiesError::TooLarge);
        }
        check_labels(&String::from_utf8_lossy(pem))?;
        let mut checked = RootCertStore::empty();
        let mut certificates = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let damaged = |reason: String| AuthoritiesError::Damaged { number: index + 1, reason };
            let certificate = certificate.map_err(|error| damaged(error.to_string()))?;
            checked.add(certificate.clone()).map_err(|error| damaged(error.to_string()))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() { Err(AuthoritiesError::NoCertificate) } else { Ok(Self(certificates)) }
    }

    /// The certificates.
    pub(super) fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        self.0.iter().cloned()
    }
}

/// Refuses what would otherwise be passed over in silence.
fn check_labels(text: &str) -> Result<(), AuthoritiesError> {
    for line in text.lines().filter_map(|line| line.strip_prefix(BEGIN)) {
        let label = line.trim_end().trim_end_matches('-');
        if label.ends_with("PRIVATE KEY") {
            return Err(AuthoritiesError::PrivateKey);
        }
        if label != "CERTIFICATE" {
            return Err(AuthoritiesError::OtherSection(label.chars().take(LABEL_MAX).collect()));
        }
    }
    Ok(())
}

impl fmt::Debug for UpstreamAuthorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UpstreamAuthorities({} certificates)", self.0.len())
    }
}
