//! `qm offboard`.

use quartermaster_roster::Patience;
use quartermaster_roster::offboard::{self, Offboarding};

use crate::arguments::OffboardArguments;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Format, Rows, show};
use crate::style::{GOOD, STRONG};
use crate::watch::{Watch, stop_on_interrupt};

pub(crate) async fn run(arguments: &OffboardArguments) -> Result<Exit, Failure> {
    let watch = Watch::new();
    let progress = watch.progress();
    let patience = Patience::new(arguments.patience.max_wait, progress.clone());
    let stop = stop_on_interrupt()?;
    let work = async {
        let session = connect::session(&arguments.gateway, &arguments.account, patience, progress, stop).await?;
        Ok::<_, Failure>(offboard::run(&session, &arguments.email, arguments.dry_run).await?)
    };
    let done = tokio::select! {
        done = work => done,
        () = watch.tick() => Err(Failure::failed("the clock stopped")),
    };
    watch.finish();
    let done = done?;
    match arguments.output.output {
        Format::Table => output::styled(&ticket(&done))?,
        format => show(format, &done, || rows(&done))?,
    }
    Ok(Exit::Ok)
}

/// The summary for a ticket: readable with and without colour.
pub(crate) fn ticket(done: &Offboarding) -> String {
    let mut text = format!("{GOOD}✓{GOOD:#} {STRONG}{}{STRONG:#}\n", crate::failure::printable(&done.summary()));
    for (name, value) in fields(done) {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<12} {}\n", crate::failure::printable(&value)));
        }
    }
    if let Some(plan) = &done.plan {
        text.push_str("  Would send:\n");
        for line in output::json(plan).unwrap_or_default().lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

fn fields(done: &Offboarding) -> Vec<(&'static str, String)> {
    let state = if done.state_before == done.state_after {
        done.state_after.clone()
    } else {
        format!("{} → {}", done.state_before, done.state_after)
    };
    let waited = if done.waits.count > 0 { format!("{} s", done.waits.seconds) } else { String::new() };
    vec![
        ("E-mail", done.email.clone()),
        ("Name", done.display_name.clone().unwrap_or_default()),
        ("Id", done.id.clone()),
        ("State", state),
        ("Where", format!("{}, tenant {}", done.label, done.tenant_id)),
        ("When", done.at.to_string()),
        ("Request", done.request_id.clone().unwrap_or_default()),
        ("Session", done.session.clone()),
        ("Waited", waited),
    ]
}

fn rows(done: &Offboarding) -> Rows {
    Rows::new(
        ["email", "id", "display_name", "state_before", "state_after", "changed", "dry_run", "at", "request_id"],
        [[
            done.email.clone(),
            done.id.clone(),
            done.display_name.clone().unwrap_or_default(),
            done.state_before.clone(),
            done.state_after.clone(),
            done.changed.to_string(),
            done.dry_run.to_string(),
            done.at.to_string(),
            done.request_id.clone().unwrap_or_default(),
        ]],
    )
}
