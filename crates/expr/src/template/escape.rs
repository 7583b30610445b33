//! Values in the form of their place.

use super::Place;

const HEX: &[u8; 16] = b"0123456789ABCDEF";
const TOO_LONG: &str = "makes the rendered text longer than 65536 bytes";

/// Appends `text` as `place` wants it; the reason when it must not stand there. Appends at most `room` bytes.
pub(super) fn append(out: &mut String, text: &str, place: Place, room: usize) -> Result<(), &'static str> {
    match place {
        Place::PathSegment => {
            check_segment(text)?;
            percent_encode(out, text, room)
        }
        Place::Query => percent_encode(out, text, room),
        Place::Header => copy_checked(out, text, room, |text| {
            if text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
                Ok(())
            } else {
                Err("has a character that a header cannot carry")
            }
        }),
        Place::BaseUrl => copy_checked(out, text, room, check_base_url),
        Place::Plain => copy_checked(out, text, room, |_| Ok(())),
    }
}

fn check_segment(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("is empty, which would change the path"),
        "." | ".." => Err("is `.` or `..`, which would change the path"),
        _ if text.chars().any(char::is_control) => Err("has a control character in it"),
        _ => Ok(()),
    }
}

fn check_base_url(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.contains("..") {
        return Err("has `..` in it");
    }
    // Brackets stand around IPv6 addresses; whether they stand where they may is seen when the URL is read.
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'[' | b']');
    if text.bytes().all(allowed) { Ok(()) } else { Err("has a character that cannot stand in a base URL") }
}

fn copy_checked(
    out: &mut String,
    text: &str,
    room: usize,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    if text.len() > room {
        return Err(TOO_LONG);
    }
    check(text)?;
    out.push_str(text);
    Ok(())
}

/// RFC 3986: unreserved characters stay, every other byte of the UTF-8 form becomes `%XX`.
fn percent_encode(out: &mut String, text: &str, room: usize) -> Result<(), &'static str> {
    let limit = out.len() + room;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 0x0F)]));
        }
        if out.len() > limit {
            return Err(TOO_LONG);
        }
    }
    Ok(())
}
