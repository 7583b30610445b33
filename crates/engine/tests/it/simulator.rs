//! The shipped definition against a simulator that was written from the vendor's documents, not from it.

use std::collections::BTreeMap;
use std::time::Duration;

use quartermaster_engine::{ListOptions, StopReason};
use quartermaster_simulator::{Config, EndOfList, ErrorShape, RateHeaders, RateLimit, Running, State};
use quartermaster_types::Code;
use serde_json::{Value, json};

use crate::world::{World, ids, limit, records};

async fn world(config: Config) -> (World, Running) {
    let running = quartermaster_simulator::start(config).await.unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../integrations/1password/definition.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let (definition, diagnostics) = quartermaster_definition::load(file, &text);
    let mut plan = definition.unwrap_or_else(|| panic!("{}", diagnostics.render(false))).compile().unwrap();
    plan.base_url = quartermaster_expr::Template::parse(&running.base_url()).unwrap();
    let mut world = World::new(plan, running.address());
    world.connection = serde_json::from_value(json!({"region": "com", "account_id": running.account_id()})).unwrap();
    world.secrets = BTreeMap::from([
        ("client_id".to_owned(), running.client_id().to_owned()),
        ("client_secret".to_owned(), running.client_secret().to_owned()),
    ]);
    (world, running)
}

fn config(users: usize) -> Config {
    Config { users, record: true, ..Config::default() }
}

#[tokio::test]
async fn the_whole_directory_is_read_in_as_many_calls_as_it_has_pages() {
    for end_of_list in [EndOfList::Absent, EndOfList::Null, EndOfList::Empty] {
        let (world, running) = world(Config { end_of_list, ..config(2500) }).await;
        let answer = world.list(json!({}), limit(u32::MAX)).await;
        let listed = running.control().people().into_iter().filter(|person| !person.hidden);
        assert_eq!(ids(&answer), listed.map(|person| person.id).collect::<Vec<_>>());
        assert_eq!((answer.next, answer.is_partial), (None, false));
        let counts = running.control().counts();
        assert_eq!((counts.token, counts.list), (1, 3));
    }
}

#[tokio::test]
async fn a_person_is_found_suspended_left_alone_and_reactivated() {
    let (world, running) = world(config(1200)).await;
    let found = world.list(json!({"email": "A.Miller@company.com"}), ListOptions::default()).await;
    let id = ids(&found).remove(0);
    assert_eq!(running.control().find("a.miller@company.com").unwrap().id, id);
    let state = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["state"].clone();
    let suspended = world.single("users.suspend", json!({ "id": id })).await;
    assert_eq!((suspended.changed, state(&suspended.body)), (Some(true), json!("SUSPENDED")));
    assert_eq!(running.control().find("a.miller@company.com").unwrap().state, State::Suspended);
    let again = world.single("users.suspend", json!({ "id": id })).await;
    assert_eq!((again.changed, state(&again.body)), (Some(false), json!("SUSPENDED")));
    let only = world.list(json!({"state": "SUSPENDED", "email": "a.miller@company.com"}), limit(1)).await;
    assert_eq!(records(&only)[0]["id"], id);
    let back = world.single("users.reactivate", json!({ "id": id })).await;
    assert_eq!((back.changed, state(&back.body)), (Some(true), json!("ACTIVE")));
    let counts = running.control().counts();
    assert_eq!((counts.token, counts.suspend, counts.reactivate, counts.get), (1, 1, 1, 3));
}

#[tokio::test]
async fn who_cannot_be_suspended_is_explained_in_every_shape_that_says_why() {
    for error_shape in [ErrorShape::Status, ErrorShape::Error, ErrorShape::Plain] {
        let (world, running) = world(Config { error_shape, ..config(1200) }).await;
        for (person, hint) in [
            (running.control().people().into_iter().find(|person| person.last_owner).unwrap(), "owner first"),
            (
                running.control().people().into_iter().find(|person| person.externally_managed).unwrap(),
                "managed by another",
            ),
        ] {
            let problem = world.failure("users.suspend", json!({"id": person.id})).await.problem;
            assert_eq!(problem.code(), Code::PreconditionFailed, "{problem:?}");
            assert!(problem.body().hint.as_ref().unwrap().contains(hint), "{problem:?}");
        }
        running.control().set_provisioning(true);
        let active = running.control().find("a.miller@company.com").unwrap();
        let problem = world.failure("users.suspend", json!({"id": active.id})).await.problem;
        assert!(problem.body().hint.as_ref().unwrap().contains("provisioning"), "{problem:?}");
    }
}

#[tokio::test]
async fn tokens_that_the_vendor_takes_back_are_renewed_without_notice() {
    let (world, running) = world(config(1200)).await;
    assert_eq!(world.list(json!({}), limit(5)).await.count, 5);
    running.control().revoke_all_tokens();
    assert_eq!(world.list(json!({}), limit(5)).await.count, 5);
    running.control().advance(Duration::from_secs(901));
    assert_eq!(world.list(json!({}), limit(5)).await.count, 5);
    assert_eq!(running.control().counts().token, 3);
}

#[tokio::test]
async fn a_rate_limit_is_passed_on_at_once_with_what_the_vendor_tells() {
    for (rate_headers, known) in [
        (RateHeaders::None, false),
        (RateHeaders::RetryAfter, true),
        (RateHeaders::Trio, true),
        (RateHeaders::Structured, true),
    ] {
        let rate_limit = Some(RateLimit { requests: 2, window: Duration::from_secs(10) });
        let (world, running) = world(Config { rate_limit, rate_headers, ..config(1200) }).await;
        let answer = world.list(json!({"email": "nobody@company.com"}), ListOptions::default()).await;
        assert_eq!(answer.next, None, "two pages are within the limit");
        let failure = world.failure("users.list", json!({})).await;
        assert_eq!(failure.problem.code(), Code::RateLimited);
        let wait = failure.problem.body().retry_after_seconds;
        assert_eq!(wait.is_some(), known, "{rate_headers:?}: {wait:?}");
        assert!(wait.is_none_or(|seconds| (1..=10).contains(&seconds)), "{rate_headers:?}: {wait:?}");
        let counts = running.control().counts();
        assert_eq!((counts.list, counts.limited), (3, 1));
    }
}

#[tokio::test]
async fn a_rate_limit_in_the_middle_of_a_walk_gives_what_was_read() {
    let rate_limit = Some(RateLimit { requests: 2, window: Duration::from_secs(10) });
    let (world, running) = world(Config { rate_limit, ..config(2500) }).await;
    let answer = world.list(json!({}), limit(u32::MAX)).await;
    assert_eq!((answer.count, answer.stopped_because), (2000, Some(StopReason::RateLimited)));
    running.control().set_rate_limit(None);
    let rest = world.list(json!({}), ListOptions { limit: Some(u32::MAX), cursor: answer.next, fields: None }).await;
    let listed = running.control().people().into_iter().filter(|person| !person.hidden).count() as u64;
    assert_eq!((answer.count + rest.count, rest.next), (listed, None));
}
