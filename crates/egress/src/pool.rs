//! Idle connections, kept for the next request to the same origin.
//!
//! The runtime that a connection was made on goes on to watch its socket. So a request takes a connection of its own
//! thread where there is one: then no other thread has to be woken for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::connect::Connection;
use crate::origin::Origin;

/// Most idle connections to one origin; more are closed when their request ends.
pub const IDLE_PER_ORIGIN_MAX: usize = 64;
/// Most idle connections to all origins together: each holds a file descriptor and its buffers.
pub const IDLE_MAX: usize = 512;
/// How long a connection may lie idle. Servers and load balancers commonly close theirs after 60 seconds; staying well below
/// keeps a request from meeting a connection that is just being closed, which could not be told from a lost answer.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(25);
/// How often idle connections are looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// The bounds of a pool.
#[derive(Clone, Copy)]
struct Bounds {
    per_origin: usize,
    total: usize,
    timeout: Duration,
    sweep_interval: Duration,
}

const BOUNDS: Bounds =
    Bounds { per_origin: IDLE_PER_ORIGIN_MAX, total: IDLE_MAX, timeout: IDLE_TIMEOUT, sweep_interval: SWEEP_INTERVAL };

struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Default)]
struct Shelves {
    /// By authority as it stands in the URL; http first, https second. The newest is last.
    by_origin: [HashMap<Box<str>, Vec<Idle>>; 2],
    count: usize,
    is_swept: bool,
}

/// The pool. Clones share it.
#[derive(Clone)]
pub(crate) struct Pool {
    shelves: Arc<Mutex<Shelves>>,
    bounds: Bounds,
}

impl Default for Pool {
    fn default() -> Self {
        Self { shelves: Arc::default(), bounds: BOUNDS }
    }
}

impl Pool {
    /// A connection that lay idle and still stands: of this thread's own or else of all the one used last, since it is the
    /// least likely to be closed soon.
    pub(crate) fn take(&self, origin: Origin<'_>) -> Option<Connection> {
        let here = std::thread::current().id();
        loop {
            let mut connection = {
                let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
                let shelf = shelves.by_origin[usize::from(origin.is_https)].get_mut(origin.authority)?;
                let own = shelf.iter().rposition(|idle| idle.connection.home == here);
                let idle = own.map(|place| shelf.remove(place)).or_else(|| shelf.pop())?;
                shelves.count -= 1;
                idle.connection
            };
            // Asked outside the lock: this looks at the socket.
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose answer was read to the end, if it can be used again and there is room.
    pub(crate) fn put(&self, origin: Origin<'_>, mut connection: Connection) {
        if !connection.is_usable_after_answer() {
            return;
        }
        let idle = Idle { connection, since: Instant::now() };
        let mut guard = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let shelves = &mut *guard;
        if shelves.count >= self.bounds.total {
            return;
        }
        let by_origin = &mut shelves.by_origin[usize::from(origin.is_https)];
        if let Some(shelf) = by_origin.get_mut(origin.authority) {
            if shelf.len() >= self.bounds.per_origin {
                return;
            }
            shelf.push(idle);
        } else {
            by_origin.insert(origin.authority.into(), vec![idle]);
        }
        shelves.count += 1;
        if !shelves.is_swept {
            shelves.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.shelves), self.bounds));
        }
    }
}

/// Closes what lay too long or was closed by the other side; ends when nothing is left.
async fn sweep(shelves: Weak<Mutex<Shelves>>, bounds: Bounds) {
    loop {
        tokio::time::sleep(bounds.sweep_interval).await;
        let Some(shelves) = shelves.upgrade() else { return };
        let mut guard = shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let shelves = &mut *guard;
        let now = Instant::now();
        for by_origin in &mut shelves.by_origin {
            by_origin.retain(|_, shelf| {
                shelf.retain_mut(|idle| now - idle.since < bounds.timeout && idle.connection.is_usable());
                !shelf.is_empty()
            });
        }
        shelves.count = shelves.by_origin.iter().flat_map(HashMap::values).map(Vec::len).sum();
        if shelves.count == 0 {
            shelves.is_swept = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowed::AllowedUpstreams;
    use crate::connect::Connector;
    use crate::tls::UpstreamAuthorities;

    const LONG: Duration = Duration::from_secs(3600);

    /// A listener that accepts and keeps everything, and a way to connect to it under several names.
    struct Site {
        listener: tokio::net::TcpListener,
        accepted: Mutex<Vec<tokio::net::TcpStream>>,
        authorities: [String; 2],
        connector: Connector,
    }

    impl Site {
        async fn open() -> Self {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let authorities = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
            let allowed = AllowedUpstreams::parse(authorities.iter().map(String::as_str)).unwrap();
            Self {
                listener,
                accepted: Mutex::default(),
                authorities,
                connector: Connector::new(allowed, UpstreamAuthorities::default()),
            }
        }

        fn url(&self, name: usize) -> http::Uri {
            format!("http://{}/", self.authorities[name]).parse().unwrap()
        }

        async fn put(&self, pool: &Pool, name: usize) {
            let url = self.url(name);
            let origin = Origin::of(&url).unwrap();
            let mut connection = self.connector.connect(origin).await.unwrap();
            let (peer, _) = self.listener.accept().await.unwrap();
            self.accepted.lock().unwrap().push(peer);
            assert!(connection.is_usable());
            pool.put(origin, connection);
        }
    }

    fn pool(per_origin: usize, total: usize, timeout: Duration, sweep_interval: Duration) -> Pool {
        Pool { bounds: Bounds { per_origin, total, timeout, sweep_interval }, ..Pool::default() }
    }

    fn count(pool: &Pool) -> usize {
        pool.shelves.lock().unwrap().count
    }

    #[tokio::test]
    async fn the_bounds_hold_at_the_limit_and_one_past_it() {
        let site = Site::open().await;
        let pool = pool(2, 3, LONG, LONG);
        for (name, held) in [(0, 1), (0, 2), (0, 2), (1, 3), (1, 3)] {
            site.put(&pool, name).await;
            assert_eq!(count(&pool), held);
        }
        let url = site.url(0);
        let origin = Origin::of(&url).unwrap();
        assert!(pool.take(origin).is_some());
        assert!(pool.take(origin).is_some());
        assert!(pool.take(origin).is_none());
        assert_eq!(count(&pool), 1);
    }

    #[tokio::test]
    async fn http_and_https_share_nothing() {
        let site = Site::open().await;
        let pool = pool(2, 3, LONG, LONG);
        site.put(&pool, 0).await;
        let url = format!("https://{}/", site.authorities[0]).parse().unwrap();
        assert!(pool.take(Origin::of(&url).unwrap()).is_none());
    }

    #[tokio::test]
    async fn what_was_closed_meanwhile_is_not_handed_out() {
        let site = Site::open().await;
        let pool = pool(2, 3, LONG, LONG);
        site.put(&pool, 0).await;
        site.accepted.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let url = site.url(0);
        assert!(pool.take(Origin::of(&url).unwrap()).is_none());
    }

    #[tokio::test]
    async fn the_sweep_closes_what_is_old_or_closed_and_ends() {
        let site = Site::open().await;
        let (soon, interval) = (Duration::from_millis(40), Duration::from_millis(10));
        let old = pool(2, 3, soon, interval);
        site.put(&old, 0).await;
        let closed = pool(2, 3, LONG, interval);
        site.put(&closed, 1).await;
        let kept = pool(2, 3, LONG, interval);
        site.put(&kept, 1).await;
        site.accepted.lock().unwrap().remove(1);
        for _ in 0..200 {
            tokio::time::sleep(interval).await;
            if count(&old) + count(&closed) == 0 {
                break;
            }
        }
        assert_eq!((count(&old), count(&closed), count(&kept)), (0, 0, 1));
        assert!(!old.shelves.lock().unwrap().is_swept);
        site.put(&old, 0).await;
        assert!(old.shelves.lock().unwrap().is_swept);
    }
}
