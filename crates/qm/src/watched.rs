//! Starting a run in the gateway and watching it: what `qm offboard`, `qm audit` and `qm playbook run` have in common.

use std::io::{self, BufRead, IsTerminal};

use quartermaster_client::{Client, ClientError, NewAgent, NewRun, Run};
use quartermaster_roster::{Narrator, Progress, Telling, follow};
use quartermaster_types::RunId;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, note};
use crate::style::{DIM, WARN};
use crate::watch::{Interrupts, Signalled, Watch, end_at_once};

/// How often a start whose answer was lost is asked for again, under the same key.
const STARTS_MAX: u32 = 3;

/// What came of watching.
pub(crate) enum Watched {
    /// The run ended.
    Ended(Box<Run>),
    /// It goes on in the gateway, and the program ends like this.
    Left(Exit),
}

/// What is started.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// A playbook.
    Playbook(&'a NewRun),
    /// A model with a goal.
    Agent(&'a NewAgent),
}

impl<'a> From<&'a NewRun> for Start<'a> {
    fn from(new: &'a NewRun) -> Self {
        Self::Playbook(new)
    }
}

impl<'a> From<&'a NewAgent> for Start<'a> {
    fn from(new: &'a NewAgent) -> Self {
        Self::Agent(new)
    }
}

/// Starts a run, and watches it to its end unless it is to be left alone. `telling` says what is told of its steps.
pub(crate) async fn run(
    client: &Client,
    new: impl Into<Start<'_>>,
    detach: bool,
    telling: impl FnOnce(&Run) -> Telling,
) -> Result<Watched, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let started = start(client, new.into()).await?;
    let id = started.summary.id;
    if detach {
        output::data(&format!("{id}\n"))?;
        note(&format!("the run goes on in the gateway: `qm runs watch {id}`, `qm runs cancel {id}`"));
        return Ok(Watched::Left(Exit::Ok));
    }
    note(&format!("{DIM}run {id}{DIM:#}"));
    let watch = Watch::new();
    let mut narrator = Narrator::new(watch.progress(), telling(&started));
    let left = {
        let mut following = std::pin::pin!(follow(client, id, &mut narrator));
        loop {
            let signalled = tokio::select! {
                end = &mut following => break end.map(|_| None),
                signalled = interrupts.next_signal() => signalled,
                () = watch.tick() => continue,
            };
            watch.pause();
            if signalled == Signalled::Interrupt && asks() && stays(id, &mut interrupts).await {
                break Ok(Some(id));
            }
            client.cancel_run(id).await?;
            note(&format!(
                "{WARN}interrupted:{WARN:#} the run {id} makes no further call; those in flight come to their end. Once more \
                 ends this program at once"
            ));
            // What is said twice is meant: the run stops without being watched.
            let end = tokio::select! {
                end = &mut following => end,
                () = watch.tick() => continue,
                _ = interrupts.next_signal() => end_at_once(),
            };
            break end.map(|_| None);
        }
    };
    watch.finish();
    match left {
        Ok(None) => Ok(Watched::Ended(Box::new(client.run_report(id).await?))),
        Ok(Some(id)) => {
            note(&format!("the run goes on in the gateway: `qm runs watch {id}`, `qm runs cancel {id}`"));
            Ok(Watched::Left(Exit::Interrupted))
        }
        Err(error) => Err(Failure::from(error).next(format!("qm runs watch {id}"))),
    }
}

/// Starts and follows a run with nobody to interrupt it.
pub(crate) async fn quietly(
    client: &Client,
    new: &NewRun,
    progress: Progress,
    telling: impl FnOnce(&Run) -> Telling,
) -> Result<Run, Failure> {
    let started = start(client, new.into()).await?;
    follow(client, started.summary.id, &mut Narrator::new(progress, telling(&started))).await?;
    Ok(client.run_report(started.summary.id).await?)
}

/// Starts a run once, also when an answer is lost on the way.
async fn start(client: &Client, new: Start<'_>) -> Result<Run, Failure> {
    let bytes: [u8; 16] =
        quartermaster_vault::random_bytes().map_err(|error| Failure::failed(format!("no randomness: {error}")))?;
    let key = bytes.iter().fold("qm-".to_owned(), |text, byte| text + &format!("{byte:02x}"));
    let mut starts = 1;
    loop {
        let started = match new {
            Start::Playbook(new) => client.start_run(new, &key).await,
            Start::Agent(new) => client.start_agent(new, &key).await,
        };
        match started {
            Err(ClientError::NoAnswer { .. }) if starts < STARTS_MAX => starts += 1,
            other => return Ok(other?),
        }
    }
}

/// Whether there is somebody to ask.
fn asks() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks whether the run is to go on without this program; a second interrupt ends the program, and the run goes on.
async fn stays(id: RunId, interrupts: &mut Interrupts) -> bool {
    note(&format!(
        "\n{WARN}interrupted.{WARN:#} Stop the run {id} (s), or leave it running in the gateway (l)? Anything else stops it."
    ));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        answer = answer => answer.is_ok_and(|line| line.is_ok_and(|line| is_leave(&line))),
        _ = interrupts.next_signal() => end_at_once(),
    }
}

fn is_leave(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "l" | "leave")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_word_leaves_a_run_alone() {
        for (line, leaves) in [("l\n", true), (" Leave \n", true), ("s\n", false), ("\n", false), ("", false)] {
            assert_eq!(is_leave(line), leaves, "{line:?}");
        }
    }
}
