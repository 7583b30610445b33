//! User name and password, bearer tokens and shared secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quartermaster_trigger::{Delivery, Reason};

use crate::support::{NOW, pairs, secrets, verify, webhook};

#[test]
fn user_name_and_password() {
    let trigger = webhook("{verify: basic}");
    let known = secrets(&[("username", "service"), ("password", "hunter2:hunter2")]);
    let with = |text: &str| verify(&trigger, &known, &[("authorization", text)], b"{}");
    let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
    assert!(with(&encoded("service:hunter2:hunter2")).is_ok());
    assert!(with(&encoded("service:hunter2:hunter2").replace("Basic", "basic")).is_ok());
    for wrong in
        ["service:hunter2", "Service:hunter2:hunter2", ":hunter2:hunter2", "service:", "service:hunter2:hunter2 "]
    {
        assert_eq!(with(&encoded(wrong)), Err(Reason::WrongCredentials), "{wrong}");
    }
    for wrong in ["Basic", "Basic service:hunter2:hunter2", "Bearer x", &encoded("service")] {
        assert_eq!(with(wrong), Err(Reason::Malformed), "{wrong}");
    }
    assert_eq!(verify(&trigger, &known, &[], b"{}"), Err(Reason::Missing));
    assert_eq!(verify(&trigger, &secrets(&[]), &[("authorization", &encoded("a:b"))], b"{}"), Err(Reason::NoSecret));
}

#[test]
fn bearer_tokens_and_their_rotation() {
    let trigger = webhook("{verify: bearer}");
    let known = secrets(&[("secret", "hunter2"), ("previous_secret", "hunter2-old")]);
    let with = |text: &str| verify(&trigger, &known, &[("authorization", text)], b"{}");
    assert!(with("Bearer hunter2").is_ok() && with("bearer hunter2-old").is_ok());
    for wrong in ["Bearer hunter", "Bearer hunter22", "Bearer Hunter2"] {
        assert_eq!(with(wrong), Err(Reason::WrongCredentials), "{wrong}");
    }
    assert_eq!(with("hunter2"), Err(Reason::Malformed));
}

#[test]
fn a_shared_secret_in_a_header_or_in_the_query() {
    let known = secrets(&[("secret", "hunter2")]);
    let trigger = webhook("{verify: {shared_secret: {header: X-Token}}}");
    let with = |text: &str| verify(&trigger, &known, &[("x-token", text)], b"{}");
    assert!(with("hunter2").is_ok());
    assert_eq!(with("hunter3"), Err(Reason::WrongCredentials));
    assert_eq!(with(""), Err(Reason::Missing));

    let trigger = webhook("{verify: {shared_secret: {query: token}}}");
    let with = |query: &[(&str, &str)]| {
        let query = pairs(query);
        let delivery = Delivery { headers: &[], query: &query, body: b"{}" };
        trigger.webhook().unwrap().verify(&delivery, &known, NOW).map_err(|refusal| refusal.reason)
    };
    assert!(with(&[("token", "hunter2")]).is_ok());
    assert_eq!(with(&[("token", "hunter3")]), Err(Reason::WrongCredentials));
    assert_eq!(with(&[("Token", "hunter2")]), Err(Reason::Missing));
    assert_eq!(with(&[("token", "hunter2"), ("token", "hunter2")]), Err(Reason::Malformed));
}
