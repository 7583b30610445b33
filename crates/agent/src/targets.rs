//! Whom a run may change: the people whom its goal names, unless its starter says otherwise.
//!
//! Grounding proves that an id was read, not that it is the one that is meant: a model that takes another line of a list, or a
//! display name for an order, writes to somebody real. So the people are taken from what the starter wrote, never from what the
//! model makes of it, and every write to a person is compared with them.

use serde::{Deserialize, Serialize};

use crate::limits::{TARGET_MAX_BYTES, TARGETS_MAX};

/// Whom a run may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// Only people with one of these addresses; a name that begins with `@` or `*@` stands for every address of that domain. Empty:
    /// nobody.
    Only(Vec<String>),
    /// Everybody whom the run reads.
    Anybody,
}

impl Targets {
    /// The e-mail addresses that stand in a goal, in its order, each once.
    pub fn named_in(goal: &str) -> Self {
        let mut named: Vec<String> = Vec::new();
        for word in goal.split(|character: char| !is_of_an_address(character)) {
            // The full stop of a sentence is none of the address, nor are quotes and marks of emphasis.
            let address = word.trim_matches(|character| "._-'+*~#!$&".contains(character)).to_lowercase();
            if is_address(&address) && !named.contains(&address) && named.len() < TARGETS_MAX {
                named.push(address);
            }
        }
        Self::Only(named)
    }

    /// What is wrong with a list that a caller gave; with the place in it.
    pub fn mistakes(given: &[String]) -> Vec<(usize, String)> {
        let wrong = |text: &String| {
            let rest = text.strip_prefix('*').unwrap_or(text);
            let address = if rest.starts_with('@') { format!("x{rest}") } else { text.clone() };
            (text.len() > TARGET_MAX_BYTES || !is_address(&address.to_lowercase()))
                .then(|| "an e-mail address, or `@` and a domain, is expected".to_owned())
        };
        let mut mistakes: Vec<(usize, String)> =
            given.iter().enumerate().filter_map(|(place, text)| Some((place, wrong(text)?))).collect();
        if given.len() > TARGETS_MAX {
            mistakes.push((TARGETS_MAX, format!("{} are more than {TARGETS_MAX}", given.len())));
        }
        mistakes
    }

    /// Whether a person with this address may be changed.
    pub(crate) fn has(&self, email: &str) -> bool {
        let Self::Only(named) = self else { return true };
        let email = email.trim().to_lowercase();
        named.iter().any(|name| {
            let name = name.to_lowercase();
            match name.strip_prefix('*').unwrap_or(&name) {
                // The whole domain, with its `@`: `@company.com` is not the end of `@other-company.com`.
                domain if domain.starts_with('@') => {
                    email.strip_suffix(domain).is_some_and(|local| !local.is_empty() && !local.contains('@'))
                }
                _ => name == email,
            }
        })
    }

    /// The one address that a record that the run has not seen could only have.
    pub(crate) fn first_address(&self) -> Option<&str> {
        match self {
            Self::Only(named) => named.iter().map(String::as_str).find(|name| !name.starts_with(['@', '*'])),
            Self::Anybody => None,
        }
    }

    /// For an error: at most a few of them.
    pub(crate) fn told(&self) -> String {
        const TOLD_MAX: usize = 5;
        match self {
            Self::Anybody => "anybody".to_owned(),
            Self::Only(named) if named.is_empty() => "nobody".to_owned(),
            Self::Only(named) => {
                let more = named.len().saturating_sub(TOLD_MAX);
                let first: Vec<&str> = named.iter().take(TOLD_MAX).map(String::as_str).collect();
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                first.join(", ") + &more
            }
        }
    }
}

/// What an address is made of. Letters of every script count, so that a look-alike is an address of its own.
fn is_of_an_address(character: char) -> bool {
    character.is_alphanumeric() || "@._%+-'&~#!$*".contains(character)
}

/// One `@`, something on both sides, a dot within the domain.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_domain = !domain.contains('@')
        && domain.split('.').count() >= 2
        && domain.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|character| character.is_alphanumeric() || character == '-')
        });
    !local.is_empty() && local.chars().all(|character| is_of_an_address(character) && character != '@') && is_domain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(goal: &str) -> Vec<String> {
        let Targets::Only(named) = Targets::named_in(goal) else { panic!("{goal}") };
        named
    }

    #[test]
    fn a_goal_names_people_by_address() {
        let goal = "HR just marked A.Miller@company.com as terminated (was: <j.doe@company.com>). Suspend a.miller@company.com.";
        assert_eq!(named(goal), ["a.miller@company.com", "j.doe@company.com"]);
        assert_eq!(
            named("mail=o'neill+x@sub.company.co.uk; others: **k@x.io**,'l@y.io'/mailto:m@z.io"),
            ["o'neill+x@sub.company.co.uk", "k@x.io", "l@y.io", "m@z.io"]
        );
        assert!(
            named("Suspend all contractors of @external-agency.com").is_empty(),
            "a domain is given as a target, not in a goal"
        );
        assert!(named("nobody @ company.com, a@b, a@@b.c, @x.y").is_empty());
        let many: Vec<String> = (0..=TARGETS_MAX).map(|number| format!("p{number}@company.com")).collect();
        assert_eq!(named(&many.join(" ")).len(), TARGETS_MAX);
    }

    #[test]
    fn only_they_may_be_changed() {
        let targets = Targets::Only(vec![
            "A.Miller@company.com".to_owned(),
            "*@external-agency.com".to_owned(),
            "@agency.io".to_owned(),
        ]);
        for email in ["a.miller@company.com", "A.MILLER@COMPANY.COM", "k.novak@external-agency.com", "x@agency.io"] {
            assert!(targets.has(email), "{email}");
        }
        for email in [
            "a.miller@company.com.evil.io",
            "xa.miller@company.com",
            "x@sub.agency.io",
            "@agency.io",
            "a@b@agency.io",
            "",
            "а.miller@company.com",
        ] {
            assert!(!targets.has(email), "{email}");
        }
        assert!(Targets::Anybody.has("x@y.z") && !Targets::Only(Vec::new()).has("x@y.z"));
        assert_eq!(targets.first_address(), Some("A.Miller@company.com"));
    }

    #[test]
    fn what_is_no_target_is_told() {
        let given: Vec<String> =
            ["a@b.co", "@b.co", "*@b.co", "Anna", "a@b", "*", "", "a@b.co, c@d.co"].map(str::to_owned).to_vec();
        let places: Vec<usize> = Targets::mistakes(&given).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, [3, 4, 5, 6, 7]);
        let list = |count: usize| vec!["a@b.co".to_owned(); count];
        assert!(Targets::mistakes(&list(TARGETS_MAX)).is_empty());
        assert_eq!(Targets::mistakes(&list(TARGETS_MAX + 1)).len(), 1);
        let long = |bytes: usize| vec![format!("{}@b.co", "a".repeat(bytes - 5))];
        assert!(Targets::mistakes(&long(TARGET_MAX_BYTES)).is_empty());
        assert_eq!(Targets::mistakes(&long(TARGET_MAX_BYTES + 1)).len(), 1);
    }
}
