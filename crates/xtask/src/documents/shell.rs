//! One shell for the commands of one document.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// The longest that a document may take, in seconds.
const DOCUMENT_SECONDS_MAX: u32 = 180;

/// Runs the commands one after the other in an empty folder; output (standard error included) and exit code of each.
/// `None` for those that the shell did not come to. Everything that they started is ended afterwards.
pub(super) fn run(commands: &[String], program: &Path) -> Result<Vec<Option<(String, i32)>>> {
    let folder = std::env::temp_dir().join(format!("qm-documents-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("work"))?;
    let mut script = String::from("set -u\n");
    for (number, command) in commands.iter().enumerate() {
        let out = folder.join(format!("{number}.out"));
        let code = folder.join(format!("{number}.code"));
        // A group, not a subshell, so that variables and folders stay for the next command.
        script.push_str(&format!(
            "{{ {command}\n}} > {} 2>&1 < /dev/null\necho $? > {}\n",
            out.display(),
            code.display()
        ));
    }
    let script_file = folder.join("script.sh");
    std::fs::write(&script_file, script)?;
    let bin = program.parent().unwrap_or(program);
    let path = std::env::join_paths(
        std::iter::once(bin.to_path_buf()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )?;
    let mut shell = Command::new("timeout")
        .arg(DOCUMENT_SECONDS_MAX.to_string())
        .arg("bash")
        .arg(&script_file)
        .current_dir(folder.join("work"))
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start bash")?;
    let group = shell.id();
    shell.wait()?;
    // Servers that a document left running in the background belong to the same group.
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
    let results = (0..commands.len())
        .map(|number| {
            let code = std::fs::read_to_string(folder.join(format!("{number}.code"))).ok()?;
            let text = std::fs::read(folder.join(format!("{number}.out"))).ok()?;
            Some((String::from_utf8_lossy(&text).into_owned(), code.trim().parse().ok()?))
        })
        .collect();
    let _ = std::fs::remove_dir_all(&folder);
    Ok(results)
}

/// Ports that are free on loopback now.
pub(super) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<std::io::Result<_>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
