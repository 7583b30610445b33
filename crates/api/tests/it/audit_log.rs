//! The audit log's chain over HTTP: whoever has the lines can verify them, and each environment has its own.

use quartermaster_audit_chain::{Line, PublicKey, Report, Trusted, Verifier};
use quartermaster_testkit::{Client, TestApp};
use serde_json::json;

/// Every line of the export, by pages of so many records.
async fn lines(client: &Client, limit: u32) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/audit-log/export?limit={limit}{cursor}")).await.expect(200);
        for line in page["result"].as_array().unwrap() {
            lines.push(serde_json::from_value(line.clone()).unwrap());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&next_cursor={next}"),
            None => return lines,
        }
    }
}

fn verify(lines: &[Line], key: Option<PublicKey>) -> Report {
    let mut verifier = Verifier::new(Trusted { public_key: key, checkpoint: None });
    for line in lines {
        verifier.line(line);
    }
    verifier.finish()
}

async fn key(client: &Client) -> PublicKey {
    client.get("/audit-log/key").await.expect(200)["public_key"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_environment_exports_its_own_chain_and_drops_its_own_records() {
    let app = TestApp::start().await;
    let admin = app.client(json!({"role": "admin"})).await;
    let stranger = app.stranger("elsewhere").await;
    for number in 0..5 {
        app.connect(&admin, &format!("tenant {number}"), json!({})).await;
    }
    let (own_key, foreign_key) = (key(&admin).await, key(&stranger).await);
    assert_ne!(own_key, foreign_key);
    let all = lines(&admin, 200).await;
    let report = verify(&all, Some(own_key));
    assert!(report.intact && report.records >= 6, "{report:?}");
    let in_pages = verify(&lines(&admin, 1).await, Some(own_key));
    assert!(in_pages.intact && in_pages.records >= report.records, "{in_pages:?}");
    let foreign = verify(&lines(&stranger, 200).await, Some(foreign_key));
    assert!(foreign.intact, "{foreign:?}");

    let dropped = stranger.post("/audit-log/prune", &json!({"before": "2100-01-01T00:00:00Z"})).await.expect(200);
    assert_eq!(dropped["count"], foreign.records);
    let rest = verify(&lines(&stranger, 200).await, Some(foreign_key));
    assert!(rest.intact && rest.dropped.len() == 1, "{rest:?}");
    assert_eq!(rest.first, Some(dropped["through"].as_i64().unwrap() + 1));
    let own = verify(&lines(&admin, 200).await, Some(own_key));
    assert!(own.intact && own.first == Some(1), "the neighbour's records are there: {own:?}");
    let cursor = admin.get("/audit-log/export?limit=1").await.expect(200)["next_cursor"].as_str().unwrap().to_owned();
    stranger.get(&format!("/audit-log/export?next_cursor={cursor}")).await.problem(400, "invalid_argument");
    app.finish().await;
}

#[tokio::test]
async fn the_whole_log_takes_whole_rights() {
    let app = TestApp::start().await;
    let auditor = app.client(json!({"role": "auditor"})).await;
    let agent = app.client(json!({"role": "agent"})).await;
    let narrowed = app.client(json!({"role": "admin", "accounts": [app.account]})).await;
    let body = json!({"before": "2100-01-01T00:00:00Z"});
    auditor.get("/audit-log/export").await.expect(200);
    auditor.get("/audit-log/key").await.expect(200);
    for (client, is_auditor) in [(&auditor, true), (&agent, false), (&narrowed, false)] {
        client.post("/audit-log/prune", &body).await.problem(403, "permission_denied");
        if !is_auditor {
            client.get("/audit-log/export").await.problem(403, "permission_denied");
        }
    }
    agent.get("/audit-log/key").await.problem(403, "permission_denied");
    for wrong in [json!({}), json!({"before": "yesterday"}), json!({"before": null}), json!({"after": "x"})] {
        auditor.post("/audit-log/prune", &wrong).await.problem(400, "invalid_argument");
    }
    app.finish().await;
}
