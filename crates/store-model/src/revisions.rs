//! What the processes that share a database have to hear from one another: which of the things that they hold in memory were
//! changed.

use quartermaster_types::{AccountId, EnvironmentId, TokenId};

/// Revisions that are kept. Who has not read for so many changes forgets everything that it holds.
pub const REVISIONS_KEPT_MAX: i64 = 10_000;

/// Revisions that one reading gives.
pub const REVISIONS_READ_MAX: u32 = 500;

/// Something that processes hold in memory and that was changed: what is held of it is stale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stale {
    /// A token.
    Token(TokenId),
    /// An account.
    Account(AccountId),
    /// An environment's override of this integration.
    Override(String),
    /// An environment's policy.
    Policy,
    /// What is switched off in an environment.
    Switches,
    /// What is known of an account's rate limits.
    RateBudget(AccountId),
    /// Something that this program does not know: a later version of it made the change.
    Unknown,
}

impl Stale {
    /// The stored form: what kind of thing, and which.
    pub fn columns(&self) -> (&'static str, String) {
        match self {
            Self::Token(id) => ("token", id.to_string()),
            Self::Account(id) => ("account", id.to_string()),
            Self::Override(integration) => ("override", integration.clone()),
            Self::Policy => ("policy", String::new()),
            Self::Switches => ("switches", String::new()),
            Self::RateBudget(id) => ("rate_budget", id.to_string()),
            Self::Unknown => ("unknown", String::new()),
        }
    }

    /// The thing of this stored form; [`Self::Unknown`] for all that this program does not write.
    pub fn from_columns(topic: &str, subject: &str) -> Self {
        let known = match topic {
            "token" => subject.parse().ok().map(Self::Token),
            "account" => subject.parse().ok().map(Self::Account),
            "override" => Some(Self::Override(subject.to_owned())),
            "policy" => Some(Self::Policy),
            "switches" => Some(Self::Switches),
            "rate_budget" => subject.parse().ok().map(Self::RateBudget),
            _ => None,
        };
        known.unwrap_or(Self::Unknown)
    }
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revision {
    /// From 1, in the order in which the changes were committed, without gaps.
    pub number: i64,
    /// In which environment.
    pub environment_id: EnvironmentId,
    /// Of what.
    pub stale: Stale,
}

/// Changes after a number, as they stand in one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Revisions {
    /// The number of the last change that there is; 0 before the first one.
    pub head: i64,
    /// By number, at most [`REVISIONS_READ_MAX`].
    pub rows: Vec<Revision>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_and_what_is_not_understood_is_unknown() {
        let id = uuid::Uuid::from_u128(7);
        for stale in [
            Stale::Token(TokenId(id)),
            Stale::Account(AccountId(id)),
            Stale::Override("1password".to_owned()),
            Stale::Policy,
            Stale::Switches,
            Stale::RateBudget(AccountId(id)),
            Stale::Unknown,
        ] {
            let (topic, subject) = stale.columns();
            assert_eq!(Stale::from_columns(topic, &subject), stale);
        }
        for (topic, subject) in [("token", "no id"), ("account", ""), ("of a later version", "x")] {
            assert_eq!(Stale::from_columns(topic, subject), Stale::Unknown, "{topic}");
        }
    }
}
