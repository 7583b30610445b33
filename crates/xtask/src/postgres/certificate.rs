//! A certificate for the throw-away server, by an authority that is thrown away with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// What the two certificates are. The authority signs the server's, which is for `localhost` alone.
const EXTENSIONS: &str = "\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost
subjectKeyIdentifier = hash
";

/// Days that the certificates hold.
const DAYS: &str = "2";

/// The files of a server's certificate.
pub(super) struct Certificate {
    /// The certificate of the authority, for clients.
    pub(super) authority: PathBuf,
    /// The server's own.
    pub(super) certificate: PathBuf,
    /// The server's private key.
    pub(super) key: PathBuf,
}

impl Certificate {
    /// Makes both certificates with `openssl`, in this folder.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let file = |name: &str| folder.join(name);
        std::fs::write(file("extensions.cnf"), EXTENSIONS)?;
        let made = Self { authority: file("ca.pem"), certificate: file("server.pem"), key: file("server.key") };
        let authority_key = file("ca.key");
        request(folder, "authority", &authority_key, &made.authority).run()?;
        let mut server = request(folder, "server", &made.key, &made.certificate);
        server.0.arg("-CA").arg(&made.authority).arg("-CAkey").arg(&authority_key);
        server.run()?;
        std::fs::remove_file(authority_key)?;
        Ok(made)
    }
}

struct OpenSsl(Command);

/// A certificate with a new key.
fn request(folder: &Path, kind: &str, key: &Path, certificate: &Path) -> OpenSsl {
    let subject = format!("/CN=Quartermaster tests {kind}");
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS])
        .args(["-subj", &subject, "-extensions", kind, "-config"])
        .arg(folder.join("extensions.cnf"))
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate);
    OpenSsl(command)
}

impl OpenSsl {
    /// Quietly when it works; it tells its progress on standard error.
    fn run(mut self) -> Result<()> {
        let output = self.0.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("openssl failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}
