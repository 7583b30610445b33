//! nginx as the reference: a reverse proxy that only adds a header, and a server of one file.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::http;
use super::stage::Process;

/// A running nginx.
pub(super) struct Nginx {
    pub(super) address: String,
    _process: Process,
}

impl Nginx {
    /// Proxies everything to `upstream` with the access token; `/tools.json` is served from a file.
    pub(super) fn start(folder: &Path, upstream: &str, access_token: &str, tools: &[u8]) -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let files = folder.join("nginx");
        std::fs::create_dir_all(files.join("html"))?;
        std::fs::write(files.join("html/tools.json"), tools)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let here = files.display();
        let configuration = format!(
            "daemon off; user root; worker_processes {cores}; pid {here}/pid; error_log {here}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n access_log off; tcp_nodelay on; keepalive_requests 1000000000;\n\
             types {{ application/json json; }}\n\
             client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/f;\n\
             uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\n\
             upstream simulator {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
             server {{ listen 127.0.0.1:{port} reuseport;\n\
             location = /tools.json {{ root {here}/html; }}\n\
             location / {{ proxy_pass http://simulator; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
             proxy_buffers 16 64k; proxy_buffer_size 64k;\n\
             proxy_set_header Authorization \"Bearer {access_token}\"; }} }} }}\n"
        );
        let file = files.join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let process = Command::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(&files)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nginx")?;
        let nginx = Self { address: format!("127.0.0.1:{port}"), _process: Process(process) };
        for _ in 0..100 {
            if let Ok((200, _)) = http::Connection::open(&nginx.address)
                .and_then(|mut connection| connection.send("GET", "/tools.json", &[], ""))
            {
                return Ok(nginx);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("nginx does not answer: {}", std::fs::read_to_string(files.join("error.log")).unwrap_or_default());
    }
}
