//! Webhooks over HTTP: what senders see, and what they do not.

use std::time::Duration;

use quartermaster_api::BODY_MAX_BYTES;
use quartermaster_gateway::limits::{DELIVERY_PAYLOAD_MAX_BYTES, REFUSALS_WRITTEN_PER_MINUTE};
use quartermaster_simulator::State;
use quartermaster_testkit::{Answer, TestApp};
use quartermaster_vault::MacAlgorithm;
use serde_json::{Value, json};

const SECRET: &str = "a-secret-of-the-hr-system";
const EMAIL: &str = "a.miller@company.com";

/// A trigger that is signed over its body, and starts a rehearsal.
fn document(app: &TestApp, more: &str) -> String {
    format!(
        "version: 1\nname: leavers\nwebhook:\n  verify: {{hmac: {{header: X-Signature}}}}\n{more}\
         input: {{email: payload.email}}\n\
         run: {{playbook: offboard, integrated_account_id: {}, input: {{dry_run: true}}}}\n",
        app.account
    )
}

async fn make(app: &TestApp, document: &str) -> Value {
    app.secrets.add("the secret of the hook", SECRET);
    let body = json!({"document": document, "secrets": {"secret": SECRET}});
    app.operator.post("/trigger", &body).await.expect(201)
}

fn sign(body: &str) -> String {
    let code = MacAlgorithm::Sha256.sign(SECRET.as_bytes(), &[body.as_bytes()]);
    code.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

async fn deliver_as(app: &TestApp, hook: &str, content_type: &str, body: &str, signature: &str) -> Answer {
    let sender = app.operator.without_token();
    let request = sender.request("POST", hook).header("content-type", content_type).header("x-signature", signature);
    request.bytes(body.to_owned()).send().await
}

async fn deliver(app: &TestApp, hook: &str, body: &str) -> Answer {
    deliver_as(app, hook, "application/json", body, &sign(body)).await
}

async fn deliveries(app: &TestApp, trigger: &Value) -> Vec<Value> {
    let path = format!("/trigger/{}/deliveries?limit=200", trigger["id"].as_str().unwrap());
    app.operator.get(&path).await.expect(200)["result"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_signed_event_starts_a_run_that_goes_to_its_end() {
    let app = TestApp::start().await;
    let text = document(&app, "").replace(", input: {dry_run: true}", "");
    let trigger = make(&app, &text).await;
    assert_eq!(trigger["secrets"], json!(["secret"]));
    let hook = trigger["hook"].as_str().unwrap();
    let body = json!({"email": EMAIL}).to_string();
    let answer = deliver(&app, hook, &body).await;
    let taken = answer.expect(202);
    let run = taken["run_id"].as_str().unwrap().to_owned();
    assert_eq!(taken["runs"], json!([{"run_id": run}]));
    let mut state = Value::Null;
    for _ in 0..500 {
        state = app.operator.get(&format!("/run/{run}")).await.expect(200)["state"].clone();
        if state == "done" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(state, "done");
    assert_eq!(app.simulator.control().find(EMAIL).unwrap().state, State::Suspended);
    // Again, as an impatient sender does: the same event, the same run.
    let again = deliver(&app, hook, &body).await.expect(202);
    assert_eq!((&again["duplicate_of"], again.get("run_id")), (&json!(run), None));

    let request = answer.header("x-request-id");
    let records = app.operator.get(&format!("/audit-log?request_id={request}")).await.expect(200);
    let record = &records["result"][0];
    assert_eq!(
        (&record["action"], &record["door"], &record["target"]),
        (&json!("run.start"), &json!("hook"), &json!(run))
    );
    assert_eq!(record["arguments"]["trigger_id"], trigger["id"]);
    let told: Vec<_> = deliveries(&app, &trigger).await.iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(told, ["duplicate", "started"]);
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_verified_is_told_nothing_and_the_reason_stands_in_the_list() {
    let app = TestApp::start().await;
    let trigger = make(&app, &document(&app, "")).await;
    let hook = trigger["hook"].as_str().unwrap().to_owned();
    let body = json!({"email": EMAIL}).to_string();
    let wrong = sign(&body.replace("miller", "millar"));
    let mut answers = vec![
        deliver_as(&app, &hook, "application/json", &body, &wrong).await,
        deliver_as(&app, &hook, "application/json", &body, "not hexadecimal").await,
        deliver_as(&app, &hook, "text/plain", &body, &wrong).await,
        app.operator.without_token().post(&hook, &json!({})).await,
        app.operator.post(&hook, &json!({})).await,
    ];
    for unknown in ["/hook/01890000-0000-7000-8000-000000000000", "/hook/leavers", "/hook/%00"] {
        answers.push(deliver(&app, unknown, &body).await);
    }
    let schedule = format!(
        "version: 1\nname: daily\nschedule: {{cron: '@daily'}}\n\
         run: {{playbook: offboard, integrated_account_id: {}, input: {{email: {EMAIL}}}}}\n",
        app.account
    );
    let schedule = app.operator.post("/trigger", &json!({"document": schedule})).await.expect(201);
    answers.push(deliver(&app, &format!("/hook/{}", schedule["id"].as_str().unwrap()), &body).await);
    let same = |answer: &Answer| {
        let mut problem = answer.problem(401, "unauthenticated");
        problem["instance"] = Value::Null;
        (problem, answer.header("www-authenticate").to_owned())
    };
    for answer in &answers {
        assert_eq!(same(answer), same(&answers[0]));
    }
    let told: Vec<_> =
        deliveries(&app, &trigger).await.iter().map(|one| one["detail"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told.len(), 5);
    assert!(
        told[4].starts_with("refused: wrong_signature: ") && told[3].starts_with("refused: malformed: "),
        "{told:?}"
    );
    assert!(told[0].starts_with("refused: missing: "), "{told:?}");
    let listed = deliveries(&app, &trigger).await;
    assert!(listed.iter().all(|one| one["payload"].is_null() && one["items"] == json!([])));
    assert_eq!(app.operator.get("/run").await.expect(200)["result"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn bodies_are_json_or_forms_up_to_a_limit() {
    let app = TestApp::start().await;
    let trigger =
        make(&app, &document(&app, "  challenge: {when: payload.type == 'check', answer: payload.challenge}\n")).await;
    let hook = trigger["hook"].as_str().unwrap().to_owned();
    let form = "email=a.miller%40company.com&x=1";
    deliver_as(&app, &hook, "application/x-www-form-urlencoded", form, &sign(form)).await.expect(202);
    deliver_as(&app, &hook, "text/plain", "{}", &sign("{}")).await.problem(415, "unsupported_media_type");
    deliver(&app, &hook, "{").await.problem(400, "invalid_argument");
    let problem = deliver(&app, &hook, "{\"mail\": 1}").await.problem(400, "invalid_argument");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().starts_with("input.email: "), "{problem}");
    let problem = deliver(&app, &hook, "{\"email\": \"nobody\"}").await.problem(400, "invalid_argument");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("/input/email"), "{problem}");

    let padded = |bytes: usize| {
        let body = json!({"email": EMAIL, "padding": ""}).to_string();
        body.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - body.len())))
    };
    deliver(&app, &hook, &padded(BODY_MAX_BYTES)).await.expect(202);
    deliver(&app, &hook, &padded(BODY_MAX_BYTES + 1)).await.problem(413, "payload_too_large");
    let kept = &deliveries(&app, &trigger).await[0];
    assert_eq!(kept["body_bytes"], BODY_MAX_BYTES);
    assert_eq!(kept["payload"].as_str().unwrap().len(), DELIVERY_PAYLOAD_MAX_BYTES);

    let question = json!({"type": "check", "challenge": "<b>abc</b>"}).to_string();
    let answer = deliver(&app, &hook, &question).await;
    assert_eq!((answer.code(), answer.text().as_str()), (200, "<b>abc</b>"));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    deliver_as(&app, &hook, "application/json", &question, "00").await.problem(401, "unauthenticated");
    let secret = json!({"email": EMAIL, "echo": SECRET}).to_string();
    deliver(&app, &hook, &secret).await.expect(202);
    assert!(!deliveries(&app, &trigger).await[0].to_string().contains(SECRET), "what is kept holds the secret");
    app.finish().await;
}

#[tokio::test]
async fn a_secret_is_made_shown_once_and_changed_over() {
    let app = TestApp::start().await;
    let body = json!({"document": document(&app, "")});
    let made = app.operator.request("POST", "/trigger").json(&body).shows_secret().send().await;
    let trigger = made.expect(201);
    assert_eq!((made.header("cache-control"), made.header("etag")), ("no-store", "\"1\""));
    let first = trigger["secret"].as_str().unwrap().to_owned();
    app.secrets.add("the secret of the hook", &first);
    let path = format!("/trigger/{}", trigger["id"].as_str().unwrap());
    assert!(app.operator.get(&path).await.expect(200).get("secret").is_none());
    let hook = trigger["hook"].as_str().unwrap().to_owned();
    let signed = async |secret: &str, number: u32| {
        let body = json!({"email": EMAIL, "number": number}).to_string();
        let code = MacAlgorithm::Sha256.sign(secret.as_bytes(), &[body.as_bytes()]);
        let signature = code.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        deliver_as(&app, &hook, "application/json", &body, &signature).await.code()
    };
    assert_eq!(signed(&first, 1).await, 202);
    app.secrets.add("the new secret of the hook", SECRET);
    let change = json!({"secrets": {"secret": SECRET}, "keep_previous_secret": true});
    let changed = app.operator.patch(&path, &change).await.expect(200);
    assert_eq!(changed["secrets"], json!(["previous_secret", "secret"]));
    assert_eq!((signed(&first, 2).await, signed(SECRET, 3).await), (202, 202));
    app.operator.patch(&path, &json!({"secrets": {"secret": SECRET}})).await.expect(200);
    assert_eq!((signed(&first, 4).await, signed(SECRET, 5).await), (401, 202));
    for (wrong, pointer) in [
        (json!({"secrets": {"secret": "short"}}), "/secrets/secret"),
        (json!({"secrets": {"password": SECRET}}), "/secrets/secret"),
        (json!({"token_id": "me"}), "/token_id"),
        (json!({"document": "version: 1\n"}), "/document"),
        (json!({"documents": ""}), "/documents"),
    ] {
        let problem = app.operator.patch(&path, &wrong).await.problem(400, "invalid_argument");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let stale = app.operator.request("PATCH", &path).json(&json!({"enabled": false})).header("if-match", "\"1\"");
    stale.send().await.problem(412, "precondition_failed");
    app.finish().await;
}

#[tokio::test]
async fn a_test_tells_every_step_and_starts_nothing() {
    let app = TestApp::start().await;
    let trigger =
        make(&app, &document(&app, "").replace("input: {email", "when: payload.leaving\ninput: {email")).await;
    let path = format!("/trigger/{}/test", trigger["id"].as_str().unwrap());
    let body = json!({"email": EMAIL, "leaving": true}).to_string();
    let test = async |body: &str, signature: &str, verified: bool| {
        let headers = json!({"Content-Type": "application/json", "X-Signature": signature});
        app.operator.post(&path, &json!({"headers": headers, "body": body, "verified": verified})).await.expect(200)
    };
    let right = test(&body, &sign(&body), false).await;
    assert_eq!(right["outcome"], "started");
    assert_eq!(right["items"][0]["input"], json!({"dry_run": true, "email": EMAIL}));
    let steps: Vec<_> = right["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["verify", "payload", "enabled", "token", "map"]);
    let wrong = test(&body, "00", false).await;
    assert_eq!((&wrong["outcome"], wrong["steps"].as_array().unwrap().len()), (&json!("refused"), 1));
    assert!(wrong["steps"][0]["detail"].as_str().unwrap().starts_with("wrong_signature: "), "{wrong}");
    assert_eq!(test(&body, "00", true).await["outcome"], "started");
    let other = json!({"email": EMAIL, "leaving": false}).to_string();
    assert_eq!(test(&other, "", true).await["outcome"], "ignored");
    assert_eq!(test("{}", "", true).await["items"][0]["outcome"], "failed");
    assert_eq!(app.operator.get("/run").await.expect(200)["result_count"], 0);
    assert_eq!(deliveries(&app, &trigger).await.len(), 0);
    deliver(&app, trigger["hook"].as_str().unwrap(), &body).await.expect(202);
    let known = test(&body, &sign(&body), false).await;
    assert_eq!(known["outcome"], "duplicate");
    assert_eq!(
        app.operator.get(&format!("/run/{}", known["items"][0]["duplicate_of"].as_str().unwrap())).await.code(),
        200
    );
    app.finish().await;
}

#[tokio::test]
async fn strangers_fill_no_list() {
    let app = TestApp::start().await;
    let trigger = make(&app, &document(&app, "")).await;
    let hook = trigger["hook"].as_str().unwrap();
    for _ in 0..=REFUSALS_WRITTEN_PER_MINUTE * 2 {
        deliver_as(&app, hook, "application/json", "{}", "00").await.problem(401, "unauthenticated");
    }
    // A minute may have ended in between.
    let written = deliveries(&app, &trigger).await.len() as u32;
    assert!((REFUSALS_WRITTEN_PER_MINUTE..=REFUSALS_WRITTEN_PER_MINUTE * 2).contains(&written), "{written}");
    app.finish().await;
}
