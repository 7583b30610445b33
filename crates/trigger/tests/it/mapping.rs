//! What a delivery starts.

use quartermaster_trigger::{
    CHALLENGE_ANSWER_MAX_BYTES, Considered, DEDUPE_KEY_MAX_BYTES, DELIVERY_ITEMS_MAX, Delivery, Facts, Item, Trigger,
};
use quartermaster_types::TriggerId;
use serde_json::{Value, json};

use crate::support::{NOW, document, loaded, pairs};

const ID: TriggerId = TriggerId(uuid_nil());

const fn uuid_nil() -> uuid::Uuid {
    uuid::Uuid::nil()
}

fn trigger(more: &str) -> Trigger {
    let text = document("webhook: {id: {header: X-Id}, verify: {shared_secret: {query: token}}}");
    let text = if more.contains("input:") { text.replace("input: {email: payload.email}\n", "") } else { text };
    loaded(&format!("{text}{more}"))
}

fn facts(trigger: &Trigger, payload: Value, headers: &[(&str, &str)]) -> Facts {
    let (headers, query) = (pairs(headers), pairs(&[("token", "hunter2"), ("tenant", "acme")]));
    let body = payload.to_string();
    let delivery = Delivery { headers: &headers, query: &query, body: body.as_bytes() };
    Facts::of_delivery(trigger.webhook().unwrap(), (ID, "leavers"), &delivery, payload, NOW)
}

fn consider(trigger: &Trigger, payload: Value) -> Vec<Considered> {
    trigger.consider(&facts(trigger, payload, &[("x-id", "1")])).unwrap()
}

fn start(considered: &Considered) -> &Item {
    match considered {
        Considered::Start(item) => item,
        other => panic!("{other:?}"),
    }
}

#[test]
fn inputs_come_from_payload_headers_query_and_trigger() {
    let trigger = trigger(
        "input:\n  email: payload.employee.emails[0]\n  dry_run: headers['x-mode'] == 'test' && query.tenant == 'acme' && trigger.name == 'leavers'\n",
    );
    let facts = facts(&trigger, json!({"employee": {"emails": ["a@b.c"]}}), &[("x-id", "1"), ("x-mode", "test")]);
    let considered = trigger.consider(&facts).unwrap();
    assert_eq!(start(&considered[0]).input, *json!({"email": "a@b.c", "dry_run": true}).as_object().unwrap());
}

#[test]
fn secrets_are_not_seen_by_expressions() {
    let trigger = trigger(
        "input: {email: \"has(query.token) || has(headers.authorization) || has(headers.cookie) ? 'seen' : 'hidden'\"}\n",
    );
    let headers = [("x-id", "1"), ("authorization", "Bearer hunter2"), ("cookie", "a=hunter2")];
    let facts = facts(&trigger, json!({}), &headers);
    assert!(!format!("{facts:?}").contains("hunter2"));
    assert_eq!(start(&trigger.consider(&facts).unwrap()[0]).input["email"], "hidden");
}

#[test]
fn a_condition_decides_and_one_that_fails_starts_nothing() {
    let trigger = trigger("when: payload.status == 'Inactive'\n");
    let email = "a@b.c";
    assert!(matches!(consider(&trigger, json!({"status": "Inactive", "email": email}))[..], [Considered::Start(_)]));
    assert_eq!(consider(&trigger, json!({"status": "Active", "email": email})), [Considered::Ignored]);
    let [Considered::Failed(why)] = &consider(&trigger, json!({"email": email}))[..] else { panic!("it failed") };
    assert!(why.starts_with("when: ") && why.contains("status"), "{why}");
    let [Considered::Failed(why)] = &consider(&trigger, json!({"status": "Inactive"}))[..] else { panic!("it failed") };
    assert!(why.starts_with("input.email: "), "{why}");
}

#[test]
fn one_run_for_each_item_up_to_the_limit() {
    let trigger =
        trigger("for_each: payload.people\nwhen: item.gone\ninput: {email: item.mail}\ndedupe_key: item.mail\n");
    let people = |count: usize| -> Value {
        (0..count).map(|number| json!({"mail": format!("p{number}@b.c"), "gone": number % 2 == 0})).collect()
    };
    let considered = consider(&trigger, json!({"people": people(3)}));
    assert_eq!(start(&considered[0]).dedupe_key, "p0@b.c");
    assert_eq!((considered.len(), &considered[1]), (3, &Considered::Ignored));
    let at = facts(&trigger, json!({"people": people(DELIVERY_ITEMS_MAX)}), &[]);
    assert_eq!(trigger.consider(&at).unwrap().len(), DELIVERY_ITEMS_MAX);
    let past = facts(&trigger, json!({"people": people(DELIVERY_ITEMS_MAX + 1)}), &[]);
    assert!(trigger.consider(&past).unwrap_err().contains("51 items are more than 50"));
    let wrong = facts(&trigger, json!({"people": "all"}), &[]);
    assert_eq!(trigger.consider(&wrong).unwrap_err(), "for_each: gives no list");
}

#[test]
fn the_same_event_has_the_same_key() {
    let key = |trigger: &Trigger, payload: Value, headers: &[(&str, &str)]| {
        start(&trigger.consider(&facts(trigger, payload, headers)).unwrap()[0]).dedupe
    };
    let by_id = trigger("");
    let one = key(&by_id, json!({"email": "a"}), &[("x-id", "1")]);
    assert_eq!(key(&by_id, json!({"email": "b"}), &[("x-id", "1")]), one, "the sender's id");
    assert_ne!(key(&by_id, json!({"email": "a"}), &[("x-id", "2")]), one);
    let without_id = key(&by_id, json!({"email": "a"}), &[]);
    assert_eq!(key(&by_id, json!({"email": "a"}), &[]), without_id, "the body");
    assert_ne!(key(&by_id, json!({"email": "b"}), &[]), without_id);
    let declared = trigger("dedupe_key: payload.id\n");
    let one = key(&declared, json!({"email": "a", "id": 7}), &[("x-id", "1")]);
    assert_eq!(key(&declared, json!({"email": "b", "id": "7"}), &[("x-id", "2")]), one);
    let each = trigger("for_each: payload.list\n");
    let both = each.consider(&facts(&each, json!({"email": "a", "list": [1, 1]}), &[("x-id", "1")])).unwrap();
    assert_ne!(start(&both[0]).dedupe, start(&both[1]).dedupe);
    // What an expression gives is never mistaken for what the gateway takes by itself.
    assert_ne!(
        key(&declared, json!({"email": "a", "id": "id 1"}), &[]),
        key(&by_id, json!({"email": "a"}), &[("x-id", "1")])
    );
    let long = |length: usize| consider(&declared, json!({"email": "a", "id": "x".repeat(length)}));
    assert!(matches!(long(DEDUPE_KEY_MAX_BYTES)[..], [Considered::Start(_)]));
    for wrong in [long(DEDUPE_KEY_MAX_BYTES + 1), long(0), consider(&declared, json!({"email": "a", "id": null}))] {
        assert!(matches!(&wrong[..], [Considered::Failed(why)] if why.starts_with("dedupe_key: ")), "{wrong:?}");
    }
}

#[test]
fn a_question_is_answered_and_nothing_else_is_one() {
    let text = |unsigned: bool| {
        document(&format!(
            "webhook:\n  verify: {{hmac: {{header: s}}}}\n  challenge: {{when: payload.type == 'check', answer: payload.challenge, unsigned: {unsigned}}}"
        ))
    };
    let signed = loaded(&text(false));
    let webhook = signed.webhook().unwrap();
    let question = facts(&signed, json!({"type": "check", "challenge": "abc"}), &[]);
    assert_eq!(webhook.challenge(&question, false), Some(Ok(json!("abc"))));
    assert_eq!(webhook.challenge(&question, true), None, "only what says so is answered unverified");
    for other in [json!({}), json!({"type": "event"}), json!([]), json!(null), json!({"type": 1})] {
        assert_eq!(webhook.challenge(&facts(&signed, other, &[]), false), None);
    }
    assert!(matches!(webhook.challenge(&facts(&signed, json!({"type": "check"}), &[]), false), Some(Err(_))));
    let open = loaded(&text(true));
    let webhook = open.webhook().unwrap();
    assert!(webhook.answers_unsigned());
    let long = |length: usize| facts(&open, json!({"type": "check", "challenge": "x".repeat(length)}), &[]);
    assert!(matches!(webhook.challenge(&long(CHALLENGE_ANSWER_MAX_BYTES), true), Some(Ok(_))));
    assert!(matches!(webhook.challenge(&long(CHALLENGE_ANSWER_MAX_BYTES + 1), true), Some(Err(_))));
}

#[test]
fn a_schedule_starts_one_run_for_each_time() {
    let text = document("schedule: {cron: '@daily'}").replace("payload.email", "trigger.scheduled_for");
    let trigger = loaded(&text);
    let of = |at| {
        let considered = trigger.consider(&Facts::of_schedule((ID, "leavers"), at, NOW)).unwrap();
        start(&considered[0]).clone()
    };
    assert_eq!(of(NOW).input["email"], NOW.to_string().as_str());
    assert_ne!(of(NOW).dedupe, of(NOW.plus_ms(60_000)).dedupe);
    assert_eq!(of(NOW).dedupe, of(NOW).dedupe);
}

#[test]
fn what_no_expression_looks_at_is_no_reason_to_fail() {
    let trigger = trigger(
        "when: payload.tags.size() == 2 && has(payload.employee.email)\ninput: {email: payload.employee.email}\n",
    );
    let long = "x".repeat(1_000_000);
    let payload = json!({
        "employee": {"email": "a@b.c", "photo": long}, "tags": [1, 2], "others": vec![0; 200_000], "note": long,
    });
    let considered = consider(&trigger, payload);
    assert_eq!(start(&considered[0]).input["email"], "a@b.c");
}
