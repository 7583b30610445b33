//! Tells watchers what comes, but for the key: not even in pieces.

use crate::Delta;

/// What stands where the key stood.
const MARK: &str = "[secret]";

/// Holds back what may be the beginning of the key until more is known.
pub(crate) struct Discreet<'a> {
    key: Option<&'a str>,
    told: &'a mut (dyn FnMut(Delta) + Send),
    held: Option<(Kind, String)>,
}

/// What a piece of text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Arguments(usize),
}

impl<'a> Discreet<'a> {
    pub(crate) fn new(key: Option<&'a str>, told: &'a mut (dyn FnMut(Delta) + Send)) -> Self {
        // A shorter one is no secret, and would hit innocent words.
        let key = key.filter(|key| key.len() >= quartermaster_vault::SCRUBBED_MIN_BYTES);
        Self { key, told, held: None }
    }

    pub(crate) fn tell(&mut self, delta: Delta) {
        let Some(key) = self.key else { return (self.told)(delta) };
        let (kind, piece) = match delta {
            Delta::Text(text) => (Kind::Text, text),
            Delta::Reasoning(text) => (Kind::Reasoning, text),
            Delta::CallArguments { index, text } => (Kind::Arguments(index), text),
            other @ Delta::CallBegun { .. } => {
                self.end();
                return (self.told)(other);
            }
        };
        if self.held.as_ref().is_some_and(|(held, _)| *held != kind) {
            self.end();
        }
        let mut text = self.held.take().map(|(_, text)| text).unwrap_or_default();
        text.push_str(&piece);
        let text = text.replace(key, MARK);
        let begins = (1..key.len()).rev().filter(|length| key.is_char_boundary(*length));
        let held = begins.map(|length| &key[..length]).find(|begin| text.ends_with(begin)).map_or(0, str::len);
        let (clear, begin) = text.split_at(text.len() - held);
        self.say(kind, clear);
        if !begin.is_empty() {
            self.held = Some((kind, begin.to_owned()));
        }
    }

    /// Nothing more belongs to what was told last.
    pub(crate) fn end(&mut self) {
        if let Some((kind, text)) = self.held.take() {
            self.say(kind, &text);
        }
    }

    fn say(&mut self, kind: Kind, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = text.to_owned();
        (self.told)(match kind {
            Kind::Text => Delta::Text(text),
            Kind::Reasoning => Delta::Reasoning(text),
            Kind::Arguments(index) => Delta::CallArguments { index, text },
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(key: Option<&str>, pieces: &[&str]) -> Vec<String> {
        let mut told = Vec::new();
        let mut note = |delta: Delta| {
            if let Delta::Text(text) = delta {
                told.push(text);
            }
        };
        let mut discreet = Discreet::new(key, &mut note);
        for piece in pieces {
            discreet.tell(Delta::Text((*piece).to_owned()));
        }
        discreet.end();
        told
    }

    #[test]
    fn a_key_in_pieces_is_not_told() {
        assert_eq!(told(Some("sk-123"), &["a s", "k-", "12", "3 b s", "k-1 c"]).concat(), "a [secret] b sk-1 c");
        assert_eq!(
            told(Some("sk-123"), &["now", " and", " then"]),
            ["now", " and", " then"],
            "nothing waits for nothing"
        );
        assert_eq!(told(None, &["sk-123"]), ["sk-123"]);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_key_is_gone_and_all_else_is_there(
            words in proptest::collection::vec(prop_oneof![Just("aabaab"), Just("aab"), Just("a"), Just("bé")], 0..8),
            sizes in proptest::collection::vec(1_usize..4, 40),
        ) {
            let text = words.concat();
            let letters: Vec<char> = text.chars().collect();
            let (mut pieces, mut rest, mut sizes) = (Vec::new(), letters.as_slice(), sizes.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
                pieces.push(piece.iter().collect::<String>());
                rest = after;
            }
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let told = told(Some("aabaab"), &pieces).concat();
            prop_assert!(!told.contains("aabaab"));
            prop_assert_eq!(told.replace(MARK, "aabaab"), text);
        }
    }
}
