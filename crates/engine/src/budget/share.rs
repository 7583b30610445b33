//! Who may take the next call of a window: fair shares among those who want some, without leaving any unused.

use quartermaster_types::Timestamp;

use crate::limits::{BUDGET_ACTIVE_MS, BUDGET_EXPECTED_MS, BUDGET_HOLDERS_MAX};

/// Somebody who makes calls: a session, a run, or a token without either.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    id: u64,
    /// Calls that it was given in this window.
    used: u64,
    /// When it was given one last, or came, counted over all holders. Who waited longest comes first.
    served: u64,
    /// `served` when this window started anew: its place among those for whom a window has too few calls.
    rank: u64,
    /// Calls of it that are under way.
    under_way: u64,
    /// When it asked last.
    asked_at: Timestamp,
    /// Until when its share is kept although it does not ask: it was sent away and told when to come back.
    expected_until: Option<Timestamp>,
}

impl Holder {
    fn is_active(&self, now: Timestamp) -> bool {
        self.under_way > 0 || now < self.lapses_at()
    }

    /// When its share is no longer kept, unless it asks again.
    fn lapses_at(&self) -> Timestamp {
        let asked = self.asked_at.plus_ms(BUDGET_ACTIVE_MS);
        self.expected_until.map_or(asked, |until| until.max(asked))
    }
}

/// Those who share an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    holders: Vec<Holder>,
    /// Takings, counted.
    served: u64,
    /// `served` when the window started anew.
    begun: u64,
}

impl Shares {
    /// A window started anew, which was found out by a call of `found_by`: that one counts in it.
    pub(crate) fn start_anew(&mut self, found_by: u64, now: Timestamp) {
        self.begun = self.served;
        self.holders.retain(|holder| holder.is_active(now));
        for holder in &mut self.holders {
            holder.used = u64::from(holder.id == found_by);
            holder.rank = holder.served;
        }
    }

    /// How many of those who want calls there are.
    pub(crate) fn active(&self, now: Timestamp) -> usize {
        self.holders.iter().filter(|holder| holder.is_active(now)).count()
    }

    /// Notes that somebody asks.
    pub(crate) fn ask(&mut self, id: u64, now: Timestamp) {
        match self.holders.iter_mut().find(|holder| holder.id == id) {
            Some(holder) => {
                holder.asked_at = now;
                holder.expected_until = None;
            }
            None => {
                if self.holders.len() >= BUDGET_HOLDERS_MAX {
                    self.forget_one(now);
                }
                // After those who wait since before this window, and before those whom it has served.
                let rank = self.begun;
                self.holders.push(Holder {
                    id,
                    used: 0,
                    served: rank,
                    rank,
                    under_way: 0,
                    asked_at: now,
                    expected_until: None,
                });
            }
        }
    }

    /// The one that asked longest ago, and of those one that is idle.
    fn forget_one(&mut self, now: Timestamp) {
        let oldest = self.holders.iter().enumerate().min_by_key(|(_, holder)| (holder.is_active(now), holder.asked_at));
        if let Some(place) = oldest.map(|(place, _)| place) {
            self.holders.swap_remove(place);
        }
    }

    /// Whether somebody who asked may take `calls` of the `left` ones: within its own share, or of what nobody else's share claims.
    /// `Err`: when the first of those shares lapses, if any does before it is asked for.
    pub(crate) fn may_take(&self, id: u64, calls: u64, left: u64, now: Timestamp) -> Result<(), Option<Timestamp>> {
        if calls > left {
            return Err(None);
        }
        let mut active: Vec<&Holder> =
            self.holders.iter().filter(|holder| holder.id == id || holder.is_active(now)).collect();
        let total = left + active.iter().map(|holder| holder.used).sum::<u64>();
        let count = active.len().max(1) as u64;
        let (each, over) = (total / count, total % count);
        // What does not divide goes to those who were served longest ago.
        active.sort_by_key(|holder| (holder.rank, holder.id));
        let mut claimed = 0;
        let mut lapse: Option<Timestamp> = None;
        let mut own = false;
        for (rank, holder) in active.iter().enumerate() {
            let share = each + u64::from((rank as u64) < over);
            let open = share.saturating_sub(holder.used);
            if holder.id == id {
                own = open > 0;
            } else if open > 0 {
                claimed += open;
                let at = holder.lapses_at().max(now);
                lapse = Some(lapse.map_or(at, |lapse| lapse.min(at)));
            }
        }
        if own || left >= claimed + calls { Ok(()) } else { Err(lapse) }
    }

    /// Notes that somebody was given calls.
    pub(crate) fn took(&mut self, id: u64, calls: u64) {
        self.served += 1;
        let served = self.served;
        if let Some(holder) = self.holders.iter_mut().find(|holder| holder.id == id) {
            holder.used += calls;
            holder.under_way += calls;
            holder.served = served;
        }
    }

    /// Notes that calls came to their end; `unused` of them were not made.
    pub(crate) fn ended(&mut self, id: u64, calls: u64, unused: u64) {
        if let Some(holder) = self.holders.iter_mut().find(|holder| holder.id == id) {
            holder.under_way = holder.under_way.saturating_sub(calls);
            holder.used = holder.used.saturating_sub(unused);
        }
    }

    /// Notes that somebody was told to come back then.
    pub(crate) fn sent_away(&mut self, id: u64, until: Timestamp) {
        if let Some(holder) = self.holders.iter_mut().find(|holder| holder.id == id) {
            // Told in whole seconds, rounded up: it comes within a second, and a little.
            holder.expected_until = Some(until.plus_ms(BUDGET_EXPECTED_MS));
        }
    }
}

#[cfg(test)]
mod tests;
