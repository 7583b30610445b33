//! List, get, `:suspend`, `:reactivate`.

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;

use super::errors::{Fail, Status};
use super::oauth::obfuscated;
use super::pages::{self, PageKey};
use super::{Account, Operation, Reply};
use crate::config::{Config, EndOfList};
use crate::people::{Directory, State};

/// "Default 25".
const PAGE_SIZE_DEFAULT: usize = 25;
/// "Maximum 1000"; a larger wish is cut, as the conventions that the API follows say.
const PAGE_SIZE_MAX: usize = 1000;

impl Account {
    pub(super) fn list(&self, query: &str, settings: &Config) -> Result<Reply, Fail> {
        let page = self.page_of(query)?;
        let directory = self.directory();
        let body = self.pages.get_or_make(directory.version(), page, || {
            render(&directory, page, settings.end_of_list, |next| pages::seal(self.page_key, next))
        });
        Ok(Reply::json(StatusCode::OK, body))
    }

    pub(super) fn get(&self, id: &str, settings: &Config) -> Result<Reply, Fail> {
        let directory = self.directory();
        let place = find(&directory, id, settings)?;
        Ok(Reply::json(StatusCode::OK, directory.body(place)))
    }

    /// Both verbs are idempotent: 200 with the user, changed or not.
    pub(super) fn change(&self, id: &str, operation: Operation, settings: &Config) -> Result<Reply, Fail> {
        let mut directory = self.directory_mut();
        let place = find(&directory, id, settings)?;
        if settings.provisioning {
            return Err(Fail::status(
                Status::FailedPrecondition,
                "users cannot be changed while automated provisioning is turned on",
            ));
        }
        let person = &directory.people()[place];
        if operation == Operation::Suspend && person.last_owner {
            return Err(Fail::status(Status::FailedPrecondition, "the last owner cannot be suspended"));
        }
        if operation == Operation::Suspend && person.externally_managed {
            return Err(Fail::status(
                Status::FailedPrecondition,
                "externally managed administrators cannot be suspended",
            ));
        }
        directory.set_state(place, if operation == Operation::Suspend { State::Suspended } else { State::Active });
        Ok(Reply::json(StatusCode::OK, directory.body(place)))
    }

    /// Which page a query asks for. A token alone is enough; a filter beside it must be the one it was made with.
    fn page_of(&self, query: &str) -> Result<PageKey, Fail> {
        let mut page = PageKey { filter: None, size: PAGE_SIZE_DEFAULT, start: 0 };
        let (mut filter, mut size, mut token) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "filter" if !value.is_empty() => filter = Some(parse_filter(&value)?),
                "max_page_size" if !value.is_empty() => size = Some(parse_size(&value)?),
                "page_token" if !value.is_empty() => {
                    let opened = pages::open(self.page_key, &value);
                    token = Some(opened.ok_or_else(|| Fail::status(Status::InvalidArgument, "invalid page_token"))?);
                }
                _ => {}
            }
        }
        if let Some(token) = token {
            if filter.is_some_and(|filter| Some(filter) != token.filter) {
                return Err(Fail::status(Status::InvalidArgument, "page_token belongs to another filter"));
            }
            page = token;
        } else {
            page.filter = filter;
        }
        page.size = size.unwrap_or(page.size);
        Ok(page)
    }
}

/// The grammar has two sentences.
fn parse_filter(text: &str) -> Result<State, Fail> {
    match text {
        "user.isActive()" => Ok(State::Active),
        "user.isSuspended()" => Ok(State::Suspended),
        _ => Err(Fail::status(Status::InvalidArgument, "InvalidArgument: invalid filter")),
    }
}

fn parse_size(text: &str) -> Result<usize, Fail> {
    let size: i64 = text.parse().map_err(|_| Fail::status(Status::InvalidArgument, "max_page_size is not a number"))?;
    match size {
        ..0 => Err(Fail::status(Status::InvalidArgument, "max_page_size must not be negative")),
        0 => Ok(PAGE_SIZE_DEFAULT),
        _ => Ok(usize::try_from(size).unwrap_or(PAGE_SIZE_MAX).min(PAGE_SIZE_MAX)),
    }
}

/// The place of the person with this id. A malformed id is an invalid argument; somebody hidden looks like nobody.
fn find(directory: &Directory, id: &str, settings: &Config) -> Result<usize, Fail> {
    let well_formed = id.len() == 26 && id.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    if !well_formed {
        return Err(Fail::status(Status::InvalidArgument, "invalid user id"));
    }
    match directory.place(id) {
        Some(place) if directory.people()[place].hidden => Err(obfuscated(settings.obfuscation)),
        Some(place) => Ok(place),
        None => Err(Fail::status(Status::NotFound, "not found")),
    }
}

fn render(directory: &Directory, page: PageKey, end: EndOfList, seal: impl Fn(PageKey) -> String) -> Bytes {
    let visible = |place: &usize| {
        let person = &directory.people()[*place];
        !person.hidden && page.filter.is_none_or(|state| state == person.state)
    };
    let mut places = (page.start.min(directory.people().len())..directory.people().len()).filter(visible);
    let mut body = BytesMut::with_capacity(64 + page.size * 260);
    body.put_slice(b"{\"results\":[");
    for (number, place) in places.by_ref().take(page.size).enumerate() {
        if number > 0 {
            body.put_u8(b',');
        }
        body.put_slice(&directory.body(place));
    }
    body.put_u8(b']');
    match (places.next(), end) {
        (Some(start), _) => {
            let token = seal(PageKey { start, ..page });
            body.put_slice(format!(",\"next_page_token\":\"{token}\"").as_bytes());
        }
        (None, EndOfList::Absent) => {}
        (None, EndOfList::Null) => body.put_slice(b",\"next_page_token\":null"),
        (None, EndOfList::Empty) => body.put_slice(b",\"next_page_token\":\"\""),
    }
    body.put_u8(b'}');
    body.freeze()
}
