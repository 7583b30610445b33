//! JSON without repeated members. Which of two members with one name counts is decided differently by every parser, so that a
//! body with such would mean one thing to whoever checked it and another thing here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The most repeated members that one answer names.
const REPEATED_NAMED_MAX: usize = 20;

/// A value, and JSON Pointers to the members that were given more than once in one object, at any depth.
pub(super) struct Strict {
    pub(super) value: Value,
    pub(super) repeated: Vec<String>,
}

impl Strict {
    /// Reads a text.
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut repeated = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Reader { at: &Place::Top, repeated: &mut repeated }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(Self { value, repeated })
    }
}

/// Where in the text the reader is.
enum Place<'a> {
    Top,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Top => String::new(),
            Self::Member(parent, name) => format!("{}{}", parent.pointer(), super::pointer(name)),
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

struct Reader<'a> {
    at: &'a Place<'a>,
    repeated: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            let at = Place::Item(self.at, array.len());
            match items.next_element_seed(Reader { at: &at, repeated: self.repeated })? {
                Some(item) => array.push(item),
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let at = Place::Member(self.at, &name);
            let value = members.next_value_seed(Reader { at: &at, repeated: self.repeated })?;
            if object.contains_key(&name) && self.repeated.len() < REPEATED_NAMED_MAX {
                self.repeated.push(at.pointer());
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// Words for a member that was given more than once.
pub(super) const REPEATED: &str = "Is given more than once.";

/// An object with every place where a member is repeated; the error of anything else says what was expected.
pub(super) fn object(text: &str) -> Result<(Map<String, Value>, Vec<String>), serde_json::Error> {
    match Strict::read(text)? {
        Strict { value: Value::Object(object), repeated } => Ok((object, repeated)),
        // The usual reader says best what else it is, and where.
        _ => serde_json::from_str(text).map(|object| (object, Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_members_are_found_at_every_depth() {
        for (text, expected) in [
            (r#"{"a":1,"b":{"a":1}}"#, &[][..]),
            (r#"{"limit":1,"limit":2}"#, &["/limit"]),
            (r#"{"a":{"b":[{"c":1},{"c/d":1,"c\u002fd":2}]}}"#, &["/a/b/1/c~1d"]),
            (r#"[{"a":1,"a":1,"a":1}]"#, &["/0/a", "/0/a"]),
        ] {
            assert_eq!(Strict::read(text).unwrap().repeated, expected, "{text}");
        }
    }

    #[test]
    fn so_many_are_named_and_no_more() {
        let text = |members: usize| format!("{{{}}}", vec![r#""a":1"#; members].join(","));
        assert_eq!(Strict::read(&text(REPEATED_NAMED_MAX + 1)).unwrap().repeated.len(), REPEATED_NAMED_MAX);
        assert_eq!(Strict::read(&text(REPEATED_NAMED_MAX + 2)).unwrap().repeated.len(), REPEATED_NAMED_MAX);
    }

    #[test]
    fn everything_else_is_read_as_always() {
        let text = r#"{"z":[null,true,-1,18446744073709551615,1.5e300,"\ud83d\ude00",{}],"a":""}"#;
        let read = Strict::read(text).unwrap();
        let usual: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read.value, usual);
        assert_eq!(read.value.to_string(), usual.to_string(), "the order stays");
        for broken in ["", "{", "{} {}", "{\"a\"}", "1e999"] {
            let (strict, usual) = (Strict::read(broken).err(), serde_json::from_str::<Value>(broken).err());
            assert_eq!(strict.map(|error| error.to_string()), usual.map(|error| error.to_string()), "{broken}");
        }
    }
}
