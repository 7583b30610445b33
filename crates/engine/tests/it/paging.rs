//! Every dialect of pagination, `limit`, resuming, and what stops a walk.

use quartermaster_definition::plan::{PageStyle, Pagination};
use quartermaster_engine::{ListOptions, Position, StopReason};
use quartermaster_types::Code;
use serde_json::{Value, json};

use crate::plans::{paged, pages, plan};
use crate::upstream::{Reply, Seen, Upstream};
use crate::world::{World, ids, limit, people, records};

/// Seven people in pages of the size that was asked for, cursor = number of the first person.
fn directory(seen: &Seen) -> (u32, u32, String) {
    let from = seen.query_value("cursor").map_or(0, |cursor| cursor.trim_start_matches('c').parse().unwrap());
    let size: u32 = seen.query_value("size").unwrap().parse().unwrap();
    let end = (from + size).min(7);
    (from, end, people(from..end))
}

fn cursor_query() -> PageStyle {
    PageStyle::CursorQuery { send: "cursor".to_owned(), read: "/next".to_owned() }
}

async fn cursor_world(end: &'static str) -> (World, Upstream) {
    let upstream = Upstream::start(move |_, seen| {
        let (_, to, people) = directory(seen);
        let next = if to < 7 { format!(r#""next":"c{to}""#) } else { end.to_owned() };
        let comma = if next.is_empty() { "" } else { "," };
        Reply::json(200, &format!(r#"{{"results":[{people}]{comma}{next}}}"#))
    })
    .await;
    (World::new(paged(&upstream.base_url(), pages(cursor_query())), upstream.address), upstream)
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_cursor_in_the_query_is_followed_to_every_kind_of_end() {
    for end in [r#""next":null"#, r#""next":"""#, "", r#""next":false"#] {
        let (world, upstream) = cursor_world(end).await;
        let answer = world.list(json!({}), limit(100)).await;
        assert_eq!(ids(&answer), numbers(0..7), "{end}");
        assert_eq!((answer.next.clone(), answer.is_partial, answer.upstream_calls), (None, false, 3));
        assert_eq!(records(&answer)[6]["email"], "P6@Acme.test");
        assert_eq!(upstream.targets(), ["/users?size=3", "/users?size=3&cursor=c3", "/users?size=3&cursor=c6"]);
    }
}

#[tokio::test]
async fn limit_is_exact_and_the_walk_resumes_where_it_stopped() {
    for step in 1..=8u32 {
        let (world, _) = cursor_world(r#""next":null"#).await;
        let mut found = Vec::new();
        let mut cursor = None;
        for _ in 0..8 {
            let options = ListOptions { limit: Some(step), cursor, fields: None };
            let answer = world.list(json!({}), options).await;
            assert!(answer.count <= u64::from(step));
            assert!(!answer.is_partial);
            records(&answer);
            found.extend(ids(&answer));
            cursor = answer.next;
            if cursor.is_none() {
                break;
            }
            assert_eq!(answer.count, u64::from(step), "only the last answer may be short");
        }
        assert_eq!(found, numbers(0..7), "in steps of {step}");
        assert_eq!(cursor, None);
    }
}

#[tokio::test]
async fn a_position_within_a_page_survives_its_wire_form() {
    let (world, upstream) = cursor_world("").await;
    let answer = world.list(json!({}), limit(4)).await;
    let next = answer.next.unwrap();
    assert_eq!(next, Position { upstream: Some("c3".to_owned()), skip: 1, size: Some(3) });
    let next: Position = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
    let rest = world.list(json!({}), ListOptions { limit: Some(2), cursor: Some(next), fields: None }).await;
    assert_eq!(ids(&rest), numbers(4..6));
    assert_eq!(upstream.targets()[2], "/users?size=3&cursor=c3");
}

#[tokio::test]
async fn without_a_limit_one_page_of_the_usual_size_is_given() {
    let (world, upstream) = cursor_world("").await;
    let answer = world.list(json!({}), ListOptions::default()).await;
    assert_eq!(ids(&answer), numbers(0..2));
    assert_eq!(upstream.targets(), ["/users?size=2"]);
    assert_eq!(answer.next.unwrap().upstream.as_deref(), Some("c2"));
    assert!(!answer.is_partial);
}

#[tokio::test]
async fn empty_pages_in_the_middle_are_walked_over() {
    let upstream = Upstream::script(vec![
        Reply::json(200, r#"{"results":[],"next":"a"}"#),
        Reply::json(200, r#"{"results":null,"next":"b"}"#),
        Reply::json(200, r#"{"next":"c"}"#),
        Reply::json(200, r#"{"results":[{"id":"1"}]}"#),
    ])
    .await;
    let world = World::new(paged(&upstream.base_url(), pages(cursor_query())), upstream.address);
    let answer = world.list(json!({}), ListOptions::default()).await;
    assert_eq!((ids(&answer), answer.upstream_calls, answer.next), (numbers(1..2), 4, None));
    assert_eq!(answer.pieces.len(), 1, "no empty pieces");
}

#[tokio::test]
async fn a_cursor_in_the_body_is_followed() {
    let upstream = Upstream::start(|_, seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        match body["page"]["after"].as_str() {
            None => Reply::json(200, &format!(r#"{{"results":[{}],"page":{{"next":77}}}}"#, people(0..2))),
            Some("77") => Reply::json(200, &format!(r#"{{"results":[{}]}}"#, people(2..3))),
            other => panic!("cursor {other:?}"),
        }
    })
    .await;
    let style = PageStyle::CursorBody { send: "/page/after".to_owned(), read: "/page/next".to_owned() };
    let pagination = Pagination { size_parameter: Some("/page/size".to_owned()), ..pages(style) };
    let world = World::new(paged(&upstream.base_url(), pagination), upstream.address);
    assert_eq!(ids(&world.list(json!({}), limit(9)).await), numbers(0..3));
    let seen = upstream.seen();
    assert_eq!(seen[0].body, r#"{"page":{"size":3}}"#);
    assert_eq!(seen[1].body, r#"{"page":{"size":3,"after":"77"}}"#);
    assert_eq!(seen[1].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_cursor_in_a_header_is_followed() {
    let upstream = Upstream::script(vec![
        Reply::json(200, &format!(r#"{{"results":[{}]}}"#, people(0..3))).with("after-cursor", "x y"),
        Reply::json(200, &format!(r#"{{"results":[{}]}}"#, people(3..4))).with("after-cursor", ""),
    ])
    .await;
    let style = PageStyle::CursorHeader { send: "cursor".to_owned(), read: "after-cursor".to_owned() };
    let world = World::new(paged(&upstream.base_url(), pages(style)), upstream.address);
    assert_eq!(ids(&world.list(json!({}), limit(9)).await), numbers(0..4));
    assert_eq!(upstream.targets()[1], "/users?size=3&cursor=x%20y");
}

#[tokio::test]
async fn next_urls_are_followed_on_the_same_host_only() {
    let style = PageStyle::NextUrl { read: "/links/next".to_owned() };
    let upstream = Upstream::script(vec![
        Reply::json(200, &format!(r#"{{"results":[{}],"links":{{"next":"/users?page=2&x=%20"}}}}"#, people(0..3))),
        Reply::json(
            200,
            &format!(r#"{{"results":[{}],"links":{{"next":"http://evil.test/users?page=3"}}}}"#, people(3..6)),
        ),
    ])
    .await;
    let world = World::new(paged(&upstream.base_url(), pages(style)), upstream.address);
    let answer = world.list(json!({}), limit(9)).await;
    assert_eq!(upstream.targets(), ["/users?size=3", "/users?page=2&x=%20"]);
    assert_eq!((ids(&answer), answer.stopped_because), (numbers(0..6), Some(StopReason::UpstreamError)));
    let options = ListOptions { limit: Some(9), cursor: answer.next, fields: None };
    let failure = world.execute("list", json!({}), options).await.unwrap_err();
    assert_eq!(failure.problem.code(), Code::UpstreamForbidden);
    assert!(failure.problem.body().detail.contains("evil.test"), "{}", failure.problem);
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn link_headers_are_followed() {
    let upstream = Upstream::start(|index, seen| {
        let host = seen.header("host").unwrap();
        let page = Reply::json(200, &format!("[{}]", people(index as u32..index as u32 + 1)));
        if index < 2 {
            page.with("link", &format!(r#"<http://{host}/users?p={}>; rel="next""#, index + 1))
        } else {
            page
        }
    })
    .await;
    let mut plan = paged(&upstream.base_url(), pages(PageStyle::LinkHeader));
    crate::plans::method_mut(&mut plan, "list").result = String::new();
    let world = World::new(plan, upstream.address);
    assert_eq!(ids(&world.list(json!({}), limit(9)).await), numbers(0..3));
    assert_eq!(upstream.targets(), ["/users?size=3", "/users?p=1", "/users?p=2"]);
}

#[tokio::test]
async fn page_numbers_count_from_0_or_1_and_end_by_total_or_short_page() {
    for (first, total) in [(0u64, None), (1, None), (1, Some("/pages")), (0, Some("/records"))] {
        let upstream = Upstream::start(move |_, seen| {
            let page = seen.query_value("page").unwrap().parse::<u32>().unwrap() - first as u32;
            let (from, to) = (page * 3, (page * 3 + 3).min(6));
            let people = if from < to { people(from..to) } else { String::new() };
            Reply::json(200, &format!(r#"{{"results":[{people}],"pages":2,"records":6}}"#))
        })
        .await;
        let style = PageStyle::PageNumber { send: "page".to_owned(), first, total_pages: total.map(str::to_owned) };
        let world = World::new(paged(&upstream.base_url(), pages(style)), upstream.address);
        let answer = world.list(json!({}), limit(100)).await;
        assert_eq!((ids(&answer), answer.next), (numbers(0..6), None));
        assert_eq!(upstream.targets()[0], format!("/users?size=3&page={first}"));
        assert_eq!(upstream.seen().len(), if total == Some("/pages") { 2 } else { 3 });
        let four = world.list(json!({}), limit(4)).await;
        let options = ListOptions { limit: Some(4), cursor: four.next, fields: None };
        assert_eq!(ids(&world.list(json!({}), options).await), numbers(4..6));
    }
}

#[tokio::test]
async fn offsets_advance_by_what_came() {
    for (first, total) in [(0u64, None), (1, Some("/totalResults"))] {
        let upstream = Upstream::start(move |_, seen| {
            let from = seen.query_value("offset").unwrap().parse::<u32>().unwrap() - first as u32;
            // With a total, the vendor gives less than it is asked for.
            let to = (from + if total.is_some() { 2 } else { 3 }).min(7);
            Reply::json(200, &format!(r#"{{"results":[{}],"totalResults":7}}"#, people(from..to)))
        })
        .await;
        let style = PageStyle::Offset { send: "offset".to_owned(), first, total: total.map(str::to_owned) };
        let world = World::new(paged(&upstream.base_url(), pages(style)), upstream.address);
        let answer = world.list(json!({}), limit(100)).await;
        assert_eq!((ids(&answer), answer.next), (numbers(0..7), None));
        assert_eq!(upstream.seen().len(), if total.is_some() { 4 } else { 3 });
    }
}

#[tokio::test]
async fn the_last_id_is_a_cursor() {
    let upstream = Upstream::start(|_, seen| {
        let from = seen.query_value("after").map_or(0, |id| id.parse::<u32>().unwrap() + 1);
        let to = (from + 3).min(6);
        let people = if from < to { people(from..to) } else { String::new() };
        Reply::json(200, &format!(r#"{{"results":[{people}],"more":{}}}"#, to < 6))
    })
    .await;
    let style = PageStyle::LastId { send: "after".to_owned() };
    let pagination = Pagination { has_more: Some("/more".to_owned()), ..pages(style) };
    let world = World::new(paged(&upstream.base_url(), pagination), upstream.address);
    let answer = world.list(json!({}), limit(100)).await;
    assert_eq!((ids(&answer), answer.next), (numbers(0..6), None));
    assert_eq!(upstream.targets(), ["/users?size=3", "/users?size=3&after=2"]);
}

#[tokio::test]
async fn a_perpetual_cursor_ends_when_has_more_says_so() {
    let upstream = Upstream::script(vec![
        Reply::json(200, &format!(r#"{{"results":[{}],"cursor":"a","more":true}}"#, people(0..2))),
        Reply::json(200, r#"{"results":[],"cursor":"b","more":true}"#),
        Reply::json(200, &format!(r#"{{"results":[{}],"cursor":"c","more":false}}"#, people(2..3))),
    ])
    .await;
    let style = PageStyle::Perpetual { send: "/cursor".to_owned(), read: "/cursor".to_owned() };
    let pagination =
        Pagination { has_more: Some("/more".to_owned()), size_parameter: Some("/limit".to_owned()), ..pages(style) };
    let world = World::new(paged(&upstream.base_url(), pagination), upstream.address);
    let answer = world.list(json!({}), limit(100)).await;
    assert_eq!((ids(&answer), answer.next, answer.is_partial), (numbers(0..3), None, false));
    assert_eq!(upstream.seen()[2].body, r#"{"limit":3,"cursor":"b"}"#);
}

#[tokio::test]
async fn a_list_without_pages_is_one_answer() {
    let upstream = Upstream::start(|_, _| Reply::json(200, &format!(r#"{{"results":[{}]}}"#, people(0..5)))).await;
    let world = World::new(plan(&upstream.base_url()), upstream.address);
    let answer = world.list(json!({}), ListOptions::default()).await;
    assert_eq!((ids(&answer), answer.next), (numbers(0..5), None));
    let two = world.list(json!({}), limit(2)).await;
    assert_eq!((ids(&two), two.is_partial), (numbers(0..2), false));
    let rest = world.list(json!({}), ListOptions { limit: Some(9), cursor: two.next, fields: None }).await;
    assert_eq!(ids(&rest), numbers(2..5));
    assert_eq!(upstream.targets(), ["/users"; 3]);
}

#[tokio::test]
async fn a_cursor_that_comes_back_stops_the_walk() {
    for cycle in [vec!["a", "a"], vec!["a", "b", "a"]] {
        let script = cycle.iter().enumerate().map(|(index, next)| {
            let people = people(index as u32..index as u32 + 1);
            Reply::json(200, &format!(r#"{{"results":[{people}],"next":"{next}"}}"#))
        });
        let upstream = Upstream::script(script.collect()).await;
        let world = World::new(paged(&upstream.base_url(), pages(cursor_query())), upstream.address);
        let answer = world.list(json!({}), limit(100)).await;
        assert_eq!(answer.count, cycle.len() as u64);
        assert_eq!((answer.is_partial, answer.stopped_because), (true, Some(StopReason::RepeatedCursor)));
        assert_eq!(answer.next, None);
        assert_eq!(upstream.seen().len(), cycle.len());
    }
}

#[tokio::test]
async fn a_later_page_that_fails_leaves_what_was_read() {
    let limited = Reply::json(429, "{}").with("retry-after", "7");
    for (bad, reason) in [
        (limited, StopReason::RateLimited),
        (Reply::json(500, "{}"), StopReason::UpstreamError),
        (Reply::json(200, "<html>"), StopReason::UpstreamError),
        (Reply::Close, StopReason::UpstreamError),
    ] {
        let first = Reply::json(200, &format!(r#"{{"results":[{}],"next":"a"}}"#, people(0..3)));
        let last = Reply::json(200, &format!(r#"{{"results":[{}]}}"#, people(3..4)));
        let upstream = Upstream::script(vec![first, bad, last]).await;
        let world = World::new(paged(&upstream.base_url(), pages(cursor_query())), upstream.address);
        let answer = world.list(json!({}), limit(100)).await;
        assert_eq!(ids(&answer), numbers(0..3));
        assert_eq!((answer.is_partial, answer.stopped_because), (true, Some(reason)));
        if reason == StopReason::RateLimited {
            assert_eq!(answer.rate_limits.retry_after_seconds(world.clock.now()), Some(7));
        }
        let rest = world.list(json!({}), ListOptions { limit: Some(9), cursor: answer.next, fields: None }).await;
        assert_eq!(ids(&rest), numbers(3..4));
    }
}

#[tokio::test]
async fn a_first_page_that_fails_is_a_failure_also_when_resuming() {
    let upstream = Upstream::start(|_, _| Reply::json(429, "{}").with("retry-after", "7")).await;
    let world = World::new(paged(&upstream.base_url(), pages(cursor_query())), upstream.address);
    let cursor = Some(Position { upstream: Some("a".to_owned()), skip: 0, size: Some(3) });
    for cursor in [None, cursor] {
        let options = ListOptions { limit: None, cursor, fields: None };
        let failure = world.execute("list", json!({}), options).await.unwrap_err();
        assert_eq!(failure.problem.code(), Code::RateLimited);
        assert_eq!(failure.problem.body().retry_after_seconds, Some(7));
        assert_eq!(failure.rate_limits.retry_after_seconds(world.clock.now()), Some(7));
        assert_eq!(failure.upstream_calls, 1);
    }
    assert_eq!(upstream.seen().len(), 2, "a 429 is never retried");
}

#[tokio::test]
async fn a_search_by_post_is_walked_like_a_list() {
    let definition = r"
name: acme
label: Acme
category: identity
connection: {auth: none}
base_url: BASE
resources:
  users:
    methods:
      search:
        post: /users/search
        items: /found
        pagination: {cursor: {send: /page/after, read: /next}, size: {send: /page/size, default: 2, max: 3}}
        description: Finds people.
        arguments: {words: {description: Words., required: true, send: body}}
        local_filters: {email: {at: /email, compare: equals, fold_case: true, description: Exactly this address.}}
";
    let upstream = Upstream::start(|_, seen| {
        let asked: Value = serde_json::from_str(&seen.body).unwrap();
        let from = asked["page"]["after"].as_str().map_or(0, |after| after.parse().unwrap());
        let to = (from + asked["page"]["size"].as_u64().unwrap() as u32).min(7);
        let next = if to < 7 { json!(to.to_string()) } else { Value::Null };
        Reply::json(200, &format!(r#"{{"found":[{}],"next":{next}}}"#, people(from..to)))
    })
    .await;
    let (definition, diagnostics) =
        quartermaster_definition::load("acme.yaml", &definition.replace("BASE", &upstream.base_url()));
    let plan = definition.unwrap_or_else(|| panic!("{diagnostics}")).compile().unwrap();
    let world = World::new(plan, upstream.address);
    let search = async |arguments: Value, list: ListOptions| match world.execute("search", arguments, list).await {
        Ok(quartermaster_engine::Answer::List(answer)) => answer,
        other => panic!("{other:?}"),
    };

    let everybody = search(json!({"words": "p"}), limit(100)).await;
    assert_eq!((ids(&everybody), everybody.upstream_calls, everybody.next), (numbers(0..7), 3, None));
    let bodies: Vec<Value> = upstream.seen().iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect();
    assert_eq!(bodies[0], json!({"words": "p", "page": {"size": 3}}));
    assert_eq!(bodies[2], json!({"words": "p", "page": {"size": 3, "after": "6"}}));

    let first = search(json!({"words": "p"}), ListOptions { fields: Some(vec!["id".to_owned()]), ..limit(4) }).await;
    assert_eq!(first.count, 4);
    assert_eq!(records(&first)[0], json!({"id": "0"}));
    let rest = search(json!({"words": "p"}), ListOptions { cursor: first.next, ..limit(100) }).await;
    assert_eq!(ids(&rest), numbers(4..7));
    let found = search(json!({"words": "p", "email": "p5@acme.test"}), limit(10)).await;
    assert_eq!((ids(&found), found.scanned), (numbers(5..6), Some(7)));

    let shown = world.preview("search", json!({"words": "p"}), limit(2)).await.unwrap();
    assert_eq!((shown.method.as_str(), shown.body.unwrap()), ("POST", json!({"words": "p", "page": {"size": 2}})));
}
