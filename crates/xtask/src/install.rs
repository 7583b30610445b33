//! What the checks need from outside, installed by name from the ordinary package registries when it is missing.

use std::path::Path;

use anyhow::{Result, bail};

use crate::run::{command, exists, is_root, succeed};

/// A thing that a check needs.
pub(crate) enum Need {
    /// A Debian package, needed when none of the paths or programs is there.
    Debian {
        /// The package.
        package: &'static str,
        /// A program on the path, or an absolute path.
        gives: &'static str,
    },
    /// A cargo subcommand from its package.
    Cargo {
        /// The package.
        package: &'static str,
        /// Its version; another version that is there already is taken too.
        version: &'static str,
    },
}

/// The C compiler that SQLite and the cryptography library are built with.
pub(crate) const C_COMPILER: Need = Need::Debian { package: "build-essential", gives: "cc" };
/// The second back end of the store.
pub(crate) const POSTGRESQL: Need = Need::Debian { package: "postgresql", gives: "/usr/lib/postgresql" };
/// Makes the certificate with which that server shows itself over TLS.
pub(crate) const OPENSSL: Need = Need::Debian { package: "openssl", gives: "openssl" };
/// The reference reverse proxy of the benchmarks.
pub(crate) const NGINX: Need = Need::Debian { package: "nginx-light", gives: "/usr/sbin/nginx" };
/// The load generator of the benchmarks.
pub(crate) const WRK: Need = Need::Debian { package: "wrk", gives: "wrk" };
/// The client of the tutorial.
pub(crate) const CURL: Need = Need::Debian { package: "curl", gives: "curl" };
/// The JSON reader of the tutorial.
pub(crate) const JQ: Need = Need::Debian { package: "jq", gives: "jq" };
/// Fetches public data for evaluations.
pub(crate) const PIP: Need = Need::Debian { package: "python3-pip", gives: "pip3" };
/// The test runner.
pub(crate) const NEXTEST: Need = Need::Cargo { package: "cargo-nextest", version: "0.9.143" };
/// The checker of licences, bans and sources.
pub(crate) const DENY: Need = Need::Cargo { package: "cargo-deny", version: "0.20.2" };
/// The fuzzer.
pub(crate) const FUZZ: Need = Need::Cargo { package: "cargo-fuzz", version: "0.13.2" };

/// Installs what is missing, saying what; refuses to guess on a system that is not Debian or not root's.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let packages: Vec<&str> = needs.iter().filter_map(missing_package).collect();
    if !packages.is_empty() {
        println!("installing from Debian: {}", packages.join(" "));
        if !exists("apt-get") {
            bail!("this needs {} and can install only with apt-get; install them by hand", packages.join(", "));
        }
        if !is_root()? {
            bail!(
                "only root may install packages; run `apt-get install {}` as root, then try again",
                packages.join(" ")
            );
        }
        succeed(command("apt-get", &["update", "-qq"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
        let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
        arguments.extend(&packages);
        // Servers are started by the checks that need them, never by the package.
        succeed(command("apt-get", &arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1"))?;
    }
    for need in needs {
        if let Need::Cargo { package, version } = need
            && !has_cargo_command(package)
        {
            println!("installing with cargo: {package} {version}");
            succeed(&mut command("cargo", &["install", "--quiet", "--locked", "--version", version, package]))?;
        }
    }
    Ok(())
}

fn missing_package(need: &Need) -> Option<&'static str> {
    match need {
        Need::Debian { package, gives } => {
            let there = if gives.starts_with('/') { Path::new(gives).exists() } else { exists(gives) };
            (!there).then_some(*package)
        }
        Need::Cargo { .. } => None,
    }
}

fn has_cargo_command(package: &str) -> bool {
    exists(package)
}
