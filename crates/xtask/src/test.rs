//! `cargo xtask test`: one list of steps, cheap ones first.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run::{command, succeed};
use crate::{documents, install, postgres, sqlx_prepare, tidy};

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only these steps (by name, see --list); repeatable.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// List the steps and end.
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    about: &'static str,
    needs: &'static [install::Need],
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", about: "rustfmt agrees", needs: &[], run: format },
    Step { name: "tidy", about: "sizes, layers, names, manifests", needs: &[], run: tidy::run },
    Step {
        name: "fuzz-lock",
        about: "fuzz/Cargo.lock is in step with the crates that it fuzzes",
        needs: &[],
        run: fuzz_lock,
    },
    Step { name: "lints", about: "clippy without a warning", needs: &[install::C_COMPILER], run: lints },
    Step { name: "docs", about: "rustdoc without a warning", needs: &[install::C_COMPILER], run: docs },
    Step {
        name: "queries",
        about: "the committed descriptions of the store's queries are those of the migrations",
        needs: &[install::C_COMPILER, install::POSTGRESQL],
        run: queries,
    },
    Step {
        name: "tests",
        about: "unit, property, definition cases, store on both back ends, HTTP, command line, crash, documents",
        needs: &[install::C_COMPILER, install::POSTGRESQL, install::OPENSSL, install::NEXTEST],
        run: tests,
    },
    Step {
        name: "documents",
        about: "every example of the README and docs does what it says",
        needs: &[install::C_COMPILER, install::CURL, install::JQ],
        run: documents::run,
    },
    Step {
        name: "doctests",
        about: "examples in the Rust documentation",
        needs: &[install::C_COMPILER],
        run: doctests,
    },
    Step { name: "deny", about: "licences, bans, sources of dependencies", needs: &[install::DENY], run: deny },
];

/// Runs the steps; stops at the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for step in STEPS {
            println!("{:10} {}", step.name, step.about);
        }
        return Ok(());
    }
    if let Some(unknown) = options.only.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step `{unknown}`; there are {}", names.join(", "));
    }
    let began = Instant::now();
    for step in STEPS.iter().filter(|step| options.only.is_empty() || options.only.iter().any(|name| name == step.name))
    {
        let step_began = Instant::now();
        println!("== {}: {}", step.name, step.about);
        install::ensure(step.needs)?;
        (step.run)().with_context(|| format!("step `{}` (repeat it alone: cargo xtask test --only {0})", step.name))?;
        println!("== {} done in {:.0} s", step.name, step_began.elapsed().as_secs_f64());
    }
    println!("all steps passed in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn format() -> Result<()> {
    succeed(&mut command("cargo", &["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    succeed(&mut command("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

/// Fuzzing has a workspace of its own, which no other step looks at.
fn fuzz_lock() -> Result<()> {
    let manifest = ["metadata", "--locked", "--format-version", "1", "--manifest-path", "fuzz/Cargo.toml"];
    succeed(command("cargo", &manifest).stdout(std::process::Stdio::null()))
        .context("after a change of dependencies run `cargo update --workspace --manifest-path fuzz/Cargo.toml`")
}

/// Private items are documented too, for the next person, so that links to them are welcome.
fn docs() -> Result<()> {
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"];
    succeed(command("cargo", &arguments).env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))
}

fn queries() -> Result<()> {
    sqlx_prepare::run(&sqlx_prepare::Options { check: true })
}

fn tests() -> Result<()> {
    let (server, tls) = postgres::Server::start_with_tls()?;
    let mut tests = command("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"]);
    tests.env("QM_TEST_POSTGRES_URL", server.url("postgres"));
    tests.env("QM_TEST_POSTGRES_TLS_URL", tls.url).env("QM_TEST_POSTGRES_CA", tls.authority);
    succeed(&mut tests)
}

fn doctests() -> Result<()> {
    succeed(&mut command("cargo", &["test", "--workspace", "--doc", "--quiet"]))
}

fn deny() -> Result<()> {
    succeed(&mut command("cargo", &["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))
}
