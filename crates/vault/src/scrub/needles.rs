//! What is looked for: the values and their base64 forms.

use super::escapes;

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::SCRUBBED_MIN_BYTES;

/// Texts to find, each wiped when dropped.
#[derive(Clone, Default)]
pub(super) struct Needles(Vec<Zeroizing<String>>);

impl Needles {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A value and what base64 makes of it.
    pub(super) fn add(&mut self, value: &str) {
        self.push(value);
        for offset in 0..3 {
            self.push(&base64_core(value, offset, &STANDARD_NO_PAD));
            self.push(&base64_core(value, offset, &URL_SAFE_NO_PAD));
        }
    }

    fn push(&mut self, needle: &str) {
        if needle.len() >= SCRUBBED_MIN_BYTES && !self.0.iter().any(|known| known.as_str() == needle) {
            self.0.push(Zeroizing::new(needle.to_owned()));
        }
    }

    /// Every place of every needle, overlapping ones too.
    pub(super) fn find_in(&self, text: &[u8], mut found: impl FnMut(Range<usize>)) {
        let escaped = escapes::possible(text);
        for needle in &self.0 {
            if escaped {
                for start in 0..text.len() {
                    if let Some(length) = escapes::end_of(needle, &text[start..]) {
                        found(start..start + length);
                    }
                }
                continue;
            }
            let finder = memchr::memmem::Finder::new(needle.as_bytes());
            let mut at = 0;
            while let Some(offset) = finder.find(&text[at..]) {
                let start = at + offset;
                found(start..start + needle.len());
                at = start + 1;
            }
        }
    }
}

/// The base64 characters that depend on nothing but `value` when `offset` (0 to 2) bytes stand before it in the encoded
/// group of three. Characters that also hold bits of a neighbour are left out.
fn base64_core(value: &str, offset: usize, engine: &base64::engine::GeneralPurpose) -> Zeroizing<String> {
    let mut shifted = Zeroizing::new(Vec::with_capacity(value.len() + offset));
    shifted.resize(offset, 0);
    shifted.extend_from_slice(value.as_bytes());
    let encoded = Zeroizing::new(engine.encode(shifted.as_slice()));
    let first = (offset * 8).div_ceil(6);
    let last = shifted.len() * 8 / 6;
    Zeroizing::new(encoded[first..last].to_owned())
}
