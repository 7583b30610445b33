//! A trajectory through the gateway: the scripted model over its socket, the agent loop, the guards, the simulator.

use quartermaster_model::Wire;
use quartermaster_testkit::{AgentStage, TestApp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::book::{self, Writes};
use crate::naive;
use crate::trajectory::{Ask, Class, Setup, Trajectory, Turn};

/// What the model sees in the place of ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Short handles, `user:3`.
    Handles,
    /// The vendor's own ids.
    Ids,
}

/// What came of a trajectory behind the gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Through {
    /// What was written.
    pub writes: Writes,
    /// People outside the goal who are not as they were.
    pub harmed: Vec<String>,
    /// Whether the work was done.
    pub is_done: bool,
    /// Codes of the calls that were refused or failed.
    pub refusals: Vec<String>,
    /// Those of them that came without a word on what to do.
    pub unexplained: Vec<String>,
    /// Whether the outcome says that the model's words do not hold, or that not everything was done.
    pub is_flagged: bool,
    /// What ended the run.
    pub ended_by: String,
}

/// Runs a trajectory with the gateway.
pub async fn through_gateway(trajectory: &Trajectory, mode: Mode) -> Through {
    let stage = AgentStage::of(TestApp::builder().simulator(naive::config()), Wire::OpenAi).await;
    for setup in &trajectory.setup {
        prepare(setup, &stage).await;
    }
    let control = stage.app.simulator.control().clone();
    let before = book::states(&control);
    let options = json!({ "handles": mode == Mode::Handles });
    let ran = stage.run(script(trajectory, mode, &stage), &trajectory.goal, options).await;
    let (refusals, unexplained) = told(&stage);
    let action = &ran.run["outcome"]["action"];
    let through = Through {
        writes: book::writes(&control, trajectory),
        harmed: book::harmed(&before, &control, trajectory),
        is_done: book::work_is_done(&control, trajectory),
        refusals,
        unexplained,
        is_flagged: action["action"] != "done" || action["outcome"] != "complete",
        ended_by: ran.outcome()["ended_by"].as_str().unwrap_or_default().to_owned(),
    };
    let faults = stage.model.control().faults();
    assert!(faults.is_empty(), "{}: the script is not as it should be: {faults:?}", trajectory.name);
    stage.app.finish().await;
    through
}

async fn prepare(setup: &Setup, stage: &AgentStage) {
    match setup {
        Setup::Protect(email) => {
            let policy = format!(
                "version: 1\nprotected:\n  - name: break-glass\n    emails: ['{email}']\n    because: This account opens the house when \
                 nothing else does; the security team alone changes it.\n"
            );
            let request = stage.app.operator.request("PUT", "/policy").json(&json!({ "document": policy }));
            request.send().await.expect(200);
        }
        Setup::ReadElsewhere => {
            // The same directory behind another account, and another session of the same token.
            let other = stage.app.connect(&stage.app.operator, "elsewhere", json!({})).await;
            for account in [other, stage.app.account] {
                let path = format!("/integrated-account/{account}/tools/{}/call", crate::trajectory::LIST);
                let call = stage.agent.request("POST", &path).header("quartermaster-session", "elsewhere");
                call.json(&json!({ "arguments": { "limit": 100 } })).send().await.expect(200);
            }
        }
        vendor => naive::apply(vendor, &stage.app.simulator),
    }
}

/// What the model says, turn by turn.
fn script(trajectory: &Trajectory, mode: Mode, stage: &AgentStage) -> Value {
    let turns: Vec<Value> = trajectory
        .turns
        .iter()
        .enumerate()
        .map(|(place, turn)| match turn {
            Turn::Says(text) => {
                json!({"calls": [{"tool": "finish_run", "arguments": {"outcome": "done", "summary": text}}]})
            }
            Turn::Asks(asks) => {
                json!({"calls": asks.iter().map(|ask| call(ask, mode, has_seen(trajectory, place), stage)).collect::<Vec<_>>()})
            }
        })
        .collect();
    let end = json!({"outcome": "not_done", "summary": "That is all."});
    json!({"turns": turns, "otherwise": {"calls": [{"tool": "finish_run", "arguments": end}]}})
}

/// Whether the model has a handle for whom it means in this turn. What was read elsewhere has none here, and a read that the vendor
/// failed gave none.
fn has_seen(trajectory: &Trajectory, turn: usize) -> bool {
    let fails = trajectory.setup.iter().any(|setup| matches!(setup, Setup::Faults(_)));
    let is_foreign = trajectory.class == Class::Foreign && turn == 0;
    !fails && !is_foreign
}

fn call(ask: &Ask, mode: Mode, has_seen: bool, stage: &AgentStage) -> Value {
    let control = stage.app.simulator.control();
    // Only a plain id can be told by its handle.
    let by_handle = mode == Mode::Handles && has_seen && is_plain(&ask.arguments);
    let arguments = if by_handle { with_handles(&ask.arguments) } else { book::with_ids(&ask.arguments, control) };
    match serde_json::from_str::<Value>(&arguments) {
        Ok(Value::Object(members)) if !has_braces(&members) || by_handle => {
            json!({"tool": ask.tool, "arguments": members})
        }
        // A script's texts are templates; what is none goes as raw text.
        _ => json!({"tool": ask.tool, "raw": arguments.replace("{{", "{ {")}),
    }
}

/// Whether a text of the arguments would be taken for a template.
fn has_braces(members: &serde_json::Map<String, Value>) -> bool {
    members.values().any(|value| value.to_string().contains("{{"))
}

fn is_plain(arguments: &str) -> bool {
    arguments.contains("@id:") && !arguments.contains('!') && serde_json::from_str::<Value>(arguments).is_ok()
}

/// `@id:EMAIL` as whatever the results showed in the place of that person's id.
fn with_handles(arguments: &str) -> String {
    let mut text = String::with_capacity(arguments.len());
    let mut rest = arguments;
    while let Some(at) = rest.find("@id:") {
        text.push_str(&rest[..at]);
        let name = &rest[at + 4..];
        let end = name.find('"').unwrap_or(name.len());
        text.push_str(&format!("{{{{ results..[email={}].id }}}}", &name[..end]));
        rest = &name[end..];
    }
    text.push_str(rest);
    text
}

/// The refusals that the model was told of, from the last conversation that it saw; and those without advice.
fn told(stage: &AgentStage) -> (Vec<String>, Vec<String>) {
    let seen = stage.model.control().seen();
    let Some(last) = seen.last() else { return (Vec::new(), Vec::new()) };
    let (mut refusals, mut unexplained) = (Vec::new(), Vec::new());
    for message in last.body["messages"].as_array().into_iter().flatten().filter(|message| message["role"] == "tool") {
        let content: Value =
            message["content"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let failed = &content["failed"];
        let Some(code) = failed["code"].as_str() else { continue };
        refusals.push(code.to_owned());
        let is_said = failed["detail"].as_str().is_some_and(|detail| !detail.is_empty());
        let has_advice =
            ["hint", "errors", "next_calls"].iter().any(|name| !failed[*name].is_null()) || !content["note"].is_null();
        if !is_said || !has_advice {
            unexplained.push(failed.to_string());
        }
    }
    (refusals, unexplained)
}
