//! The body of a delivery as a value.

use serde_json::{Map, Value};

/// A body that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is declared as something else than JSON or a form.
    #[error("the body is declared neither as JSON nor as a form")]
    MediaType,
    /// It is not what it is declared to be.
    #[error("the body is not {0}")]
    Malformed(String),
}

/// Reads a body: JSON as it is; a form as an object of texts, where a name that stands there several times has a list.
pub fn payload(content_type: Option<&str>, body: &[u8]) -> Result<Value, PayloadError> {
    let declared = content_type.unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/x-www-form-urlencoded" {
        return form(body).ok_or_else(|| PayloadError::Malformed("a form in UTF-8".to_owned()));
    }
    if media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json")) {
        return serde_json::from_slice(body).map_err(|error| {
            // The parser's words may repeat a value when it is about types; about syntax they do not.
            let place = format!("JSON: line {} column {}", error.line(), error.column());
            PayloadError::Malformed(place)
        });
    }
    Err(PayloadError::MediaType)
}

fn form(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let mut fields = Map::new();
    for (name, value) in pairs(text)? {
        match fields.get_mut(&name) {
            None => {
                fields.insert(name, Value::String(value));
            }
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(first) => {
                let before = first.take();
                *first = Value::Array(vec![before, Value::String(value)]);
            }
        }
    }
    Some(Value::Object(fields))
}

/// Names and values of a form; `None` when they are not UTF-8.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_encoding::percent_decode(spaced.as_bytes()).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_forms_are_read_and_nothing_else() {
        let read = |content_type: &str, body: &str| payload(Some(content_type), body.as_bytes());
        assert_eq!(read("application/json; charset=utf-8", "{\"a\":[1]}"), Ok(json!({"a": [1]})));
        assert_eq!(read("application/scim+json", "[]"), Ok(json!([])));
        assert_eq!(
            read("application/x-www-form-urlencoded", "a=1&b%5B0%5D=x+y&a=%C3%A9&c&a=3"),
            Ok(json!({"a": ["1", "é", "3"], "b[0]": "x y", "c": ""}))
        );
        assert!(matches!(read("application/x-www-form-urlencoded", "a=%ff"), Err(PayloadError::Malformed(_))));
        assert_eq!(read("application/json", "{").unwrap_err().to_string(), "the body is not JSON: line 1 column 1");
        for other in ["text/plain", "", "multipart/form-data", "text/json+x"] {
            assert_eq!(read(other, "{}"), Err(PayloadError::MediaType), "{other}");
        }
        assert_eq!(payload(None, b"{}"), Err(PayloadError::MediaType));
    }
}
