//! Offboarding one person: find by exact e-mail, read the state, suspend, read back.

use quartermaster_client::CallOptions;
use quartermaster_types::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::AgentError;
use crate::event::Event;
use crate::patience::Waits;
use crate::person::{Person, email_key};
use crate::roster::is_email;
use crate::session::Session;
use crate::suspend::suspend;

/// People asked for on one page of the search; a search by e-mail finds none, one, or an ambiguity.
const FOUND_MAX: u32 = 100;

/// The most pages of a search: bounded scans of a very large directory.
const PAGES_MAX: u32 = 10_000;

/// What was done, ready to go into a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offboarding {
    /// Always `offboarding`.
    pub kind: &'static str,
    /// Integration name.
    pub integration: String,
    /// Its name for people.
    pub label: String,
    /// The account's tenant.
    pub tenant_id: String,
    /// The address as the directory has it.
    pub email: String,
    /// The person's id.
    pub id: String,
    /// The person's name.
    pub display_name: Option<String>,
    /// The state that was found.
    pub state_before: String,
    /// The state afterwards, by a read; the same when nothing had to change. With `dry_run`: the state that it would be.
    pub state_after: String,
    /// Whether this run changed the state (with `dry_run`: whether it would).
    pub changed: bool,
    /// True when nothing was sent that changes anything.
    pub dry_run: bool,
    /// The request that would be sent, and what the guards say to it; only with `dry_run`.
    pub plan: Option<Value>,
    /// When it was done.
    pub at: Timestamp,
    /// The gateway's request id of the suspension.
    pub request_id: Option<String>,
    /// The session under which the gateway's audit log has the calls.
    pub session: String,
    /// Rate limits waited out.
    pub waits: Waits,
}

impl Offboarding {
    /// The sentence for the ticket.
    pub fn summary(&self) -> String {
        let who = match &self.display_name {
            Some(name) => format!("{} ({name})", self.email),
            None => self.email.clone(),
        };
        match (self.dry_run, self.changed) {
            (true, true) => format!("Would suspend {who} in {}. Nothing was changed.", self.label),
            (_, false) => {
                format!("{who} was already {} in {}. Nothing had to be changed.", self.state_before, self.label)
            }
            (false, true) => {
                format!("Successfully suspended {who} in {}. Account access has been revoked.", self.label)
            }
        }
    }
}

/// Offboards one person. Somebody who is suspended already is a success with `changed: false`.
///
/// # Errors
/// [`AgentError::NotFound`] and [`AgentError::Ambiguous`] before anything is changed; all others as they come.
pub async fn run(session: &Session, email: &str, dry_run: bool) -> Result<Offboarding, AgentError> {
    let email = email.trim();
    if !is_email(email) {
        return Err(AgentError::NotAnEmail(email.to_owned()));
    }
    let step = |what: String| session.progress.tell(Event::Step { what });
    let found = find(session, email).await?;
    step(format!("found {} with the id {}", found.email, found.id));
    let before = session.get(&found.id).await?;
    step(format!("its state is {}", before.state));
    if email_key(&before.email) != email_key(email) {
        // Somebody changed the address between the two reads: this is no longer the person that was asked for.
        return Err(AgentError::NotFound { email: email.to_owned(), scanned: 0 });
    }
    let mut done = Offboarding {
        kind: "offboarding",
        integration: session.integration.name.clone(),
        label: session.integration.label.clone(),
        tenant_id: session.account.tenant_id.clone(),
        email: before.email.clone(),
        id: before.id.clone(),
        display_name: before.display_name.clone(),
        state_before: before.state.clone(),
        state_after: before.state.clone(),
        changed: false,
        dry_run,
        plan: None,
        at: session.clock.now(),
        request_id: None,
        session: session.name.clone(),
        waits: session.patience.waits(),
    };
    if before.state == session.lifecycle.suspended {
        return Ok(done);
    }
    if before.state != session.lifecycle.active {
        return Err(unexpected(session, &before));
    }
    if dry_run {
        done.plan = Some(plan(session, &before.id).await?);
        done.state_after.clone_from(&session.lifecycle.suspended);
        done.changed = true;
    } else {
        let suspension = suspend(session, &before.id, &format!("{}-{}", session.name, before.id)).await?;
        step("suspended".to_owned());
        let after = session.get(&before.id).await?;
        step(format!("read back: its state is {}", after.state));
        if after.state != session.lifecycle.suspended {
            return Err(AgentError::NotConfirmed { email: after.email, state: after.state });
        }
        done.state_after = after.state;
        done.changed = suspension.changed != Some(false);
        done.request_id = suspension.request_id;
        done.at = session.clock.now();
    }
    done.waits = session.patience.waits();
    Ok(done)
}

fn unexpected(session: &Session, person: &Person) -> AgentError {
    AgentError::UnexpectedState {
        email: person.email.clone(),
        state: person.state.clone(),
        active: session.lifecycle.active.clone(),
        suspended: session.lifecycle.suspended.clone(),
    }
}

/// The one person with this address. The whole directory is looked at: a second one may stand on its last page.
async fn find(session: &Session, email: &str) -> Result<Person, AgentError> {
    let key = email_key(email);
    let mut arguments = Map::new();
    arguments.insert(session.lifecycle.find_by_email.clone(), json!(email));
    arguments.insert("limit".to_owned(), json!(FOUND_MAX));
    let mut people: Vec<Person> = Vec::new();
    let mut scanned = 0;
    for pages in 0.. {
        let page = session.list(&arguments).await?;
        scanned += page.scanned.unwrap_or(page.result.len() as u64);
        for record in &page.result {
            let person = Person::read(record, &session.lifecycle)?;
            if email_key(&person.email) == key && people.iter().all(|known| known.id != person.id) {
                people.push(person);
            }
        }
        let Some(next) = page.next_cursor else {
            if page.is_partial {
                let reason = page.stopped_because.unwrap_or_else(|| "the gateway did not say why".to_owned());
                return Err(AgentError::DirectoryIncomplete { reason, people: scanned });
            }
            break;
        };
        if pages >= PAGES_MAX || arguments.get("next_cursor").is_some_and(|cursor| *cursor == next) {
            return Err(AgentError::DirectoryIncomplete {
                reason: "the list does not end".to_owned(),
                people: scanned,
            });
        }
        arguments.insert("next_cursor".to_owned(), json!(next));
    }
    match people.len() {
        0 => Err(AgentError::NotFound { email: email.to_owned(), scanned }),
        1 => Ok(people.remove(0)),
        _ => Err(AgentError::Ambiguous {
            email: email.to_owned(),
            ids: people.into_iter().map(|person| person.id).collect(),
        }),
    }
}

/// The suspension as the gateway would send it.
async fn plan(session: &Session, id: &str) -> Result<Value, AgentError> {
    let mut arguments = Map::new();
    arguments.insert("id".to_owned(), json!(id));
    let options: CallOptions = session.options();
    let tool = &session.lifecycle.suspend_tool;
    let answer = session.client.dry_run(session.account.id, tool, arguments, &options).await;
    Ok(answer.map_err(AgentError::call("planning the suspension"))?.value)
}
