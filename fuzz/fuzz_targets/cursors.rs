//! Cursors: what was sealed opens in its context alone, and nothing else opens at all.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use quartermaster_vault::{CursorSealer, RootKey};

static SEALER: LazyLock<CursorSealer> =
    LazyLock::new(|| RootKey::from_bytes(&[7; 32]).expect("32 bytes are a key").cursor_sealer());

/// A sealer that seals nothing. The fuzzer watches comparisons and soon puts genuine cursors of [`SEALER`] into its inputs.
static UNUSED: LazyLock<CursorSealer> =
    LazyLock::new(|| RootKey::from_bytes(&[8; 32]).expect("32 bytes are a key").cursor_sealer());

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    payload: &'a [u8],
    context: Vec<&'a [u8]>,
    other_context: Vec<&'a [u8]>,
    at: usize,
    letter: u8,
    anything: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    assert!(UNUSED.open(&input.context, input.anything).is_err(), "nobody can make a cursor up");
    let Ok(cursor) = SEALER.seal(&input.context, input.payload) else { return };
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    assert_eq!(SEALER.open(&input.context, &cursor).expect("what was sealed opens"), input.payload);
    if input.other_context != input.context {
        assert!(SEALER.open(&input.other_context, &cursor).is_err(), "a cursor of another context");
    }
    let mut altered = cursor.clone().into_bytes();
    let at = input.at % altered.len();
    altered[at] = input.letter;
    if let Ok(altered) = String::from_utf8(altered)
        && altered != cursor
    {
        assert!(SEALER.open(&input.context, &altered).is_err(), "an altered cursor");
    }
});
