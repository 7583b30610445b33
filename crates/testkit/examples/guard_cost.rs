//! What a call costs in our code up to the request that would be sent, for `cargo xtask bench`: a dry run of a write to a grounded id, with
//! every guard on, and the same with none of the environment's own. Prints `all=NANOSECONDS none=NANOSECONDS`, medians of batches.
//!
//! A dry run resolves, validates, guards and renders the request, so what it takes in all is more than what the guards take.
#![allow(clippy::print_stdout, reason = "the figures are this program's output")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use quartermaster_gateway::{Actor, Arguments, CallRequest, Door, Target};
use quartermaster_testkit::TestApp;
use serde_json::{Map, Value, json};

/// Dry runs in one batch.
const BATCH: u32 = 500;
/// Batches; the median counts.
const BATCHES: usize = 41;
/// Rules of the policy.
const RULES: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = TestApp::start().await;
    let token = app.operator.token().ok_or("the operator has a token")?;
    let actor = app.gateway.authenticate(Some(token)).await.map_err(|problem| problem.to_string())?;
    let id = app.person("a.miller@company.com");
    app.call(&app.operator, "get_single_1_password_user_by_id", json!({"id": id})).await.expect(200);
    let none = median(&app, &actor, &id).await?;
    let mut document = "version: 1\nrules:\n".to_owned();
    for number in 0..RULES {
        document.push_str(&format!(
            "  - name: rule-{number}\n    effect: deny\n    match: {{effects: [write, destructive], doors: [tool]}}\n    \
             when: arguments.id.startsWith('no-{number}-') || (actor.role == 'agent' && time.hour == {number} && time.weekday > 7)\n    \
             because: A measurement.\n"
        ));
    }
    let put = app.gateway.put_policy(&actor, app.gateway.request_id(), None, document).await;
    put.map_err(|problem| problem.to_string())?;
    let all = median(&app, &actor, &id).await?;
    println!("all={all} none={none}");
    app.finish().await;
    Ok(())
}

/// The median over the batches of what one dry run takes, in nanoseconds.
async fn median(app: &TestApp, actor: &Arc<Actor>, id: &str) -> Result<u128, Box<dyn Error>> {
    let mut taken = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let begun = Instant::now();
        for _ in 0..BATCH {
            let dry = app.gateway.dry_run(actor, request(app, id)).await.map_err(|problem| problem.to_string())?;
            if dry.decision["allowed"] != Value::Bool(true) {
                return Err(format!("the guards refused: {}", dry.decision).into());
            }
        }
        taken.push(begun.elapsed().as_nanos() / u128::from(BATCH));
    }
    taken.sort_unstable();
    Ok(taken[BATCHES / 2])
}

fn request(app: &TestApp, id: &str) -> CallRequest {
    CallRequest {
        request_id: app.gateway.request_id(),
        door: Door::Tool,
        account: app.account,
        target: Target::Tool("1_password_users_suspend".to_owned()),
        arguments: Arguments::Json(Map::from_iter([("id".to_owned(), Value::from(id))])),
        expect: None,
        session: None,
        wait: None,
        takes_over: None,
        idempotency_key: None,
    }
}
