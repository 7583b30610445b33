//! Running the program: to its end, or in the background until it is dropped.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest that anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Output {
    /// The output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// The program with an empty environment.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qm"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    finish(command(args).spawn().unwrap())
}

/// Waits for the program's end.
pub(crate) fn finish(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A process in the background; killed when dropped.
pub(crate) struct Background {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Background {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(command(args).stderr(Stdio::null()))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line of standard output that begins so; what follows.
    #[track_caller]
    pub(crate) fn line(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line begins with {start}"));
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// The exit code; `None` when a signal ended it.
    pub(crate) fn wait(mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            pause(10);
        }
        panic!("it does not end");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name to one process.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status().unwrap();
    assert!(sent.success());
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for, and there is no runtime here to block")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// A simulator, a gateway over a fresh data folder, and an account between them.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) account: String,
    _simulator: Background,
    pub(crate) simulator_url: String,
    pub(crate) client_id: String,
    pub(crate) secret: String,
    pub(crate) account_id: String,
    pub(crate) gateway: Option<Background>,
    /// A scripted model and its address.
    model: Option<(Background, String)>,
    /// Where the rows are kept, when that is not the data folder.
    database: Option<String>,
}

impl Stage {
    /// With flags for `qm simulate`.
    pub(crate) fn start(simulator: &[&str]) -> Self {
        Self::start_over(simulator, None)
    }

    /// The same over an empty PostgreSQL database on the server of `QM_TEST_POSTGRES_URL`; `None`, with a line that says so, where
    /// there is none.
    pub(crate) fn on_postgres(simulator: &[&str]) -> Option<(Self, Database)> {
        let database = Database::make()?;
        Some((Self::start_over(simulator, Some(database.url.clone())), database))
    }

    fn start_over(simulator: &[&str], database: Option<String>) -> Self {
        let mut args = vec!["simulate", "1password"];
        args.extend(simulator);
        if !simulator.contains(&"--users") {
            args.extend(["--users", "200"]);
        }
        let simulator = Background::start(&args);
        let simulator_url = simulator.line("listening on ");
        let (id, secret, account_id) =
            (simulator.line("client_id="), simulator.line("client_secret="), simulator.line("account_id="));
        let folder = tempfile::tempdir().unwrap();
        let mut init = command(&["init", "--data-dir", folder.path().join("data").to_str().unwrap()]);
        init.envs(database.iter().map(|url| ("QM_DATABASE_URL", url)));
        let token = finish(init.spawn().unwrap()).exits(0).out;
        let mut stage = Self {
            url: String::new(),
            token: token.trim().to_owned(),
            account: String::new(),
            _simulator: simulator,
            simulator_url,
            client_id: id.clone(),
            secret: secret.clone(),
            account_id: account_id.clone(),
            gateway: None,
            model: None,
            database,
            folder,
        };
        stage.serve();
        let over = format!("{{\"base_url\":\"{}\"}}", stage.simulator_url);
        let connection = format!("account_id={account_id}");
        let args = [
            "account",
            "create",
            "--integration",
            "1password",
            "--tenant",
            "acme",
            "-c",
            &connection,
            "--override",
            &over,
            "-o",
            "json",
        ];
        let mut create = stage.command(&args);
        create.env("QM_CREDENTIAL_CLIENT_ID", id).env("QM_CREDENTIAL_CLIENT_SECRET", &secret);
        let created = finish(create.spawn().unwrap()).exits(0);
        stage.secret_is_nowhere(&created);
        created.json()["id"].as_str().unwrap().clone_into(&mut stage.account);
        stage
    }

    /// Starts the gateway on the data folder, at the address that it had before, if it had one.
    pub(crate) fn serve(&mut self) {
        let listen = self.url.strip_prefix("http://").unwrap_or("127.0.0.1:0").to_owned();
        let (gateway, url) = self.serving("data", &listen);
        self.url = url;
        self.gateway = Some(gateway);
    }

    /// Another gateway over the same database, with the same root key; and its address.
    pub(crate) fn another(&self) -> (Background, String) {
        std::fs::create_dir(self.path("other")).unwrap();
        for entry in std::fs::read_dir(self.path("data")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), self.path("other").join(entry.file_name())).unwrap();
        }
        self.serving("other", "127.0.0.1:0")
    }

    fn serving(&self, data: &str, listen: &str) -> (Background, String) {
        let data = self.path(data);
        let upstream = self.simulator_url.strip_prefix("http://").unwrap().to_owned();
        let args = ["serve", "--data-dir", data.to_str().unwrap(), "--listen", listen, "--allow-upstream", &upstream];
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut serve = command(&args);
        if let Some((_, model)) = &self.model {
            let models =
                format!(r#"[{{"name":"scripted","wire":"openai","base_url":"{model}/v1","model":"scripted-1"}}]"#);
            serve.args(["--allow-upstream", model.strip_prefix("http://").unwrap()]).env("QM_MODELS", models);
        }
        serve.env("QM_LOG", "debug").stderr(log).envs(self.database.iter().map(|url| ("QM_DATABASE_URL", url)));
        let gateway = Background::spawn(&mut serve);
        let url = gateway.line("listening on ");
        (gateway, url)
    }

    /// Gives the gateway the connection `scripted` to a model that says what the script has.
    pub(crate) fn with_model(&mut self, script: &serde_json::Value) {
        let script = self.file("script.json", script.to_string());
        let model = Background::start(&["simulate", "model", "--script", &script]);
        let address = model.line("listening on ");
        self.model = Some((model, address));
        self.gateway = None;
        self.serve();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in the stage's folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The program with this gateway and its token.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.env("QM_URL", &self.url).env("QM_TOKEN", &self.token);
        command
    }

    /// Runs the program to its end; no secret may show.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let output = finish(self.command(args).spawn().unwrap());
        self.secret_is_nowhere(&output);
        output
    }

    #[track_caller]
    fn secret_is_nowhere(&self, output: &Output) {
        for (text, what) in [(&output.out, "standard output"), (&output.err, "standard error")] {
            assert!(!text.contains(&self.secret), "the client secret is in {what}");
            assert!(!text.contains(&self.token), "the token is in {what}");
        }
    }

    /// How often the simulator was asked for each operation.
    pub(crate) fn counts(&self) -> serde_json::Value {
        self.simulator("counts")
    }

    /// Tells or asks the simulator something.
    pub(crate) fn simulator(&self, action: &str) -> serde_json::Value {
        get(&self.simulator_url, &format!("/_simulator/{action}"), "")
    }

    /// Asks the gateway without a program in between.
    pub(crate) fn get(&self, path: &str) -> serde_json::Value {
        get(&self.url, path, &format!("authorization: Bearer {}\r\n", self.token))
    }

    /// How often the simulator was asked for this operation.
    pub(crate) fn count(&self, operation: &str) -> u64 {
        self.counts()[operation].as_u64().unwrap()
    }

    /// The state of the person with this address.
    pub(crate) fn state(&self, email: &str) -> String {
        let found = self.run(&["call", "list_all_1_password_users", &format!("email={email}"), "-o", "json"]).exits(0);
        found.json()["result"][0]["state"].as_str().unwrap_or("nobody").to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        assert!(!log.contains(&self.secret) && !log.contains(&self.token), "a secret is in the gateway's log");
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if holds() {
            return;
        }
        pause(20);
    }
    panic!("{what} never came");
}

/// The lines of a file; none when it is not there.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The JSON at an address.
fn get(url: &str, path: &str, headers: &str) -> serde_json::Value {
    let mut socket = std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{headers}\r\n");
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

/// An empty PostgreSQL database of its own.
pub(crate) struct Database {
    url: String,
    server: String,
    name: String,
}

impl Database {
    #[expect(clippy::print_stderr, reason = "a test that does not run says so")]
    #[allow(clippy::disallowed_methods, reason = "tests are told where the server is by the environment")]
    fn make() -> Option<Self> {
        let Some(server) = std::env::var("QM_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()) else {
            eprintln!("skipped: QM_TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("qm_program_{}", std::process::id());
        execute(&server, &format!("CREATE DATABASE {name}"));
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Some(Self { url: url.to_string(), server, name })
    }

    /// Drops it.
    pub(crate) fn finish(self) {
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn execute(server: &str, statement: &str) {
    let done = Command::new("psql").args(["--quiet", "--command", statement, server]).status().unwrap();
    assert!(done.success(), "{statement}");
}
