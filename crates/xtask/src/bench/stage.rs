//! What every measurement needs: the program, a simulator, a gateway with an account, nginx.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{http, nginx};
use crate::run::{command, output, root, succeed};

/// The stage; everything on it ends when it is dropped.
pub(super) struct Stage {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) simulator: Simulator,
    pub(super) gateway: Gateway,
    pub(super) nginx: nginx::Nginx,
    /// Id of the account over the simulator.
    pub(super) account: String,
    /// Access token of the simulator, for nginx and direct calls.
    pub(super) access_token: String,
    /// Somebody's id.
    pub(super) user_id: String,
}

/// A running `qm simulate`.
pub(super) struct Simulator {
    pub(super) address: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) account_id: String,
    _process: Process,
}

/// A running `qm serve`.
pub(super) struct Gateway {
    pub(super) address: String,
    pub(super) token: String,
    pub(super) process: Process,
}

/// A child that is killed when dropped.
pub(super) struct Process(pub(super) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    /// Builds the program and starts everything on free loopback ports.
    pub(super) fn set(packaged: bool) -> Result<Self> {
        let profile = if packaged { "dist" } else { "release" };
        println!("building qm ({profile})");
        succeed(&mut command("cargo", &["build", "--quiet", "--profile", profile, "--package", "qm"]))?;
        let example = [
            "build",
            "--quiet",
            "--profile",
            profile,
            "--package",
            "quartermaster-testkit",
            "--example",
            "seed_accounts",
            "--example",
            "guard_cost",
        ];
        succeed(&mut command("cargo", &example))?;
        let metadata = output(&mut command("cargo", &["metadata", "--format-version", "1", "--no-deps"]))?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
        let target = metadata["target_directory"].as_str().context("a target folder")?;
        let program = Path::new(target).join(profile).join("qm");
        let folder = std::env::temp_dir().join(format!("qm-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let simulator = Simulator::start(&program, 1200)?;
        let gateway = Gateway::start(&program, &folder.join("data"), &simulator.address, true)?;
        let account = gateway.connect(&simulator)?;
        let access_token = simulator.token()?;
        let users = http::json(
            &simulator.address,
            "GET",
            &simulator.users_path("?max_page_size=1"),
            &[("authorization", &format!("Bearer {access_token}"))],
            "",
        )?;
        let user_id = users["results"][0]["id"].as_str().context("somebody's id")?.to_owned();
        let tools = gateway.get(&format!("/integrated-account/{account}/tools"))?;
        let nginx = nginx::Nginx::start(&folder, &simulator.address, &access_token, &tools)?;
        Ok(Self { program, folder, simulator, gateway, nginx, account, access_token, user_id })
    }

    /// The folder of build artefacts that the program lies in.
    pub(super) fn artefacts(&self) -> &Path {
        self.program.parent().unwrap_or(&self.program)
    }
}

impl Simulator {
    pub(super) fn start(program: &Path, users: usize) -> Result<Self> {
        let users = users.to_string();
        let arguments = ["simulate", "1password", "--listen", "127.0.0.1:0", "--users", &users];
        let mut process = Process(spawn(program, &arguments)?);
        let lines = read_lines(&mut process.0, 4)?;
        let value = |name: &str| {
            let found = lines.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            found.with_context(|| format!("`qm simulate` did not print {name}"))
        };
        Ok(Self {
            address: value("listening on http://")?,
            client_id: value("client_id=")?,
            client_secret: value("client_secret=")?,
            account_id: value("account_id=")?,
            _process: process,
        })
    }

    pub(super) fn users_path(&self, rest: &str) -> String {
        format!("/v1beta1/accounts/{}/users{rest}", self.account_id)
    }

    /// A fresh access token.
    pub(super) fn token(&self) -> Result<String> {
        let basic = basic(&format!("{}:{}", self.client_id, self.client_secret));
        let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let form = "grant_type=client_credentials";
        let answer = http::json(&self.address, "POST", "/v1beta1/users/oauth2/token", &headers, form)?;
        Ok(answer["access_token"].as_str().context("an access token")?.to_owned())
    }

    /// Requests that it saw, by kind.
    pub(super) fn counts(&self) -> Result<serde_json::Value> {
        http::json(&self.address, "GET", "/_simulator/counts", &[], "")
    }
}

impl Gateway {
    /// Starts `qm serve`; with `fresh`, makes the data folder first.
    pub(super) fn start(program: &Path, data: &Path, upstream: &str, fresh: bool) -> Result<Self> {
        let data_text = data.to_string_lossy();
        let token_file = data.with_extension("token");
        if fresh {
            let token = output(Command::new(program).args(["init", "--data-dir", &data_text]))?;
            std::fs::write(&token_file, token.trim())?;
        }
        let token = std::fs::read_to_string(&token_file)?;
        let arguments = ["serve", "--data-dir", &data_text, "--listen", "127.0.0.1:0", "--allow-upstream", upstream];
        let mut process = Process(spawn(program, &arguments)?);
        let lines = read_lines(&mut process.0, 1)?;
        let address = lines[0].strip_prefix("listening on http://").context("`listening on …`")?.to_owned();
        Ok(Self { address, token, process })
    }

    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Connects an account over the simulator; its id.
    pub(super) fn connect(&self, simulator: &Simulator) -> Result<String> {
        let body = serde_json::json!({
            "integration": "1password",
            "tenant_id": "bench",
            "connection": {"region": "com", "account_id": simulator.account_id},
            "credentials": {"client_id": simulator.client_id, "client_secret": simulator.client_secret},
            "override": {"base_url": format!("http://{}", simulator.address)},
        });
        let authorization = self.authorization();
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let account = http::json(&self.address, "POST", "/integrated-account", &headers, &body.to_string())?;
        Ok(account["id"].as_str().context("an account id")?.to_owned())
    }

    /// The body of a successful GET.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>> {
        let (status, body) = http::Connection::open(&self.address)?.send(
            "GET",
            path,
            &[("authorization", &self.authorization())],
            "",
        )?;
        if status != 200 {
            bail!("GET {path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}

/// Starts the program with its standard output readable.
pub(super) fn spawn(program: &Path, arguments: &[&str]) -> Result<Child> {
    Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// The first lines that a child prints.
pub(super) fn read_lines(child: &mut Child, count: usize) -> Result<Vec<String>> {
    let out = child.stdout.take().context("the child's output is a pipe")?;
    let lines: Vec<String> = BufReader::new(out).lines().take(count).collect::<std::io::Result<_>>()?;
    if lines.len() < count {
        bail!("the program ended early, having printed {lines:?}");
    }
    Ok(lines)
}

/// HTTP Basic credentials.
fn basic(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::from("Basic ");
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            encoded.push(if place <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    encoded
}
