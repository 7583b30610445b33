//! JSON Web Tokens, right and wrong in every way.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use quartermaster_trigger::{Reason, TOKEN_LIFE_MAX_SECONDS, Trigger};
use quartermaster_vault::{MacAlgorithm, Secrets};
use serde_json::{Value, json};

use crate::support::{NOW, hex, loaded, secrets, verify, verify_at, webhook};

const BODY: &[u8] = b"{\"email\":\"a.miller@company.com\"}";
const SECRET: &str = "hunter2-hunter2";
const HS256: &str = "{verify: {jwt: {algorithm: HS256, issuer: hr, audience: us, body_hash: {claim: body}}}}";

static RSA: LazyLock<rcgen::KeyPair> =
    LazyLock::new(|| rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap());
static EC: LazyLock<rcgen::KeyPair> =
    LazyLock::new(|| rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap());

fn hash(body: &[u8]) -> String {
    hex(&MacAlgorithm::Sha256.digest(body))
}

/// Claims that are right.
fn claims() -> Value {
    let now = NOW.unix_seconds();
    json!({"iss": "hr", "aud": "us", "iat": now, "nbf": now, "exp": now + 60, "body": hash(BODY)})
}

fn token(algorithm: Algorithm, key: &EncodingKey, key_id: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}

fn hs256(claims: &Value) -> String {
    token(Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()).unwrap(), None, claims)
}

fn check(trigger: &Trigger, known: &Secrets, token: &str) -> Result<(), Reason> {
    verify(trigger, known, &[("authorization", &format!("Bearer {token}"))], BODY).map(|_| ())
}

#[test]
fn a_token_is_accepted_and_every_changed_character_refused() {
    let (trigger, known) = (webhook(HS256), secrets(&[("secret", SECRET)]));
    let right = hs256(&claims());
    assert_eq!(check(&trigger, &known, &right), Ok(()));
    for place in 0..right.len() {
        let other = if right.as_bytes()[place] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &right[..place], &right[place + 1..]);
        assert!(check(&trigger, &known, &changed).is_err(), "{place}");
    }
    for wrong in ["", "a.b.c", "hunter2", &right[..right.len() - 1], &format!("{right}.x")] {
        assert!(check(&trigger, &known, wrong).is_err(), "{wrong}");
    }
    assert_eq!(verify(&trigger, &known, &[("authorization", &right)], BODY), Err(Reason::Malformed), "no `Bearer`");
    assert_eq!(verify(&trigger, &known, &[], BODY), Err(Reason::Missing));
    assert_eq!(check(&trigger, &secrets(&[("secret", "other")]), &right), Err(Reason::WrongSignature));
    assert_eq!(check(&trigger, &secrets(&[("secret", "new"), ("previous_secret", SECRET)]), &right), Ok(()));
    assert_eq!(check(&trigger, &secrets(&[]), &right), Err(Reason::NoSecret));
}

#[test]
fn every_claim_is_looked_at() {
    let (trigger, known) = (webhook(HS256), secrets(&[("secret", SECRET)]));
    let now = NOW.unix_seconds();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        if claims[name].is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
        check(&trigger, &known, &hs256(&claims))
    };
    // Clocks may differ by a minute.
    for (name, value) in
        [("exp", now - 59), ("nbf", now + 60), ("iat", now + 60), ("exp", now + TOKEN_LIFE_MAX_SECONDS)]
    {
        assert_eq!(with(name, json!(value)), Ok(()), "{name} {}", value - now);
    }
    assert_eq!(with("exp", json!(now - 60)), Err(Reason::TooOld));
    assert_eq!(with("exp", json!(now + TOKEN_LIFE_MAX_SECONDS + 1)), Err(Reason::WrongClaim));
    assert_eq!(with("nbf", json!(now + 61)), Err(Reason::InFuture));
    assert_eq!(with("iat", json!(now + 61)), Err(Reason::InFuture));
    assert_eq!(with("aud", json!(["them", "us"])), Ok(()));
    let wrong = [
        ("exp", json!(null)),
        ("exp", json!("soon")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("iss", json!("HR")),
        ("iss", json!(null)),
        ("aud", json!("them")),
        ("aud", json!(null)),
        ("body", json!(hash(b"{}"))),
        ("body", json!(null)),
        ("body", json!("no hash")),
        ("body", json!(7)),
    ];
    for (name, value) in wrong {
        let result = with(name, value.clone());
        assert!(matches!(result, Err(Reason::WrongClaim | Reason::Malformed)), "{name} {value}: {result:?}");
    }
}

#[test]
fn a_token_cannot_choose_its_algorithm() {
    let known = secrets(&[("secret", SECRET)]);
    let claims = claims();
    let unsigned = |algorithm: &str| {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(json!({"alg": algorithm, "typ": "JWT"})), part(claims.clone()))
    };
    for algorithm in ["none", "None", "HS256", "RS256", ""] {
        assert!(check(&webhook(HS256), &known, &unsigned(algorithm)).is_err(), "{algorithm}");
    }
    let hs512 = token(Algorithm::HS512, &EncodingKey::from_secret(SECRET.as_bytes()).unwrap(), None, &claims);
    assert_eq!(check(&webhook(HS256), &known, &hs512), Err(Reason::WrongSignature));
    // The public key as the secret of HMAC: the old trick.
    let trigger = public("RS256", &RSA.public_key_pem());
    let trick =
        token(Algorithm::HS256, &EncodingKey::from_secret(RSA.public_key_pem().as_bytes()).unwrap(), None, &claims);
    assert_eq!(check(&trigger, &known, &trick), Err(Reason::WrongSignature));
}

/// A trigger with public keys.
fn public(algorithm: &str, keys: &str) -> Trigger {
    let keys = keys.lines().fold(String::new(), |text, line| text + "        " + line + "\n");
    let source = format!(
        "webhook:\n  verify:\n    jwt:\n      algorithm: {algorithm}\n      audience: us\n      body_hash: {{claim: body}}\n      keys: |\n{keys}"
    );
    loaded(&crate::support::document(&source))
}

#[test]
fn public_keys_are_taken_as_pem_and_as_jwks() {
    let nothing = secrets(&[]);
    let pairs = [
        (Algorithm::RS256, "RS256", &*RSA, EncodingKey::from_rsa_pem(RSA.serialize_pem().as_bytes()).unwrap()),
        (Algorithm::ES256, "ES256", &*EC, EncodingKey::from_ec_pem(EC.serialize_pem().as_bytes()).unwrap()),
    ];
    for (algorithm, name, pair, key) in pairs {
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        jwk.common.key_id = Some("one".to_owned());
        let jwk = serde_json::to_value(&jwk).unwrap();
        let mut renamed = jwk.clone();
        renamed["kid"] = json!("two");
        let right = token(algorithm, &key, Some("one"), &claims());
        for (keys, accepted) in [
            (pair.public_key_pem(), true),
            (jwk.to_string(), true),
            (json!({"keys": [{"kty": "oct", "k": "AAAA"}, jwk]}).to_string(), true),
            (json!({"keys": [renamed]}).to_string(), false),
        ] {
            let trigger = public(name, &keys);
            assert!(trigger.webhook().unwrap().secret_names().is_empty());
            let result = check(&trigger, &nothing, &right);
            assert_eq!(result.is_ok(), accepted, "{name} {keys}: {result:?}");
            let without_id = token(algorithm, &key, None, &claims());
            assert_eq!(check(&trigger, &nothing, &without_id), Ok(()), "a token need not name its key");
            let mut other = claims();
            other["aud"] = json!("them");
            assert_eq!(check(&trigger, &nothing, &token(algorithm, &key, None, &other)), Err(Reason::WrongClaim));
        }
    }
    let stranger = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let key = EncodingKey::from_ec_pem(stranger.serialize_pem().as_bytes()).unwrap();
    let forged = token(Algorithm::ES256, &key, None, &claims());
    assert_eq!(check(&public("ES256", &EC.public_key_pem()), &nothing, &forged), Err(Reason::WrongSignature));
}

#[test]
fn the_same_token_is_recognised_until_it_ends() {
    let (trigger, known) = (webhook(HS256), secrets(&[("secret", SECRET)]));
    let token = hs256(&claims());
    let headers = [("authorization", format!("bearer {token}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (key, until) = verify(&trigger, &known, &headers, BODY).unwrap().replay.unwrap();
    assert_eq!(verify_at(&trigger, &known, &headers, BODY, NOW.plus_ms(5)).unwrap().replay.unwrap().0, key);
    assert_eq!(verify_at(&trigger, &known, &headers, BODY, until), Err(Reason::TooOld));
    let mut later = claims();
    later["jti"] = json!("another");
    let other = format!("Bearer {}", hs256(&later));
    assert_ne!(verify(&trigger, &known, &[("authorization", &other)], BODY).unwrap().replay.unwrap().0, key);
}
