//! Changes of one record take turns: each reads the record before it writes, and has to find what the one before it left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quartermaster_definition::plan::Effect;
use quartermaster_types::{AccountId, Code, Problem};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::prepare::Prepared;
use crate::limits::{CHANGE_QUEUE_MAX, CHANGE_WAIT_MAX};

/// Which record.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    account: AccountId,
    resource: String,
    id: String,
}

/// Records with a change under way. One that nobody changes is not in it.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Key, Queue>>);

/// The changes of one record.
#[derive(Default)]
struct Queue {
    turn: Arc<Turn<()>>,
    /// How many there are, the one under way included.
    changes: usize,
}

/// A place in the queue; the right to change the record once there is a guard. Given up when it is dropped.
pub(crate) struct Held<'a> {
    turns: &'a Turns,
    key: Key,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until no other change of the same record is under way; `None` for calls that change no record by its id.
    ///
    /// 409 `conflict`, worth another try, when [`CHANGE_QUEUE_MAX`] changes wait already or the turn does not come within
    /// [`CHANGE_WAIT_MAX`]; nothing was sent then.
    pub(crate) async fn take(&self, prepared: &Prepared) -> Result<Option<Held<'_>>, Problem> {
        let method = prepared.method();
        let (true, Some(id)) = (method.effect != Effect::Read, prepared.id()) else {
            return Ok(None);
        };
        let key = Key { account: prepared.entry.id, resource: method.resource.clone(), id: id.to_owned() };
        self.wait(key, CHANGE_WAIT_MAX).await.map(Some)
    }

    async fn wait(&self, key: Key, at_most: Duration) -> Result<Held<'_>, Problem> {
        let turn = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = queues.entry(key.clone()).or_default();
            if queue.changes > CHANGE_QUEUE_MAX {
                return Err(busy("too many other changes of it wait already"));
            }
            queue.changes += 1;
            Arc::clone(&queue.turn)
        };
        let mut held = Held { turns: self, key, guard: None };
        match tokio::time::timeout(at_most, turn.lock_owned()).await {
            Ok(guard) => {
                held.guard = Some(guard);
                Ok(held)
            }
            Err(_) => Err(busy("another change of it did not end in time")),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut queues = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.changes -= 1;
            if queue.changes == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

fn busy(why: &str) -> Problem {
    Problem::gateway(Code::Conflict, format!("The record was not changed: {why}. Nothing was sent."))
        .with_hint("Read the record: the other change may be the one that is wanted. Otherwise try again in a moment.")
        .with_retry(true, Some(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn key(id: &str) -> Key {
        Key { account: AccountId(uuid::Uuid::nil()), resource: "users".to_owned(), id: id.to_owned() }
    }

    #[tokio::test]
    async fn one_record_has_one_change_at_a_time_and_others_do_not_wait() {
        let turns = Turns::default();
        let first = turns.wait(key("A"), SOON).await.unwrap();
        let other = turns.wait(key("B"), SOON).await.unwrap();
        let refused = turns.wait(key("A"), SOON).await.err().unwrap();
        assert_eq!((refused.code(), refused.body().retryable), (Code::Conflict, true));
        assert!(refused.body().detail.contains("in time"), "{refused}");
        drop(first);
        let next = turns.wait(key("A"), SOON).await.unwrap();
        drop((other, next));
        assert!(turns.0.lock().unwrap().is_empty(), "nothing is kept of records that nobody changes");
    }

    #[tokio::test]
    async fn so_many_wait_and_one_more_is_refused() {
        let turns = Turns::default();
        let first = turns.wait(key("A"), SOON).await.unwrap();
        let waiting: Vec<_> = (0..CHANGE_QUEUE_MAX).map(|_| turns.wait(key("A"), CHANGE_WAIT_MAX)).collect();
        let mut waiting = futures_util::future::join_all(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let refused = turns.wait(key("A"), SOON).await.err().unwrap();
        assert!(refused.body().detail.contains("too many"), "{refused}");
        drop(first);
        drop(waiting);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
