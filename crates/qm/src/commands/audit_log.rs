//! `qm audit-log`.

mod chain;

use quartermaster_client::{AuditEntry, AuditLogQuery};

use crate::arguments::{AuditListArguments, AuditLogArguments, AuditLogCommand};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Rows, show};

/// Records asked for on one page.
const PAGE_SIZE: usize = 200;

pub(crate) async fn run(arguments: &AuditLogArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        None => list(&arguments.list).await,
        Some(AuditLogCommand::Verify(verify)) => chain::verify(verify).await,
        Some(AuditLogCommand::Export(export)) => chain::export(export).await,
        Some(AuditLogCommand::Key { output, gateway }) => chain::key(output, gateway).await,
        Some(AuditLogCommand::Prune { before, output, gateway }) => chain::prune(*before, output, gateway).await,
    }
}

async fn list(arguments: &AuditListArguments) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let mut query = AuditLogQuery {
        account: arguments.account.account,
        action: arguments.action.clone(),
        request_id: arguments.request.clone(),
        ..AuditLogQuery::default()
    };
    let mut entries: Vec<AuditEntry> = Vec::new();
    while entries.len() < arguments.limit {
        query.limit = u32::try_from((arguments.limit - entries.len()).min(PAGE_SIZE)).ok();
        let page = client.audit_log(&query).await?;
        entries.extend(page.result);
        query.next_cursor = page.next_cursor;
        if query.next_cursor.is_none() {
            break;
        }
    }
    show(arguments.output.output, &entries, || {
        Rows::new(
            ["at", "action", "target", "outcome", "code", "door", "session", "calls", "ms", "request_id"],
            entries.iter().map(|entry| {
                [
                    entry.at.to_string(),
                    entry.action.clone(),
                    entry.target.clone().unwrap_or_default(),
                    entry.outcome.clone(),
                    entry.code.clone().unwrap_or_default(),
                    entry.door.clone(),
                    entry.session.clone().unwrap_or_default(),
                    entry.upstream_calls.to_string(),
                    entry.duration_ms.to_string(),
                    entry.request_id.to_string(),
                ]
            }),
        )
    })?;
    Ok(Exit::Ok)
}
