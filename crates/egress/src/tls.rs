//! TLS to upstreams: whom we trust, and what it means when a handshake fails.

mod authorities;
mod fault;

use std::error::Error;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

pub use authorities::{AuthoritiesError, UPSTREAM_CA_MAX_BYTES, UpstreamAuthorities};
pub use fault::TlsFault;

/// TLS 1.2 and 1.3, trusting the platform's root certificates and `authorities`. Reads files.
pub(crate) fn config(authorities: &UpstreamAuthorities) -> Result<ClientConfig, TlsFault> {
    let mut roots = RootCertStore::empty();
    let platform = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(platform.certs);
    if roots.is_empty() {
        let problems: Vec<String> = platform.errors.iter().map(ToString::to_string).collect();
        tracing::warn!(problems = problems.join("; "), "the platform has no root certificates that can be used");
    }
    roots.add_parsable_certificates(authorities.certificates());
    if roots.is_empty() {
        return Err(TlsFault::NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault::Other(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// The TLS fault among the causes of an error; `None` when it was something else, such as a connection that broke.
pub(crate) fn fault_among<'a>(error: &'a (dyn Error + 'static)) -> Option<TlsFault> {
    let mut cause: &'a (dyn Error + 'static) = error;
    loop {
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return Some(TlsFault::of(found));
        }
        // An I/O error passes over the error that it wraps when it is asked for its source.
        cause = match cause.downcast_ref::<std::io::Error>() {
            Some(wrapper) => wrapper.get_ref()?,
            None => cause.source()?,
        };
    }
}
