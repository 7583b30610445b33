//! 100,000 accounts; an audit against 100,000 people.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::http::{self, Connection};
use super::report::{Report, median};
use super::stage::{Gateway, Simulator, Stage};
use super::{Options, load, memory};
use crate::run::{output, succeed};

const ACCOUNTS: usize = 100_000;
const DIRECTORY: usize = 100_000;
const LEAVERS: usize = 1000;

/// Memory that 100,000 accounts add once each was used, the start with them, and what a warm call costs among them.
pub(super) fn many_accounts(stage: &Stage, options: &Options, report: &mut Report) -> Result<()> {
    let data = stage.folder.join("many");
    memory::stop(Gateway::start(&stage.program, &data, &stage.simulator.address, true)?);
    let (_, empty_mb) = memory::starts(stage, &data)?;
    println!("storing {ACCOUNTS} accounts");
    let seeded = output(
        Command::new(stage.artefacts().join("examples/seed_accounts")).arg(&data).arg(ACCOUNTS.to_string()).args([
            &stage.simulator.account_id,
            &stage.simulator.client_id,
            &stage.simulator.client_secret,
            &format!("http://{}", stage.simulator.address),
        ]),
    )?;
    let ids: Vec<&str> = seeded.lines().collect();
    if ids.len() != ACCOUNTS {
        bail!("{} accounts were stored, not {ACCOUNTS}", ids.len());
    }
    let (start_ms, _) = memory::starts(stage, &data)?;
    let gateway = Gateway::start(&stage.program, &data, &stage.simulator.address, false)?;
    let one_script = script(&stage.folder.join("one.lua"), &ids[..1], &gateway)?;
    let many_script = script(&stage.folder.join("many.lua"), &ids, &gateway)?;
    println!("using each of them once");
    use_each(&gateway, &ids)?;
    std::thread::sleep(Duration::from_secs(1));
    let full_mb = memory::resident_mb(gateway.process.0.id())?;
    let url = format!("http://{}/", gateway.address);
    let mut costs = Vec::new();
    for _ in 0..options.rounds {
        let run = |script| load::measure_with(&url, "", options.seconds, options.connections, Some(script));
        let (one, many) = (run(&one_script)?, run(&many_script)?);
        costs.push(one / many);
    }
    report.row(
        "100,000 accounts: memory added; start to ready; warm call cost relative to one account",
        format!("{:.1} MB; {start_ms:.0} ms; {:.2}", full_mb - empty_mb, median(&mut costs)),
        "60 MB; 200 ms; 1.1",
        format!("idle without accounts {empty_mb:.1} MB, after a call on each {full_mb:.1} MB"),
    );
    Ok(())
}

/// A script for wrk that takes one account after the other.
fn script(file: &Path, ids: &[&str], gateway: &Gateway) -> Result<std::path::PathBuf> {
    let list = file.with_extension("txt");
    std::fs::write(&list, ids.join("\n"))?;
    let text = format!(
        "local ids = {{}}\nfor line in io.lines(\"{}\") do ids[#ids + 1] = line end\nlocal next = 0\n\
         wrk.headers[\"Authorization\"] = \"{}\"\n\
         request = function()\n next = next % #ids + 1\n\
         return wrk.format(\"GET\", \"/proxy/users?limit=25&integrated_account_id=\" .. ids[next])\nend\n",
        list.display(),
        gateway.authorization(),
    );
    std::fs::write(file, text)?;
    Ok(file.to_path_buf())
}

fn use_each(gateway: &Gateway, ids: &[&str]) -> Result<()> {
    const WORKERS: usize = 8;
    let authorization = gateway.authorization();
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = ids
            .chunks(ids.len().div_ceil(WORKERS))
            .map(|part| {
                let authorization = &authorization;
                scope.spawn(move || {
                    let mut connection = Connection::open(&gateway.address)?;
                    for id in part {
                        let path = format!("/proxy/users?limit=1&integrated_account_id={id}");
                        let (status, body) = connection.send("GET", &path, &[("authorization", authorization)], "")?;
                        anyhow::ensure!(status == 200, "{path} answered {status}: {}", String::from_utf8_lossy(&body));
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
            .collect()
    });
    results.into_iter().collect()
}

/// `qm audit` of 1,000 people, and of everybody, against a directory of 100,000.
pub(super) fn audit(stage: &Stage, report: &mut Report) -> Result<()> {
    println!("making a directory of {DIRECTORY} people");
    let simulator = Simulator::start(&stage.program, DIRECTORY)?;
    let gateway = Gateway::start(&stage.program, &stage.folder.join("audit"), &simulator.address, true)?;
    let account = gateway.connect(&simulator)?;
    let file = stage.folder.join("leavers.csv");
    let pages = DIRECTORY.div_ceil(1000);
    for (lines, row, reach) in [
        (
            LEAVERS,
            "`qm audit` of 1,000 people against 100,000: upstream list calls; memory",
            "calls = pages; under 150 MB",
        ),
        (
            DIRECTORY,
            "the same of 100,000 people: upstream list calls; memory of the program, of the gateway",
            "calls = pages",
        ),
    ] {
        std::fs::write(&file, leavers(&simulator, lines)?)?;
        let before = simulator.counts()?["list"].as_u64().context("a count")?;
        let began = std::time::Instant::now();
        let peak = watched_audit(stage, &gateway, &account, &file)?;
        let took = began.elapsed().as_secs_f64();
        let calls = simulator.counts()?["list"].as_u64().context("a count")? - before;
        let serving = memory::status_mb(gateway.process.0.id(), "VmHWM:").unwrap_or(0.0);
        report.row(
            row,
            format!("{calls} calls for {pages} pages; {peak:.0} MB, {serving:.0} MB"),
            reach,
            format!("{took:.1} s; the gateway's memory is the most that it had so far"),
        );
    }
    succeed(Command::new("rm").arg("-f").arg(&file))
}

/// Runs `qm audit` to its end; the most memory that it had, in megabytes.
fn watched_audit(stage: &Stage, gateway: &Gateway, account: &str, file: &Path) -> Result<f64> {
    let mut child = Command::new(&stage.program)
        .arg("audit")
        .arg(file)
        .args(["--url", &format!("http://{}", gateway.address), "--account", account, "--output", "json"])
        .env("QM_TOKEN", &gateway.token)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = 0.0_f64;
    loop {
        peak = peak.max(memory::status_mb(child.id(), "VmHWM:").unwrap_or(0.0));
        if let Some(status) = child.try_wait()? {
            // Twins and the like leave something to look at; that is no failure.
            if !status.success() && status.code() != Some(7) {
                bail!("`qm audit` ended with {status}");
            }
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// E-mail addresses of people spread over the directory.
fn leavers(simulator: &Simulator, lines: usize) -> Result<String> {
    let bearer = format!("Bearer {}", simulator.token()?);
    let (mut text, mut next) = (String::from("email\n"), String::new());
    let per_page = lines.div_ceil(DIRECTORY / 1000);
    loop {
        let path = simulator.users_path(&format!("?max_page_size=1000&page_token={next}"));
        let page = http::json(&simulator.address, "GET", &path, &[("authorization", &bearer)], "")?;
        let people = page["results"].as_array().context("results")?;
        for person in people.iter().take(per_page) {
            text.push_str(person["email"].as_str().unwrap_or_default());
            text.push('\n');
        }
        match page["next_page_token"].as_str() {
            Some(token) if !token.is_empty() => token.clone_into(&mut next),
            _ => return Ok(text),
        }
    }
}
