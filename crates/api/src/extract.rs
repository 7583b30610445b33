//! What handlers read from a request. Everything wrong is named, all at once where that is possible, and no value is ever
//! repeated in a text: it may be a secret in the wrong place.

mod caller;
mod headers;
mod json;
mod members;
mod path;
mod query;
mod strict;

pub(crate) use caller::Caller;
pub(crate) use headers::{CallHeaders, expect, idempotency_key, if_match, matches_etag, version_tag};
pub use headers::{IDEMPOTENCY_KEY_MAX_BYTES, SESSION_MAX_BYTES};
pub use json::{
    BODY_DRAIN_MAX_BYTES, BODY_MAX_BYTES, BODY_READ_TIMEOUT, JSON_DEPTH_MAX, RUN_BODY_MAX_BYTES, RUN_BODY_MAX_VALUES,
};
pub(crate) use json::{JsonBody, MaybeJsonBody, read_body};
pub(crate) use members::Members;
pub(crate) use path::PathParts;
pub(crate) use query::Query;

/// The nearest of `known` to `name`, when one is near enough to be meant.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    /// Similarity (Jaro-Winkler, 0 to 1) from which a name is suggested.
    const SUGGESTED_FROM: f64 = 0.8;
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(score, _)| *score >= SUGGESTED_FROM)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// A name from the request as it may stand in a message: cut, and without control characters.
fn shown(name: &str) -> String {
    /// Characters of a name that a message repeats.
    const SHOWN_MAX_CHARACTERS: usize = 64;
    let mut text: String =
        name.chars().filter(|character| !character.is_control()).take(SHOWN_MAX_CHARACTERS).collect();
    if name.chars().count() > SHOWN_MAX_CHARACTERS {
        text.push('…');
    }
    text
}

/// What to say of an unknown name.
fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(candidate) => format!("There is no {kind} `{}` here. Did you mean `{candidate}`?", shown(name)),
        None if known.is_empty() => format!("There is no {kind} `{}` here: this route takes none.", shown(name)),
        None => format!("There is no {kind} `{}` here. Known: {}.", shown(name), known.join(", ")),
    }
}

/// A JSON Pointer to a member of the top level.
fn pointer(name: &str) -> String {
    format!("/{}", shown(name).replace('~', "~0").replace('/', "~1"))
}
