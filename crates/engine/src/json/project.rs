//! Keeps some members of an object.

use super::JsonError;
use super::scanner::{Scanner, Stopped};
use super::text::unescape;

/// Appends the object to `out` with only its top-level members that `fields` names, in the object's own order, values as
/// they stand. Of members with one name the last one is kept. A value that is not an object is appended as it is. On an
/// error nothing is appended.
pub fn project<F: AsRef<str>>(object: &[u8], fields: &[F], out: &mut Vec<u8>) -> Result<(), JsonError> {
    let before = out.len();
    let mut scanner = Scanner::new(object)?;
    let copied = match scanner.next_token() {
        b'{' => copy_members(&mut scanner, fields, out),
        _ => copy_whole(&mut scanner, out),
    };
    copied.and_then(|()| scanner.end()).map_err(|stopped| {
        out.truncate(before);
        scanner.into_error(stopped)
    })
}

fn copy_whole(scanner: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Stopped> {
    let start = scanner.at;
    scanner.skip_value(0)?;
    out.extend_from_slice(&scanner.bytes[start..scanner.at]);
    Ok(())
}

/// One kept member: which field, and where name and value stand in `out`.
struct Kept {
    field: usize,
    start: usize,
    end: usize,
}

fn copy_members<F: AsRef<str>>(scanner: &mut Scanner<'_>, fields: &[F], out: &mut Vec<u8>) -> Result<(), Stopped> {
    out.push(b'{');
    let inner = out.len();
    let mut kept: Vec<Kept> = Vec::with_capacity(fields.len());
    scanner.at += 1;
    if scanner.next_token() == b'}' {
        scanner.at += 1;
        out.push(b'}');
        return Ok(());
    }
    loop {
        let name = scanner.member_name()?;
        let raw_name = name.of(scanner.bytes);
        let field = fields.iter().position(|field| {
            let field = field.as_ref();
            if name.escaped {
                unescape(raw_name).is_some_and(|plain| plain == field)
            } else {
                raw_name == field.as_bytes()
            }
        });
        scanner.next_token();
        let value_start = scanner.at;
        scanner.skip_value(1)?;
        if let Some(field) = field {
            remove_earlier(&mut kept, field, inner, out);
            if out.len() > inner {
                out.push(b',');
            }
            let start = out.len();
            out.extend_from_slice(&scanner.bytes[name.start as usize - 1..=name.end as usize]);
            out.push(b':');
            out.extend_from_slice(&scanner.bytes[value_start..scanner.at]);
            kept.push(Kept { field, start, end: out.len() });
        }
        match scanner.next_token() {
            b',' => scanner.at += 1,
            b'}' => break,
            _ => return Err(scanner.malformed()),
        }
    }
    scanner.at += 1;
    out.push(b'}');
    Ok(())
}

/// Takes out an earlier member of the same name, with the comma that parts it from its neighbour.
fn remove_earlier(kept: &mut Vec<Kept>, field: usize, inner: usize, out: &mut Vec<u8>) {
    let Some(position) = kept.iter().position(|member| member.field == field) else { return };
    let Kept { start, end, .. } = kept.remove(position);
    let (from, to) = if start == inner { (start, (end + 1).min(out.len())) } else { (start - 1, end) };
    out.drain(from..to);
    for later in &mut kept[position..] {
        later.start -= to - from;
        later.end -= to - from;
    }
}
