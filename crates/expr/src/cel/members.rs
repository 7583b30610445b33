//! Which members of a variable an expression looks at, so that nobody has to prepare the others.

use std::collections::BTreeMap;

/// The members of a value that are looked at, as a tree by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    whole: bool,
    named: BTreeMap<String, Members>,
}

impl Members {
    /// Everything.
    pub fn everything() -> Self {
        Self { whole: true, named: BTreeMap::new() }
    }

    /// Adds what stands at the end of a path of names; an empty path is the whole value.
    pub fn add<'a>(&mut self, path: impl IntoIterator<Item = &'a str>) {
        let mut place = self;
        for name in path {
            if place.whole {
                return;
            }
            place = place.named.entry(name.to_owned()).or_default();
        }
        *place = Self::everything();
    }

    /// Adds what another tree has.
    pub fn merge(&mut self, other: &Self) {
        if self.whole || other.whole {
            *self = Self::everything();
            return;
        }
        for (name, members) in &other.named {
            self.named.entry(name.clone()).or_default().merge(members);
        }
    }

    /// True when nothing is looked at.
    pub fn is_empty(&self) -> bool {
        !self.whole && self.named.is_empty()
    }

    /// True when the value is looked at as a whole.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The members that are looked at, by name, in order; none when the whole value is.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// What is looked at in the member of this name; `None` when nothing is.
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.named.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_grow_until_they_are_whole() {
        let mut members = Members::default();
        assert!(members.is_empty());
        members.add(["a", "b"]);
        members.add(["a", "c", "d"]);
        let mut other = Members::default();
        other.add(["a", "c"]);
        other.add(["e"]);
        members.merge(&other);
        assert_eq!(members.names().collect::<Vec<_>>(), ["a", "e"]);
        let a = members.member("a").unwrap();
        assert!(!a.is_whole() && a.member("b").unwrap().is_whole() && a.member("c").unwrap().is_whole());
        assert!(a.member("c").unwrap().member("d").is_none(), "the whole has its parts in it");
        assert!(members.member("e").unwrap().is_whole() && members.member("f").is_none());
        members.add(["e", "g"]);
        assert!(members.member("e").unwrap().is_whole());
        members.add([]);
        assert_eq!(members, Members::everything());
    }
}
