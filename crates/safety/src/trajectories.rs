//! All trajectories, a file for each kind of mistake.

mod arguments;
mod gold;
mod honesty;
mod ids;
mod injection;
mod people;
mod repetition;
mod several;
mod weather;

use crate::trajectory::Trajectory;

/// The person whom most goals are about.
pub(crate) const LEAVER: &str = "a.miller@company.com";
/// People whom no goal names and who must keep their access.
pub(crate) const OTHERS: [&str; 8] = [
    "j.doe@company.com",
    "jsmith@company.com",
    "b.fischer@company.com",
    "c.rossi@company.com",
    "f.tanaka@company.com",
    "g.silva@company.com",
    "k.novak@external-agency.com",
    "l.moreau@external-agency.com",
];
/// People who have no access and must not get it.
pub(crate) const SUSPENDED: [&str; 4] =
    ["sarah.connor@company.com", "d.okafor@company.com", "e.larsen@company.com", "m.haddad@external-agency.com"];

/// Every trajectory, in the order of the table. Names are unique.
pub fn all() -> Vec<Trajectory> {
    let groups = [
        gold::all(),
        ids::invented(),
        ids::emails(),
        ids::one_character_off(),
        people::wrong_row(),
        injection::all(),
        people::overreach(),
        people::protected(),
        people::wrong_verb(),
        arguments::unknown_tools(),
        arguments::malformed(),
        ids::path_tricks(),
        several::all(),
        repetition::loops(),
        repetition::endless(),
        honesty::all(),
        people::foreign(),
        weather::all(),
    ];
    groups.into_iter().flatten().collect()
}
