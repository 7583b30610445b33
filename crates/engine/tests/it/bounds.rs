//! Every bound of a walk, at the limit and one past it.

use std::time::Duration;

use quartermaster_definition::plan::PageStyle;
use quartermaster_engine::limits::{
    CONDITION_VALUES_MAX, CURSOR_MAX_BYTES, PAGES_MAX, SCANNED_MAX, URL_MAX_BYTES, WALK_MAX_BYTES,
};
use quartermaster_engine::{ListOptions, StopReason};
use quartermaster_types::Code;
use serde_json::json;

use crate::plans::{self, paged};
use crate::upstream::{Reply, Upstream};
use crate::world::{World, limit};

/// `count` pages with the same `content`; the cursor is the page's number.
async fn numbered(count: u32, content: String) -> (World, Upstream) {
    let upstream = Upstream::start(move |_, seen| {
        let page: u32 = seen.query_value("cursor").map_or(1, |cursor| cursor.parse().unwrap());
        let next = if page < count { format!(r#","next":"{}""#, page + 1) } else { String::new() };
        Reply::json(200, &format!(r#"{{"results":[{content}]{next}}}"#))
    })
    .await;
    let style = PageStyle::CursorQuery { send: "cursor".to_owned(), read: "/next".to_owned() };
    (World::new(paged(&upstream.base_url(), plans::pages(style)), upstream.address), upstream)
}

#[tokio::test]
async fn pages() {
    for (count, stopped) in [(PAGES_MAX, None), (PAGES_MAX + 1, Some(StopReason::PageLimit))] {
        let (world, upstream) = numbered(count, r#"{"id":"1"}"#.to_owned()).await;
        let answer = world.list(json!({}), limit(u32::MAX)).await;
        assert_eq!((answer.count, answer.stopped_because), (u64::from(PAGES_MAX), stopped));
        assert_eq!((answer.is_partial, answer.next.is_some()), (stopped.is_some(), stopped.is_some()));
        assert_eq!(upstream.seen().len(), PAGES_MAX as usize);
        if let Some(next) = answer.next {
            let rest = world.list(json!({}), ListOptions { limit: Some(9), cursor: Some(next), fields: None }).await;
            assert_eq!((rest.count, rest.next), (1, None));
        }
    }
}

#[tokio::test]
async fn scanned_records() {
    let page = 10_000;
    let content = vec![r#"{"id":"1"}"#; page].join(",");
    let exact = u32::try_from(SCANNED_MAX).unwrap() / page as u32;
    for (count, stopped) in [(exact, None), (exact + 1, Some(StopReason::ScanLimit))] {
        let (world, _) = numbered(count, content.clone()).await;
        let answer = world.list(json!({"email": "a@b.test"}), limit(1)).await;
        assert_eq!((answer.count, answer.scanned, answer.stopped_because), (0, Some(SCANNED_MAX), stopped));
        assert_eq!(answer.next.is_some(), stopped.is_some());
    }
}

#[tokio::test]
async fn gathered_bytes() {
    let half = |less: usize| {
        let frame = r#"{"id":""}"#.len();
        format!(r#"{{"id":"{}"}}"#, "x".repeat(WALK_MAX_BYTES / 2 - frame - less))
    };
    for (less, pages_read, stopped) in [(0, 2, Some(StopReason::SizeLimit)), (1, 3, None)] {
        let (world, upstream) = numbered(3, half(less)).await;
        let answer = world.list(json!({}), limit(100)).await;
        assert_eq!((answer.count, answer.stopped_because), (pages_read, stopped));
        assert_eq!(upstream.seen().len() as u64, pages_read);
        assert_eq!(answer.next.is_some(), stopped.is_some());
    }
}

#[tokio::test]
async fn the_callers_patience() {
    let (mut world, _) = numbered(2, r#"{"id":"1"}"#.to_owned()).await;
    world.deadline = Duration::from_millis(200);
    let answer = world.list(json!({}), limit(100)).await;
    assert_eq!((answer.count, answer.stopped_because), (1, Some(StopReason::TimeLimit)));
    assert!(answer.next.is_some());
    world.deadline = Duration::ZERO;
    let failure = world.failure("list", json!({})).await;
    assert_eq!((failure.problem.code(), failure.upstream_calls), (Code::UpstreamTimeout, 0));
}

#[tokio::test]
async fn the_length_of_a_url() {
    let (world, upstream) = numbered(1, String::new()).await;
    let frame = format!("{}/users?tag=&size=2", upstream.base_url()).len();
    let longest = "x".repeat(URL_MAX_BYTES - frame);
    assert_eq!(world.list(json!({"tag": longest}), ListOptions::default()).await.count, 0);
    let failure = world.failure("list", json!({"tag": format!("{longest}x")})).await;
    assert_eq!((failure.problem.code(), failure.upstream_calls), (Code::InvalidArgument, 0));
}

#[tokio::test]
async fn the_length_of_a_cursor() {
    for (length, followed) in [(CURSOR_MAX_BYTES, true), (CURSOR_MAX_BYTES + 1, false)] {
        let upstream = Upstream::start(move |index, _| {
            let next = if index == 0 { "c".repeat(length) } else { String::new() };
            Reply::json(200, &format!(r#"{{"results":[{{"id":"1"}}],"next":"{next}"}}"#))
        })
        .await;
        let style = PageStyle::CursorQuery { send: "cursor".to_owned(), read: "/next".to_owned() };
        let world = World::new(paged(&upstream.base_url(), plans::pages(style)), upstream.address);
        let outcome = world.execute("list", json!({}), limit(9)).await;
        if followed {
            assert!(outcome.is_ok());
            assert_eq!(upstream.seen().len(), 2);
        } else {
            assert_eq!(outcome.unwrap_err().problem.code(), Code::UpstreamInvalid);
        }
    }
}

#[tokio::test]
async fn values_that_conditions_look_at() {
    let ones = |count: usize| vec!["1"; count].join(",");
    // The body, `ok` and the list itself count, too.
    for (items, code) in [(CONDITION_VALUES_MAX - 3, None), (CONDITION_VALUES_MAX - 2, Some(Code::ResponseTooLarge))] {
        let list = ones(items);
        let upstream =
            Upstream::start(move |_, _| Reply::json(200, &format!(r#"{{"ok":true,"seen":[{list}]}}"#))).await;
        let mut plan = plans::plan(&upstream.base_url());
        plan.errors.failed_when.push(plans::program("body.ok == false || size(body.seen) == 0"));
        let world = World::new(plan, upstream.address);
        match code {
            None => assert_eq!(world.single("get", json!({"id": "1"})).await.changed, None),
            Some(code) => {
                let problem = world.failure("get", json!({"id": "1"})).await.problem;
                assert_eq!((problem.code(), problem.body().retryable), (code, false), "{problem}");
                assert!(problem.body().detail.contains("more than 100000 values"), "{problem}");
            }
        }
    }
    // What the condition does not look at has no limit but the answer's own; no text of it is too long, either.
    let list = ones(2 * CONDITION_VALUES_MAX);
    let long = "x".repeat(100_000);
    let upstream = Upstream::start(move |_, _| {
        Reply::json(200, &format!(r#"{{"results":[{list}],"long":"{long}","meta":{{"ok":true,"rest":[{list}]}}}}"#))
    })
    .await;
    let mut plan = plans::plan(&upstream.base_url());
    plan.errors.failed_when.push(plans::program("body.meta.ok == false"));
    plan.rate_limits.limited_when.push(plans::program("has(body.error) && body.error == 'ratelimited'"));
    let world = World::new(plan, upstream.address);
    assert_eq!(world.list(json!({}), limit(u32::MAX)).await.count, 2 * CONDITION_VALUES_MAX as u64);
}
