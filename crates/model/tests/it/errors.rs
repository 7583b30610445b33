//! Providers that refuse, fail, stall and lie.

use std::time::Duration;

use quartermaster_egress::{AllowedUpstreams, Client as Egress};
use quartermaster_model::{Client, Delta, ErrorKind, ModelError, Wire, limits};
use quartermaster_types::{Code, Origin};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::stage::{KEY, Stage, WIRES, connection, request, user};

/// What an answer gives, asked for in one piece and as a stream; both must be the same kind of error without the key.
async fn failing(wire: Wire, trouble: Value) -> ModelError {
    let stage = Stage::new(wire, json!({"turns": [{"text": "Well, I think that", "trouble": trouble}]})).await;
    let asked = request(vec![user("x")]);
    let whole = stage.ask(&asked).await.expect_err("trouble");
    let (streamed, _) = stage.stream(&asked).await;
    let streamed = streamed.expect_err("trouble");
    assert_eq!(streamed.kind, whole.kind, "{wire:?} {trouble}\n{whole}\n{streamed}");
    for error in [&whole, &streamed] {
        let shown = format!("{error} {error:?} {}", serde_json::to_string(&error.problem()).unwrap());
        assert!(!shown.contains(KEY), "{shown}");
        assert!(error.detail.len() <= limits::ERROR_TEXT_MAX_BYTES);
        let problem = error.problem();
        assert_eq!(problem.body().origin, Origin::Model);
    }
    whole
}

#[tokio::test]
async fn statuses_and_codes_are_told_apart() {
    let error = |status: u16, kind: Value, code: Value, message: &str| json!({"error": {"status": status, "kind": kind, "code": code, "message": message}});
    for (trouble, expected) in [
        (error(401, Value::Null, Value::Null, "no"), ErrorKind::Unauthenticated),
        (error(403, Value::Null, Value::Null, "no"), ErrorKind::Unauthenticated),
        (error(402, json!("billing_error"), Value::Null, "pay"), ErrorKind::Unauthenticated),
        (
            error(429, json!("insufficient_quota"), json!("insufficient_quota"), "You exceeded your current quota"),
            ErrorKind::Unauthenticated,
        ),
        (error(429, Value::Null, Value::Null, "slow down"), ErrorKind::RateLimited),
        (error(404, Value::Null, Value::Null, "no such model"), ErrorKind::Invalid),
        (error(400, Value::Null, Value::Null, "a bad schema"), ErrorKind::Invalid),
        (
            error(
                400,
                Value::Null,
                json!("context_length_exceeded"),
                "This model's maximum context length is 8192 tokens.",
            ),
            ErrorKind::ContextTooLong,
        ),
        (
            error(400, Value::Null, Value::Null, "prompt is too long: 210000 tokens > 200000 maximum"),
            ErrorKind::ContextTooLong,
        ),
        (
            error(
                400,
                json!("exceed_context_size_error"),
                Value::Null,
                "the request exceeds the available context size",
            ),
            ErrorKind::ContextTooLong,
        ),
        (error(413, Value::Null, Value::Null, "request too large"), ErrorKind::ContextTooLong),
        (error(408, json!("x"), Value::Null, "too slow"), ErrorKind::Timeout),
        (error(504, json!("timeout_error"), Value::Null, "too slow"), ErrorKind::Timeout),
        (error(503, json!("unavailable_error"), Value::Null, "Loading model"), ErrorKind::Overloaded),
        (error(529, json!("overloaded_error"), Value::Null, "Overloaded"), ErrorKind::Overloaded),
        (error(500, Value::Null, Value::Null, "oops"), ErrorKind::Unavailable),
        (error(502, Value::Null, Value::Null, "oops"), ErrorKind::Unavailable),
    ] {
        for wire in WIRES {
            let error = failing(wire, trouble.clone()).await;
            // The other format has no codes; its words have to do.
            let has_code = trouble["error"]["code"].is_string() && wire == Wire::Anthropic;
            if !(has_code && trouble["error"]["kind"].is_null()) {
                assert_eq!(error.kind, expected, "{wire:?} {trouble}");
            }
            assert_eq!(error.status.map(u64::from), trouble["error"]["status"].as_u64());
            let words = trouble["error"]["message"].as_str().unwrap();
            assert!(error.detail.contains(words), "{}", error.detail);
        }
    }
}

#[tokio::test]
async fn a_pause_that_the_provider_asks_for_reaches_the_problem() {
    for wire in WIRES {
        for (headers, seconds) in [
            (json!({"retry-after": "7"}), Some(7)),
            (json!({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2.5s"}), Some(63)),
            (json!({}), None),
        ] {
            let error = failing(wire, json!({"error": {"status": 429, "headers": headers}})).await;
            let problem = error.problem();
            assert_eq!((problem.code(), problem.body().retry_after_seconds), (Code::RateLimited, seconds), "{headers}");
            assert!(problem.body().retryable);
        }
        // Nobody is told to wait for what waiting does not change.
        let error = failing(wire, json!({"error": {"status": 400, "headers": {"retry-after": "7"}}})).await;
        assert_eq!((error.retry_after, error.problem().body().retryable), (None, false));
    }
}

#[tokio::test]
async fn a_provider_that_repeats_the_key_does_not_get_it_through() {
    for wire in WIRES {
        let words = "Incorrect API key provided: {{ key }}. Go away.";
        let error = failing(wire, json!({"error": {"status": 401, "message": words}})).await;
        assert!(error.detail.contains("Go away."), "{error}");
        let body = format!("<h1>no such key {KEY}</h1>");
        failing(wire, json!({"raw": {"status": 401, "media_type": "text/html", "body": body}})).await;
        let body = json!({"error": {"message": format!("key {KEY}")}}).to_string();
        failing(wire, json!({"raw": {"status": 200, "media_type": "application/json", "body": body}})).await;
    }
    // Nor in what the model itself says.
    let stage = Stage::new(Wire::OpenAi, json!({"turns": [{"text": format!("The key is {KEY}.")}]})).await;
    let (reply, told) = stage.both(&request(vec![user("x")])).await;
    assert_eq!(reply.text, "The key is [secret].");
    let text: String =
        told.into_iter().filter_map(|delta| if let Delta::Text(text) = delta { Some(text) } else { None }).collect();
    assert_eq!(text, reply.text);
}

#[tokio::test]
async fn pages_instead_of_json_are_named() {
    for wire in WIRES {
        for (status, expected) in
            [(200, ErrorKind::Malformed), (502, ErrorKind::Unavailable), (404, ErrorKind::Invalid)]
        {
            let body = "<!doctype html>\n<title>Bad\u{7} gateway</title>\u{1b}[31m";
            let error =
                failing(wire, json!({"raw": {"status": status, "media_type": "text/html", "body": body}})).await;
            assert_eq!(error.kind, expected, "{error}");
            assert!(!error.detail.chars().any(char::is_control), "{:?}", error.detail);
        }
        let error = failing(wire, json!({"raw": {"status": 302, "media_type": "", "body": ""}})).await;
        assert_eq!(error.kind, ErrorKind::Malformed);
        let error =
            failing(wire, json!({"raw": {"status": 200, "media_type": "application/json", "body": "{\"ok\":true}"}}))
                .await;
        assert_eq!(error.kind, ErrorKind::Malformed);
        let error = failing(wire, json!({"raw": {"status": 200, "media_type": "application/json", "body": ""}})).await;
        assert_eq!(error.kind, ErrorKind::Malformed);
        let long = "x".repeat(100_000);
        failing(wire, json!({"raw": {"status": 500, "media_type": "text/plain", "body": long}})).await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    for wire in WIRES {
        for events in [0, 1, 2, 3, 4] {
            let stage = Stage::new(
                wire,
                json!({"turns": [{"text": "Well, I think that", "trouble": {"cut_after": {"events": events}}}]}),
            )
            .await;
            let (reply, _) = stage.stream(&request(vec![user("x")])).await;
            let error = reply.expect_err("cut");
            assert!(
                matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Malformed) && error.kind.is_retryable(),
                "{error}"
            );
            let error = stage.ask(&request(vec![user("x")])).await.expect_err("cut");
            assert!(error.kind.is_retryable(), "{error}");
        }
        let error = failing_stream(
            wire,
            json!({"error_after": {"events": 2, "kind": "overloaded_error", "message": "Overloaded"}}),
        )
        .await;
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.detail.contains("Overloaded"), "{error}");
        let error = failing_stream(wire, json!({"silence_after": {"events": 2}})).await;
        assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
        let error = failing(wire, json!("reset")).await;
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    }
}

async fn failing_stream(wire: Wire, trouble: Value) -> ModelError {
    let stage = Stage::new(wire, json!({"turns": [{"text": "Well, I think that", "trouble": trouble}]})).await;
    stage.stream(&request(vec![user("x")])).await.0.expect_err("trouble")
}

#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let stage = Stage::new(Wire::OpenAi, json!({"turns": [{"text": "Well.", "delay_ms": 6000}]})).await;
    let begun = std::time::Instant::now();
    let (one, other) = (request(vec![user("x")]), request(vec![user("y")]));
    let (error, (streamed, _)) = tokio::join!(stage.ask(&one), stage.stream(&other));
    assert_eq!(error.unwrap_err().kind, ErrorKind::Timeout);
    assert_eq!(streamed.unwrap_err().kind, ErrorKind::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn addresses_obey_the_rules_of_the_way_out() {
    let nobody = Client::new(Egress::new(AllowedUpstreams::default()));
    let asked = request(vec![user("x")]);
    for (base_url, expected) in [
        ("http://127.0.0.1:9/v1", ErrorKind::Blocked),
        ("https://127.0.0.1:9/v1", ErrorKind::Blocked),
        ("https://169.254.169.254/v1", ErrorKind::Blocked),
        ("http://models.example.com/v1", ErrorKind::Blocked),
        ("https://no-such-host.invalid/v1", ErrorKind::Unavailable),
    ] {
        let error = nobody.ask(&connection(Wire::OpenAi, base_url), &asked, None).await.unwrap_err();
        assert_eq!(error.kind, expected, "{base_url}: {error}");
        if expected == ErrorKind::Blocked {
            let problem = error.problem();
            assert_eq!((problem.code(), problem.body().origin), (Code::UpstreamForbidden, Origin::Gateway));
        }
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_without_being_shown() {
    let stage = Stage::new(Wire::OpenAi, json!({"otherwise": {"text": "Yes."}})).await;
    for key in ["", "two\nlines-0123456789", &"k".repeat(limits::KEY_MAX_BYTES + 1)] {
        let mut connection = stage.connection.clone();
        connection.key = Some(SecretString::from(key));
        let error = stage.client.ask(&connection, &request(vec![user("x")]), None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(!format!("{error:?} {connection:?}").contains("0123456789"));
    }
    let mut without = stage.connection.clone();
    without.key = None;
    let error = stage.client.ask(&without, &request(vec![user("x")]), None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthenticated);
    assert!(!stage.running.control().seen().last().unwrap().headers.contains_key("authorization"));
}
