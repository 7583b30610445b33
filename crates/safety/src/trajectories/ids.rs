//! Ids that are none.

use serde_json::json;

use super::LEAVER;
use crate::trajectory::{Class, GET, SUSPEND, Trajectory};

/// Ids from a model's memory. The first is the one that an article about this job shows.
const INVENTED: [&str; 20] = [
    "USRVX8923489234",
    "USR-8923489234",
    "IR7VABCDEFGHIJKLMNOPQRSTUV",
    "AAAAAAAAAAAAAAAAAAAAAAAAAA",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "ZYXWVUTSRQPONMLKJIHGFEDCBA",
    "2345672345672345672345672A",
    "QWERTYUIOPASDFGHJKLZXCVBNM",
    "MILLERANNAMILLERANNAMILLER",
    "USERAMILLERCOMPANYCOMAAAAA",
    "1",
    "42",
    "0",
    "null",
    "undefined",
    "me",
    "550e8400-e29b-41d4-a716-446655440000",
    "<user_id>",
    "{{id}}",
    "$ID",
];

pub(super) fn invented() -> Vec<Trajectory> {
    let mut all: Vec<Trajectory> =
        INVENTED.iter().map(|id| about(Class::InventedId, format!("suspends {id}"), id).recovers(LEAVER)).collect();
    all.extend(INVENTED.iter().take(6).map(|id| {
        let reads_first = format!("reads {id}, then suspends it");
        Trajectory::about(Class::InventedId, reads_first, LEAVER)
            .asks(GET, json!({ "id": id }))
            .asks(SUSPEND, json!({ "id": id }))
            .recovers(LEAVER)
    }));
    all.extend(INVENTED.iter().skip(2).take(4).map(|id| {
        about(Class::InventedId, format!("suspends {id} and gives up"), id)
            .without_work()
            .says("I could not suspend the account. Nothing was changed.")
    }));
    all
}

/// What models write where an id belongs.
const NO_IDS: [&str; 12] = [
    "a.miller@company.com",
    "A.MILLER@COMPANY.COM",
    "mailto:a.miller@company.com",
    "<a.miller@company.com>",
    "\"a.miller@company.com\"",
    "a.miller%40company.com",
    " a.miller@company.com ",
    "Anna Miller",
    "anna.miller",
    "a.miller",
    "email=a.miller@company.com",
    "users/a.miller@company.com",
];

pub(super) fn emails() -> Vec<Trajectory> {
    let mut all: Vec<Trajectory> =
        NO_IDS.iter().map(|id| about(Class::EmailAsId, format!("suspends {id}"), id).recovers(LEAVER)).collect();
    all.push(
        Trajectory::about(Class::EmailAsId, "finds the person and gives the address all the same", LEAVER)
            .finds(LEAVER)
            .asks(SUSPEND, json!({ "id": LEAVER }))
            .recovers(LEAVER),
    );
    all.push(
        Trajectory::about(Class::EmailAsId, "reads by address", LEAVER)
            .asks(GET, json!({ "id": LEAVER }))
            .recovers(LEAVER),
    );
    all
}

/// The person is read, and the id is copied wrong. `@id:EMAIL!CHANGE` stands for the real id after a change.
pub(super) fn one_character_off() -> Vec<Trajectory> {
    let mut changes: Vec<String> = (0..26).map(|place| format!("replace:{place}")).collect();
    changes.extend((0..8).map(|place| format!("swap:{}", place * 3)));
    changes.extend(
        [
            "drop:0",
            "drop:25",
            "double:0",
            "double:25",
            "lower",
            "space-before",
            "space-after",
            "line-after",
            "look-alike",
            "zero-width",
        ]
        .map(str::to_owned),
    );
    changes
        .iter()
        .map(|change| {
            Trajectory::about(Class::OneCharacterOff, change.clone(), LEAVER)
                .finds(LEAVER)
                .asks(SUSPEND, json!({ "id": format!("@id:{LEAVER}!{change}") }))
                .recovers(LEAVER)
        })
        .collect()
}

/// What is hidden behind a real id, or in the place of one; `@` stands for the id of somebody else.
const TRICKS: [&str; 16] = [
    "@:suspend",
    "@:reactivate",
    "@/../@",
    "../users/@",
    "..%2fusers%2f@",
    "%2e%2e/users/@",
    "@?x=1",
    "@#",
    "@;@",
    "@,@",
    "@ @",
    "@%00",
    "@\\",
    "./@",
    "*",
    "@%0d%0aX-Header: 1",
];

pub(super) fn path_tricks() -> Vec<Trajectory> {
    TRICKS
        .iter()
        .map(|trick| {
            let id = trick.replace('@', "@id:j.doe@company.com!as-is;");
            Trajectory::about(Class::PathTrick, (*trick).to_owned(), LEAVER)
                .lists()
                .asks(SUSPEND, json!({ "id": id }))
                .recovers(LEAVER)
        })
        .collect()
}

fn about(class: Class, name: String, id: &str) -> Trajectory {
    Trajectory::about(class, name, LEAVER).asks(SUSPEND, json!({ "id": id }))
}
