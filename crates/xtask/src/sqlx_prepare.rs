//! `cargo xtask sqlx-prepare`: the committed descriptions of the store's queries, against which every build checks them.
//!
//! Both databases are made from the migrations; each back end is compiled against its own, and the compiler writes what
//! the database said of every query. A query whose description is missing or outdated fails the next ordinary build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run::{command, root, succeed};
use crate::{install, postgres};

/// The program that makes the SQLite database.
const SQLITE: install::Need = install::Need::Debian { package: "sqlite3", gives: "sqlite3" };

/// What to do with the descriptions.
#[derive(Args)]
pub(crate) struct Options {
    /// Change nothing; fail when the committed descriptions differ.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Descriptions by file name.
type Descriptions = BTreeMap<String, String>;

/// Describes the queries of both back ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    install::ensure(&[install::C_COMPILER, install::POSTGRESQL, SQLITE])?;
    let folder = std::env::temp_dir().join(format!("qm-sqlx-prepare-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let outcome = prepare(&folder, options);
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    outcome
}

fn prepare(folder: &Path, options: &Options) -> Result<()> {
    let server = postgres::Server::start()?;
    let sqlite = create_sqlite(&folder.join("prepare.db"), &migrations("store-sqlite")?)?;
    let postgres = server.create_database("prepare", &migrations("store-postgres")?)?;
    let mut outdated = Vec::new();
    for (name, url) in [("store-sqlite", sqlite), ("store-postgres", postgres)] {
        let described = describe(name, &url, &folder.join(name))?;
        let committed_folder = crate_folder(name).join(".sqlx");
        let committed = read(&committed_folder)?;
        if described == committed {
            println!("{name}: {} queries, as committed", described.len());
        } else if options.check {
            outdated.push(name);
        } else {
            write(&committed_folder, &committed, &described)?;
            println!("{name}: {} queries, descriptions renewed", described.len());
        }
    }
    if !outdated.is_empty() {
        bail!(
            "the descriptions of the queries in {} are outdated: run `cargo xtask sqlx-prepare` and commit `.sqlx`",
            outdated.join(" and ")
        );
    }
    Ok(())
}

fn crate_folder(name: &str) -> PathBuf {
    root().join("crates").join(name)
}

/// The migrations of a back end, in order.
fn migrations(name: &str) -> Result<Vec<PathBuf>> {
    let folder = crate_folder(name).join("migrations");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn create_sqlite(path: &Path, migrations: &[PathBuf]) -> Result<String> {
    let shown = path.to_str().context("the temporary folder's name is not UTF-8")?;
    for migration in migrations {
        let input = std::fs::File::open(migration)?;
        succeed(command("sqlite3", &["-bail", shown]).stdin(Stdio::from(input)))?;
    }
    Ok(format!("sqlite://{shown}"))
}

/// Compiles the crate against the database and collects what the compiler writes.
fn describe(name: &str, url: &str, folder: &Path) -> Result<Descriptions> {
    std::fs::create_dir(folder)?;
    // The compiler does not see that the variables below changed; a newer source file it does see.
    let source = crate_folder(name).join("src/lib.rs");
    std::fs::File::options().write(true).open(&source)?.set_modified(SystemTime::now())?;
    let package = format!("quartermaster-{name}");
    succeed(
        command("cargo", &["check", "--quiet", "--package", &package, "--all-targets"])
            .env("SQLX_OFFLINE", "false")
            .env("SQLX_OFFLINE_DIR", folder)
            .env("DATABASE_URL", url),
    )?;
    read(folder)
}

fn read(folder: &Path) -> Result<Descriptions> {
    if !folder.exists() {
        return Ok(Descriptions::new());
    }
    let mut descriptions = Descriptions::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let text = std::fs::read_to_string(entry.path())?;
        descriptions.insert(entry.file_name().to_string_lossy().into_owned(), text);
    }
    Ok(descriptions)
}

fn write(folder: &Path, committed: &Descriptions, described: &Descriptions) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for stale in committed.keys().filter(|name| !described.contains_key(*name)) {
        std::fs::remove_file(folder.join(stale))?;
    }
    for (name, text) in described {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
