//! Raw values as texts: kinds, escapes, comparisons.

use std::borrow::Cow;

/// Kinds of JSON values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The kind of a raw value that one of this module's functions found; whitespace before it is allowed.
pub fn kind(raw: &[u8]) -> Kind {
    match raw.trim_ascii_start().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'-' | b'0'..=b'9') => Kind::Number,
        _ => Kind::Null,
    }
}

/// What stands between the quotes of a raw string, escapes as they stand; `None` for another kind.
pub fn string_contents(raw: &[u8]) -> Option<&[u8]> {
    raw.trim_ascii().strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The text of a raw scalar: a string's text, or the digits of a number, or `true` or `false`; `None` for null, arrays
/// and objects. Copied only when it holds escapes.
pub fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    match kind(raw) {
        Kind::String => unescape(string_contents(raw)?),
        Kind::Number | Kind::Boolean => std::str::from_utf8(raw.trim_ascii()).ok().map(Cow::Borrowed),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// The text that the contents of a raw string (without quotes) stand for. `None` when an escape is malformed or the bytes
/// are not UTF-8, which does not happen with what this module found. Copied only when there are escapes.
pub fn unescape(contents: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(contents).ok()?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = Unescaped { rest: text };
    while let Some(character) = characters.take() {
        plain.push(character.ok()?);
    }
    Some(Cow::Owned(plain))
}

/// A backslash with something after it that is no escape.
struct BadEscape;

/// Reads a string's contents character by character.
struct Unescaped<'a> {
    rest: &'a str,
}

impl Unescaped<'_> {
    /// The next character; `None` at the end.
    fn take(&mut self) -> Option<Result<char, BadEscape>> {
        let mut characters = self.rest.chars();
        let first = characters.next()?;
        self.rest = characters.as_str();
        if first != '\\' {
            return Some(Ok(first));
        }
        Some(self.escape().ok_or(BadEscape))
    }

    /// What the escape after a backslash stands for; `None` when it is malformed.
    fn escape(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let escape = characters.next()?;
        self.rest = characters.as_str();
        Some(match escape {
            '"' | '\\' | '/' => escape,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode()?,
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first.into());
        }
        self.rest = self.rest.strip_prefix("\\u")?;
        let second = self.unit()?;
        char::decode_utf16([first, second]).next()?.ok()
    }

    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u16::from_str_radix(digits, 16).ok()
    }
}

/// Whether a member's raw name is what a JSON Pointer segment (with `~0` and `~1`) means.
pub(super) fn name_matches(raw: &[u8], segment: &str) -> bool {
    let Some(name) = unescape(raw) else { return false };
    if !segment.contains('~') {
        return name == segment;
    }
    // `~1` first, or `~01` would become a slash.
    name == segment.replace("~1", "/").replace("~0", "~")
}

/// Whether a raw value's text (see [`text`]) is `wanted`; with `fold_case`, upper and lower case are the same. Allocates
/// only when one side is not ASCII or the value holds escapes.
pub fn equals(raw: &[u8], wanted: &str, fold_case: bool) -> bool {
    let Some(value) = text(raw) else { return false };
    if !fold_case {
        return value == wanted;
    }
    if value.is_ascii() && wanted.is_ascii() {
        return value.eq_ignore_ascii_case(wanted);
    }
    folded(&value) == folded(wanted)
}

/// Whether a raw value's text ends with `wanted`; else as [`equals`].
pub fn ends_with(raw: &[u8], wanted: &str, fold_case: bool) -> bool {
    let Some(value) = text(raw) else { return false };
    if !fold_case {
        return value.ends_with(wanted);
    }
    if value.is_ascii() && wanted.is_ascii() {
        let (value, wanted) = (value.as_bytes(), wanted.as_bytes());
        return value.len() >= wanted.len() && value[value.len() - wanted.len()..].eq_ignore_ascii_case(wanted);
    }
    folded(&value).ends_with(&folded(wanted))
}

/// Lower case of upper case: brings together what differs only in case, `ß` and `SS` too.
fn folded(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}
