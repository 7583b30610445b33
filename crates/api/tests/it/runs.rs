//! Runs over HTTP: started, watched, exported.

use std::time::Duration;

use quartermaster_testkit::{Answer, ScriptKind, TestApp};
use serde_json::{Value, json};

/// Ids and names of the events of a stream.
fn events(answer: &Answer) -> Vec<(u32, String)> {
    let text = answer.text();
    let events = text.split("\n\n").filter(|event| event.contains("event: "));
    let member = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{event}")).to_owned()
    };
    events
        .map(|event| {
            let data: Value = serde_json::from_str(&member(event, "data: ")).unwrap();
            assert!(data.is_object());
            (member(event, "id: ").parse().unwrap(), member(event, "event: "))
        })
        .collect()
}

async fn start(app: &TestApp, email: &str) -> String {
    let body = json!({"playbook": "offboard", "integrated_account_id": app.account, "input": {"email": email}});
    let answer = app.operator.post("/run", &body).await;
    let run = answer.expect(201);
    let id = run["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/run/{id}"));
    assert_eq!(run["state"], "queued");
    id
}

#[tokio::test]
async fn a_run_is_watched_to_its_end_and_watching_goes_on_after_the_last_event() {
    let app = TestApp::start().await;
    let id = start(&app, "a.miller@company.com").await;
    let path = format!("/run/{id}/events");
    let stream = app.operator.get(&path).await;
    assert_eq!((stream.code(), stream.header("content-type")), (200, "text/event-stream"));
    let all = events(&stream);
    let numbers: Vec<u32> = all.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
    assert_eq!((all[0].1.as_str(), all[1].1.as_str()), ("begun", "finished"));
    assert_eq!(all.last().unwrap().1, "end");

    let after = async |id: &str| app.operator.request("GET", &path).header("last-event-id", id).send().await;
    assert_eq!(events(&after("2").await), all[2..]);
    let before_end = (numbers.len() - 1).to_string();
    assert_eq!(events(&after(&before_end).await), all[all.len() - 1..]);
    assert_eq!(after(&numbers.len().to_string()).await.code(), 204);
    after("soon").await.problem(400, "invalid_argument");

    let run = app.operator.get(&format!("/run/{id}")).await.expect(200);
    assert_eq!((&run["state"], &run["steps_left_out"]), (&json!("done"), &json!(0)));
    let listed = app.operator.get("/run?state=done&name=offboard").await.expect(200);
    assert_eq!(listed["result"][0]["id"], id.as_str());
    assert_eq!(app.operator.get("/run?state=failed").await.expect(200)["result_count"], 0);
    app.operator.get("/run?state=lost").await.problem(400, "invalid_argument");
    app.finish().await;
}

#[tokio::test]
async fn an_export_is_whole_and_its_page_carries_no_script() {
    let app = TestApp::start().await;
    let id = start(&app, "nobody@company.com").await;
    assert_eq!(events(&app.operator.get(&format!("/run/{id}/events")).await).last().unwrap().1, "end");
    let export = app.operator.get(&format!("/run/{id}/export")).await.expect(200);
    assert_eq!(export["format"], "quartermaster-run/1");
    assert_eq!(export["run"]["state"], "failed");
    assert!(export["definition"].as_str().unwrap().contains("name: offboard"));
    assert_eq!(export["entries"].as_array().unwrap().len() as u64, export["run"]["entries"].as_u64().unwrap());
    let page = app.operator.get(&format!("/run/{id}/export?format=html")).await;
    assert_eq!((page.code(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!page.text().contains("<script"));
    app.operator.get(&format!("/run/{id}/export?format=pdf")).await.problem(400, "invalid_argument");
    app.finish().await;
}

#[tokio::test]
async fn a_run_that_cannot_be_started_is_refused_with_every_wrong_place() {
    let app = TestApp::start().await;
    let post = async |body: Value| app.operator.post("/run", &body).await;
    let problem = post(json!({"playbok": "offboard", "input": [], "patience_seconds": -1}))
        .await
        .problem(400, "invalid_argument");
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/playbook", "/integrated_account_id", "/input", "/patience_seconds", "/playbok"]);
    let body = json!({"playbook": "offboard", "integrated_account_id": crate::NOBODY, "input": {}});
    post(body).await.problem(404, "not_found");
    let stranger = app.stranger("elsewhere").await;
    let body = json!({"playbook": "offboard", "integrated_account_id": app.account, "input": {"email": "a@b.c"}});
    stranger.post("/run", &body).await.problem(404, "not_found");
    assert_eq!(app.operator.get("/run").await.expect(200)["result_count"], 0);
    app.finish().await;
}

#[tokio::test]
async fn whoever_watches_a_run_does_not_hold_up_the_end() {
    let mut app = TestApp::builder().runs(ScriptKind("script")).start().await;
    let new = quartermaster_gateway::runs::NewRun {
        kind: "script".to_owned(),
        definition: json!({"name": "long", "rounds": [[{"key": "pause", "wait_seconds": 3600}]]}).to_string(),
        account: app.account,
        input: serde_json::Map::new(),
        patience_seconds: None,
    };
    let token = app.operator.token().unwrap().to_owned();
    let actor = app.gateway.authenticate(Some(&token)).await.unwrap();
    let run = app.gateway.start_run(&actor, app.gateway.request_id(), new).await.unwrap();
    let (client, path) = (app.operator.clone(), format!("/run/{}/events", run.summary.id));
    let watcher = tokio::spawn(async move { client.get(&path).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!watcher.is_finished());
    app.stop();
    let stream = tokio::time::timeout(Duration::from_secs(5), watcher).await.expect("it ends").unwrap();
    assert_eq!(events(&stream), []);
    app.finish().await;
}
