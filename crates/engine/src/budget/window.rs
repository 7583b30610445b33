//! What a vendor lets an account do, as its answers told it: pure bookkeeping.

use quartermaster_types::{RateLimits, RatePolicy, RateWindow, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{
    BUDGET_METHODS_MAX, BUDGET_RESET_APART_MS, BUDGET_RESET_SLACK_MAX_MS, BUDGET_RESET_SLACK_STEP_MS,
    BUDGET_WINDOWS_MAX,
};

/// One limit of a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The vendor's name for it.
    pub name: Option<String>,
    /// Calls in a whole window, where the vendor tells that.
    pub limit: Option<u64>,
    /// Its length, where the vendor tells it.
    pub window_seconds: Option<u64>,
    /// Calls left, as the vendor told last.
    pub remaining: u64,
    /// When it starts anew.
    pub reset_at: Timestamp,
    /// The number of the answer that told this; see [`Windows::told`].
    read: u64,
    /// Calls that were let go and that `remaining` may not count yet.
    taken: u64,
}

impl Window {
    fn is_of(&self, told: &RateWindow) -> bool {
        self.name == told.name && self.window_seconds == told.window_seconds
    }

    /// Calls that can still be let go.
    pub fn left(&self) -> u64 {
        self.remaining.saturating_sub(self.taken)
    }
}

/// Which windows a call counts in, one bit each.
pub(crate) type Mask = u32;

/// The windows of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    windows: Vec<Window>,
    /// Which windows the vendor named in its answers to a method, by the method's hash. A vendor may hold methods to different ones.
    methods: Vec<(u64, Mask)>,
    /// Answers that told something, counted.
    told: u64,
    /// How much later than told a window really starts anew: vendors that round down tell it too early.
    slack_ms: i64,
}

/// What windows let a call do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Nothing is known that it counts in.
    Unknown,
    /// So many calls are left in the window that has least.
    Left(u64),
    /// None is left until then.
    Spent(Timestamp),
    /// A window has started anew and its vendor has said nothing of it yet: one call has to find out.
    Anew,
}

/// A call that was let go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// [`Windows::told`] when it was let go.
    pub(crate) told: u64,
    pub(crate) mask: Mask,
}

/// What came of it.
pub(crate) struct Outcome<'a> {
    /// The method's hash.
    pub(crate) method: u64,
    /// What the answer told; `None` when there was none.
    pub(crate) limits: Option<&'a RateLimits>,
    /// Whether it was refused because of a limit.
    pub(crate) limited: bool,
    /// Whether it was the call that had to find out.
    pub(crate) probe: bool,
}

impl Windows {
    /// All of them, in the order in which they were met.
    pub fn all(&self) -> &[Window] {
        &self.windows
    }

    /// Which windows a call of a method counts in: those that the vendor named with it; all, while that is not known.
    pub(crate) fn mask(&self, method: u64) -> Mask {
        let known = self.methods.iter().find(|(known, _)| *known == method);
        known.map_or((1 << self.windows.len()) - 1, |(_, mask)| *mask)
    }

    fn of(&self, mask: Mask) -> impl Iterator<Item = &Window> {
        self.windows.iter().enumerate().filter(move |(place, _)| mask & (1 << place) != 0).map(|(_, window)| window)
    }

    fn of_mut(&mut self, mask: Mask) -> impl Iterator<Item = &mut Window> {
        self.windows.iter_mut().enumerate().filter(move |(place, _)| mask & (1 << place) != 0).map(|(_, window)| window)
    }

    /// What is left for calls that count in these windows.
    pub(crate) fn room(&self, mask: Mask, now: Timestamp) -> Room {
        let mut room = Room::Unknown;
        for window in self.of(mask) {
            let reset_at = window.reset_at.plus_ms(self.slack_ms);
            let here = match window.left() {
                _ if reset_at <= now => Room::Anew,
                0 => Room::Spent(reset_at),
                left => Room::Left(left),
            };
            room = match (room, here) {
                (Room::Spent(one), Room::Spent(other)) => Room::Spent(one.max(other)),
                (Room::Spent(until), _) | (_, Room::Spent(until)) => Room::Spent(until),
                (Room::Anew, _) | (_, Room::Anew) => Room::Anew,
                (Room::Left(one), Room::Left(other)) => Room::Left(one.min(other)),
                (Room::Unknown, here) => here,
                (room, Room::Unknown) => room,
            };
        }
        room
    }

    /// The most calls that a window ever lets go at once.
    pub(crate) fn capacity(&self, mask: Mask) -> Option<u64> {
        self.of(mask).filter_map(|window| window.limit).min()
    }

    /// The window that is closest to being spent.
    pub(crate) fn tightest(&self, mask: Mask) -> Option<&Window> {
        self.of(mask).min_by_key(|window| (window.left(), std::cmp::Reverse(window.reset_at)))
    }

    /// Lets calls go.
    pub(crate) fn take(&mut self, mask: Mask, calls: u64) -> Sent {
        for window in self.of_mut(mask) {
            window.taken += calls;
        }
        Sent { told: self.told, mask }
    }

    /// Takes back calls that were not made.
    pub(crate) fn give_back(&mut self, sent: Sent, calls: u64) {
        for window in self.of_mut(sent.mask) {
            window.taken = window.taken.saturating_sub(calls);
        }
    }

    /// A call that was let go has come to its end. True when a window started anew with it.
    pub(crate) fn settle(&mut self, sent: Sent, outcome: &Outcome<'_>, now: Timestamp) -> bool {
        self.give_back(sent, 1);
        if outcome.limited && outcome.probe {
            // It came at the very moment that the vendor had told.
            self.slack_ms = (self.slack_ms + BUDGET_RESET_SLACK_STEP_MS).min(BUDGET_RESET_SLACK_MAX_MS);
        }
        let told = outcome.limits.map_or(&[][..], |limits| &limits.windows);
        let mut named: Mask = 0;
        let mut anew = false;
        if !told.is_empty() {
            self.told += 1;
        }
        for told in told {
            let Some((place, is_new)) = self.learn(sent, told, now) else { continue };
            named |= 1 << place;
            anew |= is_new;
        }
        if named != 0 {
            self.counts_in(outcome.method, named);
        }
        // Where the vendor said nothing, the call counts all the same.
        for window in self.of_mut(sent.mask & !named) {
            window.remaining = window.remaining.saturating_sub(1);
        }
        if outcome.limited
            && let Some(until) = outcome.limits.and_then(|limits| limits.retry_at.or(limits.reset_at))
        {
            let mask = if named == 0 { sent.mask } else { named };
            for window in self.of_mut(mask).filter(|window| window.left() == 0 || window.reset_at <= now) {
                window.remaining = 0;
                window.reset_at = window.reset_at.max(until);
            }
        }
        anew
    }

    /// Takes in what an answer told of one window: its place, and whether it started anew.
    fn learn(&mut self, sent: Sent, told: &RateWindow, now: Timestamp) -> Option<(usize, bool)> {
        let reset_at = told.reset_at.filter(|reset_at| *reset_at > now)?;
        let number = self.told;
        let Some(place) = self.windows.iter().position(|known| known.is_of(told)) else {
            if self.windows.len() == BUDGET_WINDOWS_MAX {
                return None;
            }
            self.windows.push(Window {
                name: told.name.clone(),
                limit: told.limit,
                window_seconds: told.window_seconds,
                remaining: told.remaining,
                reset_at,
                read: number,
                taken: 0,
            });
            return Some((self.windows.len() - 1, true));
        };
        let slack_ms = self.slack_ms;
        let window = &mut self.windows[place];
        window.limit = told.limit.or(window.limit);
        // An answer to a call that was made after the last reading is the truth of a later moment. Of calls that were under way together
        // the vendor may have answered either one first: of the same window the smaller number is the later one, and of two windows
        // the one that ends later.
        let is_later = sent.told >= window.read;
        let apart_ms = reset_at.ms_since(window.reset_at);
        let is_same = apart_ms.abs() <= BUDGET_RESET_APART_MS;
        let is_over = window.reset_at.plus_ms(slack_ms) <= now;
        if !is_over && !is_later && !is_same && apart_ms < 0 {
            // Of a window that is over.
            return Some((place, false));
        }
        let anew = is_over || (is_later && told.remaining > window.remaining) || (!is_later && !is_same);
        if anew || !is_same {
            window.remaining = told.remaining;
            window.reset_at = reset_at;
        } else {
            window.remaining = if is_later { told.remaining } else { window.remaining.min(told.remaining) };
            // Told in whole seconds, rounded up: the earliest of what was told is the closest.
            window.reset_at = window.reset_at.min(reset_at);
        }
        window.read = number;
        Some((place, anew))
    }

    fn counts_in(&mut self, method: u64, named: Mask) {
        if let Some((_, mask)) = self.methods.iter_mut().find(|(known, _)| *known == method) {
            *mask |= named;
        } else if self.methods.len() < BUDGET_METHODS_MAX {
            self.methods.push((method, named));
        }
    }

    /// Takes in what another replica knows. Its calls under way count as made, as the vendor may not have told of them yet.
    pub fn merge(&mut self, others: &Self, now: Timestamp) {
        self.slack_ms = self.slack_ms.max(others.slack_ms);
        for other in others.windows.iter().filter(|other| now < other.reset_at) {
            self.told += 1;
            let number = self.told;
            let same = |own: &Window| own.name == other.name && own.window_seconds == other.window_seconds;
            let Some(place) = self.windows.iter().position(same) else {
                if self.windows.len() < BUDGET_WINDOWS_MAX {
                    self.windows.push(Window { remaining: other.left(), taken: 0, read: number, ..other.clone() });
                }
                continue;
            };
            let own = &mut self.windows[place];
            if own.reset_at <= now {
                // A later window than the last one here.
                own.remaining = other.left();
                own.reset_at = other.reset_at;
                own.read = number;
            } else {
                own.remaining = own.remaining.min(other.left());
            }
        }
        for (method, _) in &others.methods {
            // By name and length, as the places differ from replica to replica.
            let named = others.of(others.mask(*method)).filter_map(|other| {
                let same = |own: &Window| own.name == other.name && own.window_seconds == other.window_seconds;
                self.windows.iter().position(same)
            });
            let named = named.fold(0, |mask: Mask, place| mask | 1 << place);
            if named != 0 {
                self.counts_in(*method, named);
            }
        }
    }

    /// Changes when other replicas should hear of it: when a window starts anew, and each time that half of what was left is gone.
    fn news(&self) -> impl Iterator<Item = (Timestamp, u32)> + '_ {
        self.windows.iter().map(|window| (window.reset_at, u64::BITS - window.left().leading_zeros()))
    }

    /// Whether other replicas should hear of what became of `before`.
    pub(crate) fn is_news(&self, before: &[(Timestamp, u32)]) -> bool {
        // A reset that is told a little differently by each answer is none.
        let differs = |((reset_at, level), (old_reset_at, old_level)): ((Timestamp, u32), &(Timestamp, u32))| {
            level != *old_level || reset_at.ms_since(*old_reset_at).abs() > BUDGET_RESET_SLACK_MAX_MS
        };
        self.windows.len() != before.len() || self.news().zip(before).any(differs)
    }

    /// What is kept to compare with; see [`Self::is_news`].
    pub(crate) fn as_news(&self) -> Vec<(Timestamp, u32)> {
        self.news().collect()
    }

    /// After a restart: whatever was let go before has ended.
    pub(crate) fn nothing_is_under_way(&mut self) {
        for window in &mut self.windows {
            window.taken = 0;
            window.read = 0;
        }
        self.told = 0;
    }

    /// What a caller is told who is refused until `until`. The policy's name says that it was not the vendor who refused.
    pub(crate) fn refusal(&self, mask: Mask, until: Timestamp) -> RateLimits {
        let tightest = self.tightest(mask);
        let policy = |window: &Window| {
            Some(RatePolicy {
                name: Some(BUDGET_POLICY.to_owned()),
                limit: window.limit?,
                window_seconds: window.window_seconds,
            })
        };
        RateLimits {
            limit: tightest.and_then(|window| window.limit),
            window_seconds: tightest.and_then(|window| window.window_seconds.filter(|_| window.limit.is_some())),
            remaining: Some(0),
            reset_at: Some(until),
            retry_at: None,
            policies: tightest.and_then(policy).into_iter().collect(),
            windows: Vec::new(),
        }
    }
}

/// The name of the gateway's own policy in `ratelimit-policy`.
pub const BUDGET_POLICY: &str = "account-budget";

#[cfg(test)]
mod tests;
