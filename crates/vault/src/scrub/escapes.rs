//! Finds a value in a text whose writer escaped some of its characters, in whatever way.
//!
//! The text is compared with the value escape by escape, from every place where the value may begin. Escaping the value
//! beforehand would find only the spellings that we thought of; undoing the text's escapes beforehand would lose the
//! place where one begins in the middle of something that looks like another.

/// Bytes that begin an escape.
const ESCAPE_BYTES: [u8; 3] = [b'%', b'\\', b'+'];

/// Whether a text may hold an escape at all.
pub(super) fn possible(text: &[u8]) -> bool {
    memchr::memchr3(ESCAPE_BYTES[0], ESCAPE_BYTES[1], ESCAPE_BYTES[2], text).is_some()
}

/// Where the value ends that begins at the start of the text: the longest spelling; `None` when it does not stand there.
pub(super) fn end_of(value: &str, text: &[u8]) -> Option<usize> {
    let first = text.first()?;
    if *first != value.as_bytes()[0] && !ESCAPE_BYTES.contains(first) {
        return None;
    }
    // All places where the text may go on after the characters so far: there can be several, since `%25` may be a
    // percent sign or three characters.
    let mut places = vec![0];
    let mut next = Vec::new();
    for character in value.chars() {
        for place in &places {
            character_ends(character, text, *place, &mut next);
        }
        next.sort_unstable();
        next.dedup();
        std::mem::swap(&mut places, &mut next);
        next.clear();
        if places.is_empty() {
            return None;
        }
    }
    places.last().copied()
}

/// Adds every place where a spelling of the character ends that begins at `start`.
fn character_ends(character: char, text: &[u8], start: usize, ends: &mut Vec<usize>) {
    let mut buffer = [0u8; 4];
    let bytes = character.encode_utf8(&mut buffer).as_bytes();
    if character == ' ' && text.get(start) == Some(&b'+') {
        ends.push(start + 1);
    }
    bytes_ends(bytes, text, start, ends);
    json_ends(character, text, start, ends);
}

/// Every byte as itself or as `%XX`.
fn bytes_ends(bytes: &[u8], text: &[u8], start: usize, ends: &mut Vec<usize>) {
    let Some((byte, rest)) = bytes.split_first() else {
        ends.push(start);
        return;
    };
    if text.get(start) == Some(byte) {
        bytes_ends(rest, text, start + 1, ends);
    }
    percent_ends(*byte, text, start, |end| bytes_ends(rest, text, end, ends));
}

/// Adds the ends of `%41`, and of `%2541` when it was encoded more than once.
fn percent_ends(byte: u8, text: &[u8], start: usize, mut end: impl FnMut(usize)) {
    if text.get(start) != Some(&b'%') {
        return;
    }
    let mut at = start + 1;
    while let Some(digits) = text.get(at..at + 2) {
        if hex(digits) == Some(u32::from(byte)) {
            end(at + 2);
        }
        if digits != b"25" {
            break;
        }
        at += 2;
    }
}

/// `\n`, `\"`, `\u0041`, a pair of surrogates; with more backslashes when it was encoded more than once.
fn json_ends(character: char, text: &[u8], start: usize, ends: &mut Vec<usize>) {
    let backslashes = text[start..].iter().take_while(|byte| **byte == b'\\').count();
    if backslashes == 0 {
        return;
    }
    let at = start + backslashes;
    if character == '\\' {
        // Two, four, … stand for one, depending on how often it was encoded.
        ends.extend(
            (1..).map(|power| 1usize << power).take_while(|count| *count <= backslashes).map(|count| start + count),
        );
    }
    let short = match character {
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '"' => b'"',
        '/' => b'/',
        _ => 0,
    };
    if short != 0 && text.get(at) == Some(&short) {
        ends.push(at + 1);
    }
    ends.extend(unicode_end(character, text, at));
}

/// `u0041` after the backslashes that end at `at`, or `ud83d\ude00`.
fn unicode_end(character: char, text: &[u8], at: usize) -> Option<usize> {
    let mut units = [0u16; 2];
    let mut at = at;
    for (index, unit) in character.encode_utf16(&mut units).iter().enumerate() {
        if index > 0 {
            at += text[at..].iter().take_while(|byte| **byte == b'\\').count();
        }
        let digits = text.get(at..at + 5)?.strip_prefix(b"u")?;
        if hex(digits)? != u32::from(*unit) {
            return None;
        }
        at += 5;
    }
    Some(at)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}
