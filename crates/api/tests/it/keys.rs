//! `Idempotency-Key` on every write: the same request gets the stored answer, another one under the key is refused, and
//! nothing secret can be read where the answers are kept.

mod writes;

use std::collections::BTreeSet;
use std::time::Duration;

use quartermaster_gateway::limits::{IDEMPOTENCY_IN_FLIGHT_MAX, IDEMPOTENCY_KEY_MAX_CHARACTERS};
use quartermaster_simulator::RateLimit;
use quartermaster_simulator::model;
use quartermaster_store_model::{Claim, IdempotencyRow};
use quartermaster_testkit::{Answer, Client, TestApp};
use quartermaster_types::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::NOBODY;
use writes::{Body, writes};

/// Sends a request under a key.
async fn keyed(client: &Client, method: &str, path: &str, body: Option<&Value>, key: &str) -> Answer {
    let mut request = client.request(&method.to_uppercase(), path).header("idempotency-key", key);
    if let Some(body) = body {
        request = request.json(body);
    }
    // Some of these hand out a secret; the tests look at where it shows.
    request.shows_secret().send().await
}

async fn post(client: &Client, path: &str, body: &Value, key: &str) -> Answer {
    keyed(client, "POST", path, Some(body), key).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == "true"
}

/// Leaves what a crash leaves: `new`, claimed at this moment for the request that was answered under `old`.
async fn leave_in_flight(app: &TestApp, client: &Client, old: &str, new: &str) {
    let actor = app.gateway.authenticate(client.token()).await.unwrap();
    let probe = IdempotencyRow {
        environment_id: actor.environment_id,
        token_id: actor.token_id,
        key: old.to_owned(),
        fingerprint: [0; 32],
        answer: None,
        created_at: app.clock.now(),
    };
    let Claim::Existing(done) = app.store.claim_idempotency(&probe).await.unwrap() else {
        panic!("no answer is kept under {old}");
    };
    let row = IdempotencyRow { key: new.to_owned(), created_at: app.clock.now(), ..done };
    assert_eq!(app.store.claim_idempotency(&row).await.unwrap(), Claim::New);
}

#[test]
fn the_table_has_every_write_of_the_document_and_each_declares_the_header() {
    let document = quartermaster_api::document();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        // Other systems send no key; the same event starts one run there.
        if quartermaster_api::SIGNED_PATHS.contains(&path.as_str()) {
            continue;
        }
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "get") {
            let name = format!("{method} {path}");
            let headers: Vec<_> = operation["parameters"].as_array().unwrap().iter().collect();
            assert!(headers.iter().any(|header| header["name"] == "idempotency-key"), "{name} does not declare it");
            for status in ["409", "422"] {
                assert!(operation["responses"][status].is_object(), "{name} does not describe {status}");
            }
            documented.insert(name);
        }
    }
    let listed: BTreeSet<_> = writes().iter().map(|write| write.operation.to_owned()).collect();
    assert_eq!(documented, listed);
}

/// The account that the table works on: it has every kind of method, most of which the vendor answers with 404.
async fn account_with_all_methods(app: &TestApp) -> String {
    let name = json!({"name": {"description": "A name.", "send": "body"}});
    let changes = json!({"override": {
        "base_url": app.simulator.base_url(),
        "resources": {"users": {"methods": {
            "create": {"post": "/v1beta1/nothing", "description": "Make one.", "arguments": name},
            "update": {"patch": "/v1beta1/nothing/{{ id }}", "description": "Change one.", "arguments": name},
            "delete": {"delete": "/v1beta1/nothing/{{ id }}", "description": "Remove one."},
            "count": {"post": "/v1beta1/nothing", "effect": "write", "description": "Count.", "arguments": name},
        }}},
    }});
    app.connect(&app.operator, "all methods", changes).await.to_string()
}

/// A playbook that asks no vendor.
fn waiting(seconds: u32) -> String {
    format!("name: waiting\ndescription: Waits.\nsteps:\n  - {{name: pause, wait: {seconds}s}}\n")
}

#[tokio::test]
async fn every_write_is_done_once_under_its_key() {
    let script = model::Script::from_value(json!({"otherwise": {"text": "OK"}})).unwrap();
    let scripted = model::start(model::Config::new(script)).await.unwrap();
    let settings = json!({"wire": "openai", "base_url": scripted.base_url(), "model": "m-1"});
    let settings = serde_json::from_value(settings).unwrap();
    let connection = quartermaster_model::Connection { name: "scripted".to_owned(), settings, key: None };
    let app = TestApp::builder().upstream(scripted.address()).model(connection).start().await;
    let admin = app.client(json!({"role": "admin", "custom": true})).await;
    let account = account_with_all_methods(&app).await;
    let spare = app.connect(&app.operator, "spare", json!({})).await.to_string();
    let made = admin.request("POST", "/token").json(&json!({"name": "x", "role": "agent"})).shows_secret().send().await;
    let token = made.expect(201)["id"].as_str().unwrap().to_owned();
    let (person, other) = (app.person("a.miller@company.com"), app.person("owner@company.com"));
    // On the tool door an id has to be read before it is written.
    let list = format!("/integrated-account/{account}/tools/list_all_1_password_users/call");
    let found = admin.post(&list, &json!({"arguments": {"email": "a.miller@company.com"}})).await.expect(200);
    assert_eq!(found["result"][0]["id"], person.as_str());
    let made = json!({"playbook": waiting(600), "integrated_account_id": account});
    let made = app.operator.post("/run", &made).await.expect(201);
    let run = made["id"].as_str().unwrap().to_owned();
    let changed = super::plans::offboarded(&app, "f.tanaka@company.com").await;
    let plan = super::plans::made(&app, "a.miller@company.com").await;
    let spare_plan = super::plans::made(&app, "a.miller@company.com").await["id"].as_str().unwrap().to_owned();
    let (hash, plan) = (plan["hash"].as_str().unwrap().to_owned(), plan["id"].as_str().unwrap().to_owned());
    let approval = app.approval().await;
    let document = writes::trigger("of-the-table").to_string().replace("{account}", &account);
    let made = app.operator.request("POST", "/trigger").json(&serde_json::from_str::<Value>(&document).unwrap());
    let trigger = made.shows_secret().send().await.expect(201)["id"].as_str().unwrap().to_owned();
    let fill = |text: &str| {
        [
            ("{changed}", &changed),
            ("{plan}", &plan),
            ("{hash}", &hash),
            ("{spare_plan}", &spare_plan),
            ("{run}", &run),
            ("{approval}", &approval),
            ("{trigger}", &trigger),
            ("{account}", &account),
            ("{spare}", &spare),
            ("{token}", &token),
            ("{person}", &person),
            ("{other}", &other),
        ]
        .iter()
        .fold(text.replace("{nobody}", NOBODY), |text, (name, value)| text.replace(name, value))
    };
    let body_of = |body: &Body| match body {
        Body::None => None,
        Body::Json(value) => Some(serde_json::from_str::<Value>(&fill(&value.to_string())).unwrap()),
        Body::Account(tenant) => Some(app.account_body(tenant, json!({}))),
    };
    for (number, write) in writes().into_iter().enumerate() {
        let place = write.operation;
        let client = if place == "post /environment" { &app.operator } else { &admin };
        let method = place.split(' ').next().unwrap();
        let (path, body) = (fill(write.path), body_of(&write.body));
        let key = format!("key-{number}");
        let first = keyed(client, method, &path, body.as_ref(), &key).await;
        assert_eq!(first.code(), write.status, "{place}: {}", first.text());
        assert!(!is_replayed(&first), "{place}");
        if place == "post /plan/{id}/execute" {
            // What the run does at the vendor is not the replay's doing.
            super::plans::ended(&app, first.json()["id"].as_str().unwrap()).await;
        }

        let sent = app.simulator.control().counts().total();
        let again = keyed(client, method, &path, body.as_ref(), &key).await;
        same_answer(place, &first, &again);
        assert_eq!(app.simulator.control().counts().total(), sent, "{place}: the vendor was asked again");
        assert!(scripted.control().seen().len() <= 1, "{place}: the model was asked again");

        let (other_path, other_body) = (fill(write.other.0), body_of(&write.other.1));
        let reused = keyed(client, method, &other_path, other_body.as_ref(), &key).await;
        reused.problem(422, "idempotency_key_reused");

        let cut_off = format!("cut-off-{number}");
        leave_in_flight(&app, client, &key, &cut_off).await;
        keyed(client, method, &path, body.as_ref(), &cut_off).await.problem(409, "conflict");
        assert_eq!(app.simulator.control().counts().total(), sent, "{place}: a refusal did something");
    }
    app.finish().await;
}

fn same_answer(place: &str, first: &Answer, again: &Answer) {
    assert_eq!(again.code(), first.code(), "{place}: {}", again.text());
    for name in ["content-type", "etag", "location", "cache-control", "quartermaster-origin"] {
        assert_eq!(again.header(name), first.header(name), "{place}: {name}");
    }
    if first.header("content-type") == "application/problem+json" {
        // A problem names the request that it answers; the rest is the same.
        let (mut first, mut again) = (first.json(), again.json());
        assert_ne!(first["instance"].take(), again["instance"].take(), "{place}");
        return assert_eq!(first, again, "{place}");
    }
    assert_eq!(first.body, again.body, "{place}: not the same bytes");
    assert!(is_replayed(again), "{place} was done again");
}

#[tokio::test]
async fn what_is_shown_once_is_shown_again_only_under_its_key_and_stands_in_no_file() {
    let app = TestApp::start().await;
    let token = json!({"name": "once", "role": "auditor"});
    let environment = json!({"name": "once"});
    let account = app.account_body("once", json!({}));
    let mut secrets = vec![app.simulator.client_secret().to_owned()];
    for (path, body) in [("/token", &token), ("/environment", &environment)] {
        let first = post(&app.operator, path, body, "shown-once").await;
        if path == "/token" {
            let text = first.expect(201)["token"].as_str().unwrap().to_owned();
            assert_eq!(first.header("cache-control"), "no-store");
            let again = post(&app.operator, path, body, "shown-once").await;
            assert_eq!(again.expect(201)["token"], text.as_str());
            app.operator.with_token(&text).get("/token").await.expect(200);
            let records = app.operator.get(&format!("/audit-log?request_id={}", again.header("x-request-id"))).await;
            let record = &records.expect(200)["result"][0];
            assert_eq!((&record["action"], &record["target"]), (&json!("idempotency.replay"), &json!("POST /token")));
            secrets.push(text);
        } else {
            first.problem(422, "idempotency_key_reused");
            let first = post(&app.operator, path, body, "environment-once").await.expect(201);
            secrets.push(first["token"].as_str().unwrap().to_owned());
        }
    }
    post(&app.operator, "/integrated-account", &account, "account-once").await.expect(201);
    // Another token's key is another key, and shows nothing of the first.
    let other = app.client(json!({"role": "admin"})).await;
    let answer = post(&other, "/token", &token, "shown-once").await;
    assert!(!is_replayed(&answer) && answer.expect(201)["token"] != secrets[1].as_str());

    let mut stored = Vec::new();
    for entry in std::fs::read_dir(app.folder()).unwrap() {
        stored.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("shown-once") && holds("account-once"), "the search finds what is there");
    assert_eq!(secrets.len(), 3);
    for secret in &secrets {
        assert!(!holds(secret), "a secret stands in the database");
    }
    app.finish().await;
}

#[tokio::test]
async fn work_that_changed_nothing_gives_its_key_back() {
    let app = TestApp::start().await;
    post(&app.operator, "/token", &json!({"name": "x", "role": "owner"}), "k1").await.problem(400, "invalid_argument");
    post(&app.operator, "/token", &json!({"name": "x", "role": "agent"}), "k1").await.expect(201);
    let agent = app.client(json!({"role": "agent"})).await;
    post(&agent, "/token", &json!({"name": "x", "role": "agent"}), "k1").await.problem(403, "permission_denied");

    let wrong = json!({"credentials": {"client_id": app.simulator.client_id(), "client_secret": "not-it"}});
    let wrong = app.account_body("mistyped", wrong);
    post(&app.operator, "/integrated-account", &wrong, "k2").await.problem(422, "account_rejected");
    post(&app.operator, "/integrated-account", &app.account_body("mistyped", json!({})), "k2").await.expect(201);

    let path = app.account_path("");
    let change = json!({"tenant_id": "renamed"});
    let patch = async |version: &str| {
        let request = app.operator.request("PATCH", &path).json(&change).header("if-match", version);
        request.header("idempotency-key", "k3").send().await
    };
    patch("\"7\"").await.problem(412, "precondition_failed");
    let first = patch("\"1\"").await;
    first.expect(200);
    // The same request again: its version is stale by now, and the answer is still the stored one.
    let again = patch("\"1\"").await;
    assert!(is_replayed(&again));
    assert_eq!((again.body.clone(), again.header("etag")), (first.body.clone(), first.header("etag")));
    patch("\"2\"").await.problem(422, "idempotency_key_reused");
    assert_eq!(app.operator.get(&path).await.expect(200)["version"], 2);
    app.finish().await;
}

#[tokio::test]
async fn the_order_of_members_and_the_spaces_between_them_make_no_other_request() {
    let app = TestApp::builder().unconnected().start().await;
    let send = async |body: &'static str| {
        let request = app.operator.request("POST", "/token").header("content-type", "application/json");
        request.header("idempotency-key", "k").bytes(body).shows_secret().send().await
    };
    send(r#"{"name":"x","role":"agent"}"#).await.expect(201);
    assert!(is_replayed(&send(r#"{ "role": "agent", "name": "x" }"#).await));
    send(r#"{"name":"x","role":"agent","custom":true}"#).await.problem(422, "idempotency_key_reused");
    app.finish().await;
}

#[tokio::test]
async fn of_two_requests_at_once_one_is_done_and_the_other_is_told_to_wait() {
    let app = TestApp::start().await;
    app.simulator.control().set_latency(Duration::from_millis(300));
    let body = app.account_body("twice", json!({}));
    let send = || post(&app.operator, "/integrated-account", &body, "k");
    let (one, two) = tokio::join!(send(), send());
    let (done, refused) = if one.code() == 201 { (one, two) } else { (two, one) };
    done.expect(201);
    refused.problem(409, "conflict");
    assert_eq!(send().await.body, done.body);
    let listed = app.operator.get("/integrated-account?tenant_id=twice").await.expect(200);
    assert_eq!(listed["result_count"], 1);
    app.finish().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_finds_the_answer_under_its_key() {
    let app = TestApp::start().await;
    app.simulator.control().set_latency(Duration::from_millis(300));
    let body = app.account_body("lost", json!({}));
    let send = || post(&app.operator, "/integrated-account", &body, "k");
    assert!(tokio::time::timeout(Duration::from_millis(100), send()).await.is_err(), "it is still under way");
    for _ in 0..200 {
        let answer = send().await;
        if answer.code() == 201 {
            assert!(is_replayed(&answer));
            let listed = app.operator.get("/integrated-account?tenant_id=lost").await.expect(200);
            assert_eq!(listed["result_count"], 1);
            app.finish().await;
            return;
        }
        answer.problem(409, "conflict");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the work was not finished");
}

#[tokio::test]
async fn a_request_that_a_crash_cut_off_is_done_again_only_when_that_is_the_same_as_once() {
    let clock = Clock::manual(Timestamp::from_unix_ms(1_800_000_000_000));
    let app = TestApp::builder().clock(clock.clone()).start().await;
    let body = json!({"label": "Ours"});
    let put = async |key| keyed(&app.operator, "PUT", "/integration/1password/override", Some(&body), key).await;
    let token = json!({"name": "x", "role": "agent"});
    put("k1").await.expect(200);
    post(&app.operator, "/token", &token, "k2").await.expect(201);
    leave_in_flight(&app, &app.operator, "k1", "cut-off-1").await;
    leave_in_flight(&app, &app.operator, "k2", "cut-off-2").await;
    clock.advance_ms(IDEMPOTENCY_IN_FLIGHT_MAX.as_millis() as i64);
    put("cut-off-1").await.problem(409, "conflict");
    clock.advance_ms(1);
    assert!(!is_replayed(&put("cut-off-1").await));
    assert!(is_replayed(&put("cut-off-1").await));
    post(&app.operator, "/token", &token, "cut-off-2").await.problem(409, "conflict");
    app.finish().await;
}

#[tokio::test]
async fn a_vendor_that_turned_a_raw_call_away_leaves_the_key_free() {
    let app = TestApp::start().await;
    let allowed = app.client(json!({"role": "agent", "custom": true, "accounts": [app.account]})).await;
    let person = app.person("a.miller@company.com");
    let path = format!("/custom/v1beta1/accounts/{}/users/{person}:suspend", app.simulator.account_id());
    app.simulator.control().set_rate_limit(Some(RateLimit { requests: 0, window: Duration::from_secs(60) }));
    let first = post(&allowed, &path, &json!({}), "k").await;
    assert_eq!((first.code(), first.header("quartermaster-origin")), (429, "upstream"));
    app.simulator.control().set_rate_limit(None);
    let second = post(&allowed, &path, &json!({}), "k").await;
    second.expect(200);
    assert!(!is_replayed(&second));
    assert!(is_replayed(&post(&allowed, &path, &json!({}), "k").await));
    assert_eq!(app.simulator.control().counts().suspend, 2, "one was turned away, one was done");
    app.finish().await;
}

#[tokio::test]
async fn a_key_is_taken_at_the_limit_and_refused_one_past_it() {
    let app = TestApp::builder().unconnected().start().await;
    let body = json!({"name": "x", "role": "agent"});
    post(&app.operator, "/token", &body, &"k".repeat(IDEMPOTENCY_KEY_MAX_CHARACTERS)).await.expect(201);
    for wrong in ["k".repeat(IDEMPOTENCY_KEY_MAX_CHARACTERS + 1), "a b".to_owned(), String::new()] {
        let problem = post(&app.operator, "/token", &body, &wrong).await.problem(400, "invalid_argument");
        assert_eq!(problem["errors"][0]["pointer"], "/idempotency-key");
    }
    // A read has no use for a key.
    keyed(&app.operator, "GET", "/token", None, "k").await.expect(200);
    app.finish().await;
}
