//! Problems: their pages, and the answers that have no route.

use quartermaster_testkit::{TestApp, captured_logs};
use quartermaster_types::Code;
use serde_json::json;

#[tokio::test]
async fn every_code_has_a_page_for_programs_and_for_people() {
    let app = TestApp::builder().unconnected().start().await;
    let client = app.operator.without_token();
    for code in Code::ALL {
        for name in [code.as_str().to_owned(), code.as_str().replace('_', "-")] {
            let path = format!("/problems/{name}");
            let page = client.get(&path).await.expect(200);
            assert_eq!(page["code"], code.as_str());
            assert_eq!(page["status"], code.status());
            assert_eq!(page["title"], code.title());
            assert_eq!(page["advice"], code.advice());
            let html = client.request("GET", &path).header("accept", "text/html,*/*;q=0.8").send().await;
            assert_eq!(html.code(), 200);
            assert!(html.header("content-type").starts_with("text/html"));
            assert_eq!(html.header("content-security-policy"), "default-src 'none'; style-src 'unsafe-inline'");
            assert!(html.text().contains(&format!("<code>{code}</code>")), "{}", html.text());
        }
    }
    let list = client.get("/problems").await.expect(200);
    assert_eq!(list["result"].as_array().unwrap().len(), Code::ALL.len());
    let html = client.request("GET", "/problems").header("accept", "text/html").send().await;
    assert!(html.text().contains("/problems/account-needs-reauth"));
    client.get("/problems/nothing").await.problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_problems() {
    let app = TestApp::builder().unconnected().start().await;
    for path in ["/", "/nothing", "/integrated-account/", "/proxy", "/token/a/b"] {
        let problem = app.operator.without_token().get(path).await.problem(404, "not_found");
        assert_eq!(problem["origin"], "caller");
    }
    let answer = app.operator.put("/integrated-account", &json!({})).await;
    answer.problem(405, "method_not_allowed");
    let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    app.operator.request("PROPFIND", "/healthz").send().await.problem(405, "method_not_allowed");
    app.finish().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_ours() {
    let app = TestApp::builder().unconnected().start().await;
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/healthz", "/nothing", "/token", "/problems/not-found", "/token"] {
        let answer = app.operator.request("GET", path).header("x-request-id", "chosen-by-the-caller").send().await;
        let id = answer.header("x-request-id").to_owned();
        assert_eq!(id.len(), 36, "{path}: {id}");
        assert!(seen.insert(id));
    }
    let head = app.operator.request("HEAD", "/healthz").send().await;
    assert_eq!((head.code(), head.body.len()), (200, 0));
    app.finish().await;
}

#[tokio::test]
async fn the_request_id_stands_in_the_log_and_the_query_does_not() {
    let app = TestApp::builder().unconnected().start().await;
    let answer = app.operator.get("/integrated-account?tenant_id=somebody-whom-nobody-should-log").await;
    answer.expect(200);
    let logs = captured_logs();
    let line = logs.lines().find(|line| line.contains(answer.header("x-request-id"))).expect("the request is logged");
    assert!(line.contains("/integrated-account") && line.contains("status=200"), "{line}");
    assert!(!logs.contains("somebody-whom-nobody-should-log"), "the query is logged");
    app.finish().await;
}
