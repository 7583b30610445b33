//! `qm approval`.

use std::collections::HashSet;

use quartermaster_client::{Approval, ApprovalSummary, ApprovalsQuery, CardRow, Client};
use quartermaster_types::{ApprovalId, ApprovalState};
use serde_json::Value;

use crate::arguments::{ApprovalCommand, ApprovalList, ApprovalWatch};
use crate::connect;
use crate::exit::Exit;
use crate::failure::{Failure, printable};
use crate::output::{self, Format, Rows, show};

/// The most cards that wait at once and are looked at.
const WAITING_MAX: usize = 1_000;

pub(crate) async fn run(command: &ApprovalCommand) -> Result<Exit, Failure> {
    match command {
        ApprovalCommand::List(arguments) => list(arguments).await,
        ApprovalCommand::Show { approval, output, gateway } => {
            let approval = connect::client(gateway)?.approval(approval.id).await?;
            show(output.output, &approval, || rows(&approval))?;
            if output.output == Format::Table {
                output::note(&sentences(&approval));
            }
            Ok(Exit::Ok)
        }
        ApprovalCommand::Approve { approval, veto, reason, gateway } => {
            decide(&connect::client(gateway)?, approval.id, true, veto, reason.as_deref()).await
        }
        ApprovalCommand::Deny { approval, reason, gateway } => {
            decide(&connect::client(gateway)?, approval.id, false, &[], reason.as_deref()).await
        }
        ApprovalCommand::Watch(arguments) => watch(arguments).await,
    }
}

async fn list(arguments: &ApprovalList) -> Result<Exit, Failure> {
    let query = ApprovalsQuery { state: arguments.state, run: arguments.run };
    let approvals = connect::client(&arguments.gateway)?.approvals(&query, arguments.limit).await?;
    show(arguments.output.output, &approvals, || table(&approvals))?;
    Ok(Exit::Ok)
}

fn table(approvals: &[ApprovalSummary]) -> Rows {
    Rows::new(
        ["id", "state", "title", "rows", "created_at", "expires_at"],
        approvals.iter().map(|approval| {
            [
                approval.id.to_string(),
                approval.state.as_str().to_owned(),
                approval.title.clone(),
                approval.rows.to_string(),
                approval.created_at.to_string(),
                approval.expires_at.to_string(),
            ]
        }),
    )
}

fn rows(approval: &Approval) -> Rows {
    Rows::new(
        ["row", "who", "what", "before", "after", "undo", "vetoed"],
        approval.card.rows.iter().map(|row| {
            let (before, after) = change(row);
            [
                row.number.to_string(),
                row.who.clone(),
                row.what.clone(),
                before,
                after,
                row.undo.clone().unwrap_or_else(|| "cannot be undone".to_owned()),
                if approval.vetoed.contains(&row.number) { "yes" } else { "" }.to_owned(),
            ]
        }),
    )
}

/// What there is now and what is different afterwards, of the members that change.
fn change(row: &CardRow) -> (String, String) {
    let Some(Value::Object(after)) = &row.after else { return (String::new(), String::new()) };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let before = |name: &String| row.before.as_ref().and_then(|before| before.get(name)).map(text);
    let befores: Vec<String> = after.keys().filter_map(before).collect();
    let afters: Vec<String> = after.values().map(text).collect();
    (befores.join(", "), afters.join(", "))
}

/// What there is to say besides the rows.
fn sentences(approval: &Approval) -> String {
    let summary = &approval.summary;
    let mut lines = vec![format!("{}: {}", summary.state.as_str(), printable(&approval.card.title))];
    lines.extend(approval.card.note.as_deref().map(printable));
    if !approval.because.is_empty() {
        lines.push(format!("because: {}", printable(&approval.because)));
    }
    for vote in &approval.votes {
        let said = if vote.approve { "yes" } else { "no" };
        let reason = vote.reason.as_deref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
        lines.push(format!("{said} by {} at {}{reason}", printable(&vote.name), vote.at));
    }
    if summary.state == ApprovalState::Pending {
        let yes = approval.votes.iter().filter(|vote| vote.approve).count();
        lines.push(format!("{yes} of {} have said yes; it waits until {}", approval.quorum, summary.expires_at));
    }
    lines.join("\n")
}

async fn decide(
    client: &Client,
    id: ApprovalId,
    approve: bool,
    veto: &[u32],
    reason: Option<&str>,
) -> Result<Exit, Failure> {
    let approval = client.decide_approval(id, approve, veto, reason).await?;
    output::note(&decided(&approval));
    Ok(Exit::Ok)
}

fn decided(approval: &Approval) -> String {
    let yes = approval.votes.iter().filter(|vote| vote.approve).count();
    let title = printable(&approval.card.title);
    match approval.summary.state {
        ApprovalState::Pending => format!("{yes} of {} have said yes to: {title}", approval.quorum),
        state => {
            let vetoed = approval.vetoed.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            let but = if vetoed.is_empty() { String::new() } else { format!(", but for the rows {vetoed}") };
            format!("{}: {title}{but}", state.as_str())
        }
    }
}

/// Each card once, as soon as it is seen.
async fn watch(arguments: &ApprovalWatch) -> Result<Exit, Failure> {
    let client = connect::client(&arguments.gateway)?;
    let query = ApprovalsQuery { state: Some(ApprovalState::Pending), run: None };
    let mut told: HashSet<ApprovalId> = HashSet::new();
    let mut count = 0;
    loop {
        let mut waiting = client.approvals(&query, WAITING_MAX).await?;
        told.retain(|id| waiting.iter().any(|approval| approval.id == *id));
        waiting.reverse();
        for summary in waiting {
            if !told.insert(summary.id) {
                continue;
            }
            tell(&client.approval(summary.id).await?, arguments.output.output)?;
            count += 1;
            if arguments.stop_after.is_some_and(|most| count >= most) {
                return Ok(Exit::Ok);
            }
        }
        tokio::time::sleep(arguments.every).await;
    }
}

fn tell(approval: &Approval, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let line = serde_json::to_string(approval).map_err(|error| Failure::failed(error.to_string()))?;
        return output::data(&format!("{line}\n"));
    }
    if format != Format::Table {
        return show(format, approval, || rows(approval));
    }
    let head = format!("{}  {}", approval.summary.id, printable(&approval.card.title));
    let foot = format!("qm approval approve {}", approval.summary.id);
    output::data(&format!("{head}\n{}{foot}\n\n", output::table(&rows(approval))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn approval(state: &str, votes: Value) -> Approval {
        let at = "2026-01-01T00:00:00Z";
        let id = "0190d1f2-0000-7000-8000-000000000001";
        let value = json!({"id": id, "kind": "call", "state": state, "title": "t", "token_id": id, "created_at": at,
            "expires_at": at, "quorum": 2, "votes": votes, "vetoed": [2], "because": "b",
            "card": {"title": "Suspend\u{1b}[31m", "rows": [
                {"number": 1, "who": "A <a@b.c>", "what": "Suspend", "before": {"state": "ACTIVE", "id": "x"},
                    "after": {"state": "SUSPENDED"}, "undo": "reactivate"},
                {"number": 2, "who": "x", "what": "Delete"}]}});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rows_say_what_changes_and_whether_it_can_be_undone() {
        let rows = rows(&approval("pending", json!([])));
        assert_eq!(rows.rows[0], ["1", "A <a@b.c>", "Suspend", "ACTIVE", "SUSPENDED", "reactivate", ""]);
        assert_eq!(rows.rows[1], ["2", "x", "Delete", "", "", "cannot be undone", "yes"]);
    }

    #[test]
    fn sentences_say_who_said_what_and_what_is_missing() {
        let vote = json!({"approver": "token:x", "name": "ops", "approve": true, "reason": "left", "at": "2026-01-01T00:00:00Z"});
        let waits = approval("pending", json!([vote]));
        let text = sentences(&waits);
        assert!(text.contains("yes by ops at 2026-01-01T00:00:00.000Z: left"), "{text}");
        assert!(text.contains("1 of 2 have said yes"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(decided(&waits), format!("1 of 2 have said yes to: {}", printable("Suspend\u{1b}[31m")));
        assert!(decided(&approval("approved", json!([]))).ends_with(", but for the rows 2"));
    }
}
