//! Conversations that go well, and models that are a nuisance.

use std::collections::HashSet;

use quartermaster_model::{Arguments, Delta, KeyHeader, Message, OutputLimit, Stop, ToolChoice, Usage, Wire, limits};
use serde_json::{Value, json};

use crate::stage::{KEY, Stage, WIRES, further, request, user};

fn object(value: Value) -> Arguments {
    Arguments::from_value(value)
}

#[tokio::test]
async fn a_whole_conversation_in_both_formats() {
    for wire in WIRES {
        let stage = Stage::new(
            wire,
            json!({"turns": [
                {"text": "I look.", "calls": [{"tool": "find_user", "arguments": {"email": "j.doe@company.com", "n": 1.5}}]},
                {"calls": [{"tool": "suspend_user", "arguments": {"id": "{{ last..id }}"}}]},
                {"text": "Done: {{ last..state }}.", "usage": {"input": 100, "output": 7, "cached": 60}},
            ]}),
        )
        .await;
        let first = request(vec![user("Suspend j.doe@company.com")]);
        let (reply, told) = stage.both(&first).await;
        assert_eq!((reply.text.as_str(), reply.stop, reply.opaque.as_ref()), ("I look.", Stop::ToolCalls, None));
        assert_eq!(reply.calls.len(), 1);
        assert_eq!(reply.calls[0].arguments, object(json!({"email": "j.doe@company.com", "n": 1.5})));
        assert!(reply.usage.input_tokens > 0 && reply.usage.output_tokens > 0);
        assert!(reply.request_id.as_deref().is_some_and(|id| id.starts_with("req_")));
        assert_eq!(reply.model, "scripted-1");
        let text: String = told
            .iter()
            .filter_map(|delta| if let Delta::Text(text) = delta { Some(text.as_str()) } else { None })
            .collect();
        assert_eq!(text, "I look.");
        assert!(told.contains(&Delta::CallBegun { index: 0, name: "find_user".to_owned() }));
        let arguments: String = told
            .iter()
            .filter_map(|delta| if let Delta::CallArguments { text, .. } = delta { Some(text.as_str()) } else { None })
            .collect();
        assert_eq!(Arguments::parse(&arguments), reply.calls[0].arguments);

        let second = further(&first, &reply, &[r#"{"result":[{"id":"ABC7"}]}"#]);
        let (reply, _) = stage.both(&second).await;
        assert_eq!(reply.calls[0].arguments, object(json!({"id": "ABC7"})));
        let third = further(&second, &reply, &[r#"{"state":"SUSPENDED"}"#]);
        let (reply, _) = stage.both(&third).await;
        assert_eq!((reply.text.as_str(), reply.stop), ("Done: SUSPENDED.", Stop::End));
        assert_eq!(reply.usage, Usage { input_tokens: 100, output_tokens: 7, cached_tokens: 60 });
    }
}

#[tokio::test]
async fn the_same_request_gives_the_same_bytes() {
    for wire in WIRES {
        let stage =
            Stage::new(wire, json!({"turns": [{"calls": [{"tool": "find_user", "id": null}]}, {"text": "Well."}]}))
                .await;
        let first = request(vec![user("x")]);
        let reply = stage.ask(&first).await.unwrap();
        // As it comes back from a journal.
        let kept = serde_json::to_string(&further(&first, &reply, &["{}"])).unwrap();
        let second = serde_json::from_str(&kept).unwrap();
        for _ in 0..2 {
            stage.ask(&second).await.unwrap();
        }
        let seen = stage.running.control().seen();
        assert_eq!(seen[1].body.to_string(), seen[2].body.to_string());
        assert_eq!(seen[1].body["model"], "scripted-1");
        assert_eq!(stage.running.control().faults(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn parallel_calls_keep_their_order_and_have_ids_of_their_own() {
    for wire in WIRES {
        for id in [json!("same"), json!("")] {
            let call = |email: &str| json!({"tool": "find_user", "arguments": {"email": email}, "id": id});
            let stage =
                Stage::new(wire, json!({"turns": [{"calls": [call("a"), call("b"), call("c")]}, {"text": "Three."}]}))
                    .await;
            let first = request(vec![user("x")]);
            let (reply, told) = stage.both(&first).await;
            let emails: Vec<_> =
                reply.calls.iter().map(|call| call.arguments.object().unwrap()["email"].clone()).collect();
            assert_eq!(emails, ["a", "b", "c"]);
            let ids: HashSet<_> = reply.calls.iter().map(|call| call.id.clone()).collect();
            assert!(ids.len() == 3 && !ids.contains(""), "{ids:?}");
            assert_eq!(told.iter().filter(|delta| matches!(delta, Delta::CallBegun { .. })).count(), 3);
            let mut second = further(&first, &reply, &["1", "2", "3"]);
            // Results may come in any order.
            if let Some(Message::ToolResults { results }) = second.messages.last_mut() {
                results.reverse();
            }
            let (reply, _) = stage.both(&second).await;
            assert_eq!(reply.text, "Three.");
        }
    }
}

#[tokio::test]
async fn calls_without_ids_get_ids_that_are_new_in_the_conversation() {
    let call = json!({"calls": [{"tool": "find_user", "id": null}]});
    let stage = Stage::new(Wire::OpenAi, json!({"turns": [call, call, call]})).await;
    let mut asked = request(vec![user("x")]);
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let (reply, _) = stage.both(&asked).await;
        assert!(ids.insert(reply.calls[0].id.clone()), "{ids:?}");
        asked = further(&asked, &reply, &["{}"]);
    }
}

#[tokio::test]
async fn malformed_arguments_reach_the_loop_and_can_be_given_back() {
    for wire in WIRES {
        for raw in [r#"{"email": "a@b"#, "not json", "[1,2]", "7", r#"{"a":1}{"b":2}"#] {
            let stage = Stage::new(
                wire,
                json!({"turns": [{"calls": [{"tool": "find_user", "raw": raw}]}, {"text": "Sorry."}]}),
            )
            .await;
            let first = request(vec![user("x")]);
            let (reply, _) = stage.stream(&first).await;
            let reply = reply.unwrap_or_else(|error| panic!("{wire:?} {raw}: {error}"));
            assert_eq!(reply.calls[0].arguments, Arguments::Malformed(raw.to_owned()), "{wire:?}");
            let second = further(&first, &reply, &["the arguments are no JSON object"]);
            let (reply, _) = stage.both(&second).await;
            assert_eq!(reply.text, "Sorry.");
            let sent = stage.running.control().seen().last().unwrap().body.to_string();
            assert!(sent.contains("INVALID_JSON"), "the model sees what it wrote: {sent}");
        }
    }
}

#[tokio::test]
async fn no_arguments_at_all_are_an_empty_object() {
    for raw in ["", "  ", "{}", "null"] {
        let stage = Stage::new(Wire::OpenAi, json!({"turns": [{"calls": [{"tool": "find_user", "raw": raw}]}]})).await;
        let (reply, _) = stage.both(&request(vec![user("x")])).await;
        assert_eq!(reply.calls[0].arguments, object(json!({})), "{raw:?}");
    }
}

#[tokio::test]
async fn tools_that_nobody_offered_reach_the_loop_and_do_no_harm_later() {
    for wire in WIRES {
        for name in ["no_such_tool", "functions.find user!", &"x".repeat(300)] {
            let stage = Stage::new(wire, json!({"turns": [{"calls": [{"tool": name}]}, {"text": "Ah."}]})).await;
            let first = request(vec![user("x")]);
            let (reply, _) = stage.both(&first).await;
            assert_eq!(reply.calls[0].name, name);
            let (reply, _) = stage.both(&further(&first, &reply, &["there is no such tool"])).await;
            assert_eq!(reply.text, "Ah.");
        }
    }
}

#[tokio::test]
async fn a_call_without_a_name_does_not_end_the_conversation() {
    for wire in WIRES {
        let stage =
            Stage::new(wire, json!({"turns": [{"text": "Hm.", "calls": [{"tool": ""}]}, {"text": "Ah."}]})).await;
        match stage.ask(&request(vec![user("x")])).await {
            // Either it is not a call at all, or it is one that the loop can answer.
            Ok(reply) => {
                let next = if reply.calls.is_empty() {
                    let mut next = request(vec![user("x"), reply.message()]);
                    next.messages.push(user("go on"));
                    next
                } else {
                    further(&request(vec![user("x")]), &reply, &["no name"])
                };
                assert_eq!(stage.ask(&next).await.unwrap().text, "Ah.");
            }
            Err(error) => assert_eq!(error.kind, quartermaster_model::ErrorKind::Malformed, "{error}"),
        }
    }
}

#[tokio::test]
async fn an_empty_reply_is_a_reply() {
    for wire in WIRES {
        for text in [json!(null), json!("")] {
            let stage = Stage::new(wire, json!({"turns": [{"text": text}, {"text": "Awake."}]})).await;
            let first = request(vec![user("x")]);
            let (reply, _) = stage.both(&first).await;
            assert_eq!((reply.text.as_str(), reply.calls.len(), reply.stop), ("", 0, Stop::End));
            // It cannot be given back; the conversation goes on without it, which the provider must take.
            let mut second = first.clone();
            second.messages.extend([reply.message(), user("Well?")]);
            assert_eq!(stage.ask(&second).await.unwrap().stop, Stop::End);
        }
    }
}

#[tokio::test]
async fn a_turn_that_is_cut_or_refused_says_so() {
    for wire in WIRES {
        for (stop, expected) in [("length", Stop::Length), ("refusal", Stop::Refused)] {
            let stage = Stage::new(wire, json!({"turns": [{"text": "I would rather", "stop": stop}]})).await;
            let (reply, _) = stage.both(&request(vec![user("x")])).await;
            assert_eq!((reply.text.as_str(), reply.stop), ("I would rather", expected), "{wire:?}");
        }
        let stage =
            Stage::new(wire, json!({"turns": [{"calls": [{"tool": "find_user", "raw": "{\"em"}], "stop": "length"}]}))
                .await;
        let (reply, _) = stage.stream(&request(vec![user("x")])).await;
        assert_eq!(reply.unwrap().stop, Stop::Length);
    }
}

#[tokio::test]
async fn signed_thoughts_go_back_as_they_came() {
    for wire in WIRES {
        let stage = Stage::new(
            wire,
            json!({"turns": [
                {"reasoning": "They mean Jo.", "text": "I look.", "calls": [{"tool": "find_user", "arguments": {"email": "jo"}}]},
                {"text": "Jo it is."},
            ]}),
        )
        .await;
        let first = request(vec![user("x")]);
        let (reply, told) = stage.both(&first).await;
        assert!(told.iter().any(|delta| matches!(delta, Delta::Reasoning(_))));
        assert!(reply.opaque.is_some() && !reply.text.contains("mean Jo"));
        let reply = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
        let (last, _) = stage.both(&further(&first, &reply, &["{}"])).await;
        assert_eq!(last.text, "Jo it is.");
        let sent = stage.running.control().seen().last().unwrap().body.to_string();
        assert!(sent.contains("They mean Jo."), "{sent}");
    }
}

#[tokio::test]
async fn a_kept_turn_that_nobody_can_read_any_more_is_said_in_plain_words() {
    for wire in WIRES {
        let stage = Stage::new(wire, json!({"turns": [{}, {"text": "Fine."}]})).await;
        let strange =
            Message::Assistant { text: "I was here.".to_owned(), calls: vec![], opaque: Some(json!({"content": 7})) };
        let (reply, _) = stage.both(&request(vec![user("x"), strange, user("y")])).await;
        assert_eq!(reply.text, "Fine.");
        assert!(stage.running.control().seen()[0].body.to_string().contains("I was here."));
    }
}

#[tokio::test]
async fn settings_decide_on_address_key_and_limit() {
    let mut stage = Stage::new(Wire::OpenAi, json!({"otherwise": {"text": "Yes."}})).await;
    let settings = &mut stage.connection.settings;
    settings.base_url = stage.running.base_url().replace("/v1", "/openai/deployments/my model/");
    settings.query.insert("api-version".to_owned(), "2024-10-21&x=1".to_owned());
    settings.key_header = Some(KeyHeader::ApiKey);
    settings.output_limit = Some(OutputLimit::MaxCompletionTokens);
    let mut asked = request(vec![user("x")]);
    asked.temperature = Some(0.5);
    asked.tool_choice = ToolChoice::Required;
    stage.ask(&asked).await.unwrap();
    let seen = stage.running.control().seen();
    assert_eq!(
        seen[0].path_and_query,
        "/openai/deployments/my%20model/chat/completions?api-version=2024-10-21%26x%3D1"
    );
    assert_eq!(seen[0].headers.get("api-key").map(String::as_str), Some(KEY));
    assert!(!seen[0].headers.contains_key("authorization"));
    let body = &seen[0].body;
    assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&json!(500), &Value::Null));
    assert_eq!((&body["temperature"], &body["tool_choice"]), (&json!(0.5), &json!("required")));

    for (choice, openai, anthropic) in [
        (ToolChoice::Auto, Value::Null, Value::Null),
        (ToolChoice::None, json!("none"), json!({"type": "none"})),
        (ToolChoice::Required, json!("required"), json!({"type": "any"})),
        (
            ToolChoice::Tool("find_user".to_owned()),
            json!({"type": "function", "function": {"name": "find_user"}}),
            json!({"type": "tool", "name": "find_user"}),
        ),
    ] {
        for (wire, expected) in WIRES.into_iter().zip([openai, anthropic]) {
            let stage = Stage::new(wire, json!({"otherwise": {"text": "Yes."}})).await;
            let mut asked = request(vec![user("x")]);
            asked.tool_choice = choice.clone();
            stage.both(&asked).await;
            assert_eq!(stage.running.control().seen()[0].body["tool_choice"], expected);
            // Without tools there is nothing to choose from.
            asked.tools.clear();
            stage.both(&asked).await;
        }
    }
}

#[tokio::test]
async fn requests_beyond_a_limit_are_not_sent() {
    let stage = Stage::new(Wire::Anthropic, json!({"otherwise": {"text": "Yes."}})).await;
    let good = request(vec![user("x")]);
    let mut full = good.clone();
    full.tools = (0..limits::TOOLS_MAX)
        .map(|number| {
            let mut tool = good.tools[0].clone();
            tool.name = format!("{number:0>64}");
            tool
        })
        .collect();
    full.max_output_tokens = limits::OUTPUT_TOKENS_MAX;
    stage.ask(&full).await.unwrap();
    let sent = stage.running.control().seen().len();
    let changed = |change: &dyn Fn(&mut quartermaster_model::Request)| {
        let mut request = full.clone();
        change(&mut request);
        request
    };
    for bad in [
        changed(&|request| request.tools.push(good.tools[0].clone())),
        changed(&|request| request.tools[0].name.push('x')),
        changed(&|request| request.tools[0].name.clear()),
        changed(&|request| request.tools[0].name = "a b".to_owned()),
        changed(&|request| request.max_output_tokens += 1),
        changed(&|request| request.max_output_tokens = 0),
        changed(&|request| request.temperature = Some(2.1)),
        changed(&|request| request.messages.clear()),
        changed(&|request| {
            request.messages.push(Message::Assistant { text: "x".to_owned(), calls: vec![], opaque: None });
        }),
        changed(&|request| request.messages = vec![user("x"); limits::MESSAGES_MAX + 1]),
        changed(&|request| request.model.clear()),
        changed(&|request| request.messages = vec![user(&"x".repeat(limits::REQUEST_MAX_BYTES))]),
    ] {
        let error = stage.ask(&bad).await.unwrap_err();
        assert!(!error.kind.is_retryable(), "{error}");
    }
    assert_eq!(stage.running.control().seen().len(), sent);
}
