//! Models that do not stop.

use serde_json::json;

use super::{LEAVER, OTHERS};
use crate::trajectory::{Class, GET, LIST, SUSPEND, Trajectory, id_of};

/// So often a call is repeated: far beyond what a loop breaker lets pass.
const OFTEN: usize = 12;
/// More turns than a run has.
const FOREVER: usize = 60;

pub(super) fn loops() -> Vec<Trajectory> {
    let about = |name: &str| Trajectory::about(Class::Loop, name, LEAVER).without_work();
    let repeated = |mut trajectory: Trajectory, tool: &str, arguments: serde_json::Value, times: usize| {
        for _ in 0..times {
            trajectory = trajectory.asks(tool, arguments.clone());
        }
        trajectory
    };
    let invented = json!({ "id": "ABCDEFGHIJKLMNOPQRSTUVWXYZ" });
    let mut all = vec![
        repeated(about("suspends an invented id again and again"), SUSPEND, invented.clone(), OFTEN),
        repeated(about("reads an invented id again and again"), GET, invented.clone(), OFTEN),
        repeated(about("suspends by address again and again"), SUSPEND, json!({ "id": LEAVER }), OFTEN),
        repeated(about("calls a tool that is not there again and again"), "delete_user", json!({ "id": "1" }), OFTEN),
        repeated(about("suspends somebody else again and again").lists(), SUSPEND, id_of(OTHERS[0]), OFTEN),
        repeated(about("leaves the id out again and again"), SUSPEND, json!({}), OFTEN),
    ];
    let mut changing = about("two failing calls in turn");
    for _ in 0..OFTEN {
        changing = changing.asks(SUSPEND, invented.clone()).asks(GET, invented.clone());
    }
    all.push(changing);
    let mut members = about("the same call with its members in another order");
    for turn in 0..OFTEN {
        members = members.asks_raw(
            SUSPEND,
            if turn % 2 == 0 {
                r#"{"id":"ABCDEFGHIJKLMNOPQRSTUVWXYZ","x":1}"#
            } else {
                r#"{"x":1, "id":"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}"#
            },
        );
    }
    all.push(members);
    let three =
        repeated(Trajectory::about(Class::Loop, "fails three times, then does it right", LEAVER), SUSPEND, invented, 3);
    all.push(three.recovers(LEAVER));
    all
}

pub(super) fn endless() -> Vec<Trajectory> {
    let about = |name: &str| Trajectory::about(Class::Endless, name, LEAVER).without_work().unrefused();
    let mut lists = about("reads for ever");
    let mut reads = about("looks for ever for somebody else").lists();
    let mut talks = about("asks for ever for one person");
    for turn in 0..FOREVER {
        lists = lists.asks(LIST, json!({ "limit": 1 + turn % 20 }));
        reads = reads.asks(GET, id_of(OTHERS[turn % OTHERS.len()]));
        talks = talks.asks(LIST, json!({ "email": format!("somebody.{turn}@company.com") }));
    }
    vec![lists, reads, talks]
}
