//! Values from outside as text for a model: JSON in which nothing is invisible.

use serde::Serialize;

/// Compact JSON. Characters that no reader sees, or that turn the direction of the text around, stand as `\u` escapes: the
/// value is the same, and the model sees that there is something.
pub(crate) fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    if !text.chars().any(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 32);
    for character in text.chars() {
        if !is_hidden(character) {
            shown.push(character);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    }
    shown
}

/// Controls (those below U+0020 are escaped by JSON itself), marks of direction, characters without width, tags, and selectors
/// of variations beyond the first sixteen.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_nobody_sees_is_shown_and_still_the_same_value() {
        let value = json!({"name": "a\u{202e}b\u{200b}c\u{e0041}d\u{1b}[2Je\u{feff}", "plain": "Zoë 李"});
        let text = super::json(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        for shown in ["\\u202e", "\\u200b", "\\udb40\\udc41", "\\u001b", "\\ufeff", "Zoë 李"] {
            assert!(text.contains(shown), "{text}");
        }
        assert!(!text.chars().any(is_hidden));
    }

    proptest! {
        #[test]
        fn any_text_survives(text in any::<String>()) {
            let shown = super::json(&text);
            prop_assert!(!shown.chars().any(|character| is_hidden(character) || character.is_control()));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
