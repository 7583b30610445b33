use std::sync::LazyLock;

use serde_json::json;

use super::*;

/// A directory that keeps the address and the name deep in the record, and the state as a number.
static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let text = "\
name: acme
label: Acme
category: identity
connection:
  credentials:
    token: {label: API token}
  auth: {bearer: {token: '{{ credentials.token }}'}}
base_url: https://acme.example
lifecycle:
  resource: people
  find_by_email: email
  email: /contact/email
  display_name: /name/full
  suspend: suspend
  active: '1'
  suspended: '2'
resources:
  people:
    singular: person
    id: {at: /key}
    state: {at: /status, values: ['1', '2']}
    methods:
      list:
        get: /people
        items: /people
        description: Lists people.
        local_filters:
          email: {at: /contact/email, compare: equals, description: The address.}
      get: {get: '/people/{{ id }}', description: Reads one person.}
      suspend: {post: '/people/{{ id }}/suspend', effect: destructive, from: ['1'], to: '2', description: Suspends.}
      update: {patch: '/people/{{ id }}', description: Changes a person.}
  teams:
    methods:
      get: {get: '/teams/{{ id }}', description: Reads one team.}
      delete: {delete: '/teams/{{ id }}', description: Ends a team.}
";
    let (definition, diagnostics) = quartermaster_definition::load("acme.yaml", text);
    definition.unwrap_or_else(|| panic!("{diagnostics}")).compile().unwrap()
});

fn outcomes(method: &str, expect: Value, record: &Value) -> Vec<Agreement> {
    let (resource, name) = method.split_once('.').unwrap();
    let expect = expect.as_object().unwrap().clone();
    compare(&PLAN, PLAN.method(resource, name).unwrap(), &expect, record).iter().map(|one| one.outcome).collect()
}

fn anna() -> Value {
    json!({"key": 7, "contact": {"email": "Änna@Company.com"}, "name": {"full": "Anna"}, "status": 1, "n": 5, "a/b": true})
}

#[test]
fn members_are_compared_where_the_definition_places_them() {
    use Agreement::{AlreadyThere, Different, Same};
    for (method, expect, outcome) in [
        ("people.suspend", json!({"email": "änna@company.COM"}), Same),
        ("people.suspend", json!({"email": "anna@company.com"}), Different),
        ("people.suspend", json!({"/contact/email": "ÄNNA@company.com"}), Same),
        ("people.suspend", json!({"display_name": "Anna"}), Same),
        ("people.suspend", json!({"display_name": "anna"}), Different),
        ("people.suspend", json!({"id": "7"}), Same),
        ("people.suspend", json!({"id": 7}), Same),
        ("people.suspend", json!({"id": "8"}), Different),
        ("people.suspend", json!({"state": "1"}), Same),
        ("people.suspend", json!({"state": 1}), Same),
        ("people.suspend", json!({"state": "3"}), Different),
        ("people.suspend", json!({"n": 5}), Same),
        ("people.suspend", json!({"n": "5"}), Different),
        ("people.suspend", json!({"a/b": true}), Same),
        ("people.suspend", json!({"/name": {"full": "Anna"}}), Same),
        ("people.suspend", json!({"gone": "x"}), Different),
        // What is not there agrees with null only where the definition says that it may stand there.
        ("people.suspend", json!({"gone": null}), Different),
        ("people.suspend", json!({"/gone": null}), Different),
        // Another resource: the lifecycle does not say where its members are.
        ("teams.delete", json!({"email": "änna@company.com"}), Different),
        ("teams.delete", json!({"n": 5}), Same),
    ] {
        assert_eq!(outcomes(method, expect.clone(), &anna()), [outcome], "{method} {expect}");
    }
    let mut suspended = anna();
    suspended["status"] = json!("2");
    assert_eq!(outcomes("people.suspend", json!({"state": "1"}), &suspended), [AlreadyThere]);
    assert_eq!(outcomes("people.suspend", json!({"state": "2"}), &suspended), [Same]);
    assert_eq!(outcomes("people.update", json!({"state": "1"}), &suspended), [Different]);
    let mut nameless = anna();
    nameless.as_object_mut().unwrap().remove("name");
    assert_eq!(outcomes("people.suspend", json!({"display_name": null}), &nameless), [Same]);
    for nothing in [json!(null), json!([]), json!("x")] {
        assert_eq!(outcomes("people.suspend", json!({"display_name": null}), &nothing), [Different], "{nothing}");
    }
}

#[test]
fn a_refusal_names_each_member_that_is_different() {
    let method = PLAN.method("people", "suspend").unwrap();
    let expect = json!({"email": "b@c.d", "state": "1", "/name/full": "x".repeat(300)}).as_object().unwrap().clone();
    let compared = compare(&PLAN, method, &expect, &anna());
    let refused = problem(&compared, &method.tool_name, Vec::new()).unwrap();
    assert_eq!((refused.code(), refused.status()), (Code::PreconditionFailed, 412));
    assert!(refused.body().detail.ends_with("(email, /name/full)."), "{refused}");
    let errors = &refused.body().errors;
    assert_eq!(errors[0].pointer, "/expect/email");
    assert_eq!(errors[0].detail, "expected \"b@c.d\", found \"Änna@Company.com\"");
    assert_eq!(errors[1].pointer, "/expect/~1name~1full");
    assert!(errors[1].detail.chars().count() < 260 && errors[1].detail.contains('…'), "{}", errors[1].detail);
    let same = compare(&PLAN, method, json!({"n": 5}).as_object().unwrap(), &anna());
    assert_eq!(problem(&same, &method.tool_name, Vec::new()), None);
}
