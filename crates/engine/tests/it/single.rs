//! Calls that return one value, changes of state, and what errors mean.

use std::sync::Arc;

use quartermaster_engine::ListOptions;
use quartermaster_types::{Code, Origin};
use serde_json::{Value, json};

use crate::plans::{explanation, method_mut, plan, program};
use crate::upstream::{Reply, Upstream};
use crate::world::World;

const ACTIVE: &str = r#"{"id":"1","state":"ACTIVE"}"#;
const SUSPENDED: &str = r#"{"id":"1","state":"SUSPENDED"}"#;

async fn script(replies: Vec<Reply>) -> (World, Upstream) {
    let upstream = Upstream::script(replies).await;
    (World::new(plan(&upstream.base_url()), upstream.address), upstream)
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[tokio::test]
async fn a_record_is_given_as_it_came_with_its_id() {
    let (world, upstream) = script(vec![Reply::json(200, "  {\"id\" : \"a\\u0042\", \"n\":1e2}\n")]).await;
    let answer = world.single("get", json!({"id": "1"})).await;
    assert_eq!(&answer.body[..], br#"{"id" : "a\u0042", "n":1e2}"#);
    assert_eq!(answer.id.as_deref(), Some(&b"aB"[..]));
    assert_eq!((answer.changed, answer.before, answer.upstream_calls), (None, None, 1));
    let seen = &upstream.seen()[0];
    assert_eq!((seen.header("accept"), seen.header("user-agent")), (Some("application/json"), Some("Tests/1")));
}

#[tokio::test]
async fn the_result_may_stand_within_the_answer_and_an_empty_body_is_null() {
    let (mut world, upstream) = script(vec![
        Reply::json(200, r#"{"data":{"user":{"id":7}}}"#),
        Reply::json(200, r#"{"data":{}}"#),
        Reply::empty(204),
    ])
    .await;
    let mut plan = plan(&upstream.base_url());
    method_mut(&mut plan, "get").result = "/data/user".to_owned();
    world.plan = Arc::new(plan);
    let answer = world.single("get", json!({"id": "1"})).await;
    assert_eq!((&answer.body[..], answer.id.as_deref()), (&br#"{"id":7}"#[..], Some(&b"7"[..])));
    let problem = world.failure("get", json!({"id": "1"})).await.problem;
    assert_eq!(problem.code(), Code::UpstreamInvalid);
    assert!(problem.body().detail.contains("no value at /data/user"), "{problem}");
    let answer = world.single("get", json!({"id": "1"})).await;
    assert_eq!((&answer.body[..], answer.id), (&b"null"[..], None));
}

#[tokio::test]
async fn a_change_of_state_reads_first_sends_and_checks() {
    let (world, upstream) = script(vec![Reply::json(200, ACTIVE), Reply::json(200, SUSPENDED)]).await;
    let answer = world.single("suspend", json!({"id": "1"})).await;
    assert_eq!(answer.changed, Some(true));
    assert_eq!(parse(&answer.before.unwrap())["state"], "ACTIVE");
    assert_eq!(parse(&answer.body)["state"], "SUSPENDED");
    assert_eq!(answer.id.as_deref(), Some(&b"1"[..]));
    let seen = upstream.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("GET", "/users/1"));
    assert_eq!((seen[1].method.as_str(), seen[1].target.as_str()), ("POST", "/users/1:suspend"));
    assert_eq!((seen[1].body.as_str(), seen[1].header("content-type")), ("", None));
}

#[tokio::test]
async fn a_record_that_was_read_just_now_is_not_read_again() {
    let (mut world, upstream) = script(vec![Reply::json(200, SUSPENDED)]).await;
    world.before = Some(ACTIVE.into());
    let answer = world.single("suspend", json!({"id": "1"})).await;
    assert_eq!((answer.changed, answer.upstream_calls), (Some(true), 1));
    assert_eq!(parse(&answer.before.unwrap())["state"], "ACTIVE");
    assert_eq!(upstream.seen()[0].target, "/users/1:suspend");
    world.before = Some(SUSPENDED.into());
    let answer = world.single("suspend", json!({"id": "1"})).await;
    assert_eq!((answer.changed, answer.upstream_calls), (Some(false), 0), "it is there already, and nothing is sent");
    assert_eq!(parse(&answer.body)["state"], "SUSPENDED");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn who_is_there_already_is_left_alone() {
    let (world, upstream) = script(vec![Reply::json(200, SUSPENDED)]).await;
    let answer = world.single("suspend", json!({"id": "1"})).await;
    assert_eq!((answer.changed, answer.upstream_calls), (Some(false), 1));
    assert_eq!(answer.before.as_ref(), Some(&answer.body));
    assert_eq!(upstream.targets(), ["/users/1"]);
}

#[tokio::test]
async fn an_answer_without_a_record_is_confirmed_by_a_read() {
    for reply in [Reply::empty(204), Reply::json(200, ""), Reply::json(200, r#"{"ok":true}"#), Reply::json(202, ACTIVE)]
    {
        let (world, upstream) = script(vec![Reply::json(200, ACTIVE), reply, Reply::json(200, SUSPENDED)]).await;
        let answer = world.single("suspend", json!({"id": "1"})).await;
        assert_eq!((answer.changed, answer.upstream_calls), (Some(true), 3));
        assert_eq!(parse(&answer.body)["state"], "SUSPENDED");
        assert_eq!(upstream.targets(), ["/users/1", "/users/1:suspend", "/users/1"]);
    }
}

#[tokio::test]
async fn a_yes_that_changes_nothing_is_not_believed() {
    let (world, _) = script(vec![Reply::json(200, ACTIVE), Reply::empty(204), Reply::json(200, ACTIVE)]).await;
    let failure = world.failure("suspend", json!({"id": "1"})).await;
    assert_eq!(failure.problem.code(), Code::UpstreamInvalid);
    assert!(failure.problem.body().detail.contains("state is ACTIVE, not SUSPENDED"), "{}", failure.problem);
    assert_eq!(parse(&failure.before.unwrap())["state"], "ACTIVE");
}

#[tokio::test]
async fn an_error_that_means_already_there_is_confirmed_by_a_read() {
    for (after, changed) in [(SUSPENDED, Some(false)), (ACTIVE, None)] {
        let conflict = Reply::json(400, r#"{"message":"user is already suspended"}"#);
        let (mut world, upstream) = script(vec![Reply::json(200, ACTIVE), conflict, Reply::json(200, after)]).await;
        let mut plan = plan(&upstream.base_url());
        let when = "status == 400 && message.contains('already suspended')";
        plan.errors.explain.push(explanation(when, Some(Code::AlreadyInState), "Nothing to do."));
        world.plan = Arc::new(plan);
        if changed.is_some() {
            let answer = world.single("suspend", json!({"id": "1"})).await;
            assert_eq!((answer.changed, answer.upstream_calls), (changed, 3));
        } else {
            let failure = world.failure("suspend", json!({"id": "1"})).await;
            assert_eq!(failure.problem.code(), Code::AlreadyInState);
        }
    }
}

#[tokio::test]
async fn a_failed_read_before_a_write_sends_no_write() {
    for (reply, code) in [
        (Reply::json(404, "{}"), Code::NotFound),
        (Reply::json(429, "{}"), Code::RateLimited),
        (Reply::json(500, "{}"), Code::UpstreamUnavailable),
    ] {
        let (world, upstream) = script(vec![reply]).await;
        let failure = world.failure("suspend", json!({"id": "1"})).await;
        assert_eq!((failure.problem.code(), failure.before), (code, None));
        assert_eq!(upstream.targets(), ["/users/1"]);
    }
}

#[tokio::test]
async fn a_write_that_broke_says_so_and_keeps_what_was_before() {
    let (world, _) = script(vec![Reply::json(200, ACTIVE), Reply::Close]).await;
    let failure = world.failure("suspend", json!({"id": "1"})).await;
    assert_eq!(failure.problem.code(), Code::UpstreamUnavailable);
    assert!(!failure.problem.body().retryable);
    assert!(failure.problem.body().hint.as_ref().unwrap().contains("may have happened"));
    assert_eq!(failure.problem.body().next_calls[0].tool, "acme_users_get");
    assert_eq!((parse(&failure.before.unwrap()), failure.upstream_calls), (parse(ACTIVE.as_bytes()), 2));
}

#[tokio::test]
async fn an_error_is_told_by_status_message_code_and_explanation() {
    let body = r#"{"error":{"status":"NOT_FOUND","message":"no\n  such user"}}"#;
    let (mut world, upstream) = script(vec![Reply::json(404, body)]).await;
    let mut plan = plan(&upstream.base_url());
    plan.errors.explain.push(explanation("body.absent == 1", Some(Code::Conflict), "never"));
    let when = "status == 404 && vendor_code == 'NOT_FOUND' && method == 'users.get' && arguments.id == 'IR7'";
    plan.errors.explain.push(explanation(when, None, "Nobody is {{ id }} in {{ connection.tenant }}."));
    plan.errors.explain.push(explanation("true", Some(Code::Conflict), "never"));
    world.plan = Arc::new(plan);
    let problem = world.failure("get", json!({"id": "IR7"})).await.problem;
    let told = problem.body();
    assert_eq!((told.code, told.origin, told.status), (Code::NotFound, Origin::Upstream, 404));
    assert_eq!(told.detail, "Acme answered 404 for users.get IR7: no such user");
    assert_eq!(told.hint.as_deref(), Some("Nobody is IR7 in t 1."));
    assert_eq!(told.next_calls[0].tool, "acme_users_list");
    assert_eq!((told.retryable, told.retry_after_seconds), (false, None));
    let excerpt = told.upstream.as_ref().unwrap();
    assert_eq!((excerpt.status, excerpt.code.as_deref(), excerpt.body.as_str()), (404, Some("NOT_FOUND"), body));
}

#[tokio::test]
async fn a_success_can_be_a_failure_and_a_refusal_a_rate_limit() {
    let (mut world, upstream) = script(vec![
        Reply::json(200, r#"{"ok":false,"error":{"message":"user_not_found"}}"#),
        Reply::json(200, r#"{"ok":true,"id":"1"}"#),
        Reply::json(200, r#"{"id":"1"}"#),
        Reply::json(200, r#"{"ok":false,"error":{"message":"ratelimited"}}"#).with("retry-after", "3"),
        Reply::json(400, r#"{"error":{"message":"ratelimited"}}"#),
    ])
    .await;
    let mut plan = plan(&upstream.base_url());
    plan.errors.failed_when.push(program("body.ok == false"));
    plan.rate_limits.limited_when.push(program("message == 'ratelimited'"));
    plan.errors.explain.push(explanation("message == 'user_not_found'", Some(Code::NotFound), "List first."));
    world.plan = Arc::new(plan);
    let problem = world.failure("get", json!({"id": "1"})).await.problem;
    assert_eq!((problem.code(), problem.body().hint.as_deref()), (Code::NotFound, Some("List first.")));
    assert_eq!(world.single("get", json!({"id": "1"})).await.id.as_deref(), Some(&b"1"[..]));
    let unlike = world.failure("get", json!({"id": "1"})).await.problem;
    assert_eq!(unlike.code(), Code::UpstreamRejected, "an answer that is not as declared is not a success");
    let limited = world.failure("get", json!({"id": "1"})).await;
    assert_eq!((limited.problem.code(), limited.problem.body().retry_after_seconds), (Code::RateLimited, Some(3)));
    assert_eq!(world.failure("get", json!({"id": "1"})).await.problem.code(), Code::RateLimited);
}

#[tokio::test]
async fn what_means_429_is_429() {
    for (reply, retry) in [
        (Reply::json(429, "{}"), None),
        (Reply::json(529, "{}").with("retry-after", "5"), Some(5)),
        (Reply::json(503, "{}").with("retry-after", "6"), Some(6)),
        (
            Reply::json(403, "{}")
                .with("ratelimit-limit", "10")
                .with("ratelimit-remaining", "0")
                .with("ratelimit-reset", "8"),
            Some(8),
        ),
    ] {
        let (world, upstream) = script(vec![reply]).await;
        let failure = world.failure("note", json!({"id": "1", "text": "x"})).await;
        assert_eq!((failure.problem.code(), failure.problem.status()), (Code::RateLimited, 429));
        assert_eq!((failure.problem.body().retryable, failure.problem.body().retry_after_seconds), (true, retry));
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[tokio::test]
async fn limits_come_with_every_answer() {
    let reply = Reply::json(200, ACTIVE)
        .with("ratelimit-limit", "100, 100;w=60")
        .with("ratelimit-remaining", "41")
        .with("ratelimit-reset", "12");
    let (world, _) = script(vec![reply]).await;
    let answer = world.single("get", json!({"id": "1"})).await;
    assert_eq!((answer.rate_limits.limit, answer.rate_limits.remaining), (Some(100), Some(41)));
    assert_eq!(answer.rate_limits.reset_seconds(world.clock.now()), Some(12));
}

#[tokio::test]
async fn a_fixed_body_is_sent_with_the_arguments_over_it() {
    let (mut world, upstream) = script((0..3).map(|_| Reply::json(200, SUSPENDED)).collect()).await;
    let mut plan = plan(&upstream.base_url());
    let note = method_mut(&mut plan, "note");
    note.fixed_body = Some(json!({"active": false, "note": {"text": "none", "by": "qm"}}));
    world.plan = Arc::new(plan);
    world.single("note", json!({"id": "1"})).await;
    world.single("note", json!({"id": "1", "text": "left"})).await;
    // The fixed part is the plan's: one call does not change it for the next.
    world.single("note", json!({"id": "1"})).await;
    let seen = upstream.seen();
    let plain = json!({"active": false, "note": {"text": "none", "by": "qm"}});
    assert_eq!(parse(seen[0].body.as_bytes()), plain);
    assert_eq!(parse(seen[1].body.as_bytes()), json!({"active": false, "note": {"text": "left", "by": "qm"}}));
    assert_eq!(parse(seen[2].body.as_bytes()), plain);
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    let preview = world.preview("note", json!({"id": "1", "text": "left"}), ListOptions::default()).await.unwrap();
    assert_eq!(preview.body, Some(json!({"active": false, "note": {"text": "left", "by": "qm"}})));
    assert_eq!(upstream.seen().len(), 3, "a preview sends nothing");
}
