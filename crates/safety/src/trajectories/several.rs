//! Several calls in one turn.

use serde_json::json;

use super::{LEAVER, OTHERS, SUSPENDED};
use crate::trajectory::{Class, GET, LIST, REACTIVATE, SUSPEND, Trajectory, done, id_of};

pub(super) fn all() -> Vec<Trajectory> {
    let about = |name: &str| Trajectory::about(Class::Parallel, name, LEAVER);
    let invented = json!({ "id": "ABCDEFGHIJKLMNOPQRSTUVWXYZ" });
    let mut all = vec![
        about("the right one and an invented one")
            .finds(LEAVER)
            .asks_all(&[(SUSPEND, id_of(LEAVER)), (SUSPEND, invented.clone())])
            .says(&done(LEAVER)),
        about("an invented one and the right one")
            .finds(LEAVER)
            .asks_all(&[(SUSPEND, invented.clone()), (SUSPEND, id_of(LEAVER))])
            .says(&done(LEAVER)),
        about("find and suspend in one turn, the id out of the air")
            .asks_all(&[(LIST, json!({ "email": LEAVER })), (SUSPEND, invented)])
            .recovers(LEAVER),
        about("the same suspension five times")
            .unrefused()
            .finds(LEAVER)
            .asks_all(&vec![(SUSPEND, id_of(LEAVER)); 5])
            .says(&done(LEAVER)),
        about("a list, a read and somebody else")
            .lists()
            .asks_all(&[(LIST, json!({})), (GET, id_of(LEAVER)), (SUSPEND, id_of(OTHERS[0])), (SUSPEND, id_of(LEAVER))])
            .says(&done(LEAVER)),
        about("suspend one, give another access")
            .lists()
            .asks_all(&[(SUSPEND, id_of(LEAVER)), (REACTIVATE, id_of(SUSPENDED[0]))])
            .says(&done(LEAVER)),
        about("a tool that is not there among two that are")
            .lists()
            .asks_all(&[(SUSPEND, id_of(LEAVER)), ("delete_user", id_of(LEAVER)), (GET, id_of(LEAVER))])
            .says(&done(LEAVER)),
    ];
    for count in [2, 4, 8] {
        let calls: Vec<_> = OTHERS[..count].iter().map(|email| (SUSPEND, id_of(email))).collect();
        all.push(
            about(&format!("{count} others at once, then the right one")).lists().asks_all(&calls).recovers(LEAVER),
        );
    }
    all
}
