//! Agents over real sockets: a scripted model in both wire formats, the gateway, and a simulator that counts what was written.

mod bad;

use std::time::Duration;

use quartermaster_gateway::runs::{AgentKind, replay};
use quartermaster_simulator::{Config, State};
use quartermaster_testkit::{AgentStage, TestApp, Wire};
use serde_json::{Value, json};

pub(crate) const MILLER: &str = "a.miller@company.com";
pub(crate) const LIST: &str = "list_all_1_password_users";
pub(crate) const SUSPEND: &str = "1_password_users_suspend";
pub(crate) const WIRES: [Wire; 2] = [Wire::OpenAi, Wire::Anthropic];

pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    json!({"calls": [{"tool": tool, "arguments": arguments}]})
}

pub(crate) fn find(email: &str) -> Value {
    call(LIST, json!({"email": email}))
}

pub(crate) fn finish(outcome: &str, summary: &str) -> Value {
    call("finish_run", json!({"outcome": outcome, "summary": summary}))
}

/// The turns of an offboarding as it should be.
pub(crate) fn offboarding(email: &str) -> Vec<Value> {
    vec![
        json!({"text": "I look for the person.", "calls": [{"tool": LIST, "arguments": {"email": email}}]}),
        call(SUSPEND, json!({"id": "{{ last.data.result.0.id }}"})),
        finish("done", "Suspended {{ last.data.result.email }} ({{ last.data.result.id }})."),
    ]
}

#[tokio::test]
async fn a_model_offboards_a_person_and_the_journal_tells_it() {
    for wire in WIRES {
        for handles in [true, false] {
            let stage = AgentStage::start(wire).await;
            let script = json!({"turns": offboarding(MILLER)});
            let ran = stage.run(script, "Offboard a.miller@company.com", json!({"handles": handles})).await;
            let written: Vec<_> = ran.written.iter().map(|one| (one.verb.as_str(), one.whose.as_str())).collect();
            assert_eq!(written, [("suspend", MILLER)], "{wire:?}: {:#}", ran.run);
            assert_eq!(stage.app.simulator.control().find(MILLER).unwrap().state, State::Suspended);
            assert_eq!(stage.model.control().faults(), Vec::<String>::new());
            assert_eq!(ran.run["outcome"]["action"]["outcome"], "complete", "{:#}", ran.run);
            let id = stage.app.person(MILLER);
            assert_eq!(ran.text(), format!("Suspended {MILLER} ({id}). Journal: 1 change made."));
            let done = &ran.outcome()["done"][0];
            assert_eq!(
                (&done["id"], &done["before"]["state"], &done["after"]["state"]),
                (&json!(id), &json!("ACTIVE"), &json!("SUSPENDED"))
            );
            assert!(ran.outcome()["usage"]["input_tokens"].as_u64().unwrap() > 0);

            let steps: Vec<&str> =
                ran.run["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
            assert_eq!(steps, ["ask", "call", "ask", "call", "ask"]);
            assert_eq!(ran.run["steps"][0]["ask"]["text"], "I look for the person.");
            let asked = stage.model.control().seen();
            let told = serde_json::to_string(&asked.iter().map(|seen| &seen.body).collect::<Vec<_>>()).unwrap();
            assert_eq!(told.contains(&id), !handles, "with handles, no id goes to the model");

            let sent = stage.app.simulator.control().counts().total();
            assert_eq!(replay(&AgentKind, &ran.export).unwrap(), None);
            assert_eq!((stage.app.simulator.control().counts().total(), stage.model.control().seen().len()), (sent, 3));
            stage.app.finish().await;
        }
    }
}

#[tokio::test]
async fn a_list_is_worked_through_with_parallel_calls() {
    for wire in WIRES {
        let stage = AgentStage::start(wire).await;
        let people = stage.app.simulator.control().people();
        let active: Vec<&str> = people
            .iter()
            .filter(|one| one.state == State::Active && !one.last_owner && !one.externally_managed && !one.hidden)
            .map(|one| one.email.as_str())
            .take(2)
            .collect();
        let reads = [active[0], active[1], "nobody@company.com"]
            .map(|email| json!({"tool": LIST, "arguments": {"email": email}}));
        let script = json!({"turns": [
            {"calls": reads},
            {"calls": [
                {"tool": SUSPEND, "arguments": {"id": "{{ results.0.data.result.0.id }}"}},
                {"tool": SUSPEND, "arguments": {"id": "{{ results.1.data.result.0.id }}"}},
            ]},
            finish("partly_done", "Two of the three were suspended; nobody@company.com was not found."),
        ]});
        let ran = stage.run(script, "Suspend everybody on the list", json!({ "targets": active })).await;
        let written: Vec<_> = ran.written.iter().map(|one| one.whose.as_str()).collect();
        assert_eq!(written, active, "{:#}", ran.run);
        assert_eq!(ran.run["outcome"]["action"]["outcome"], "partial");
        assert_eq!(ran.run["outcome"]["action"]["report"]["table"]["rows"].as_array().unwrap().len(), 2);
        assert_eq!(replay(&AgentKind, &ran.export).unwrap(), None);
        assert_eq!(stage.model.control().faults(), Vec::<String>::new());
        stage.app.finish().await;
    }
}

#[tokio::test]
async fn a_rehearsal_sends_no_write() {
    let stage = AgentStage::start(Wire::OpenAi).await;
    let mut turns = offboarding(MILLER);
    turns[2] = finish("done", "It would be suspended.");
    let ran = stage.run(json!({"turns": turns}), "Offboard a.miller@company.com", json!({"dry_run": true})).await;
    assert_eq!(ran.written, []);
    assert_eq!(ran.outcome()["rehearsed"][0]["id"], stage.app.person(MILLER));
    assert_eq!(ran.outcome()["done"], json!([]));
    assert_eq!(replay(&AgentKind, &ran.export).unwrap(), None);
    stage.app.finish().await;
}

#[tokio::test]
async fn rate_limits_of_the_vendor_and_of_the_model_are_waited_out() {
    for wire in WIRES {
        let config = Config { rate_limit: Some("2/2s".parse().unwrap()), ..Config { users: 60, ..Config::default() } };
        let stage = AgentStage::of(TestApp::builder().simulator(config), wire).await;
        let mut turns = offboarding(MILLER);
        turns[0]["first"] = json!([{"error": {"status": 429, "headers": {"retry-after": "1"}}}]);
        let ran = stage.run(json!({"turns": turns}), "Offboard a.miller@company.com", json!({})).await;
        assert_eq!(ran.written.iter().filter(|one| one.status == 200).count(), 1, "{:#}", ran.run);
        assert_eq!(ran.run["outcome"]["action"]["outcome"], "complete");
        assert!(ran.outcome()["waits"]["count"].as_u64().unwrap() >= 2, "{}", ran.outcome()["waits"]);
        let waits = ran.run["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "wait").count();
        assert!(waits >= 2, "{:#}", ran.run["steps"]);
        assert_eq!(replay(&AgentKind, &ran.export).unwrap(), None);
        stage.app.finish().await;
    }
}

#[tokio::test]
async fn the_page_shows_the_conversation_and_the_stream_what_is_said_now() {
    let stage = AgentStage::start(Wire::OpenAi).await;
    let mut turns = offboarding(MILLER);
    turns[0]["text"] = json!("I look <b>for</b> the person.");
    turns[0]["delay_ms"] = json!(300);
    turns[0]["pause_ms"] = json!(20);
    turns[0]["piece_bytes"] = json!(40);
    let id = stage.begin(json!({"turns": turns}), "Offboard a.miller@company.com", json!({})).await;
    let events = stage.agent.get(&format!("/run/{id}/events")).await;
    let events = String::from_utf8_lossy(&events.body).into_owned();
    let named = |name: &str| events.lines().filter(|line| *line == format!("event: {name}")).count();
    assert_eq!((named("asked"), named("answered"), named("end")), (3, 3, 1), "{events}");
    assert!(named("delta") >= 1, "{events}");
    let said: String = events
        .split("\n\n")
        .filter(|event| event.starts_with("event: delta"))
        .filter_map(|event| serde_json::from_str::<Value>(event.lines().nth(1)?.strip_prefix("data: ")?).ok())
        .filter(|delta| delta["key"] == "turn-1")
        .map(|delta| delta["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(said, "I look <b>for</b> the person.");
    let page = stage.agent.get(&format!("/run/{id}/export?format=html")).await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("Conversation") && page.contains("I look &#60;b&#62;for"), "{page}");
    assert!(page.contains(SUSPEND) && page.contains("Model calls"));
    stage.app.finish().await;
}

#[tokio::test]
async fn a_question_that_is_under_way_does_not_hold_up_who_stops_the_run() {
    let stage = AgentStage::start(Wire::Anthropic).await;
    let mut turns = offboarding(MILLER);
    turns[1]["delay_ms"] = json!(60_000);
    let id = stage.begin(json!({"turns": turns}), "Offboard a.miller@company.com", json!({})).await;
    while stage.agent.get(&format!("/run/{id}")).await.expect(200)["steps"].as_array().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = std::time::Instant::now();
    stage.agent.post(&format!("/run/{id}/cancel"), &json!({})).await;
    let run = stage.ended(id).await;
    assert_eq!(run["state"], "cancelled");
    assert!(before.elapsed() < Duration::from_secs(20));
    assert_eq!(stage.app.simulator.control().counts().suspend, 0);
    stage.app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_its_places() {
    let stage = AgentStage::start(Wire::OpenAi).await;
    let account = stage.app.account;
    let refusals = [
        (json!({"accounts": [account], "model": "scripted"}), "/agent/goal"),
        (json!({"goal": " ", "accounts": [account], "model": "scripted"}), "/agent/goal"),
        (json!({"goal": "x".repeat(16 * 1024 + 1), "accounts": [account], "model": "scripted"}), "/agent/goal"),
        (json!({"goal": "x", "model": "scripted"}), "/agent/accounts"),
        (json!({"goal": "x", "accounts": ["abc"], "model": "scripted"}), "/agent/accounts"),
        (json!({"goal": "x", "accounts": [account, account], "model": "scripted"}), "/agent/accounts"),
        (json!({"goal": "x", "accounts": [account]}), "/agent/model"),
        (json!({"goal": "x", "accounts": [account], "model": "No Name"}), "/agent/model"),
        (json!({"goal": "x", "accounts": [account], "model": "scripted", "methods": ["suspendd"]}), "/agent/methods"),
        (json!({"goal": "x", "accounts": [account], "model": "scripted", "tags": ["nothing"]}), "/agent/tags"),
        (
            json!({"goal": "x", "accounts": [account], "model": "scripted", "limits": {"iterations": 0}}),
            "/agent/limits/iterations",
        ),
        (json!({"goal": "x", "accounts": [account], "model": "scripted", "limits": {"turns": 1}}), "/agent/limits"),
        (json!({"goal": "x", "accounts": [account], "model": "scripted", "modle": 1}), "/agent/modle"),
    ];
    for (agent, pointer) in refusals {
        let problem = stage.agent.post("/run", &json!({ "agent": agent })).await.expect(400);
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["pointer"] == pointer), "{pointer}: {problem:#}");
    }
    let both = json!({"agent": {"goal": "x", "accounts": [account], "model": "scripted"}, "playbook": "offboard"});
    let problem = stage.agent.post("/run", &both).await.expect(400);
    assert_eq!(problem["errors"][0]["pointer"], "/playbook", "{problem:#}");
    let missing = json!({"agent": {"goal": "x", "accounts": [account], "model": "another"}});
    let problem = stage.agent.post("/run", &missing).await.expect(404);
    assert!(problem["hint"].as_str().unwrap().contains("scripted"), "{problem:#}");
    // Somebody else's account is as absent as one that is not there.
    let stranger = stage.app.stranger("elsewhere").await;
    let foreign = json!({"agent": {"goal": "x", "accounts": [account], "model": "scripted"}});
    assert_eq!(stranger.post("/run", &foreign).await.expect(404)["code"], "not_found");
    assert!(stage.model.control().seen().is_empty(), "no model was asked");
    stage.app.finish().await;
}

#[tokio::test]
async fn a_token_that_is_narrowed_gives_the_model_fewer_tools() {
    let stage = AgentStage::start(Wire::OpenAi).await;
    let reader = stage.app.client(json!({"role": "agent", "methods": ["read"]})).await;
    let script = json!({"turns": [find(MILLER), call(SUSPEND, json!({"id": "{{ last.data.result.0.id }}"})), finish("not_done", "There is no such tool.")]});
    stage.model.control().set_script(quartermaster_simulator::model::Script::from_value(script).unwrap());
    let agent = json!({"goal": "Offboard", "accounts": [stage.app.account], "model": "scripted"});
    let started = reader.post("/run", &json!({ "agent": agent })).await.expect(201);
    let id = started["id"].as_str().unwrap().to_owned();
    let operator = &stage.app.operator;
    while operator.get(&format!("/run/{id}")).await.expect(200)["finished_at"].is_null() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let tools = stage.model.control().seen()[0].body["tools"].to_string();
    assert!(tools.contains(LIST) && !tools.contains(SUSPEND), "{tools}");
    assert_eq!(stage.app.simulator.control().counts().suspend, 0);
    stage.app.finish().await;
}
