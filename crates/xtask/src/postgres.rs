//! A PostgreSQL server that is thrown away afterwards: its own data folder, a socket in it, a port only for TLS, no flushing
//! to disk.

mod certificate;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::{is_root, succeed};

use certificate::Certificate;

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// How long a new server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that it takes: every test has a pool of its own.
const CONNECTIONS_MAX: &str = "max_connections=300";

/// PostgreSQL's own port: the name of the socket has it even where no port is opened.
const DEFAULT_PORT: u16 = 5432;

/// A running server; stopped and removed when dropped.
pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    process: Child,
}

/// How to reach a server by TCP.
pub(crate) struct Tls {
    /// The URL, with the password and without a word on TLS.
    pub(crate) url: String,
    /// The file with the certificate of the authority that issued the server's.
    pub(crate) authority: PathBuf,
}

impl Server {
    /// Makes a data folder and starts a server on it. As root, which PostgreSQL refuses, it runs as the user `postgres`.
    pub(crate) fn start() -> Result<Self> {
        let (programs, folder) = (programs()?, make_folder()?);
        initialise(&programs, &folder, &[])?;
        Self::launch(programs, folder, DEFAULT_PORT, &["listen_addresses=".to_owned()])
    }

    /// The same, which also listens on `localhost`, with TLS and a password. Gives what it takes to connect there.
    pub(crate) fn start_with_tls() -> Result<(Self, Tls)> {
        let (programs, folder) = (programs()?, make_folder()?);
        let password = password()?;
        let password_file = folder.join("password");
        std::fs::write(&password_file, &password)?;
        let certificate = Certificate::make(&folder)?;
        give_to_server_user(&[&password_file, &certificate.certificate, &certificate.key])?;
        // The server is reached over TCP by everybody on this machine, so that trust would be too much there.
        initialise(
            &programs,
            &folder,
            &["--auth-host=scram-sha-256", &format!("--pwfile={}", password_file.display())],
        )?;
        // PostgreSQL cannot choose a port itself; one that was free a moment ago is.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", certificate.certificate.display()),
            format!("ssl_key_file={}", certificate.key.display()),
        ];
        let server = Self::launch(programs, folder, port, &settings)?;
        let url = format!("postgres://postgres:{password}@localhost:{port}/postgres");
        Ok((server, Tls { url, authority: certificate.authority }))
    }

    fn launch(programs: PathBuf, folder: PathBuf, port: u16, settings: &[String]) -> Result<Self> {
        let log = std::fs::File::create(folder.join("log"))?;
        let mut start = as_server_user(&programs.join("postgres"))?;
        start.arg("-D").arg(folder.join("data")).arg("-k").arg(&folder).args(["-p", &port.to_string()]);
        let quick = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", CONNECTIONS_MAX];
        for setting in quick.into_iter().chain(settings.iter().map(String::as_str)) {
            start.args(["-c", setting]);
        }
        let process = start.current_dir(&folder).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self { folder, programs, port, process };
        server.wait()?;
        Ok(server)
    }

    /// The URL of one of its databases, over its socket; `postgres` is always there.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost:{}/{database}?host={}", self.port, self.folder.display())
    }

    /// Makes a database and runs SQL files in it, in order. Gives its URL.
    pub(crate) fn create_database(&self, database: &str, files: &[PathBuf]) -> Result<String> {
        let url = self.url(database);
        self.psql(&self.url("postgres")).args(["-c", &format!("CREATE DATABASE {database}")]).run()?;
        for file in files {
            self.psql(&url).arg("-f").arg(file).run()?;
        }
        Ok(url)
    }

    fn psql(&self, url: &str) -> Psql {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", url]);
        Psql(command)
    }

    fn wait(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut question = Command::new(self.programs.join("pg_isready"));
            question.arg("--quiet").arg("--host").arg(&self.folder).args(["--port", &self.port.to_string()]);
            if question.status()?.success() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("the PostgreSQL server ended ({status}): {}", self.log());
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("the PostgreSQL server does not answer after {} s: {}", START_TIMEOUT.as_secs(), self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = as_server_user(&self.programs.join("pg_ctl")).and_then(|mut stop| {
            stop.args(["stop", "--silent", "--mode=immediate", "--pgdata"]).arg(self.folder.join("data"));
            succeed(stop.current_dir(&self.folder))
        });
        if let Err(error) = stopped {
            eprintln!("the PostgreSQL server in {} was not stopped: {error:#}", self.folder.display());
            return;
        }
        // The program that changed the user, where there is one, ends with the server.
        let ended = self.process.wait().map(|_| ()).and_then(|()| std::fs::remove_dir_all(&self.folder));
        if let Err(error) = ended {
            eprintln!("{} stays behind: {error}", self.folder.display());
        }
    }
}

struct Psql(Command);

impl Psql {
    fn args(mut self, arguments: [&str; 2]) -> Self {
        self.0.args(arguments);
        self
    }

    fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    fn run(mut self) -> Result<()> {
        succeed(&mut self.0)
    }
}

/// The folder of the newest version's programs.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).map(|entries| {
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).collect::<Vec<_>>()
    });
    let newest = versions.unwrap_or_default().into_iter().max();
    let newest = newest.map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin"));
    newest
        .filter(|folder| folder.join("initdb").exists())
        .with_context(|| format!("no PostgreSQL server under {DEBIAN}: install the Debian package `postgresql`"))
}

fn make_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("qm-postgres-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    give_to_server_user(&[&folder])?;
    Ok(folder)
}

/// Makes the data folder `data` in this folder.
fn initialise(programs: &Path, folder: &Path, more: &[&str]) -> Result<()> {
    let initialised = as_server_user(&programs.join("initdb"))?
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .args(more)
        .arg("--pgdata")
        .arg(folder.join("data"))
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()?;
    if !initialised.success() {
        bail!("initdb failed ({initialised})");
    }
    Ok(())
}

/// Makes them the property of the user that the server runs as, and closes them to others.
fn give_to_server_user(paths: &[&Path]) -> Result<()> {
    for path in paths {
        succeed(Command::new("chmod").arg("go=").arg(path))?;
        if is_root()? {
            succeed(Command::new("chown").arg("postgres:").arg(path))?;
        }
    }
    Ok(())
}

/// Sixteen random bytes as hexadecimal digits.
fn password() -> Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// A command that runs as a user that PostgreSQL accepts.
fn as_server_user(program: &Path) -> Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    Ok(command)
}
