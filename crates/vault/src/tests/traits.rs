//! Secret types have no `Display` and no `Serialize`: asserted when the tests are compiled.

use crate::{ApiToken, CursorSealer, DataKey, Fingerprinter, RootKey, Scrubber, Secrets};

/// Does not compile when `$type` implements `$trait`: then both impls of `Ambiguous` apply and the call cannot choose.
macro_rules! assert_not_implemented {
    ($trait:path: $($type:ty),+) => {$(
        const _: fn() = || {
            trait Ambiguous<Marker> {
                fn resolve() {}
            }
            impl<Any: ?Sized> Ambiguous<()> for Any {}
            struct Implements;
            impl<Any: ?Sized + $trait> Ambiguous<Implements> for Any {}
            let _ = <$type as Ambiguous<_>>::resolve;
        };
    )+};
}

assert_not_implemented!(std::fmt::Display: Secrets, RootKey, DataKey, CursorSealer, Fingerprinter, ApiToken, Scrubber);
assert_not_implemented!(serde::Serialize: Secrets, RootKey, DataKey, CursorSealer, Fingerprinter, ApiToken, Scrubber);
assert_not_implemented!(AsRef<str>: Secrets, ApiToken);
assert_not_implemented!(Clone: ApiToken, DataKey);
