//! Runs by the program: killed, taken over, watched, exported and replayed.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{Stage, eventually};

/// Starts a run as another program would.
fn start(stage: &Stage, email: &str) -> String {
    let address = stage.url.strip_prefix("http://").unwrap();
    let body = serde_json::json!({
        "playbook": "offboard", "integrated_account_id": stage.account, "input": {"email": email},
    });
    let body = body.to_string();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /run HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        stage.token,
        body.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let run: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    run["id"].as_str().unwrap().to_owned()
}

const EMAIL: &str = "a.miller@company.com";

#[test]
fn a_killed_gateway_goes_on_with_its_runs_and_nothing_is_done_twice() {
    let mut stage = Stage::start(&["--latency", "250ms"]);
    let run = start(&stage, EMAIL);
    let show = |stage: &Stage| stage.run(&["runs", "show", &run, "-o", "json"]).exits(0).json();
    eventually("the first step", || show(&stage)["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
    assert_eq!(show(&stage)["state"], "running");
    let killed = stage.gateway.take().unwrap();
    killed.signal("KILL");
    assert_eq!(killed.wait(), None);
    assert_eq!(stage.count("suspend"), 0, "it was killed before");

    stage.serve();
    let watched = stage.run(&["runs", "watch", &run, "--every", "100ms"]).exits(0);
    assert!(watched.out.contains("users.suspend"), "{watched:?}");
    assert!(watched.err.contains("Successfully suspended a.miller@company.com"), "{watched:?}");
    assert_eq!(stage.count("suspend"), 1);
    let steps = show(&stage)["steps"].clone();
    assert!(steps[0]["attempts"].as_u64() >= Some(2), "the step that was cut off was begun again: {steps}");

    // The replay needs no gateway and no upstream.
    let export = stage.run(&["runs", "export", &run]).exits(0);
    let file = stage.file("run.json", &export.out);
    drop(stage.gateway.take());
    let same = stage.run(&["runs", "replay", "--file", &file]).exits(0);
    assert!(same.err.contains("byte for byte"), "{same:?}");
    let changed = stage.file("changed.json", export.out.replacen("Successfully suspended", "Did not suspend", 1));
    let differs = stage.run(&["runs", "replay", "--file", &changed]).exits(1);
    assert!(differs.err.contains("first difference") && differs.err.contains("Did not suspend"), "{differs:?}");
    stage.run(&["runs", "replay", "--file", &stage.file("bad.json", "{}")]).exits(1);
}

#[test]
fn runs_are_listed_stopped_and_exported() {
    let mut stage = Stage::start(&["--latency", "300ms"]);
    let run = start(&stage, EMAIL);
    stage.run(&["runs", "cancel", &run]).exits(0);
    stage.run(&["runs", "watch", &run, "--every", "50ms"]).exits(130);
    assert_eq!(stage.count("suspend"), 0);
    let again = stage.run(&["runs", "cancel", &run]).exits(0);
    assert!(again.err.contains("has ended already: cancelled"), "{again:?}");
    let listed = stage.run(&["runs", "list", "--state", "cancelled", "--name", "offboard", "-o", "json"]).exits(0);
    assert_eq!(listed.json()[0]["id"], run.as_str());
    assert_eq!(stage.run(&["runs", "list", "--state", "done", "-o", "json"]).exits(0).json(), serde_json::json!([]));
    let page = stage.run(&["runs", "export", &run, "--format", "html"]).exits(0).out;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("cancelled"));
    let missing = "0190d1f2-0000-7000-8000-000000000001";
    assert_ne!(stage.run(&["runs", "show", missing]).code, 0);
    stage.run(&["runs", "replay"]).exits(2);

    // A run in the middle of a step does not hold up the end, and is handed back.
    start(&stage, EMAIL);
    let begun = Instant::now();
    let gateway = stage.gateway.take().unwrap();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
