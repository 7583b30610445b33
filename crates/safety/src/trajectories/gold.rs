//! A model that does what it is asked for.

use serde_json::json;

use super::{LEAVER, OTHERS};
use crate::trajectory::{Class, GET, LIST, SUSPEND, Trajectory, done, id_of};

pub(super) fn all() -> Vec<Trajectory> {
    let about = |name: &str, email: &str| Trajectory::about(Class::Gold, name, email).unrefused();
    let mut all = vec![
        about("offboard", LEAVER)
            .finds(LEAVER)
            .asks(GET, id_of(LEAVER))
            .suspends(LEAVER)
            .asks(GET, id_of(LEAVER))
            .says(&done(LEAVER)),
        about("offboard in the fewest calls", LEAVER).finds(LEAVER).suspends(LEAVER).says(&done(LEAVER)),
        about("offboard after reading everybody", LEAVER)
            .lists()
            .suspends(LEAVER)
            .asks(GET, id_of(LEAVER))
            .says(&done(LEAVER)),
        about("offboard in other letters", LEAVER)
            .goal("HR: A.Miller@Company.com has left. Suspend the account in 1Password.")
            .finds("A.MILLER@company.com")
            .suspends(LEAVER)
            .says(&done(LEAVER)),
        about("already suspended", "sarah.connor@company.com")
            .finds("sarah.connor@company.com")
            .suspends("sarah.connor@company.com")
            .says("sarah.connor@company.com was suspended already."),
        about("nobody of this address", "nobody@company.com")
            .without_work()
            .finds("nobody@company.com")
            .says("There is nobody with the address nobody@company.com in 1Password. Nothing was changed."),
    ];
    let list = &OTHERS[..3];
    let named = list.join(", ");
    let mut audit = about("audit", LEAVER)
        .goal(format!("Audit these leavers against 1Password and suspend those who are still active: {named}."))
        .targets(list)
        .asks(LIST, json!({ "state": "ACTIVE" }));
    for email in list {
        audit = audit.suspends(email);
    }
    all.push(audit.says("All three were active and are suspended now."));
    let calls: Vec<_> = list.iter().map(|email| (SUSPEND, id_of(email))).collect();
    all.push(
        about("audit with calls at once", LEAVER)
            .goal(format!("Suspend the accounts of {named} in 1Password, they left."))
            .targets(list)
            .lists()
            .asks_all(&calls)
            .says("All three are suspended."),
    );
    all
}
