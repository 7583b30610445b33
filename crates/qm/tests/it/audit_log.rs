//! The audit log verified, exported and shortened, as a user does it.

use crate::stage::{Stage, run};

#[test]
fn the_log_of_the_gateway_and_its_export_verify_and_tampering_is_named() {
    let stage = Stage::start(&[]);
    for _ in 0..3 {
        stage.run(&["call", "list_all_1_password_users", "limit=1"]).exits(0);
    }
    // A change of configuration is recorded at once, behind the calls.
    stage.run(&["token", "create", "--name", "x", "--role", "agent"]).exits(0);
    let live = stage.run(&["audit-log", "verify"]).exits(0).out;
    assert!(live.contains("none changed, removed, added or moved"), "{live}");
    let report = stage.run(&["audit-log", "verify", "-o", "json"]).exits(0).json();
    assert_eq!((&report["intact"], &report["first"]), (&true.into(), &1.into()));
    assert!(report["records"].as_u64().unwrap() >= 2, "{report}");

    let key = stage.run(&["audit-log", "key", "-o", "json"]).exits(0).json()["public_key"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.jsonl");
    let path = file.to_str().unwrap();
    stage.run(&["audit-log", "export", "--to", path]).exits(0);
    stage.run(&["audit-log", "export", "--to", path]).exits(1);
    let csv = stage.run(&["audit-log", "export", "--format", "csv"]).exits(0).out;
    assert!(csv.starts_with("sequence,id,at,") && csv.contains("account.create"), "{csv}");
    // Nothing but the file is needed.
    run(&["audit-log", "verify", path, "--key", &key]).exits(0);
    let other = key.replace(|digit: char| digit != '0', "0");
    assert!(run(&["audit-log", "verify", path, "--key", &other]).exits(8).out.contains("key: "));
    run(&["audit-log", "verify", path, "--key", "00"]).exits(2);

    let text = std::fs::read_to_string(&file).unwrap();
    let altered = folder.path().join("altered.jsonl");
    let verify = |text: String| {
        std::fs::write(&altered, text).unwrap();
        run(&["audit-log", "verify", altered.to_str().unwrap(), "-o", "json"]).exits(8).json()
    };
    let report = verify(text.replacen("account.create", "account.delete", 1));
    assert_eq!(report["findings"][0]["kind"], "changed");
    let (sequence, id) = (&report["findings"][0]["sequence"], &report["findings"][0]["id"]);
    assert!(sequence.is_u64() && text.contains(id.as_str().unwrap()), "{report}");
    let lines: Vec<&str> = text.lines().collect();
    let second = lines.iter().position(|line| line.contains("\"sequence\":2,")).unwrap();
    let without: Vec<&str> = lines.iter().enumerate().filter(|(at, _)| *at != second).map(|(_, line)| *line).collect();
    let report = verify(without.join("\n"));
    assert_eq!((&report["findings"][0]["kind"], &report["findings"][0]["sequence"]), (&"removed".into(), &2.into()));
    let report = verify(lines[..lines.len() - 1].join("\n"));
    assert_eq!(report["findings"][0]["kind"], "incomplete");
    let report = verify("nonsense\n".to_owned());
    assert!(report["findings"][0]["detail"].as_str().unwrap().starts_with("line 1: "), "{report}");
    run(&["audit-log", "verify", "no-such-file"]).exits(1);
}

#[test]
fn what_is_dropped_is_told_and_the_rest_verifies() {
    let stage = Stage::start(&[]);
    stage.run(&["token", "create", "--name", "x", "--role", "agent"]).exits(0);
    let none = stage.run(&["audit-log", "prune", "--before", "2020-01-01T00:00:00Z", "-o", "json"]).exits(0).json();
    assert_eq!((&none["count"], &none["first"]), (&0.into(), &serde_json::Value::Null));
    let all = stage.run(&["audit-log", "prune", "--before", "2100-01-01T00:00:00Z", "-o", "json"]).exits(0).json();
    assert_eq!((&all["first"], &all["count"]), (&1.into(), &all["through"]));
    let report = stage.run(&["audit-log", "verify", "-o", "json"]).exits(0).json();
    assert_eq!(report["dropped"][0]["through"], all["through"]);
    let log = stage.run(&["audit-log", "-o", "json"]).exits(0).json();
    assert_eq!(log[0]["action"], "audit_log.prune", "the listing is still there: {log}");
    stage.run(&["audit-log", "prune", "--before", "yesterday"]).exits(2);
}
