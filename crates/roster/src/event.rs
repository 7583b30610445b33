//! What is told of a run while it goes on.

use std::sync::Arc;

/// One step of the work, for a person who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A page of the directory was read.
    PageRead {
        /// Pages so far.
        pages: u32,
        /// People so far.
        people: u64,
    },
    /// A rate limit is being waited out.
    Waiting {
        /// For so many seconds from now.
        seconds: u64,
        /// Where the number comes from.
        told_by: WaitSource,
    },
    /// A call failed. The run may go on: make it again, or go another way.
    CallFailed {
        /// The method, `users.suspend`.
        method: String,
        /// Why.
        reason: String,
    },
    /// The connection to the gateway broke; the run goes on there, and is watched on.
    ConnectionLost {
        /// In so many seconds.
        seconds: u64,
        /// Why.
        reason: String,
    },
    /// Suspending begins.
    Suspending {
        /// So many people.
        total: usize,
    },
    /// One person is done.
    PersonDone {
        /// The address.
        email: String,
        /// What came of it, for people.
        outcome: String,
        /// Whether it went well.
        ok: bool,
    },
    /// A model says something: a piece of a text, of a line perhaps.
    Saying {
        /// The piece.
        text: String,
    },
    /// A model has said what it had to say.
    Said,
    /// A step is done.
    Step {
        /// What was done, in a few words.
        what: String,
    },
}

/// Who said how long to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitSource {
    /// The answer's `retry-after` or `ratelimit-reset`.
    Headers,
    /// Nobody: doubling steps.
    Backoff,
}

/// Where events go. Must be quick.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Event) + Send + Sync>);

impl Progress {
    /// Events go to `sink`.
    pub fn new(sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Nobody watches.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Progress")
    }
}
