//! Sealing: what goes in comes out, and nothing that was altered or moved opens.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use quartermaster_types::{AccountId, EnvironmentId, TokenId};
use secrecy::SecretString;

use crate::*;

fn secrets(values: &BTreeMap<String, String>) -> Secrets {
    Secrets::new(values.iter().map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))).collect())
}

fn scope(environment: u128, account: u128, version: i64) -> SealScope {
    SealScope { environment: EnvironmentId(id(environment)), account: AccountId(id(account)), version }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u128) -> T {
    let hex = format!("{number:032x}");
    hex.parse().unwrap()
}

fn root() -> RootKey {
    RootKey::from_bytes(&[7; 32]).unwrap()
}

fn plain(secrets: &Secrets) -> BTreeMap<String, String> {
    secrets.names().map(|name| (name.to_owned(), secrets.expose(name).unwrap().to_owned())).collect()
}

proptest! {
    #[test]
    fn credentials_survive_sealing(
        values in prop::collection::btree_map(".{0,12}", ".{0,80}", 0..6),
        environment: u128, account: u128, version: i64,
    ) {
        let root = root();
        let scope = scope(environment, account, version);
        let (key, wrapped) = root.new_data_key(scope.environment).unwrap();
        let sealed = key.seal(scope, &secrets(&values)).unwrap();
        for value in values.values().filter(|value| value.len() > 3) {
            prop_assert!(!sealed.windows(value.len()).any(|window| window == value.as_bytes()));
        }
        prop_assert_eq!(&plain(&key.open(scope, &sealed).unwrap()), &values);
        let again = root.unwrap_data_key(scope.environment, &wrapped).unwrap();
        prop_assert_eq!(&plain(&again.open(scope, &sealed).unwrap()), &values);
    }

    #[test]
    fn any_flipped_bit_does_not_open(value in ".{0,40}", at: prop::sample::Index, bit in 0u8..8) {
        let scope = scope(1, 2, 3);
        let (key, wrapped) = root().new_data_key(scope.environment).unwrap();
        let mut sealed = key.seal(scope, &secrets(&[("token".to_owned(), value)].into())).unwrap();
        let place = at.index(sealed.len());
        sealed[place] ^= 1 << bit;
        let error = key.open(scope, &sealed).err().unwrap();
        prop_assert!(matches!(error, VaultError::DoesNotOpen | VaultError::UnknownFormat(_)));
        let mut wrapped = wrapped;
        let place = at.index(wrapped.len());
        wrapped[place] ^= 1 << bit;
        prop_assert!(root().unwrap_data_key(scope.environment, &wrapped).is_err());
    }

    #[test]
    fn a_shortened_or_lengthened_value_does_not_open(length in 0usize..200) {
        let scope = scope(1, 2, 3);
        let (key, _) = root().new_data_key(scope.environment).unwrap();
        let mut sealed = key.seal(scope, &secrets(&[("token".to_owned(), "x".repeat(30))].into())).unwrap();
        let whole = sealed.len();
        sealed.resize(length, 0);
        prop_assert_eq!(key.open(scope, &sealed).is_ok(), length == whole);
    }

    #[test]
    fn a_value_moved_to_another_scope_does_not_open(one: (u8, u8, i8), other: (u8, u8, i8)) {
        let at = |(environment, account, version): (u8, u8, i8)| scope(environment.into(), account.into(), version.into());
        let (key, wrapped) = root().new_data_key(at(one).environment).unwrap();
        let sealed = key.seal(at(one), &Secrets::default()).unwrap();
        prop_assert_eq!(key.open(at(other), &sealed).is_ok(), one == other);
        prop_assert_eq!(root().unwrap_data_key(at(other).environment, &wrapped).is_ok(), one.0 == other.0);
    }

    #[test]
    fn cursors_survive_and_open_in_their_context_only(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        context in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
        other in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
    ) {
        let parts = |context: &[Vec<u8>]| context.to_vec();
        let (own, foreign) = (parts(&context), parts(&other));
        let own: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
        let foreign: Vec<&[u8]> = foreign.iter().map(Vec::as_slice).collect();
        let sealer = root().cursor_sealer();
        let text = sealer.seal(&own, &payload).unwrap();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        prop_assert_eq!(sealer.open(&own, &text).unwrap(), payload);
        prop_assert_eq!(sealer.open(&foreign, &text).is_ok(), own == foreign);
    }

    #[test]
    fn an_altered_cursor_does_not_open(at: prop::sample::Index, replacement in "[A-Za-z0-9_-]", cut in 0usize..3) {
        let sealer = root().cursor_sealer();
        let text = sealer.seal(&[b"list"], b"page two").unwrap();
        let place = at.index(text.len());
        let altered = format!("{}{replacement}{}", &text[..place], &text[place + 1..]);
        if altered != text {
            prop_assert!(matches!(sealer.open(&[b"list"], &altered), Err(VaultError::DoesNotOpen)));
        }
        prop_assert!(cut == 0 || sealer.open(&[b"list"], &text[..text.len() - cut]).is_err());
    }

    #[test]
    fn no_text_panics_a_cursor(text in ".{0,200}") {
        prop_assert!(root().cursor_sealer().open(&[], &text).is_err());
    }
}

#[test]
fn parts_of_a_context_do_not_run_together() {
    let sealer = root().cursor_sealer();
    let text = sealer.seal(&[b"ab", b"c"], b"x").unwrap();
    assert!(sealer.open(&[b"a", b"bc"], &text).is_err());
    assert!(sealer.open(&[b"abc"], &text).is_err());
    assert!(sealer.open(&[b"ab", b"c", b""], &text).is_err());
}

#[test]
fn another_root_key_opens_nothing() {
    let scope = scope(1, 2, 3);
    let (_, wrapped) = root().new_data_key(scope.environment).unwrap();
    let cursor = root().cursor_sealer().seal(&[], b"x").unwrap();
    let other = RootKey::from_bytes(&[8; 32]).unwrap();
    assert!(matches!(other.unwrap_data_key(scope.environment, &wrapped), Err(VaultError::DoesNotOpen)));
    assert!(matches!(other.cursor_sealer().open(&[], &cursor), Err(VaultError::DoesNotOpen)));
}

#[test]
fn a_newer_format_is_named() {
    let scope = scope(1, 2, 3);
    let (key, _) = root().new_data_key(scope.environment).unwrap();
    let mut sealed = key.seal(scope, &Secrets::default()).unwrap();
    sealed[0] = 2;
    assert!(matches!(key.open(scope, &sealed), Err(VaultError::UnknownFormat(2))));
}

#[test]
fn a_root_key_has_32_bytes() {
    for length in [0, 16, 31, 33, 64] {
        assert!(matches!(RootKey::from_bytes(&vec![1; length]), Err(VaultError::BadRootKey)));
    }
}

#[test]
fn two_seals_of_one_value_differ() {
    let scope = scope(1, 2, 3);
    let (key, _) = root().new_data_key(scope.environment).unwrap();
    let one = key.seal(scope, &Secrets::default()).unwrap();
    assert_ne!(one, key.seal(scope, &Secrets::default()).unwrap());
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let scope = scope(1, 2, 3);
    let (key, _) = root().new_data_key(scope.environment).unwrap();
    let of = |count: usize, name: usize, value: usize| {
        let values = (0..count).map(|number| (format!("{number:0name$}"), "v".repeat(value))).collect();
        key.seal(scope, &secrets(&values))
    };
    assert!(of(SECRETS_MAX, 4, 1).is_ok());
    assert!(matches!(of(SECRETS_MAX + 1, 4, 1), Err(VaultError::TooLarge { limit: SECRETS_MAX, .. })));
    assert!(of(1, SECRET_NAME_MAX_BYTES, 1).is_ok());
    assert!(matches!(of(1, SECRET_NAME_MAX_BYTES + 1, 1), Err(VaultError::TooLarge { .. })));
    assert!(of(1, 4, SECRET_VALUE_MAX_BYTES).is_ok());
    assert!(matches!(of(1, 4, SECRET_VALUE_MAX_BYTES + 1), Err(VaultError::TooLarge { .. })));

    let sealer = root().cursor_sealer();
    let largest = sealer.seal(&[], &[1; CURSOR_PAYLOAD_MAX_BYTES]).unwrap();
    assert_eq!(sealer.open(&[], &largest).unwrap().len(), CURSOR_PAYLOAD_MAX_BYTES);
    assert!(sealer.seal(&[], &[1; CURSOR_PAYLOAD_MAX_BYTES + 1]).is_err());
    assert!(sealer.open(&[], &"A".repeat(largest.len() + 4)).is_err());
    let context = vec![1; CURSOR_CONTEXT_MAX_BYTES];
    assert!(sealer.seal(&[&context], b"").is_ok());
    assert!(sealer.seal(&[&context, b"1"], b"").is_err());
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let values = secrets(&[("token".to_owned(), "hunter2hunter2".to_owned())].into());
    assert_eq!(format!("{values:?}"), r#"{"token"}"#);
    assert_eq!(format!("{:?}", Scrubber::new(&values)), "Scrubber([secret])");
    assert_eq!(format!("{:?} {:?}", root(), root().cursor_sealer()), "RootKey([secret]) CursorSealer([secret])");
    let (key, _) = root().new_data_key(scope(1, 2, 3).environment).unwrap();
    assert_eq!(format!("{key:?}"), "DataKey([secret])");
}

#[test]
fn random_bytes_are_fresh() {
    assert_ne!(random_bytes::<32>().unwrap(), random_bytes::<32>().unwrap());
}

#[test]
fn a_kept_answer_opens_only_where_it_was_kept() {
    let (key, _) = root().new_data_key(EnvironmentId(id(1))).unwrap();
    let scope = AnswerScope { environment: EnvironmentId(id(1)), token: TokenId(id(2)), key: "k" };
    let sealed = key.seal_answer(scope, b"the text of a token").unwrap();
    assert_eq!(key.open_answer(scope, &sealed).unwrap().as_slice(), b"the text of a token");
    assert!(!sealed.windows(5).any(|window| window == b"token"));
    for other in [
        AnswerScope { environment: EnvironmentId(id(3)), ..scope },
        AnswerScope { token: TokenId(id(3)), ..scope },
        AnswerScope { key: "l", ..scope },
    ] {
        assert!(matches!(key.open_answer(other, &sealed), Err(VaultError::DoesNotOpen)), "{other:?}");
    }
    let (other, _) = root().new_data_key(EnvironmentId(id(1))).unwrap();
    assert!(matches!(other.open_answer(scope, &sealed), Err(VaultError::DoesNotOpen)));
}
