//! A scrubbed text never holds a secret, however it was written.

#![allow(clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use secrecy::SecretString;

use crate::{SCRUBBED_MIN_BYTES, Scrubber, Secrets};

fn scrubber(values: &[(&str, &str)]) -> Scrubber {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
    Scrubber::new(&Secrets::new(values))
}

/// Percent-encodes everything but letters and digits, in the case asked for; `all`: those too.
fn percent(value: &str, upper: bool, all: bool) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            _ if byte.is_ascii_alphanumeric() && !all => char::from(byte).to_string(),
            _ if upper => format!("%{byte:02X}"),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

fn unicode_escaped(value: &str) -> String {
    value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat()
}

#[test]
fn every_form_is_replaced() {
    let secret = "s3cr/t+\"v\u{e4}lue\\ ";
    let known = scrubber(&[("client_id", "the-client"), ("client_secret", secret)]);
    let pair = STANDARD.encode(format!("the-client:{secret}"));
    let forms = [
        secret.to_owned(),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        pair,
        percent(secret, true, false),
        percent(secret, false, false),
        percent(secret, true, true),
        percent(secret, true, false).replace("%20", "+"),
        unicode_escaped(secret),
        serde_json::to_string(secret).unwrap().trim_matches('"').to_owned(),
    ];
    for form in &forms {
        let scrubbed = known.scrub(&format!("<{form}>"));
        let rest = scrubbed.replace("[secret]", "");
        assert!(rest.len() <= 6, "{form} became {scrubbed}");
    }
}

#[test]
fn the_text_around_stays() {
    let known = scrubber(&[("token", "abcdef123456")]);
    assert_eq!(known.scrub("Bearer abcdef123456, caf\u{e9}"), "Bearer [secret], caf\u{e9}");
    assert_eq!(known.scrub("nothing here % + \\ \\u12 %4"), "nothing here % + \\ \\u12 %4");
    assert_eq!(known.scrub("https://x/?t=abcdef123456&u=1"), "https://x/?t=[secret]&u=1");
    assert_eq!(known.scrub(""), "");
    assert_eq!(Scrubber::default().scrub("as it is"), "as it is");
}

#[test]
fn an_encoded_pair_with_an_unknown_user_is_found_by_its_secret_part() {
    let known = scrubber(&[("token", "abcdef1234567890")]);
    for user in ["", "u", "us", "use", "user"] {
        let encoded = STANDARD.encode(format!("{user}:abcdef1234567890"));
        let scrubbed = known.scrub(&encoded);
        assert!(scrubbed.contains("[secret]") && scrubbed.len() < encoded.len(), "{encoded} became {scrubbed}");
    }
}

#[test]
fn overlapping_secrets_leave_nothing_of_either() {
    let known = scrubber(&[("a", "abcdefgh"), ("b", "efghijkl"), ("c", "abcdefghijklmnop")]);
    assert_eq!(known.scrub("xabcdefghijklmnopx"), "x[secret]x");
    assert_eq!(known.scrub("xabcdefghijklx"), "x[secret]x");
    let known = scrubber(&[("a", "aaaaaa")]);
    assert_eq!(known.scrub("baaaaaaaaab"), "b[secret]b");
}

#[test]
fn values_under_the_limit_are_left() {
    let (short, long) = ("x".repeat(SCRUBBED_MIN_BYTES - 1), "y".repeat(SCRUBBED_MIN_BYTES));
    let known = scrubber(&[("a", &short), ("b", &long)]);
    assert_eq!(known.scrub(&format!("{short} {long}")), format!("{short} [secret]"));
}

#[test]
fn a_secret_that_looks_like_the_mark_is_not_shown_by_the_mark() {
    for secret in ["secret", "[secret]", "[secret", "ecret]x"] {
        let scrubbed = scrubber(&[("a", secret)]).scrub(&format!("a {secret}x b {secret}"));
        assert!(!scrubbed.contains(secret), "{secret}: {scrubbed}");
    }
}

#[test]
fn a_value_added_later_is_known_to_a_clone() {
    let mut known = Scrubber::default();
    known.add("access-token-1");
    assert_eq!(known.clone().scrub("access-token-1"), "[secret]");
}

proptest! {
    #[test]
    fn a_scrubbed_text_never_holds_a_secret(
        values in prop::collection::vec("[a-c\\[\\]\"%+ \\\\e\u{e4}]{6,10}", 1..4),
        pieces in prop::collection::vec(("[a-c\"%+ \\\\5\u{e4}]{0,6}", any::<prop::sample::Index>(), 0u8..6), 0..6),
    ) {
        let named: Vec<(String, &str)> =
            values.iter().enumerate().map(|(index, value)| (format!("n{index}"), value.as_str())).collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let known = scrubber(&named);
        let mut text = String::new();
        for (filler, index, form) in &pieces {
            let value = &values[index.index(values.len())];
            text.push_str(filler);
            text.push_str(&match form {
                0 => value.clone(),
                1 => STANDARD.encode(value),
                2 => percent(value, true, false),
                3 => unicode_escaped(value),
                4 => URL_SAFE_NO_PAD.encode(format!("user:{value}")),
                _ => percent(value, false, true),
            });
        }
        let scrubbed = known.scrub(&text);
        for value in &values {
            for form in [value.clone(), STANDARD.encode(value), percent(value, true, false), percent(value, false, true), unicode_escaped(value)] {
                let form = form.trim_end_matches('=');
                prop_assert!(!scrubbed.contains(form), "{:?} is still in {:?}", form, scrubbed);
            }
        }
        prop_assert_eq!(known.scrub(&scrubbed), scrubbed);
    }
}
