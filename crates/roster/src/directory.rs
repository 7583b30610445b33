//! One pass over a directory, keeping only the people who are asked for.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::error::AgentError;
use crate::event::Event;
use crate::person::{Person, email_key};
use crate::session::Session;

/// Records asked for in one call: what the gateway gives at most, so that the pass takes the fewest calls.
const PAGE_SIZE: u32 = 1000;

/// The most pages of one pass: ten million people.
const PAGES_MAX: u32 = 10_000;

/// What a pass found.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// The people asked for, by e-mail key. Two or more under one key are told apart by nobody.
    pub(crate) found: HashMap<String, Vec<Person>>,
    /// People in the directory.
    pub(crate) people: u64,
    /// Pages read.
    pub(crate) pages: u32,
}

/// Reads the whole directory once. `wanted` are e-mail keys.
pub(crate) async fn read(session: &Session, wanted: &HashSet<&str>) -> Result<Directory, AgentError> {
    let mut directory = Directory::default();
    let mut cursor: Option<String> = None;
    loop {
        let mut arguments = Map::new();
        arguments.insert("limit".to_owned(), json!(PAGE_SIZE));
        if let Some(cursor) = &cursor {
            arguments.insert("next_cursor".to_owned(), json!(cursor));
        }
        let page = session.list(&arguments).await?;
        directory.pages += 1;
        directory.people += page.result.len() as u64;
        keep(&mut directory, &page.result, wanted, session)?;
        session.progress.tell(Event::PageRead { pages: directory.pages, people: directory.people });
        let Some(next) = page.next_cursor else {
            if page.is_partial {
                let reason = page.stopped_because.unwrap_or_else(|| "the gateway did not say why".to_owned());
                return Err(AgentError::DirectoryIncomplete { reason, people: directory.people });
            }
            return Ok(directory);
        };
        if cursor.as_ref() == Some(&next) || directory.pages >= PAGES_MAX {
            let reason = if directory.pages >= PAGES_MAX { "too many pages" } else { "the same cursor came twice" };
            return Err(AgentError::DirectoryIncomplete { reason: reason.to_owned(), people: directory.people });
        }
        cursor = Some(next);
    }
}

fn keep(
    directory: &mut Directory,
    records: &[Value],
    wanted: &HashSet<&str>,
    session: &Session,
) -> Result<(), AgentError> {
    for record in records {
        let Some(email) = record.pointer(&session.lifecycle.email).and_then(Value::as_str) else { continue };
        let key = email_key(email);
        if !wanted.contains(key.as_str()) {
            continue;
        }
        let person = Person::read(record, &session.lifecycle)?;
        let people = directory.found.entry(key).or_default();
        // A directory that changes while it is read can give one person on two pages.
        if people.iter().all(|known| known.id != person.id) {
            people.push(person);
        }
    }
    Ok(())
}
