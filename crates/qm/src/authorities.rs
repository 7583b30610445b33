//! Files with certificate authorities, named by a flag.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use quartermaster_egress::{UPSTREAM_CA_MAX_BYTES, UpstreamAuthorities};

use crate::failure::Failure;

/// The authorities in the file that `flag` (`upstream-ca`) names; none without a file.
pub(crate) fn read(flag: &str, path: Option<&Path>) -> Result<UpstreamAuthorities, Failure> {
    let Some(path) = path else { return Ok(UpstreamAuthorities::default()) };
    let variable = flag.to_uppercase().replace('-', "_");
    let hint = format!("--{flag} (QM_{variable}) names a file with the certificates of authorities in PEM form.");
    let failed = |reason: String| Failure::usage(format!("--{flag} {}: {reason}", path.display())).hint(hint.clone());
    let mut pem = Vec::new();
    // One byte more than is allowed shows that there is too much, however much there is.
    let read = File::open(path).and_then(|file| file.take(UPSTREAM_CA_MAX_BYTES as u64 + 1).read_to_end(&mut pem));
    read.map_err(|error| failed(error.to_string()))?;
    UpstreamAuthorities::from_pem(&pem).map_err(|error| failed(error.to_string()))
}
