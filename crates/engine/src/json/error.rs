//! What can be wrong with a text.

/// Most levels of arrays and objects inside each other. The same as `serde_json` takes, so that what passes here can be
/// parsed there.
pub const DEPTH_MAX: usize = 127;

/// Why a text cannot be read. Positions are in bytes from the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonError {
    /// Not valid UTF-8.
    #[error("the text is not valid UTF-8 at byte {at}")]
    NotUtf8 {
        /// The first bad byte.
        at: usize,
    },
    /// Not well-formed JSON; also when the text ends too early.
    #[error("the text is not well-formed JSON at byte {at}")]
    Malformed {
        /// The first byte that cannot stand there; the length of the text when it ends too early.
        at: usize,
    },
    /// Nested too deep.
    #[error("the JSON is nested deeper than {DEPTH_MAX} levels at byte {at}")]
    TooDeep {
        /// The bracket that is too much.
        at: usize,
    },
    /// Positions would not fit into 32 bits.
    #[error("the text is larger than 4 GiB")]
    TooLarge,
    /// What should be an array is something else.
    #[error("the JSON value at byte {at} should be an array")]
    NotAList {
        /// Where the value begins.
        at: usize,
    },
}
