//! 1Password: the Users API for Partners v1beta1 and its OAuth endpoints, from the public documentation.

mod errors;
mod oauth;
mod pages;
mod users;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{SEEN_MAX, Seen, lock};
use crate::fault::Faults;
use crate::people::{Directory, base32};
use crate::rate::Bucket;
use errors::{Fail, Status};

/// What the OAuth application may be allowed to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// List users.
    List,
    /// Get user.
    Get,
    /// Suspend users.
    Suspend,
    /// Reactivate users.
    Reactivate,
}

/// One simulated account: its people, its OAuth application, its limits.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) account_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) tokens: oauth::Tokens,
    pub(crate) counters: Counters,
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// So many answers to writes are still to be lost.
    pub(crate) lost_answers: AtomicU64,
    settings: RwLock<Config>,
    directory: RwLock<Directory>,
    pages: pages::PageCache,
    page_key: u64,
    requests: Bucket,
    token_requests: Bucket,
}

/// How often what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) token: AtomicU64,
    pub(crate) revoke: AtomicU64,
    pub(crate) list: AtomicU64,
    pub(crate) get: AtomicU64,
    pub(crate) suspend: AtomicU64,
    pub(crate) reactivate: AtomicU64,
    pub(crate) other: AtomicU64,
    pub(crate) limited: AtomicU64,
}

/// A request, read to its end.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    fn json(status: StatusCode, body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Self { status, headers, body }
    }
}

/// The path of a request, taken apart.
enum Route<'a> {
    Token,
    Revoke,
    Users { account: &'a str },
    User { account: &'a str, id: &'a str },
    Verb { account: &'a str, id: &'a str, operation: Operation },
    Unknown,
}

impl Account {
    pub(crate) fn new(config: Config) -> Self {
        let mut random = StdRng::seed_from_u64(config.seed ^ 0x1FA5_5EED);
        let account_id = base32(&mut random);
        let client_id = oauth::uuid_like(&mut random);
        let client_secret = format!("{}{}", base32(&mut random), base32(&mut random)).to_lowercase();
        Self {
            directory: RwLock::new(Directory::seeded(&account_id, config.users, config.twins, config.seed)),
            account_id,
            client_id,
            client_secret,
            clock: Clock::default(),
            faults: Faults::new(config.faults, config.seed),
            tokens: oauth::Tokens::new(config.seed),
            counters: Counters::default(),
            seen: Mutex::default(),
            lost_answers: AtomicU64::new(0),
            pages: pages::PageCache::default(),
            page_key: config.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            requests: Bucket::default(),
            token_requests: Bucket::default(),
            settings: RwLock::new(config),
        }
    }

    pub(crate) fn settings(&self) -> RwLockReadGuard<'_, Config> {
        self.settings.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn settings_mut(&self) -> RwLockWriteGuard<'_, Config> {
        self.settings.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Answers one request.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Reply {
        let settings = self.settings();
        let route = route(request.path);
        self.count(&route);
        let now_ms = self.clock.now_ms();
        let bucket = match route {
            Route::Token | Route::Revoke => &self.token_requests,
            _ => &self.requests,
        };
        let verdict = settings.rate_limit.map(|limit| bucket.take(limit, now_ms));
        let outcome = if verdict.is_some_and(|verdict| !verdict.admitted) {
            self.counters.limited.fetch_add(1, Ordering::Relaxed);
            Err(Fail::status(Status::ResourceExhausted, "too many requests"))
        } else {
            self.dispatch(&route, request, &settings, now_ms)
        };
        let mut reply = outcome.unwrap_or_else(|fail| fail.into_reply(settings.error_shape));
        if let Some(verdict) = verdict {
            verdict.write(settings.rate_headers, &mut reply.headers);
        }
        reply
    }

    /// Writes a request down when that is wanted.
    pub(crate) fn note(&self, method: &Method, path_and_query: &str, status: u16) {
        if !self.settings().record {
            return;
        }
        let mut seen = lock(&self.seen);
        if seen.len() < SEEN_MAX {
            seen.push(Seen { method: method.to_string(), path_and_query: path_and_query.to_owned(), status });
        }
    }

    /// Whether the answer to this write is to be lost.
    pub(crate) fn loses_answer(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        self.lost_answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    fn count(&self, route: &Route<'_>) {
        let counter = match route {
            Route::Token => &self.counters.token,
            Route::Revoke => &self.counters.revoke,
            Route::Users { .. } => &self.counters.list,
            Route::User { .. } => &self.counters.get,
            Route::Verb { operation: Operation::Suspend, .. } => &self.counters.suspend,
            Route::Verb { .. } => &self.counters.reactivate,
            Route::Unknown => &self.counters.other,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn dispatch(
        &self,
        route: &Route<'_>,
        request: &Request<'_>,
        settings: &Config,
        now_ms: i64,
    ) -> Result<Reply, Fail> {
        if settings.require_user_agent && request.headers.get(header::USER_AGENT).is_none() {
            return Err(Fail::status(Status::InvalidArgument, "the User-Agent header is required"));
        }
        let allow = |method: &Method| {
            if request.method == method { Ok(()) } else { Err(Fail::plain(StatusCode::METHOD_NOT_ALLOWED)) }
        };
        match *route {
            Route::Token => {
                allow(&Method::POST)?;
                self.token(request, settings, now_ms)
            }
            Route::Revoke => {
                allow(&Method::POST)?;
                self.revoke(request)
            }
            Route::Unknown => Err(Fail::status(Status::NotFound, "Not Found")),
            Route::Users { account } => {
                allow(&Method::GET)?;
                self.admit(request, account, Operation::List, settings, now_ms)?;
                self.list(request.query, settings)
            }
            Route::User { account, id } => {
                allow(&Method::GET)?;
                self.admit(request, account, Operation::Get, settings, now_ms)?;
                self.get(id, settings)
            }
            Route::Verb { account, id, operation } => {
                allow(&Method::POST)?;
                self.admit(request, account, operation, settings, now_ms)?;
                self.change(id, operation, settings)
            }
        }
    }
}

/// Takes a path apart. Custom verbs stand behind a colon at the end; an escaped colon is not one.
fn route(path: &str) -> Route<'_> {
    match path {
        "/v1beta1/users/oauth2/token" => return Route::Token,
        "/v1beta1/users/oauth2/revoke" => return Route::Revoke,
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/v1beta1/accounts/") else { return Route::Unknown };
    let mut parts = rest.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(account), Some("users"), None, None) => Route::Users { account },
        (Some(account), Some("users"), Some(last), None) if !last.is_empty() => match last.split_once(':') {
            None => Route::User { account, id: last },
            Some((id, "suspend")) => Route::Verb { account, id, operation: Operation::Suspend },
            Some((id, "reactivate")) => Route::Verb { account, id, operation: Operation::Reactivate },
            Some(_) => Route::Unknown,
        },
        _ => Route::Unknown,
    }
}
