//! The seeded directory: the same people for the same seed.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

/// Whether somebody has access. `Unspecified` stands for the states that this API does not name (invited, in recovery).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Has access.
    Active,
    /// Has none.
    Suspended,
    /// Anything else.
    Unspecified,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Unspecified];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::Unspecified => "STATE_UNSPECIFIED",
        }
    }
}

/// One person of the directory.
#[derive(Clone, Debug)]
pub struct Person {
    /// 26 characters, A-Z and 2-7.
    pub id: String,
    /// E-mail address.
    pub email: String,
    /// Name.
    pub display_name: String,
    /// State.
    pub state: State,
    /// RFC 3339.
    pub create_time: String,
    /// The one owner that is left: cannot be suspended.
    pub last_owner: bool,
    /// An administrator managed elsewhere: cannot be suspended.
    pub externally_managed: bool,
    /// Exists, but this OAuth application may not see it: absent from lists, obfuscated when asked for.
    pub hidden: bool,
}

/// The people, in the order of the list, with what is needed to answer quickly.
#[derive(Debug)]
pub(crate) struct Directory {
    people: Vec<Person>,
    bodies: Vec<Bytes>,
    by_id: HashMap<String, usize>,
    account_id: String,
    version: u64,
}

/// Fixtures: e-mail, name, state. The article's people among them.
const FIXTURES: &[(&str, &str, State)] = &[
    ("a.miller@company.com", "Anna Miller", State::Active),
    ("j.doe@company.com", "Jane Doe", State::Active),
    ("jsmith@company.com", "John Smith", State::Active),
    ("sarah.connor@company.com", "Sarah Connor", State::Suspended),
    ("b.fischer@company.com", "Bernd Fischer", State::Active),
    ("c.rossi@company.com", "Chiara Rossi", State::Active),
    ("d.okafor@company.com", "Daniel Okafor", State::Suspended),
    ("e.larsen@company.com", "Eva Larsen", State::Suspended),
    ("f.tanaka@company.com", "Fumiko Tanaka", State::Active),
    ("g.silva@company.com", "Gabriel Silva", State::Active),
    ("k.novak@external-agency.com", "Karel Novak", State::Active),
    ("l.moreau@external-agency.com", "Lucie Moreau", State::Active),
    ("m.haddad@external-agency.com", "Mona Haddad", State::Suspended),
    ("owner@company.com", "Olivia Hart", State::Active),
    ("managed.admin@company.com", "Marcus Adler", State::Active),
    ("invited@company.com", "Ines Vidal", State::Unspecified),
    ("hidden@company.com", "Hana Dvorak", State::Active),
];

const GIVEN_NAMES: &[&str] = &[
    "Ada", "Ben", "Clara", "David", "Elena", "Felix", "Grace", "Hugo", "Iris", "Jonas", "Karin", "Liam", "Maya",
    "Noah", "Olga", "Paul", "Quinn", "Rosa", "Sven", "Tara", "Umar", "Vera", "Willem", "Xenia", "Yusuf", "Zoe",
];
const FAMILY_NAMES: &[&str] = &[
    "Abbott",
    "Becker",
    "Castro",
    "Dubois",
    "Eriksen",
    "Ferrari",
    "Gomez",
    "Hansen",
    "Ito",
    "Jensen",
    "Keller",
    "Lopez",
    "Martin",
    "Nowak",
    "Olsen",
    "Petrov",
    "Quist",
    "Ricci",
    "Schmidt",
    "Torres",
    "Urban",
    "Virtanen",
    "Weber",
    "Young",
    "Zimmer",
    "O'Neill",
    "Peña",
    "Saint-Clair",
];

impl Directory {
    /// `users` people; fixtures stand at places that the seed decides, and are left out from the end when `users` is small.
    pub(crate) fn seeded(account_id: &str, users: usize, twins: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut ids = HashSet::new();
        let mut people: Vec<Person> = Vec::with_capacity(users + twins);
        let fixtures = FIXTURES.len().min(users);
        let mut taken: HashSet<String> = FIXTURES.iter().map(|fixture| fixture.0.to_owned()).collect();
        for _ in fixtures..users {
            people.push(any_person(&mut random, &mut ids, &mut taken));
        }
        for (email, name, state) in &FIXTURES[..fixtures] {
            let person = fixture(email, name, *state, new_id(&mut random, &mut ids), &mut random);
            let place = random.random_range(0..=people.len());
            people.insert(place, person);
        }
        for number in 0..twins {
            for domain in ["company.com", "Company.com"] {
                let email = format!("twin.{number}@{domain}");
                people.push(fixture(&email, "Terry Twin", State::Active, new_id(&mut random, &mut ids), &mut random));
            }
        }
        let by_id = people.iter().enumerate().map(|(place, person)| (person.id.clone(), place)).collect();
        let bodies = people.iter().map(|person| body_of(person, account_id)).collect();
        Self { people, bodies, by_id, account_id: account_id.to_owned(), version: 0 }
    }

    /// The people, in the order of the list.
    pub(crate) fn people(&self) -> &[Person] {
        &self.people
    }

    /// JSON of the person at `place`.
    pub(crate) fn body(&self, place: usize) -> Bytes {
        self.bodies[place].clone()
    }

    /// Where the person with this id stands.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Counted up at every change of state.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Changes a state.
    pub(crate) fn set_state(&mut self, place: usize, state: State) {
        if self.people[place].state != state {
            self.people[place].state = state;
            self.bodies[place] = body_of(&self.people[place], &self.account_id);
            self.version += 1;
        }
    }

    /// Changes a name (tests of hostile display names).
    pub(crate) fn set_display_name(&mut self, place: usize, name: &str) {
        name.clone_into(&mut self.people[place].display_name);
        self.bodies[place] = body_of(&self.people[place], &self.account_id);
        self.version += 1;
    }
}

fn fixture(email: &str, name: &str, state: State, id: String, random: &mut StdRng) -> Person {
    Person {
        id,
        email: email.to_owned(),
        display_name: name.to_owned(),
        state,
        create_time: any_time(random),
        last_owner: email == "owner@company.com",
        externally_managed: email == "managed.admin@company.com",
        hidden: email == "hidden@company.com",
    }
}

fn any_person(random: &mut StdRng, ids: &mut HashSet<String>, taken: &mut HashSet<String>) -> Person {
    let given = GIVEN_NAMES.choose(random).copied().unwrap_or("Ada");
    let family = FAMILY_NAMES.choose(random).copied().unwrap_or("Abbott");
    let domain = if random.random_bool(0.08) { "external-agency.com" } else { "company.com" };
    let local: String = format!("{given}.{family}").to_lowercase().replace('\'', "").replace('ñ', "n");
    let mut email = format!("{local}@{domain}");
    let mut number = 2;
    while !taken.insert(email.clone()) {
        // Doubling keeps the search short in a directory of a million people.
        number = if number < 64 { number + 1 } else { random.random_range(64..100_000_000) };
        email = format!("{local}{number}@{domain}");
    }
    let state = match random.random_range(0..100) {
        0..=5 => State::Suspended,
        6 => State::Unspecified,
        _ => State::Active,
    };
    Person {
        id: new_id(random, ids),
        email,
        display_name: format!("{given} {family}"),
        state,
        create_time: any_time(random),
        last_owner: false,
        externally_managed: false,
        hidden: false,
    }
}

fn any_time(random: &mut StdRng) -> String {
    format!(
        "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        random.random_range(18..26),
        random.random_range(1..13),
        random.random_range(1..29),
        random.random_range(0..24),
        random.random_range(0..60),
        random.random_range(0..60)
    )
}

/// 26 characters of upper-case base32, new to `ids`.
fn new_id(random: &mut StdRng, ids: &mut HashSet<String>) -> String {
    loop {
        let id = base32(random);
        if ids.insert(id.clone()) {
            return id;
        }
    }
}

/// 26 random characters of upper-case base32.
pub(crate) fn base32(random: &mut StdRng) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..26).map(|_| char::from(ALPHABET[random.random_range(0..32)])).collect()
}

fn body_of(person: &Person, account_id: &str) -> Bytes {
    let value = json!({
        "id": person.id,
        "email": person.email,
        "display_name": person.display_name,
        "state": person.state.as_str(),
        "create_time": person.create_time,
        "path": format!("accounts/{account_id}/users/{}", person.id),
    });
    Bytes::from(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people() {
        let one = Directory::seeded("A", 300, 1, 7);
        let two = Directory::seeded("A", 300, 1, 7);
        assert_eq!(one.people().len(), 302);
        assert!(
            one.people().iter().zip(two.people()).all(|(left, right)| left.id == right.id && left.email == right.email)
        );
        let other = Directory::seeded("A", 300, 1, 8);
        assert!(one.people().iter().zip(other.people()).any(|(left, right)| left.id != right.id));
    }

    #[test]
    fn ids_and_addresses_are_unique_and_the_article_is_in_it() {
        let directory = Directory::seeded("A", 1200, 0, 1);
        let ids: HashSet<_> = directory.people().iter().map(|person| &person.id).collect();
        let emails: HashSet<_> = directory.people().iter().map(|person| &person.email).collect();
        assert_eq!((ids.len(), emails.len()), (1200, 1200));
        let miller = directory.people().iter().find(|person| person.email == "a.miller@company.com");
        assert_eq!(miller.map(|person| person.state), Some(State::Active));
        assert!(directory.people().iter().filter(|person| person.email.ends_with("@external-agency.com")).count() > 50);
    }

    #[test]
    fn a_small_directory_is_as_small_as_asked() {
        for users in [0, 1, 5, FIXTURES.len(), FIXTURES.len() + 1] {
            assert_eq!(Directory::seeded("A", users, 0, 1).people().len(), users);
        }
    }
}
