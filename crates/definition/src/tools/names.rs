//! Names of tools: readable, at most 64 characters, stable from release to release.
//!
//! The canonical name follows the pattern that users of this kind of product know, leading digit included
//! (`1_password_users_suspend`). Providers that refuse a leading digit get the alias (`t_1_password_users_suspend`):
//! a plain underscore would not do, because some frameworks strip it again.

use crate::plan::MethodKind;

/// Longest tool name, in characters: the smallest maximum among the providers.
pub const TOOL_NAME_MAX: usize = 64;

/// What stands before a canonical name in an alias.
const ALIAS_PREFIX: &str = "t_";

/// How many names are tried for a method whose name is taken; two hashes in a row that collide are a wonder already.
const RENAME_ROUNDS_MAX: u32 = 100;

/// Hex digits of the hash at the end of a name that was cut.
const HASH_DIGITS: usize = 8;

/// The integration's name as it stands in tool names: lower-case, `_` for everything but letters and digits, and a `_`
/// between leading digits and the letter after them (`1password` → `1_password`).
pub fn tool_prefix(name: &str) -> String {
    let words = snake(name);
    let digits = words.bytes().take_while(u8::is_ascii_digit).count();
    let followed_by_letter = words.as_bytes().get(digits).is_some_and(u8::is_ascii_lowercase);
    if digits > 0 && followed_by_letter { format!("{}_{}", &words[..digits], &words[digits..]) } else { words }
}

/// The canonical tool name of a method; at most [`TOOL_NAME_MAX`] characters out of `[a-z0-9_]`.
///
/// A name that had to be cut, or whose parts had characters that a name cannot hold, ends in a hash of the parts, so that
/// two methods that differ do not come out the same.
pub fn tool_name(prefix: &str, resource: &str, singular: &str, kind: MethodKind, method: &str) -> String {
    let (many, one, verb) = (snake(resource), snake(singular), snake(method));
    let name = match kind {
        MethodKind::List => format!("list_all_{prefix}_{many}"),
        MethodKind::Get => format!("get_single_{prefix}_{one}_by_id"),
        MethodKind::Create => format!("create_a_{prefix}_{one}"),
        MethodKind::Update => format!("update_a_{prefix}_{one}_by_id"),
        MethodKind::Delete => format!("delete_a_{prefix}_{one}_by_id"),
        MethodKind::Custom => format!("{prefix}_{many}_{verb}"),
    };
    let name = snake(&name);
    let faithful = many == resource && one == singular && verb == method;
    if faithful && name.len() <= room_for(&name) {
        return name;
    }
    with_hash(&name, &format!("{prefix}\n{resource}\n{singular}\n{method}"))
}

/// `name`, or when `taken` says that another method of the plan has it already, the name with a hash of `full_name`
/// (`users.suspend`) at its end. Deterministic: the order of the definition decides who keeps the plain name.
pub fn unique_tool_name(taken: impl Fn(&str) -> bool, name: String, full_name: &str) -> String {
    if !taken(&name) {
        return name;
    }
    (0..RENAME_ROUNDS_MAX)
        .map(|round| with_hash(&name, &format!("{full_name}\n{round}")))
        .find(|candidate| !taken(candidate))
        .unwrap_or(name)
}

/// A name that every provider accepts: it starts with a letter. Equals `name` when that does already.
///
/// Never longer than [`TOOL_NAME_MAX`] for names that [`tool_name`] made: those that start with a digit leave room.
pub fn tool_alias(name: &str) -> String {
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("{ALIAS_PREFIX}{name}")
    }
}

/// The canonical name behind an alias; `alias` itself when it is none. The inverse of [`tool_alias`] within a plan, where
/// every name has the same prefix; look a name up as it stands first, because an integration may be called `t`.
pub fn canonical_of_alias(alias: &str) -> &str {
    match alias.strip_prefix(ALIAS_PREFIX) {
        Some(name) if !name.starts_with(|first: char| first.is_ascii_alphabetic()) && !name.is_empty() => name,
        _ => alias,
    }
}

/// Whether every provider accepts this as the name of an argument: `[A-Za-z_][A-Za-z0-9_]*`, at most [`TOOL_NAME_MAX`]
/// characters.
pub(crate) fn is_plain_argument(name: &str) -> bool {
    name.len() <= TOOL_NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// A name for an argument that every provider accepts. Equals `name` when that is one already; otherwise it ends in a hash of it,
/// and a call that uses it is understood.
pub fn argument_alias(name: &str) -> String {
    if is_plain_argument(name) {
        return name.to_owned();
    }
    let plain: String =
        name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect();
    let plain = plain.trim_matches('_');
    let stem = if plain.starts_with(|first: char| first.is_ascii_alphabetic()) {
        plain.to_owned()
    } else {
        format!("a_{plain}")
    };
    let keep = stem.len().min(TOOL_NAME_MAX - HASH_DIGITS - 1);
    format!("{}_{:08x}", stem[..keep].trim_end_matches('_'), stable_hash(name))
}

/// How long this name may be: one that needs an alias leaves room for it.
fn room_for(name: &str) -> usize {
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        TOOL_NAME_MAX
    } else {
        TOOL_NAME_MAX - ALIAS_PREFIX.len()
    }
}

/// `name` cut to leave room for `_` and the hash of `identity`.
fn with_hash(name: &str, identity: &str) -> String {
    let keep = room_for(name) - HASH_DIGITS - 1;
    let stem = name[..name.len().min(keep)].trim_end_matches('_');
    format!("{stem}_{:08x}", stable_hash(identity))
}

/// FNV-1a folded to 32 bits: the same on every machine and in every release, which a name must be.
fn stable_hash(text: &str) -> u32 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 32)) as u32
}

/// Lower-case letters, digits and single underscores; `x` when nothing is left.
fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            out.push(character.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    out.truncate(out.trim_end_matches('_').len());
    if out.is_empty() { "x".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn the_four_tools_of_1password_have_the_names_that_users_know() {
        let prefix = tool_prefix("1password");
        assert_eq!(prefix, "1_password");
        let name = |kind, method| tool_name(&prefix, "users", "user", kind, method);
        assert_eq!(name(MethodKind::List, "list"), "list_all_1_password_users");
        assert_eq!(name(MethodKind::Get, "get"), "get_single_1_password_user_by_id");
        assert_eq!(name(MethodKind::Create, "create"), "create_a_1_password_user");
        assert_eq!(name(MethodKind::Update, "update"), "update_a_1_password_user_by_id");
        assert_eq!(name(MethodKind::Delete, "delete"), "delete_a_1_password_user_by_id");
        assert_eq!(name(MethodKind::Custom, "suspend"), "1_password_users_suspend");
        assert_eq!(tool_alias("1_password_users_suspend"), "t_1_password_users_suspend");
        assert_eq!(tool_alias("list_all_1_password_users"), "list_all_1_password_users");
    }

    #[test]
    fn prefixes_are_snake_case() {
        for (name, prefix) in [
            ("okta", "okta"),
            ("auth0", "auth0"),
            ("google-workspace", "google_workspace"),
            ("Microsoft Entra ID", "microsoft_entra_id"),
            ("21st", "21_st"),
            ("42", "42"),
            ("--", "x"),
            ("größe", "gr_e"),
        ] {
            assert_eq!(tool_prefix(name), prefix, "{name}");
        }
    }

    #[test]
    fn a_name_at_the_limit_is_kept_and_one_past_it_is_cut() {
        let fixed = "a_users_".len();
        let at = "v".repeat(TOOL_NAME_MAX - fixed);
        let kept = tool_name("a", "users", "user", MethodKind::Custom, &at);
        assert_eq!(kept, format!("a_users_{at}"));
        let cut = tool_name("a", "users", "user", MethodKind::Custom, &format!("{at}v"));
        assert_eq!(cut.len(), TOOL_NAME_MAX);
        assert_eq!(cut, "a_users_vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv_733f625a", "stable for ever");
    }

    #[test]
    fn a_name_with_a_leading_digit_leaves_room_for_its_alias() {
        let long = tool_name("1_password", "users", "user", MethodKind::Custom, &"v".repeat(100));
        assert_eq!(long.len(), TOOL_NAME_MAX - 2);
        assert_eq!(tool_alias(&long).len(), TOOL_NAME_MAX);
    }

    #[test]
    fn a_second_owner_of_a_name_gets_a_hash() {
        let taken = HashSet::from(["x_users_a_b".to_owned()]);
        let other = unique_tool_name(|name| taken.contains(name), "x_users_a_b".to_owned(), "users_a.b");
        assert!(other.starts_with("x_users_a_b_") && other.len() == "x_users_a_b_".len() + HASH_DIGITS);
        assert_eq!(unique_tool_name(|name| taken.contains(name), "free".to_owned(), "users.free"), "free");
    }

    proptest! {
        #[test]
        fn names_are_legal_short_and_reversible(
            integration in "\\PC{0,90}", resource in "\\PC{0,90}", singular in "[a-z0-9_]{0,90}", method in "\\PC{0,90}", kind in 0..6_usize,
        ) {
            let kinds = [MethodKind::List, MethodKind::Get, MethodKind::Create, MethodKind::Update, MethodKind::Delete, MethodKind::Custom];
            let name = tool_name(&tool_prefix(&integration), &resource, &singular, kinds[kind], &method);
            prop_assert!(!name.is_empty() && name.len() <= TOOL_NAME_MAX);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
            prop_assert!(!name.starts_with('_') && !name.ends_with('_'));
            let alias = tool_alias(&name);
            prop_assert!(alias.len() <= TOOL_NAME_MAX && alias.as_bytes()[0].is_ascii_lowercase());
            prop_assert!(name.starts_with("t_") || canonical_of_alias(&alias) == name);
        }

        #[test]
        fn methods_that_differ_have_names_that_differ(one in "\\PC{1,80}", other in "\\PC{1,80}") {
            prop_assume!(one != other);
            let name = |method: &str| tool_name("x", "users", "user", MethodKind::Custom, method);
            prop_assert_ne!(name(&one), name(&other));
        }
    }
}
