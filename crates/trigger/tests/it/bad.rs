//! Triggers that are refused: each with its place and what to do.

use quartermaster_trigger::{TRIGGER_MAX_BYTES, load, schema};

use crate::support::document;

/// What is said of a text.
fn told(text: &str) -> String {
    let (trigger, problems) = load("trigger.yaml", text.as_bytes());
    assert!(trigger.is_none(), "this loads:\n{text}");
    problems.render(false)
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let hook = |webhook: &str| document(&format!("webhook: {webhook}"));
    let good = document("webhook: {verify: bearer}");
    let cases = [
        ("nothing that starts it", document("")),
        ("both", document("webhook: {verify: bearer}\nschedule: {cron: '@daily'}")),
        ("a name", good.replace("name: leavers", "name: Leavers!")),
        ("an unknown key", good.replace("webhook:", "webhok:")),
        ("verification", hook("{verify: digest}")),
        ("no verification", hook("{id: {header: x}}")),
        ("two verifications", hook("{verify: {hmac: {header: s}, shared_secret: {header: s}}}")),
        ("an unsigned body", hook("{verify: {hmac: {header: s, signed: '{{ timestamp }}', timestamp: {header: t}}}}")),
        ("an unsigned time", hook("{verify: {hmac: {header: s, timestamp: {header: t}}}}")),
        ("a time from nowhere", hook("{verify: {hmac: {header: s, signed: '{{ timestamp }}{{ body }}'}}}")),
        ("an id from nowhere", hook("{verify: {hmac: {header: s, signed: '{{ id }}{{ body }}'}}}")),
        ("something else signed", hook("{verify: {hmac: {header: s, signed: '{{ body }}{{ boddy }}'}}}")),
        (
            "a long tolerance",
            hook(
                "{verify: {hmac: {header: s, signed: '{{ timestamp }}{{ body }}', timestamp: {header: t, tolerance: 2h}}}}",
            ),
        ),
        ("no keys", hook("{verify: {jwt: {algorithm: RS256, audience: us}}}")),
        ("wrong keys", hook("{verify: {jwt: {algorithm: ES256, audience: us, keys: '{\"keys\": []}'}}}")),
        ("a secret as a key", hook("{verify: {jwt: {algorithm: HS256, keys: abc}}}")),
        ("no audience", hook("{verify: {jwt: {algorithm: RS256, keys: abc}}}")),
        ("a pattern", document("schedule: {cron: '0 7 * *'}")),
        ("a day that never comes", document("schedule: {cron: '0 0 31 2 *'}")),
        ("seconds", document("schedule: {cron: '0 0 7 * * *'}")),
        ("a time zone", document("schedule: {cron: '@daily', time_zone: Berlin}")),
        ("a payload of a schedule", document("schedule: {cron: '@daily'}")),
        ("an expression", good.replace("payload.email", "payload.email +")),
        ("a variable", good.replace("payload.email", "body.email")),
        ("item without a list", good.replace("payload.email", "item.email")),
        ("a long memory", format!("{good}dedupe_for: 91d\n")),
        ("a limit", format!("{good}limits: {{runs_per_hour: 0}}\n")),
        ("a playbook", good.replace("playbook: offboard", "playbook: offbord")),
        ("a playbook's text", good.replace("playbook: offboard", "playbook: 'name: x'")),
        ("an account", good.replace("01890000-0000-7000-8000-000000000000", "acme")),
        ("an input", good.replace("input: {email:", "input: {mail:")),
        ("a fixed input", good.replace("000000000000}", "000000000000, input: {dry_run: maybe}}")),
    ];
    let mut all = String::new();
    for (name, text) in &cases {
        all.push_str(&format!("=== {name}\n{}\n", told(text).trim_end()));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_text_is_read_up_to_its_limit() {
    let text = document("webhook: {verify: bearer}");
    let padded = |bytes: usize| format!("{text}#{}\n", "x".repeat(bytes - text.len() - 2));
    assert!(load("t", padded(TRIGGER_MAX_BYTES).as_bytes()).0.is_some());
    assert!(told(&padded(TRIGGER_MAX_BYTES + 1)).contains("at most 65536 bytes"));
}

#[test]
fn a_token_that_does_not_cover_the_body_is_warned_of() {
    let (trigger, problems) = load("t", document("webhook: {verify: {jwt: {algorithm: HS256}}}").as_bytes());
    assert!(trigger.is_some());
    assert!(problems.to_string().contains("the token says nothing about the body"), "{problems}");
}

#[test]
fn the_schema_accepts_what_loads() {
    let schema = schema();
    assert_eq!(schema["title"], "Quartermaster trigger");
    for text in [document("webhook: {verify: bearer}"), document("schedule: {cron: '@daily'}")] {
        let value: serde_json::Value = yaml(&text);
        let mistakes = quartermaster_definition::notation::check_value(&schema, &value, "trigger");
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }
    let wrong = yaml(&document("webhook: {verify: {hmac: {haeder: x}}}"));
    assert!(!quartermaster_definition::notation::check_value(&schema, &wrong, "trigger").is_empty());
}

fn yaml(text: &str) -> serde_json::Value {
    quartermaster_definition::notation::parse("trigger", "t", text.as_bytes()).0.unwrap().to_value()
}
