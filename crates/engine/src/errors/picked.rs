//! The members of a body that conditions look at, and nothing else of it: the rest is read over without being kept.

use std::fmt;

use quartermaster_expr::Members;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why there is no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotPicked {
    /// It is not JSON.
    Malformed,
    /// More values than the limit would have to be kept.
    TooMany,
}

/// The parts of a body that `wanted` names, in objects like those that they stand in. Of a list that is not wanted as a whole,
/// only that it is one is kept. Keeps at most `values_max` values.
pub(super) fn pick(body: &[u8], wanted: &Members, values_max: usize) -> Result<Value, NotPicked> {
    let mut left = Some(values_max);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let picked = Pick { wanted, left: &mut left }.deserialize(&mut reader);
    match picked {
        _ if left.is_none() => Err(NotPicked::TooMany),
        Ok(value) => reader.end().map(|()| value).map_err(|_| NotPicked::Malformed),
        Err(_) => Err(NotPicked::Malformed),
    }
}

struct Pick<'a> {
    wanted: &'a Members,
    /// Values that may still be kept; `None` once there were too many.
    left: &'a mut Option<usize>,
}

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        *self.left = self.left.and_then(|left| left.checked_sub(1));
        if self.left.is_none() {
            return Err(D::Error::custom("too many values"));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        if !self.wanted.is_whole() {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Array(kept));
        }
        while let Some(item) = items.next_element_seed(Pick { wanted: self.wanted, left: self.left })? {
            kept.push(item);
        }
        Ok(Value::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = members.next_key::<std::borrow::Cow<'de, str>>()? {
            let wanted = if self.wanted.is_whole() { Some(self.wanted) } else { self.wanted.member(&name) };
            match wanted {
                Some(wanted) => {
                    let value = members.next_value_seed(Pick { wanted, left: self.left })?;
                    kept.insert(name.into_owned(), value);
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(kept))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(paths: &[&[&str]]) -> Members {
        let mut members = Members::default();
        for path in paths {
            members.add(path.iter().copied());
        }
        members
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let body = br#"{"ok":false,"r":{"code":"x\u00e9","data":[1,{"a":2}]},"list":[1,2],"n":null,"deep":{"a":1},"t":1.5,"ok":true}"#;
        let picked = |paths: &[&[&str]]| pick(body, &members(paths), 100);
        assert_eq!(picked(&[&["ok"], &["absent"]]), Ok(json!({"ok": true})), "the last of two of one name");
        assert_eq!(picked(&[&["r", "code"]]), Ok(json!({"r": {"code": "xé"}})));
        assert_eq!(picked(&[&["r", "data"]]), Ok(json!({"r": {"data": [1, {"a": 2}]}})));
        assert_eq!(picked(&[&["list", "x"], &["n", "x"], &["t"]]), Ok(json!({"list": [], "n": null, "t": 1.5})));
        let whole: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(pick(body, &Members::everything(), 100), Ok(whole));
        assert_eq!(pick(b"[1,2]", &members(&[&["ok"]]), 1), Ok(json!([])));
    }

    #[test]
    fn conditions_say_the_same_of_the_picked_members_as_of_the_whole() {
        let sources = [
            "body.ok == false",
            "has(body.ok) && !body.ok",
            "has(body.a.b) && body.a.b == 1",
            "body['a']['b'] == 1 || body.ok",
            "size(body.list) > 1",
            "body.list.exists(item, item == 2 || item == body.a.b)",
            "body.list[0] == 1",
            "type(body.a) == map",
            "type(body.a.b) == int && body.a.b in body.list",
            "body == null",
            "'ok' in body",
            "[body].exists(each, each.ok)",
        ];
        let bodies = [
            r#"{"ok":false,"a":{"b":1,"c":2},"list":[1,2],"rest":{"x":[{}]}}"#,
            r#"{"ok":true,"a":{"c":1},"list":[]}"#,
            r#"{"a":[1],"list":{"b":1}}"#,
            r#"{"a":"text","ok":null,"list":"12"}"#,
            r#"{"a":{"b":"1"},"ok":"false"}"#,
            "{}",
            "[{\"ok\":false}]",
            "null",
            "7",
            "\"ok\"",
        ];
        let names = quartermaster_definition::plan::ERROR_VARIABLES;
        for source in sources {
            let program = quartermaster_expr::Program::compile(source, names).unwrap();
            for body in bodies {
                let whole: Value = serde_json::from_str(body).unwrap();
                let picked = pick(body.as_bytes(), program.members("body").unwrap(), 100).unwrap();
                let holds = |body: &Value| program.holds(&[("body", body)]).ok();
                assert_eq!(holds(&picked), holds(&whole), "{source} over {body}, of which {picked} was kept");
            }
        }
    }

    #[test]
    fn what_is_not_json_gives_nothing_wherever_it_breaks() {
        for body in [&b""[..], b"<html>", br#"{"ok":true"#, br#"{"ok":true,"x":[1,}"#, br#"{"ok":true} x"#] {
            let picked = pick(body, &members(&[&["ok"]]), 100);
            assert_eq!(
                picked.is_err(),
                serde_json::from_slice::<Value>(body).is_err(),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn the_limit_holds_and_one_past_it_is_refused() {
        let body = br#"{"a":[1,2,3],"b":[1,2,3,4,5,6,7,8,9]}"#;
        let wanted = members(&[&["a"]]);
        assert!(pick(body, &wanted, 5).is_ok(), "the body, the list and its three items");
        assert_eq!(pick(body, &wanted, 4), Err(NotPicked::TooMany));
    }
}
