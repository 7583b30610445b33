//! What a plain YAML scalar means (the core schema of YAML 1.2).

use serde_json::Number;

use super::Data;

/// Resolves a scalar that is written without quotes.
pub(super) fn resolve(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "true" | "True" | "TRUE" => return Data::Boolean(true),
        "false" | "False" | "FALSE" => return Data::Boolean(false),
        _ => {}
    }
    number(text).map_or_else(|| Data::Text(text.to_owned()), Data::Number)
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(Number::from);
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let plain = text.strip_prefix('+').unwrap_or(text);
        return plain.parse::<u64>().map(Number::from).or_else(|_| plain.parse::<i64>().map(Number::from)).ok();
    }
    let float = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !unsigned.bytes().all(float) || !unsigned.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text) {
            Data::Null => "null".to_owned(),
            Data::Boolean(value) => format!("boolean {value}"),
            Data::Number(number) => format!("number {number}"),
            Data::Text(text) => format!("text {text}"),
            Data::List(_) | Data::Map(_) => String::new(),
        }
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, meaning) in [
            ("", "null"),
            ("~", "null"),
            ("null", "null"),
            ("true", "boolean true"),
            ("False", "boolean false"),
            ("no", "text no"),
            ("on", "text on"),
            ("12", "number 12"),
            ("-12", "number -12"),
            ("+3", "number 3"),
            ("0x1F", "number 31"),
            ("0o17", "number 15"),
            ("1.5", "number 1.5"),
            ("1e3", "number 1000.0"),
            ("900s", "text 900s"),
            ("1.2.3", "text 1.2.3"),
            ("2026-11-23", "text 2026-11-23"),
            (".", "text ."),
            (".inf", "text .inf"),
            ("-", "text -"),
            ("99999999999999999999999", "text 99999999999999999999999"),
        ] {
            assert_eq!(shown(text), meaning, "{text:?}");
        }
    }
}
