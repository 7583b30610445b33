//! `Prefer: wait`: only reads are held, only as the upstream's own headers say, only within what was granted.

use std::time::{Duration, Instant};

use quartermaster_types::Code;
use serde_json::json;

use crate::plans::plan;
use crate::upstream::{Reply, Upstream};
use crate::world::World;

const ACTIVE: &str = r#"{"id":"1","state":"ACTIVE"}"#;

async fn world(limited: Reply, wait: Option<u64>) -> (World, Upstream) {
    let upstream =
        Upstream::start(move |index, _| if index == 0 { limited.clone() } else { Reply::json(200, ACTIVE) }).await;
    let mut world = World::new(plan(&upstream.base_url()), upstream.address);
    world.wait = wait.map(Duration::from_secs);
    (world, upstream)
}

fn limited() -> Reply {
    Reply::json(429, "{}")
}

#[tokio::test]
async fn a_read_is_held_as_the_headers_say() {
    for (reply, least) in [
        (limited().with("retry-after", "1"), 1),
        (limited().with("retry-after", "0"), 1),
        (limited().with("ratelimit-limit", "5").with("ratelimit-remaining", "0").with("ratelimit-reset", "1"), 1),
    ] {
        let (world, upstream) = world(reply, Some(2)).await;
        let begun = Instant::now();
        let answer = world.single("get", json!({"id": "1"})).await;
        assert!(begun.elapsed() >= Duration::from_secs(least));
        assert_eq!((answer.upstream_calls, upstream.seen().len()), (2, 2));
    }
}

#[tokio::test]
async fn a_read_is_not_held_without_headers_too_long_past_the_deadline_or_unasked() {
    for (reply, wait, deadline) in [
        (limited(), Some(5), 10),
        (limited().with("retry-after", "6"), Some(5), 10),
        (limited().with("retry-after", "2"), Some(5), 1),
        (limited().with("retry-after", "1"), None, 10),
    ] {
        let (mut world, upstream) = world(reply, wait).await;
        world.deadline = Duration::from_secs(deadline);
        let begun = Instant::now();
        let failure = world.failure("get", json!({"id": "1"})).await;
        assert_eq!((failure.problem.code(), failure.upstream_calls), (Code::RateLimited, 1));
        assert!(begun.elapsed() < Duration::from_millis(900));
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_write_is_never_held() {
    let (world, upstream) = world(limited().with("retry-after", "1"), Some(5)).await;
    let failure = world.failure("note", json!({"id": "1", "text": "x"})).await;
    assert_eq!(failure.problem.code(), Code::RateLimited);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn the_granted_wait_is_for_the_whole_call() {
    let upstream = Upstream::start(|_, _| limited().with("retry-after", "1")).await;
    let mut world = World::new(plan(&upstream.base_url()), upstream.address);
    world.wait = Some(Duration::from_secs(2));
    let failure = world.failure("get", json!({"id": "1"})).await;
    assert_eq!((failure.problem.code(), failure.upstream_calls), (Code::RateLimited, 3));
}
