//! Whatever the arguments are, the request that reaches the upstream is the one that the definition declares.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use quartermaster_definition::plan::{ArgumentPlace, BodyRule};
use quartermaster_engine::ListOptions;
use quartermaster_types::Code;
use serde_json::{Value, json};

use crate::plans::{argument, mapped, method_mut, plan, template};
use crate::upstream::{Reply, Upstream};
use crate::world::World;

async fn world() -> (World, Upstream) {
    let upstream = Upstream::start(|_, _| Reply::json(200, r#"{"id":"1"}"#)).await;
    (World::new(plan(&upstream.base_url()), upstream.address), upstream)
}

/// Bits that path tricks are made of.
fn tricky() -> impl Strategy<Value = String> {
    let bit = prop_oneof![
        Just("../".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("/".to_owned()),
        Just("\\".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("%2F".to_owned()),
        Just("%00".to_owned()),
        Just("?x=1".to_owned()),
        Just("#".to_owned()),
        Just("\r\nx-evil: 1".to_owned()),
        Just("\n".to_owned()),
        Just(" HTTP/1.1".to_owned()),
        Just(":suspend".to_owned()),
        Just("@evil.test".to_owned()),
        Just("é☃".to_owned()),
        "[a-zA-Z0-9]{1,5}",
        "\\PC{0,3}",
    ];
    proptest::collection::vec(bit, 0..5).prop_map(|bits| bits.concat())
}

#[test]
fn the_request_line_has_the_declared_segments_for_every_argument() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (world, upstream) = runtime.block_on(world());
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(id in tricky(), text in tricky(), query in tricky(), header in tricky())| {
        let before = upstream.seen().len();
        let arguments = json!({"id": id, "text": text, "query": query, "header": header});
        let outcome = runtime.block_on(world.execute("note", arguments, ListOptions::default()));
        let seen = upstream.seen().split_off(before);
        match outcome {
            Err(failure) => {
                prop_assert_eq!(failure.problem.code(), Code::InvalidArgument);
                prop_assert!(seen.is_empty(), "refused, but sent: {:?}", seen);
            }
            Ok(_) => {
                prop_assert_eq!(seen.len(), 1);
                let seen = &seen[0];
                prop_assert!(seen.target.is_ascii() && !seen.target.contains(['#', '\\', ' ']));
                let segments: Vec<&str> = seen.path().split('/').collect();
                prop_assert_eq!(segments.len(), 4, "{}", seen.target);
                prop_assert_eq!((segments[1], segments[3]), ("users", "notes"));
                let decoded = percent_decode_str(segments[2]).decode_utf8().unwrap().into_owned();
                prop_assert_eq!(decoded, id);
                prop_assert!(!matches!(segments[2], "" | "." | ".."));
                prop_assert_eq!(seen.query(), vec![("q".to_owned(), query)]);
                prop_assert!(seen.header("x-evil").is_none());
                prop_assert_eq!(seen.header("x-note").unwrap_or_default(), header.trim());
                let body: Value = serde_json::from_str(&seen.body).unwrap();
                prop_assert_eq!(body, json!({"note": {"text": text}}));
            }
        }
    });
}

#[tokio::test]
async fn the_colon_of_a_verb_stays_and_the_id_before_it_is_escaped() {
    let (world, _) = world().await;
    let preview = world.preview("suspend", json!({"id": "a:b/c"}), ListOptions::default()).await.unwrap();
    assert!(preview.url.ends_with("/users/a%3Ab%2Fc:suspend"), "{}", preview.url);
    assert_eq!((preview.method.as_str(), preview.body), ("POST", None));
}

#[tokio::test]
async fn path_tricks_are_refused_before_anything_is_sent() {
    let (world, upstream) = world().await;
    for id in ["..", ".", "", "../x", "%2e%2e", "a/../b", "x\ny", "..%2f"] {
        for method in ["get", "note"] {
            let problem = world.failure(method, json!({ "id": id })).await.problem;
            assert_eq!(problem.code(), Code::InvalidArgument, "{id:?}");
            assert!(!problem.body().detail.contains('\n'));
        }
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_connection_field_cannot_change_the_host_or_inject_a_header() {
    let (mut world, upstream) = world().await;
    let base = format!("{}/{{{{ connection.tenant }}}}", upstream.base_url());
    for tenant in ["x@evil.test", "x\r\nhost: evil.test", "..", "a b", "?", "#", ""] {
        let mut plan = plan(&base);
        plan.headers.push(("x-tenant".to_owned(), template("{{ connection.tenant }}")));
        world.plan = std::sync::Arc::new(plan);
        world.connection["tenant"] = tenant.into();
        let problem = world.failure("get", json!({"id": "1"})).await.problem;
        assert_eq!(problem.code(), Code::InvalidArgument, "{tenant:?}: {problem}");
        assert!(problem.body().detail.contains("`tenant`"), "{problem}");
    }
    world.connection.remove("tenant");
    let problem = world.failure("get", json!({"id": "1"})).await.problem;
    assert!(problem.body().detail.contains("has no value"), "{problem}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_header_argument_with_a_line_break_is_refused() {
    let (world, upstream) = world().await;
    let problem = world.failure("note", json!({"id": "1", "header": "a\r\nx-evil: 1"})).await.problem;
    assert_eq!(problem.code(), Code::InvalidArgument);
    assert_eq!(problem.body().errors[0].pointer, "/header");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn queries_are_fixed_mapped_repeated_and_escaped() {
    let (mut world, upstream) = world().await;
    let mut plan = plan(&upstream.base_url());
    let list = method_mut(&mut plan, "list");
    list.result = String::new();
    list.query.push(("fixed".to_owned(), template("{{ connection.tenant }}&")));
    list.gives_many = false;
    world.plan = std::sync::Arc::new(plan);
    world.single("list", json!({"state": "ACTIVE", "tag": ["a b", 2, true, "&"]})).await;
    assert_eq!(
        upstream.targets()[0],
        "/users?fixed=t%201&&filter=user.isActive%28%29&tag=a%20b&tag=2&tag=true&tag=%26"
    );
    let problem = world.failure("list", json!({"state": "GONE"})).await.problem;
    assert_eq!((problem.code(), problem.body().errors[0].pointer.as_str()), (Code::InvalidArgument, "/state"));
}

#[tokio::test]
async fn mapped_values_go_to_headers_bodies_and_forms_as_these_carry_them() {
    let (mut world, upstream) = world().await;
    let level = [("high", json!(9)), ("none", json!(null)), ("text", json!("a b&"))];
    for body in [BodyRule::Json, BodyRule::Form] {
        let mut plan = plan(&upstream.base_url());
        let note = method_mut(&mut plan, "note");
        note.body = body;
        note.arguments.push(mapped("level", ArgumentPlace::Body("/level/of".to_owned()), &level));
        note.arguments.push(mapped("urgent", ArgumentPlace::Header("x-urgent".to_owned()), &[("yes", json!("1"))]));
        world.plan = std::sync::Arc::new(plan);
        world.single("note", json!({"id": "1", "level": "high", "urgent": "yes"})).await;
        world.single("note", json!({"id": "1", "level": "text"})).await;
        let problem = world.failure("note", json!({"id": "1", "urgent": "no"})).await.problem;
        assert_eq!((problem.code(), problem.body().errors[0].pointer.as_str()), (Code::InvalidArgument, "/urgent"));
    }
    world.plan = {
        let mut plan = plan(&upstream.base_url());
        let note = method_mut(&mut plan, "note");
        note.arguments.push(mapped("level", ArgumentPlace::Body("/level/of".to_owned()), &level));
        std::sync::Arc::new(plan)
    };
    world.single("note", json!({"id": "1", "level": "none"})).await;
    let seen = upstream.seen();
    let bodies: Vec<&str> = seen.iter().map(|seen| seen.body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            r#"{"level":{"of":9}}"#,
            r#"{"level":{"of":"a b&"}}"#,
            "level%5Bof%5D=9",
            "level%5Bof%5D=a+b%26",
            r#"{"level":{"of":null}}"#
        ]
    );
    assert_eq!((seen[0].header("x-urgent"), seen[1].header("x-urgent")), (Some("1"), None));
}

#[tokio::test]
async fn forms_are_sent_as_forms() {
    let (mut world, upstream) = world().await;
    let mut plan = plan(&upstream.base_url());
    let note = method_mut(&mut plan, "note");
    note.body = BodyRule::Form;
    note.arguments.push(argument("tags", ArgumentPlace::Body("/tags".to_owned())));
    world.plan = std::sync::Arc::new(plan);
    world.single("note", json!({"id": "1", "text": "a&b=c\n", "tags": [1, "ü"], "query": null})).await;
    let seen = &upstream.seen()[0];
    assert_eq!(seen.body, "note%5Btext%5D=a%26b%3Dc%0A&tags=1&tags=%C3%BC");
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.target, "/users/1/notes");
}

#[tokio::test]
async fn another_host_is_reached_only_when_the_definition_names_it() {
    let (mut world, upstream) = world().await;
    let other = Upstream::start(|_, _| Reply::json(200, r#"{"id":"2"}"#)).await;
    for named in [false, true] {
        let mut plan = plan(&upstream.base_url());
        method_mut(&mut plan, "get").path = template(&format!("{}/files/{{{{ id }}}}", other.base_url()));
        if named {
            plan.hosts.push(template(&other.address.to_string()));
        }
        let clock = world.clock.clone();
        world = World::new(plan, other.address);
        world.clock = clock;
        if named {
            world.single("get", json!({"id": "1"})).await;
        } else {
            let failure = world.failure("get", json!({"id": "1"})).await;
            assert_eq!((failure.problem.code(), failure.upstream_calls), (Code::UpstreamForbidden, 0));
        }
    }
    assert_eq!(other.targets(), ["/files/1"]);
}
