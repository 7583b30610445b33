//! The members of a JSON object, read one by one: every wrong one is named, and none of their values is repeated.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::Duration;

use quartermaster_types::{FieldError, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::json::{JSON_DEPTH_MAX, too_deep};
use super::{pointer, strict, unknown};
use crate::failure::Failure;

/// The most members of one object of a body. No route takes a tenth of it; without a limit, finding what was meant by each of
/// a hundred thousand unknown names would keep a thread busy for seconds.
pub(crate) const MEMBERS_MAX: usize = 200;

/// Unread members of an object. Take those that are known, then [`Members::finish`]. JSON `null` counts as absent, except
/// for [`Members::nullable`].
#[derive(Default)]
pub(crate) struct Members<'a> {
    members: Vec<(String, &'a RawValue)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Members<'a> {
    /// The members of the object that `text` is.
    pub(crate) fn of(text: &'a str) -> Result<Self, serde_json::Error> {
        let Pairs { pairs, count } = serde_json::from_str(text)?;
        let mut members = Self::default();
        if count > MEMBERS_MAX {
            let detail = format!("Has {count} members; at most {MEMBERS_MAX} are read.");
            members.errors.push(FieldError { pointer: String::new(), detail });
        }
        for (name, value) in pairs {
            if members.members.iter().any(|(given, _)| *given == name) {
                members.wrong(&name, strict::REPEATED);
            } else {
                members.members.push((name, value));
            }
        }
        Ok(members)
    }

    /// Text that must be there and not be empty.
    pub(crate) fn required_text(&mut self, name: &'static str) -> String {
        let before = self.errors.len();
        let text = self.text(name);
        if text.is_none() && self.errors.len() == before {
            self.wrong(name, "Is required.");
        }
        text.unwrap_or_default()
    }

    /// Text, not empty.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        let text: String = self.typed(name, "a string")?;
        if text.is_empty() {
            self.wrong(name, "Must not be empty.");
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "`true` or `false`")
    }

    /// A whole number, not negative.
    pub(crate) fn whole_number(&mut self, name: &'static str) -> Option<u64> {
        self.typed(name, "a whole number that is not negative")
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.typed(name, "an array of strings")
    }

    /// A list of anything.
    pub(crate) fn values(&mut self, name: &'static str) -> Option<Vec<Value>> {
        self.typed(name, "an array")
    }

    /// A list of ids.
    pub(crate) fn ids<T: From<uuid::Uuid>>(&mut self, name: &'static str) -> Option<Vec<T>> {
        let ids: Vec<uuid::Uuid> = self.typed(name, "an array of UUIDs")?;
        Some(ids.into_iter().map(T::from).collect())
    }

    /// A whole number of seconds.
    pub(crate) fn seconds(&mut self, name: &'static str) -> Option<Duration> {
        self.typed(name, "a whole number of seconds").map(Duration::from_secs)
    }

    /// A moment.
    pub(crate) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        self.typed(name, "an RFC 3339 time, for instance 2027-01-01T00:00:00Z")
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        let value = self.take(name).filter(|value| value.get() != "null")?;
        match strict::object(value.get()) {
            Ok((object, repeated)) => {
                for inner in repeated {
                    let pointer = format!("{}{inner}", pointer(name));
                    self.errors.push(FieldError { pointer, detail: strict::REPEATED.to_owned() });
                }
                Some(object)
            }
            Err(error) => {
                self.unreadable(name, &error, "an object");
                None
            }
        }
    }

    /// An object, or `null` as itself.
    pub(crate) fn nullable(&mut self, name: &'static str) -> Option<Value> {
        if self.members.iter().any(|(given, value)| given == name && value.get() == "null") {
            self.take(name);
            return Some(Value::Null);
        }
        self.object(name).map(Value::Object)
    }

    /// An object of texts that are secret: from the body straight into types that do not print.
    pub(crate) fn secrets(&mut self, name: &'static str) -> Option<BTreeMap<String, SecretString>> {
        let value = self.take(name).filter(|value| value.get() != "null")?;
        let Ok(Pairs { pairs, count }) = serde_json::from_str::<Pairs<'_>>(value.get()) else {
            self.wrong(name, "Must be an object of strings.");
            return None;
        };
        if count > MEMBERS_MAX {
            self.wrong(name, &format!("Has {count} members; at most {MEMBERS_MAX} are read."));
        }
        let mut secrets = BTreeMap::new();
        for (key, value) in pairs {
            let (key, detail) = match (secrets.entry(key), serde_json::from_str::<String>(value.get())) {
                (Entry::Vacant(free), Ok(text)) => {
                    free.insert(SecretString::from(text));
                    continue;
                }
                (Entry::Vacant(free), Err(_)) => (free.into_key(), "Must be a string."),
                (Entry::Occupied(taken), _) => (taken.key().clone(), strict::REPEATED),
            };
            let pointer = format!("/{name}{}", pointer(&key));
            self.errors.push(FieldError { pointer, detail: detail.to_owned() });
        }
        Some(secrets)
    }

    /// One secret text, `Some(None)` for `null`: from the body straight into a type that does not print.
    #[expect(clippy::option_option, reason = "absent, null and a text are three things")]
    pub(crate) fn nullable_secret(&mut self, name: &'static str) -> Option<Option<SecretString>> {
        let value = self.take(name)?;
        match serde_json::from_str::<Option<String>>(value.get()) {
            Ok(text) => Some(text.map(SecretString::from)),
            Err(_) => {
                self.wrong(name, "Must be a string, or `null` for none.");
                None
            }
        }
    }

    /// Anything but an object, `null` as itself.
    pub(crate) fn plain(&mut self, name: &'static str) -> Option<Value> {
        let value = self.take(name)?;
        match serde_json::from_str(value.get()) {
            Ok(Value::Object(_) | Value::Array(_)) => {
                self.wrong(name, "Must not be an object or an array.");
                None
            }
            Ok(value) => Some(value),
            Err(error) => {
                self.unreadable(name, &error, "a string or a number");
                None
            }
        }
    }

    /// Whether a member was given and is still unread.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(given, _)| given == name)
    }

    /// Says what is wrong with a member.
    pub(crate) fn wrong(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError { pointer: pointer(name), detail: detail.to_owned() });
    }

    /// Says what is wrong at a place inside a member, a JSON Pointer.
    pub(crate) fn wrong_at(&mut self, pointer: String, detail: &str) {
        self.errors.push(FieldError { pointer, detail: detail.to_owned() });
    }

    /// Says that `null` does not go here: `name` can be changed, not removed.
    pub(crate) fn refuse_null(&mut self, names: &[&'static str]) {
        for name in names {
            if self.members.iter().any(|(given, value)| given == name && value.get() == "null") {
                self.wrong(name, "Cannot be removed; give a new value or leave it out.");
            }
        }
    }

    /// The end: nothing may be left, and nothing may have been wrong.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        for (name, _) in std::mem::take(&mut self.members) {
            let detail = unknown("field", &name, &self.known);
            self.errors.push(FieldError { pointer: pointer(&name), detail });
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(Failure::invalid("The body is not as this route takes it.", self.errors))
    }

    fn take(&mut self, name: &'static str) -> Option<&'a RawValue> {
        self.known.push(name);
        let at = self.members.iter().position(|(given, _)| given == name)?;
        Some(self.members.remove(at).1)
    }

    fn typed<T: Deserialize<'a>>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let value = self.take(name).filter(|value| value.get() != "null")?;
        match serde_json::from_str(value.get()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.unreadable(name, &error, expected);
                None
            }
        }
    }

    /// Says why a member could not be read. The parser's own texts are used only where they cannot hold a value.
    fn unreadable(&mut self, name: &str, error: &serde_json::Error, expected: &str) {
        if too_deep(error) {
            return self.wrong(name, &format!("The body is nested deeper than {JSON_DEPTH_MAX} levels."));
        }
        if !error.is_syntax() {
            return self.wrong(name, &format!("Must be {expected}."));
        }
        // Values are skipped at first, and only then read: what is no character comes to light here.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        let hint = if what.contains("surrogate") || what.contains("hex escape") {
            "; `\\ud800` to `\\udfff` stand only in pairs, such as `\\ud83d\\ude00`"
        } else {
            ""
        };
        self.wrong(name, &format!("Is not JSON: {what}{hint}."));
    }
}

/// Members in order, values unread: the first [`MEMBERS_MAX`], and how many there are.
#[derive(Default)]
struct Pairs<'a> {
    pairs: Vec<(String, &'a RawValue)>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut read = Pairs::default();
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value()?;
                    read.count += 1;
                    if read.count <= MEMBERS_MAX {
                        read.pairs.push((name, value));
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn errors(members: Members<'_>) -> Vec<(String, String)> {
        let Err(failure) = members.finish() else { return Vec::new() };
        failure.problem().body().errors.iter().map(|error| (error.pointer.clone(), error.detail.clone())).collect()
    }

    #[test]
    fn an_object_is_read_up_to_the_limit_of_members() {
        let body = |count: usize| {
            let members: Vec<String> = (0..count).map(|number| format!("\"m{number}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        let at = errors(Members::of(&body(MEMBERS_MAX)).unwrap());
        assert_eq!((at.len(), at[0].0.as_str()), (MEMBERS_MAX, "/m0"));
        let past = errors(Members::of(&body(MEMBERS_MAX + 1)).unwrap());
        let told = (String::new(), "Has 201 members; at most 200 are read.".to_owned());
        assert_eq!((past.len(), &past[0]), (MEMBERS_MAX + 1, &told));
        let credentials = format!("{{\"credentials\":{}}}", body(MEMBERS_MAX + 1));
        let mut members = Members::of(&credentials).unwrap();
        members.secrets("credentials");
        assert_eq!(errors(members).len(), MEMBERS_MAX + 1);
    }

    #[test]
    fn members_are_read_by_type() {
        let mut members = Members::of(
            r#"{"name":"a\u0041","sandbox":true,"connection":{"x":1},"override":null,"credentials":{"k":"s\n"},"tools":["a"],"absent":null}"#,
        )
        .unwrap();
        assert_eq!(members.required_text("name"), "aA");
        assert_eq!(members.boolean("sandbox"), Some(true));
        assert_eq!(members.object("connection").unwrap()["x"], 1);
        assert_eq!(members.nullable("override"), Some(Value::Null));
        assert_eq!(members.secrets("credentials").unwrap()["k"].expose_secret(), "s\n");
        assert_eq!(members.texts("tools"), Some(vec!["a".to_owned()]));
        assert_eq!(members.text("absent"), None);
        assert!(members.finish().is_ok());
    }

    #[test]
    fn everything_wrong_is_named_at_once_and_no_value_is_repeated() {
        let mut members = Members::of(
            r#"{"sandbox":"hunter2","credentials":{"a":["hunter2"]},"conection":"hunter2","b/c":1,"name":"hunter2","name":2}"#,
        )
        .unwrap();
        members.text("name");
        members.boolean("sandbox");
        members.secrets("credentials");
        members.object("connection");
        members.required_text("integration");
        let errors = errors(members);
        let pointers: Vec<_> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/sandbox", "/credentials/a", "/integration", "/conection", "/b~1c"]);
        assert!(errors[4].1.contains("Did you mean `connection`?"), "{}", errors[4].1);
        assert!(errors.iter().all(|(_, detail)| !detail.contains("hunter2")));
    }

    #[test]
    fn secrets_that_are_no_object_are_not_repeated() {
        let mut members = Members::of(r#"{"credentials":"hunter2"}"#).unwrap();
        assert!(members.secrets("credentials").is_none());
        assert_eq!(errors(members), [("/credentials".to_owned(), "Must be an object of strings.".to_owned())]);
    }
}
