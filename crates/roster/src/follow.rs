//! Following a run to its end: what happens in it becomes [`Event`]s for whoever watches, and a connection that breaks is made
//! again after the last event that was seen.

use std::time::Duration;

use quartermaster_client::{Client, ClientError, RunHappening, RunSummary};
use quartermaster_types::{Code, RunId};
use tokio::time::sleep;

use crate::event::Event;
use crate::narrator::Narrator;

/// The longest pause before a broken connection is made again.
const PAUSE_MAX_SECONDS: u64 = 15;
/// How often in a row a connection is made again; with the pauses that is some five minutes. The run goes on meanwhile.
pub const CONNECTIONS_LOST_MAX: u32 = 24;
/// How long the next event is waited for before a wait is told: the run may just have ended.
const WAIT_TOLD_AFTER: Duration = Duration::from_millis(150);

/// Follows a run from its first event to its end.
///
/// # Errors
/// When the run cannot be watched: the token, the run's id, or [`CONNECTIONS_LOST_MAX`] connections that broke in a row. The
/// run goes on.
pub async fn follow(client: &Client, id: RunId, narrator: &mut Narrator) -> Result<RunSummary, ClientError> {
    let mut after = 0;
    let mut lost = 0;
    loop {
        let seen = after;
        let end = watch(client, id, &mut after, narrator).await;
        if after > seen {
            lost = 0;
        }
        let error = match end {
            Ok(Some(end)) => return Ok(end),
            Ok(None) => None,
            Err(error) if passes(&error) => Some(error),
            Err(error) => return Err(error),
        };
        // A stream that ends after some minutes is no loss; one that ends at once is that of a gateway which stops.
        if error.is_none() && after > seen {
            continue;
        }
        lost += 1;
        if lost > CONNECTIONS_LOST_MAX {
            let ended = || "its streams of events end at once".to_owned();
            let url = client.base_url().to_owned();
            return Err(error.unwrap_or_else(|| ClientError::NoAnswer { url, reason: ended() }));
        }
        let seconds = (1_u64 << (lost - 1).min(4)).min(PAUSE_MAX_SECONDS);
        if let Some(error) = error {
            narrator.tell(Event::ConnectionLost { seconds, reason: error.to_string() });
        }
        sleep(Duration::from_secs(seconds)).await;
    }
}

/// Watches until the run ends, or the stream does.
async fn watch(
    client: &Client,
    id: RunId,
    after: &mut u32,
    narrator: &mut Narrator,
) -> Result<Option<RunSummary>, ClientError> {
    let Some(mut watch) = client.watch_run(id, *after).await? else {
        return Ok(Some(client.run(id).await?.summary));
    };
    loop {
        let event = match tokio::time::timeout(WAIT_TOLD_AFTER, watch.next()).await {
            Ok(event) => event?,
            Err(_) => {
                narrator.tell_wait();
                watch.next().await?
            }
        };
        let Some(event) = event else { return Ok(None) };
        *after = event.number.unwrap_or(*after);
        match event.happening {
            RunHappening::Delta(delta) => narrator.delta(&delta),
            RunHappening::Entry(entry) => narrator.entry(&entry),
            RunHappening::End(end) => return Ok(Some(*end)),
        }
    }
}

/// Whether the same connection may work in a moment.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::NoAnswer { .. } => true,
        // A proxy in front of a gateway that is being started anew.
        ClientError::NotOurs { status, .. } => *status >= 500,
        ClientError::Problem { problem, .. } => {
            matches!(problem.code(), Code::Unavailable | Code::Internal | Code::RateLimited)
        }
        ClientError::BadRequest(_) => false,
    }
}
