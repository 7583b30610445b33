//! JSON Pointers in the fragment of a reference: `#/$defs/Name`.

use std::fmt::Write as _;

/// The pointer of `part` below `base`, escaped for a pointer and for a URI fragment.
pub(super) fn join(base: &str, part: &str) -> String {
    let mut pointer = format!("{base}/");
    for byte in part.replace('~', "~0").replace('/', "~1").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~$".contains(&byte) {
            pointer.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(pointer, "%{byte:02X}");
        }
    }
    pointer
}

/// The plain pointer behind a local reference, percent-decoded; `None` for a reference to elsewhere.
pub(super) fn of_reference(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let decoded = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_survives_the_way_into_a_reference_and_back() {
        for part in ["Name", "a b", "größe", "a/b~c", "100%", "", "%41", "¥O"] {
            let reference = join("#/$defs", part);
            assert!(reference.is_ascii());
            let plain = format!("/$defs/{}", part.replace('~', "~0").replace('/', "~1"));
            assert_eq!(of_reference(&reference), Some(plain));
        }
        assert_eq!(of_reference("https://x.test/#/a"), None);
    }
}
