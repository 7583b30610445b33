//! Exact-value scrubbing.

mod escapes;
mod needles;

use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

use needles::Needles;

/// Shortest value that is scrubbed, in bytes: a shorter one would also hit innocent words.
pub const SCRUBBED_MIN_BYTES: usize = 6;
/// What stands where a secret stood.
const MARK: &str = "[secret]";
/// What stands there when a secret is part of [`MARK`] itself. Shorter than any secret, so that it can hold none.
const SHORT_MARK: &str = "***";

/// Replaces the exact values of secrets (and their base64, percent-encoded and JSON-escaped forms) by `[secret]`. Values
/// under [`SCRUBBED_MIN_BYTES`] are left.
///
/// Percent-encoded and JSON-escaped forms are found whatever characters the writer chose to escape and in whatever case;
/// base64 in both alphabets, and also when the secret is only a part of what was encoded. When both `client_id` and
/// `client_secret` (or `username` and `password`) are known, their `id:secret` pair is as secret as its second half.
#[derive(Clone, Default)]
pub struct Scrubber {
    needles: Needles,
}

impl Scrubber {
    /// Knows the values of `secrets`.
    pub fn new(secrets: &crate::Secrets) -> Self {
        let mut scrubber = Self::default();
        for value in secrets.names().filter_map(|name| secrets.expose(name)) {
            scrubber.add(value);
        }
        for (user, password) in [("client_id", "client_secret"), ("username", "password")] {
            if let (Some(user), Some(password)) = (secrets.expose(user), secrets.expose(password)) {
                scrubber.add(&Zeroizing::new(format!("{user}:{password}")));
            }
        }
        scrubber
    }

    /// Knows one more value (an access token).
    pub fn add(&mut self, value: &str) {
        if value.len() >= SCRUBBED_MIN_BYTES {
            self.needles.add(value);
        }
    }

    /// The text without them.
    pub fn scrub(&self, text: &str) -> String {
        for mark in [MARK, SHORT_MARK] {
            let hits = self.hits(text);
            if hits.is_empty() {
                return text.to_owned();
            }
            let scrubbed = replace(text, &hits, mark);
            // Text left and right of a mark may form a secret together with it, when a secret looks like the mark.
            if self.hits(&scrubbed).is_empty() {
                return scrubbed;
            }
        }
        SHORT_MARK.to_owned()
    }

    /// Where secrets stand in the text, in order, overlapping and touching ones joined.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        if self.needles.is_empty() {
            return Vec::new();
        }
        let mut hits = Vec::new();
        self.needles.find_in(text.as_bytes(), |hit| hits.push(hit));
        hits.sort_unstable_by_key(|hit| hit.start);
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(hits.len());
        for hit in hits {
            match joined.last_mut() {
                Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
                _ => joined.push(hit),
            }
        }
        joined
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Scrubber([secret])")
    }
}

/// The text with `mark` in place of every hit. Hits are widened to whole characters.
fn replace(text: &str, hits: &[Range<usize>], mark: &str) -> String {
    let mut scrubbed = String::with_capacity(text.len());
    let mut at = 0;
    for hit in hits {
        let start = text.floor_char_boundary(hit.start).max(at);
        let end = text.ceil_char_boundary(hit.end);
        scrubbed.push_str(&text[at..start]);
        scrubbed.push_str(mark);
        at = end;
    }
    scrubbed.push_str(&text[at..]);
    scrubbed
}
