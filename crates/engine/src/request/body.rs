//! Request bodies: JSON built by JSON Pointer, and forms.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::plain;
use crate::limits::BODY_DEPTH_MAX;

/// A body under construction.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// There is none.
    None,
    /// JSON.
    Json(Value),
    /// Form fields in order.
    Form(Vec<(String, String)>),
    /// Bytes as they came (`/custom`).
    Raw(Bytes),
}

impl Body {
    /// Its `content-type`.
    pub(crate) fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => Some("application/json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::None | Self::Raw(_) => None,
        }
    }

    /// Puts `value` at a JSON Pointer. In a form, `/a/b` is the field `a[b]`, and an array is a repeated field.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) -> Result<(), &'static str> {
        match self {
            Self::Json(root) => set_pointer(root, pointer, value),
            Self::Form(fields) => {
                let name = form_name(pointer).ok_or("not a JSON Pointer")?;
                match value {
                    Value::Array(items) => fields.extend(items.iter().map(|item| (name.clone(), plain(item)))),
                    single => fields.push((name, plain(&single))),
                }
                Ok(())
            }
            Self::None | Self::Raw(_) => Err("the method has no body"),
        }
    }

    /// The bytes to send.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::Json(value) => Bytes::from(value.to_string()),
            Self::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields);
                Bytes::from(form.finish())
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

/// Splits a JSON Pointer into its unescaped tokens.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let rest = pointer.strip_prefix('/')?;
    Some(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

fn form_name(pointer: &str) -> Option<String> {
    let mut tokens = tokens(pointer)?.into_iter();
    let mut name = tokens.next()?;
    for token in tokens {
        name.push('[');
        name.push_str(&token);
        name.push(']');
    }
    Some(name)
}

/// Puts `value` at `pointer`, making the objects on the way; a token `0` or `-` below nothing makes an array.
pub(crate) fn set_pointer(root: &mut Value, pointer: &str, value: Value) -> Result<(), &'static str> {
    if pointer.is_empty() {
        *root = value;
        return Ok(());
    }
    let tokens = tokens(pointer).ok_or("not a JSON Pointer")?;
    if tokens.len() > BODY_DEPTH_MAX {
        return Err("deeper than a body may be");
    }
    let mut place = root;
    for token in &tokens {
        if place.is_null() {
            let array = token == "0" || token == "-";
            *place = if array { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        place = match place {
            Value::Object(members) => members.entry(token.as_str()).or_insert(Value::Null),
            Value::Array(items) => {
                let index = if token == "-" { items.len() } else { token.parse().map_err(|_| "not an array index")? };
                if index == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(index).ok_or("an array index with a gap before it")?
            }
            _ => return Err("a value that is neither object nor array is in the way"),
        };
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_make_objects_and_arrays_on_the_way() {
        let mut root = json!({});
        set_pointer(&mut root, "/user/name", json!("A")).unwrap();
        set_pointer(&mut root, "/user/e~1mail~0", json!("b")).unwrap();
        set_pointer(&mut root, "/Operations/0/op", json!("replace")).unwrap();
        set_pointer(&mut root, "/Operations/0/value", json!(false)).unwrap();
        set_pointer(&mut root, "/Operations/-/op", json!("add")).unwrap();
        assert_eq!(
            root,
            json!({"user": {"name": "A", "e/mail~": "b"}, "Operations": [{"op": "replace", "value": false}, {"op": "add"}]})
        );
        set_pointer(&mut root, "", json!([1])).unwrap();
        assert_eq!(root, json!([1]));
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let mut root = json!({"a": 1, "l": []});
        assert!(set_pointer(&mut root, "/a/b", json!(1)).is_err());
        assert!(set_pointer(&mut root, "/l/1", json!(1)).is_err());
        assert!(set_pointer(&mut root, "no-slash", json!(1)).is_err());
    }

    #[test]
    fn the_depth_limit_holds_and_one_past_it_is_refused() {
        let pointer = |depth: usize| "/a".repeat(depth);
        assert!(set_pointer(&mut json!({}), &pointer(BODY_DEPTH_MAX), json!(1)).is_ok());
        assert!(set_pointer(&mut json!({}), &pointer(BODY_DEPTH_MAX + 1), json!(1)).is_err());
    }

    #[test]
    fn a_form_escapes_nests_and_repeats() {
        let mut form = Body::Form(Vec::new());
        form.set("/a", json!("x & y=\n")).unwrap();
        form.set("/b/c", json!([1, true])).unwrap();
        assert_eq!(&form.bytes()[..], b"a=x+%26+y%3D%0A&b%5Bc%5D=1&b%5Bc%5D=true");
    }
}
