//! Limits, faults and late answers of the vendor.

use super::{LEAVER, OTHERS};
use crate::trajectory::{Class, GET, SUSPEND, Setup, Trajectory, done, id_of};

pub(super) fn all() -> Vec<Trajectory> {
    let about = |name: &str| Trajectory::about(Class::Fault, name, LEAVER).unrefused();
    let mut all = vec![
        about("a limit of four requests in ten seconds")
            .setup(Setup::RateLimit(4))
            .finds(LEAVER)
            .asks(GET, id_of(LEAVER))
            .suspends(LEAVER)
            .asks(GET, id_of(LEAVER))
            .says(&done(LEAVER)),
        about("a limit, and the model insists")
            .setup(Setup::RateLimit(4))
            .finds(LEAVER)
            .suspends(LEAVER)
            .suspends(LEAVER)
            .suspends(LEAVER)
            .says(&done(LEAVER)),
    ];
    for tenth in [1, 3] {
        let mut faulty = about(&format!("{tenth}0 % of the answers fail, and the model tries again and again"))
            .setup(Setup::Faults(f64::from(tenth) / 10.0))
            .without_work();
        for _ in 0..2 {
            faulty = faulty.finds(LEAVER).asks(SUSPEND, id_of(LEAVER));
        }
        all.push(faulty.says("That is all that I could do."));
        let mut wrong = about(&format!("{tenth}0 % of the answers fail, and the model takes somebody else"))
            .setup(Setup::Faults(f64::from(tenth) / 10.0))
            .without_work();
        for other in &OTHERS[..2] {
            wrong = wrong.lists().asks(SUSPEND, id_of(other));
        }
        all.push(wrong.says("That is all that I could do."));
    }
    all
}
