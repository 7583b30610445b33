//! How deliveries are verified, from a tree.

use quartermaster_definition::notation::{Node, Report, Rule, did_you_mean};
use quartermaster_expr::Template;
use quartermaster_vault::MacAlgorithm;

use super::within;
use crate::limits::{LEEWAY_DEFAULT_SECONDS, TOLERANCE_DEFAULT_SECONDS, TOLERANCE_MAX_SECONDS};
use crate::verify::{
    BodyHash, Encoding, Hmac, Jwt, JwtAlgorithm, SecretEncoding, SecretPlace, SignedPart, TimeFormat, TimestampRule,
    Verify, public_keys,
};

/// The longest tolerance in milliseconds fits easily.
const MS: u64 = 1_000;

pub(super) fn build(node: &Node, has_id: bool, report: &mut Report<'_>) -> Option<Verify> {
    match node.text() {
        Some("basic") => return Some(Verify::Basic),
        Some("bearer") => return Some(Verify::Bearer),
        _ => {}
    }
    if let Some(node) = node.get("hmac") {
        return hmac(node, has_id, report).map(Verify::Hmac);
    }
    if let Some(node) = node.get("jwt") {
        return jwt(node, report).map(Verify::Jwt);
    }
    let node = node.get("shared_secret")?;
    let place = match (header(node, "header"), node.get("query").and_then(Node::text)) {
        (Some(name), _) => SecretPlace::Header(name),
        (None, name) => SecretPlace::Query(name?.to_owned()),
    };
    Some(Verify::SharedSecret(place))
}

fn header(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::text).map(str::to_ascii_lowercase)
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::text).map(str::to_owned)
}

fn hash(node: &Node) -> MacAlgorithm {
    match node.get("algorithm").and_then(Node::text) {
        Some("sha1") => MacAlgorithm::Sha1,
        Some("sha512") => MacAlgorithm::Sha512,
        _ => MacAlgorithm::Sha256,
    }
}

fn encoding(node: &Node) -> Encoding {
    Encoding::of(node.get("encoding").and_then(Node::text))
}

fn hmac(node: &Node, has_id: bool, report: &mut Report<'_>) -> Option<Hmac> {
    let timestamp = node.get("timestamp").and_then(|node| timestamp(node, report));
    let signed = match node.get("signed") {
        None => Some(vec![SignedPart::Body]),
        Some(node) => signed_parts(node, report),
    };
    if let Some(parts) = &signed {
        let place = node.get("signed").unwrap_or(node);
        let signs = |part: SignedPart| parts.contains(&part);
        if !signs(SignedPart::Body) {
            let help = "a signature that does not cover the body says nothing about it; add `{{ body }}`";
            report.error_with_help(place, Rule::WrongValue, "the body is not signed", help);
        }
        match (node.get("timestamp"), signs(SignedPart::Timestamp)) {
            (Some(rule), false) => {
                let help = "anybody could change it; write `signed: '{{ timestamp }}.{{ body }}'`, or however the sender signs";
                report.error_with_help(rule, Rule::WrongValue, "the time of sending is not signed", help);
            }
            (None, true) => {
                let help = "say under `timestamp` which header it stands in";
                report.error_with_help(place, Rule::UnknownVariable, "`timestamp` has no value here", help);
            }
            _ => {}
        }
        if signs(SignedPart::Id) && !has_id {
            let help = "say under `id` of `webhook` which header it stands in";
            report.error_with_help(place, Rule::UnknownVariable, "`id` has no value here", help);
        }
    }
    let secret_encoding = match node.get("secret_encoding").and_then(Node::text) {
        Some("hex") => SecretEncoding::Hex,
        Some("base64") => SecretEncoding::Base64,
        _ => SecretEncoding::Text,
    };
    Some(Hmac {
        header: header(node, "header")?,
        algorithm: hash(node),
        encoding: encoding(node),
        prefix: text(node, "prefix").unwrap_or_default(),
        separator: text(node, "separator"),
        signed: signed?,
        timestamp,
        secret_encoding,
        secret_prefix: text(node, "secret_prefix").unwrap_or_default(),
    })
}

fn timestamp(node: &Node, report: &mut Report<'_>) -> Option<TimestampRule> {
    let tolerance = within(node.get("tolerance"), TOLERANCE_DEFAULT_SECONDS, TOLERANCE_MAX_SECONDS, report);
    Some(TimestampRule {
        header: header(node, "header")?,
        prefix: text(node, "prefix").unwrap_or_default(),
        separator: text(node, "separator"),
        format: match node.get("format").and_then(Node::text) {
            Some("unix_ms") => TimeFormat::UnixMs,
            Some("rfc3339") => TimeFormat::Rfc3339,
            _ => TimeFormat::Unix,
        },
        tolerance_ms: (tolerance * MS) as i64,
    })
}

/// What is signed. A template renders texts; a body is bytes, so its parts are kept apart.
fn signed_parts(node: &Node, report: &mut Report<'_>) -> Option<Vec<SignedPart>> {
    let source = node.text()?;
    let template = Template::parse(source).ok()?;
    let (mut parts, mut at, mut known) = (Vec::new(), 0, true);
    for (path, span) in template.paths() {
        let opening = at + source.get(at..span.start)?.rfind("{{")?;
        if opening > at {
            parts.push(SignedPart::Text(source[at..opening].to_owned()));
        }
        at = span.end + source.get(span.end..)?.find("}}")? + 2;
        let name = path.join(".");
        match name.as_str() {
            "body" => parts.push(SignedPart::Body),
            "timestamp" => parts.push(SignedPart::Timestamp),
            "id" => parts.push(SignedPart::Id),
            _ => {
                let help = did_you_mean(&name, ["body", "timestamp", "id"]);
                report.error_within(node, span, Rule::UnknownVariable, format!("there is no `{name}` to sign"), help);
                known = false;
            }
        }
    }
    if at < source.len() {
        parts.push(SignedPart::Text(source[at..].to_owned()));
    }
    known.then_some(parts)
}

fn jwt(node: &Node, report: &mut Report<'_>) -> Option<Jwt> {
    let algorithm = match node.get("algorithm")?.text()? {
        "HS256" => JwtAlgorithm::Hs256,
        "RS256" => JwtAlgorithm::Rs256,
        "ES256" => JwtAlgorithm::Es256,
        _ => return None,
    };
    let keys = keys(node, algorithm, report);
    let audience = text(node, "audience");
    if algorithm != JwtAlgorithm::Hs256 && audience.is_none() {
        let help =
            "one key of a vendor signs for all its customers: without an audience a token for somebody else would do";
        report.error_with_help(node, Rule::MissingKey, "`audience` is missing here", help);
    }
    if node.get("body_hash").is_none() {
        let help = "whoever gets hold of a token can send another body with it; name the claim with the hash of the body under \
                    `body_hash` if the sender has one";
        report.warning(node, Rule::Unused, "the token says nothing about the body", help);
    }
    let header = header(node, "header").unwrap_or_else(|| "authorization".to_owned());
    let default_prefix = if header == "authorization" { "Bearer " } else { "" };
    Some(Jwt {
        prefix: text(node, "prefix").unwrap_or_else(|| default_prefix.to_owned()),
        header,
        algorithm,
        keys: keys?,
        issuer: text(node, "issuer"),
        audience,
        leeway_seconds: within(node.get("leeway"), LEEWAY_DEFAULT_SECONDS, TOLERANCE_MAX_SECONDS, report) as i64,
        body_hash: node.get("body_hash").and_then(|node| {
            Some(BodyHash { claim: text(node, "claim")?, algorithm: hash(node), encoding: encoding(node) })
        }),
    })
}

fn keys(node: &Node, algorithm: JwtAlgorithm, report: &mut Report<'_>) -> Option<Vec<crate::verify::PublicKey>> {
    match (node.get("keys"), algorithm) {
        (None, JwtAlgorithm::Hs256) => Some(Vec::new()),
        (Some(keys), JwtAlgorithm::Hs256) => {
            let help = "the secret is stored with the trigger, sealed; it never stands in this text";
            report.error_with_help(keys, Rule::ConflictingKeys, "`HS256` has no public keys", help);
            None
        }
        (None, _) => {
            let help = "take the JWKS or the public key from the sender's documentation";
            report.error_with_help(node, Rule::MissingKey, "`keys` is missing here", help);
            None
        }
        (Some(keys), _) => match public_keys(keys.text()?, algorithm) {
            Ok(keys) => Some(keys),
            Err(message) => {
                report.error(keys, Rule::WrongValue, message);
                None
            }
        },
    }
}
