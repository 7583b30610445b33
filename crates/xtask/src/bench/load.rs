//! Requests a second against nginx, taking turns.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Options;
use super::report::{Report, median};
use super::stage::Stage;
use crate::run::output;

struct Row {
    name: &'static str,
    reach: &'static str,
    nginx: String,
    gateway: String,
}

/// The four rows.
pub(super) fn against_nginx(stage: &Stage, options: &Options, report: &mut Report) -> Result<()> {
    let upstream = |rest: &str| format!("http://{}{}", stage.nginx.address, stage.simulator.users_path(rest));
    let proxy = |rest: &str| {
        let join = if rest.contains('?') { '&' } else { '?' };
        format!("http://{}/proxy/users{rest}{join}integrated_account_id={}", stage.gateway.address, stage.account)
    };
    let rows = [
        Row {
            name: "list of 25 users, relative to nginx",
            reach: "0.60",
            nginx: upstream("?max_page_size=25"),
            gateway: proxy("?limit=25"),
        },
        Row {
            name: "list of 1,000 users, relative to nginx",
            reach: "0.55",
            nginx: upstream("?max_page_size=1000"),
            gateway: proxy("?limit=1000"),
        },
        Row {
            name: "get one user, relative to nginx",
            reach: "0.65",
            nginx: upstream(&format!("/{}", stage.user_id)),
            gateway: proxy(&format!("/{}", stage.user_id)),
        },
        Row {
            name: "tools, relative to nginx serving a file",
            reach: "1.4",
            nginx: format!("http://{}/tools.json", stage.nginx.address),
            gateway: format!("http://{}/integrated-account/{}/tools", stage.gateway.address, stage.account),
        },
    ];
    for row in rows {
        let authorization = stage.gateway.authorization();
        measure(&row.nginx, "", 1, options)?;
        measure(&row.gateway, &authorization, 1, options)?;
        let (mut ratios, mut theirs, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let nginx = measure(&row.nginx, "", options.seconds, options)?;
            let gateway = measure(&row.gateway, &authorization, options.seconds, options)?;
            ratios.push(gateway / nginx);
            theirs.push(nginx);
            ours.push(gateway);
        }
        let figures = format!("qm {:.0}/s, nginx {:.0}/s", median(&mut ours), median(&mut theirs));
        report.row(row.name, format!("{:.2}", median(&mut ratios)), row.reach, figures);
    }
    Ok(())
}

/// Requests a second; an error when an answer is not a success.
pub(super) fn measure(url: &str, authorization: &str, seconds: u64, options: &Options) -> Result<f64> {
    measure_with(url, authorization, seconds, options.connections, None)
}

/// The same with a script of wrk's that varies the request.
pub(super) fn measure_with(
    url: &str,
    authorization: &str,
    seconds: u64,
    connections: usize,
    script: Option<&std::path::Path>,
) -> Result<f64> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t", "1", "-c", &connections.to_string(), "-d", &format!("{seconds}s")]);
    if !authorization.is_empty() {
        wrk.args(["-H", &format!("Authorization: {authorization}")]);
    }
    if let Some(script) = script {
        wrk.arg("-s").arg(script);
    }
    let text = output(wrk.arg(url))?;
    if let Some(line) = text.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors")) {
        bail!("{url}: {}", line.trim());
    }
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).context("wrk's figure")?;
    Ok(line.trim().parse()?)
}
