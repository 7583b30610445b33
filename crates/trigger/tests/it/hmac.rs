//! Signatures, right and wrong in every way.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use quartermaster_trigger::{Reason, SECRET_MIN_BYTES, SIGNATURES_MAX, VERIFIED_HEADER_MAX_BYTES};
use quartermaster_vault::MacAlgorithm;

use crate::support::{NOW, hex, secrets, sign, verify, verify_at, webhook};

const BODY: &[u8] = br#"{"email":"a.miller@company.com"}"#;
const SECRET: &str = "hunter2-hunter2";

/// The body followed by the time, as HR systems sign.
const TIMED: &str =
    "{verify: {hmac: {header: X-Signature, signed: '{{ body }}{{ timestamp }}', timestamp: {header: X-Timestamp}}}}";

fn timed(at_seconds: i64) -> (String, String) {
    let timestamp = at_seconds.to_string();
    let signature = sign(SECRET, &[BODY, timestamp.as_bytes()].concat());
    (timestamp, signature)
}

#[test]
fn a_right_signature_is_accepted_and_every_changed_bit_refused() {
    let trigger = webhook("{verify: {hmac: {header: X-Hub-Signature, prefix: sha256=}}}");
    let known = secrets(&[("secret", SECRET)]);
    let right = sign(SECRET, BODY);
    let with = |signature: &str, body: &[u8]| verify(&trigger, &known, &[("x-hub-signature", signature)], body);
    assert_eq!(with(&format!("sha256={right}"), BODY).unwrap().replay, None, "nothing says when it was sent");
    assert!(with(&format!("sha256={}", right.to_uppercase()), BODY).is_ok());
    for bit in 0..BODY.len() * 8 {
        let mut body = BODY.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(with(&format!("sha256={right}"), &body), Err(Reason::WrongSignature));
    }
    for place in 0..right.len() {
        let other = if right.as_bytes()[place] == b'0' { "1" } else { "0" };
        let changed = format!("sha256={}{other}{}", &right[..place], &right[place + 1..]);
        assert_eq!(with(&changed, BODY), Err(Reason::WrongSignature));
    }
    assert_eq!(with(&right, BODY), Err(Reason::Malformed), "the prefix is part of it");
    assert_eq!(with(&format!("sha1={right}"), BODY), Err(Reason::Malformed));
    assert_eq!(with(&format!("sha256={}", &right[..62]), BODY), Err(Reason::WrongSignature), "cut");
    assert_eq!(with(&format!("sha256={}", &right[..63]), BODY), Err(Reason::Malformed));
    assert_eq!(with("sha256=", BODY), Err(Reason::WrongSignature));
    assert_eq!(with("", BODY), Err(Reason::Missing));
    assert_eq!(with(&format!("sha256={}", STANDARD.encode(BODY)), BODY), Err(Reason::Malformed), "wrong encoding");
    assert_eq!(verify(&trigger, &known, &[], BODY), Err(Reason::Missing));
    let twice = [("x-hub-signature", "sha256=00"), ("x-hub-signature", &*format!("sha256={right}"))];
    assert_eq!(verify(&trigger, &known, &twice, BODY), Err(Reason::Malformed));
}

#[test]
fn another_secret_is_refused_and_the_one_before_works_while_it_is_kept() {
    let trigger = webhook("{verify: {hmac: {header: X-Signature}}}");
    let signature = sign(SECRET, BODY);
    let with = |pairs: &[(&str, &str)]| verify(&trigger, &secrets(pairs), &[("x-signature", &signature)], BODY);
    assert!(with(&[("secret", SECRET)]).is_ok());
    assert!(with(&[("secret", "new"), ("previous_secret", SECRET)]).is_ok());
    assert_eq!(with(&[("secret", "new")]), Err(Reason::WrongSignature));
    assert_eq!(with(&[("secret", "hunter2-hunter3")]), Err(Reason::WrongSignature));
    assert_eq!(with(&[]), Err(Reason::NoSecret));
    assert_eq!(with(&[("secret", "")]), Err(Reason::NoSecret), "an empty secret is none");
}

#[test]
fn the_time_of_sending_counts_to_the_second_and_is_signed() {
    let trigger = webhook(TIMED);
    let known = secrets(&[("secret", SECRET)]);
    let now = NOW.unix_seconds();
    let at = |seconds: i64| {
        let (timestamp, signature) = timed(seconds);
        verify(&trigger, &known, &[("x-timestamp", &timestamp), ("x-signature", &signature)], BODY)
    };
    for offset in [0, 1, -1, 300, -300] {
        assert!(at(now + offset).is_ok(), "{offset}");
    }
    assert_eq!(at(now - 301), Err(Reason::TooOld));
    assert_eq!(at(now + 301), Err(Reason::InFuture));
    assert_eq!(at(0), Err(Reason::TooOld));
    let (timestamp, signature) = timed(now);
    let other = (now + 1).to_string();
    let with = |pairs: &[(&str, &str)]| verify(&trigger, &known, pairs, BODY);
    assert_eq!(with(&[("x-timestamp", &other), ("x-signature", &signature)]), Err(Reason::WrongSignature));
    assert_eq!(with(&[("x-signature", &signature)]), Err(Reason::Missing));
    for wrong in ["", "now", "-1", "1e9", "1790000000.5", "99999999999999999999", " "] {
        let result = with(&[("x-timestamp", wrong), ("x-signature", &signature)]);
        assert!(matches!(result, Err(Reason::Malformed | Reason::Missing)), "{wrong}: {result:?}");
    }
    // One that is too old and not signed either tells nobody which: the signature is looked at first.
    let long_ago = [("x-timestamp", "1"), ("x-signature", signature.as_str())];
    assert_eq!(with(&long_ago), Err(Reason::WrongSignature));
    assert!(with(&[("x-timestamp", &timestamp), ("x-signature", &signature)]).is_ok());
}

#[test]
fn the_same_delivery_is_recognised_for_as_long_as_it_could_come_again() {
    let trigger = webhook(TIMED);
    let known = secrets(&[("secret", SECRET)]);
    let replay = |seconds: i64, now| {
        let (timestamp, signature) = timed(seconds);
        let headers = [("x-timestamp", timestamp.as_str()), ("x-signature", signature.as_str())];
        verify_at(&trigger, &known, &headers, BODY, now).unwrap().replay.unwrap()
    };
    let sent = NOW.unix_seconds() + 200;
    let (key, until) = replay(sent, NOW);
    assert_eq!(replay(sent, NOW.plus_ms(1_000)).0, key);
    assert_ne!(replay(sent + 1, NOW).0, key);
    // One millisecond before that it is still accepted, from then on it is too old.
    let (timestamp, signature) = timed(sent);
    let headers = [("x-timestamp", timestamp.as_str()), ("x-signature", signature.as_str())];
    assert!(verify_at(&trigger, &known, &headers, BODY, until.plus_ms(-1)).is_ok());
    assert_eq!(verify_at(&trigger, &known, &headers, BODY, until), Err(Reason::TooOld));
}

#[test]
fn every_hash_and_encoding_is_read_as_declared() {
    let known = secrets(&[("secret", SECRET)]);
    for (name, algorithm) in
        [("sha1", MacAlgorithm::Sha1), ("sha256", MacAlgorithm::Sha256), ("sha512", MacAlgorithm::Sha512)]
    {
        let code = algorithm.sign(SECRET.as_bytes(), &[BODY]);
        let written =
            [("hex", hex(&code)), ("base64", STANDARD.encode(&code)), ("base64url", URL_SAFE_NO_PAD.encode(&code))];
        for (encoding, signature) in &written {
            let trigger =
                webhook(&format!("{{verify: {{hmac: {{header: s, algorithm: {name}, encoding: {encoding}}}}}}}"));
            assert!(verify(&trigger, &known, &[("s", signature)], BODY).is_ok(), "{name} {encoding}");
            let other = written.iter().find(|(other, _)| other != encoding && *other == "hex").or(written.get(1));
            let result = verify(&trigger, &known, &[("s", &other.unwrap().1)], BODY);
            assert!(result.is_err(), "{name}: {encoding} is not {}", other.unwrap().0);
        }
        let other = webhook("{verify: {hmac: {header: s, algorithm: sha512}}}");
        assert_eq!(verify(&other, &known, &[("s", &hex(&code))], BODY).is_ok(), name == "sha512");
    }
}

/// The scheme that is published as Standard Webhooks: id, time and body, several signatures, a secret in base64 behind a prefix.
#[test]
fn several_signatures_in_one_header_and_an_encoded_secret() {
    let trigger = webhook(
        "{id: {header: webhook-id}, verify: {hmac: {header: webhook-signature, prefix: 'v1,', separator: ' ', encoding: base64, \
         signed: '{{ id }}.{{ timestamp }}.{{ body }}', timestamp: {header: webhook-timestamp}, secret_prefix: whsec_, \
         secret_encoding: base64}}}",
    );
    let key = b"hunter2-key-of-bytes\xff\x00";
    let secret = format!("whsec_{}", STANDARD.encode(key));
    let known = secrets(&[("secret", &secret)]);
    let timestamp = NOW.unix_seconds().to_string();
    let text = [format!("msg_1.{timestamp}.").as_bytes(), BODY].concat();
    let right = format!("v1,{}", STANDARD.encode(MacAlgorithm::Sha256.sign(key, &[&text])));
    let with = |id: &str, signatures: &str| {
        let headers = [("webhook-id", id), ("webhook-timestamp", &timestamp), ("webhook-signature", signatures)];
        verify(&trigger, &known, &headers, BODY)
    };
    assert_eq!(with("msg_1", &right).unwrap().id.as_deref(), Some("msg_1"));
    assert!(with("msg_1", &format!("v1,AAAA v2,xxxx {right}")).is_ok());
    assert_eq!(with("msg_2", &right), Err(Reason::WrongSignature));
    assert_eq!(with("msg_1", "v1,AAAA v1,BBBB"), Err(Reason::WrongSignature));
    assert_eq!(with("msg_1", &right.replace("v1,", "v2,")), Err(Reason::Malformed));
    let many = |count: usize| format!("{}{right}", "v1,AAAA ".repeat(count - 1));
    assert!(with("msg_1", &many(SIGNATURES_MAX)).is_ok());
    assert_eq!(with("msg_1", &many(SIGNATURES_MAX + 1)), Err(Reason::Malformed));
    let mistakes = |pairs: &[(&str, &str)]| trigger.webhook().unwrap().secret_mistakes(&secrets(pairs)).len();
    assert_eq!(mistakes(&[("secret", &secret)]), 0);
    assert_eq!(mistakes(&[("secret", &secret), ("previous_secret", "whsec_****************")]), 1);
    let made = trigger.webhook().unwrap().secret_of(&[0xff; 32]);
    assert_eq!(mistakes(&[("secret", secrecy::ExposeSecret::expose_secret(&made))]), 0);
}

#[test]
fn secrets_that_do_not_fit_are_named_and_not_repeated() {
    let mistakes = |source: &str, pairs: &[(&str, &str)]| {
        let found = webhook(source).webhook().unwrap().secret_mistakes(&secrets(pairs));
        assert!(!format!("{found:?}").contains("hunter2"));
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let at = "hunter2-".repeat(2)[..SECRET_MIN_BYTES].to_owned();
    assert_eq!(mistakes("{verify: bearer}", &[("secret", &at)]), [""; 0]);
    assert_eq!(mistakes("{verify: bearer}", &[("secret", &at[1..])]), ["secret"]);
    assert_eq!(mistakes("{verify: bearer}", &[("password", &at)]), ["secret", "password"]);
    assert_eq!(mistakes("{verify: basic}", &[("username", "a:b"), ("password", &at)]), ["username"]);
    assert_eq!(mistakes("{verify: basic}", &[]), ["username", "password"]);
}

/// One header with both: `t=…,v1=…`.
#[test]
fn time_and_signatures_in_one_header() {
    let trigger = webhook(
        "{verify: {hmac: {header: sig, prefix: v1=, separator: ',', signed: '{{ timestamp }}.{{ body }}', \
         timestamp: {header: sig, prefix: t=, separator: ','}}}}",
    );
    let known = secrets(&[("secret", SECRET)]);
    let timestamp = NOW.unix_seconds();
    let right = sign(SECRET, &[format!("{timestamp}.").as_bytes(), BODY].concat());
    let with = |value: &str| verify(&trigger, &known, &[("sig", value)], BODY);
    assert!(with(&format!("t={timestamp},v1={right}")).is_ok());
    assert!(with(&format!("v0=00, v1={right}, t={timestamp}")).is_ok());
    assert_eq!(with(&format!("v1={right}")), Err(Reason::Malformed));
    assert_eq!(with(&format!("t={timestamp},t={timestamp},v1={right}")), Err(Reason::Malformed), "two times");
    assert_eq!(with(&format!("t={timestamp}")), Err(Reason::Malformed));
}

#[test]
fn a_body_of_any_bytes_is_signed_as_it_is() {
    let trigger = webhook("{verify: {hmac: {header: s, signed: 'POST{{ body }}{{ body }}!'}}}");
    let known = secrets(&[("secret", SECRET)]);
    let body = b"\xff\xfe{{ timestamp }}\0";
    let signature = sign(SECRET, &[b"POST", &body[..], body, b"!"].concat());
    assert!(verify(&trigger, &known, &[("s", &signature)], body).is_ok());
    assert_eq!(verify(&trigger, &known, &[("s", &signature)], b"\xff"), Err(Reason::WrongSignature));
}

#[test]
fn a_header_is_read_up_to_its_limit() {
    let trigger = webhook("{verify: {hmac: {header: s, separator: ','}}}");
    let known = secrets(&[("secret", SECRET)]);
    let right = sign(SECRET, BODY);
    let long = |bytes: usize| format!("{right},{}", "x".repeat(bytes - right.len() - 1));
    assert!(verify(&trigger, &known, &[("s", &long(VERIFIED_HEADER_MAX_BYTES))], BODY).is_ok());
    let past = verify(&trigger, &known, &[("s", &long(VERIFIED_HEADER_MAX_BYTES + 1))], BODY);
    assert_eq!(past, Err(Reason::Malformed));
}

proptest! {
    /// Whatever stands in the headers: never a panic, and never accepted.
    #[test]
    fn headers_of_any_text_are_refused(signature in "\\PC{0,80}", timestamp in "\\PC{0,30}", id in "\\PC{0,30}") {
        let known = secrets(&[("secret", SECRET)]);
        for source in [
            TIMED,
            "{verify: {hmac: {header: X-Signature, prefix: 'v1,', separator: ' ', encoding: base64}}}",
            "{id: {header: X-Timestamp}, verify: {hmac: {header: X-Signature, encoding: base64url, separator: ','}}}",
            "{verify: {jwt: {header: X-Signature, algorithm: HS256}}}",
            "{verify: {shared_secret: {header: X-Signature}}}",
        ] {
            let headers = [("x-signature", signature.as_str()), ("x-timestamp", &timestamp), ("authorization", &id)];
            prop_assert!(verify(&webhook(source), &known, &headers, BODY).is_err());
        }
        for source in ["{verify: basic}", "{verify: bearer}"] {
            let credentials = secrets(&[("secret", SECRET), ("username", "u"), ("password", SECRET)]);
            for scheme in ["", "Basic ", "Bearer "] {
                let value = format!("{scheme}{id}");
                prop_assert!(verify(&webhook(source), &credentials, &[("authorization", &value)], BODY).is_err());
            }
        }
    }

    /// What was signed is accepted, whatever the secret, the body and the time.
    #[test]
    fn what_is_signed_is_accepted(secret in "\\PC{1,60}", body in proptest::collection::vec(any::<u8>(), 0..200), age in -300_i64..=300) {
        let timestamp = (NOW.unix_seconds() - age).to_string();
        let signature = sign(&secret, &[&body[..], timestamp.as_bytes()].concat());
        let headers = [("x-timestamp", timestamp.as_str()), ("x-signature", signature.as_str())];
        prop_assert!(verify(&webhook(TIMED), &secrets(&[("secret", &secret)]), &headers, &body).is_ok());
    }
}
