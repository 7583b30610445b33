#![allow(clippy::unwrap_used, reason = "tests")]

mod generated;
mod real;
mod rules;
mod shapes;

use serde_json::{Value, json};

use super::fixtures::{argument, method, plan};
use super::*;
use crate::plan::{Method, MethodKind, Plan};

fn acme() -> Plan {
    let state = json!({"enum": ["ACTIVE", "SUSPENDED"], "description": "Only people in this state."});
    let mut suspend = method("acme", "suspend", MethodKind::Custom, true, Vec::new());
    suspend.tags = vec!["lifecycle".into()];
    suspend.description = Some("Take a person's access away until it is given back.".into());
    let mut create = method(
        "acme",
        "create",
        MethodKind::Create,
        false,
        vec![argument("email", json!({"type": "string", "description": "Address of the new person."}), true)],
    );
    create.description = None;
    plan(
        "acme",
        vec![
            method("acme", "list", MethodKind::List, false, vec![argument("state", state, false)]),
            method("acme", "get", MethodKind::Get, true, Vec::new()),
            create,
            suspend,
        ],
    )
}

fn filter(methods: &[&str], tags: &[&str]) -> ToolFilter {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ToolFilter { methods: owned(methods), tags: owned(tags), ..ToolFilter::default() }
}

fn names(plan: &Plan, filter: &ToolFilter) -> Vec<String> {
    filter.select(plan).unwrap().into_iter().map(|method| method.name.clone()).collect()
}

#[test]
fn filters_narrow_by_method_and_tag() {
    let plan = acme();
    for (methods, tags, expected) in [
        (&[][..], &[][..], &["list", "get", "create", "suspend"][..]),
        (&["read"], &[], &["list", "get"]),
        (&["write"], &[], &["create"]),
        (&["custom"], &[], &["suspend"]),
        (&["suspend", "read"], &[], &["list", "get", "suspend"]),
        (&[], &["lifecycle"], &["suspend"]),
        (&[], &["lifecycle", "directory"], &["list", "get", "create", "suspend"]),
        (&["read"], &["lifecycle"], &[]),
    ] {
        assert_eq!(names(&plan, &filter(methods, tags)), expected, "{methods:?} {tags:?}");
    }
}

#[test]
fn an_unknown_value_is_refused_with_the_known_ones() {
    let plan = acme();
    for (filter, pointer, words) in [
        (
            filter(&["suspnd"], &[]),
            "/methods",
            "there is no method \"suspnd\"; did you mean `suspend`? There are: `read`, `write`, `custom`, `list`, `get`, `create`, `suspend`",
        ),
        (filter(&[], &["zzz"]), "/tags", "there is no tag \"zzz\". There are: `directory`, `lifecycle`"),
        (ToolFilter { limit: Some(0), ..ToolFilter::default() }, "/limit", "at least 1"),
        (
            ToolFilter { search: Some("x".repeat(SEARCH_MAX_BYTES + 1)), ..ToolFilter::default() },
            "/search",
            "at most 500",
        ),
    ] {
        let error = filter.select(&plan).unwrap_err();
        assert_eq!(error.pointer, pointer);
        assert!(error.detail.contains(words), "{}", error.detail);
    }
    assert!(ToolFilter { search: Some("x".repeat(SEARCH_MAX_BYTES)), ..ToolFilter::default() }.select(&plan).is_ok());
    let error = ToolFormat::parse("open_ai").unwrap_err();
    assert!(error.detail.contains("did you mean `openai`?") && error.detail.contains("`bedrock`"), "{}", error.detail);
    for format in ToolFormat::ALL {
        assert_eq!(ToolFormat::parse(format.as_str()), Ok(format));
    }
}

#[test]
fn search_puts_the_best_first_and_leaves_out_what_does_not_fit() {
    let plan = acme();
    let search = |words: &str, limit: Option<u32>| {
        names(&plan, &ToolFilter { search: Some(words.into()), limit, ..ToolFilter::default() })
    };
    assert_eq!(search("suspend a user", None)[0], "suspend");
    assert_eq!(search("take access away", None), ["suspend"]);
    assert_eq!(search("address", None), ["create"]);
    assert_eq!(search("Users list", Some(1)), ["list"]);
    assert!(search("kubernetes", None).is_empty());
    assert!(search("", None).is_empty());
}

#[test]
fn every_format_keeps_its_providers_rules_and_its_bytes() {
    let plan = acme();
    for format in ToolFormat::ALL {
        let bytes = render(&plan, format, &ToolFilter::default()).unwrap();
        rules::check(format, &serde_json::from_slice(&bytes).unwrap());
        assert_eq!(bytes, render(&acme(), format, &ToolFilter::default()).unwrap(), "the same bytes every time");
    }
}

#[test]
fn more_tools_than_a_provider_takes_are_refused_and_not_cut() {
    let many = |count: usize| {
        plan(
            "acme",
            (0..count)
                .map(|number| method("acme", &format!("m{number}"), MethodKind::Custom, false, Vec::new()))
                .collect(),
        )
    };
    for (format, most) in [(ToolFormat::OpenAi, 128), (ToolFormat::OpenAiStrict, 128), (ToolFormat::Gemini, 512)] {
        assert!(render(&many(most), format, &ToolFilter::default()).is_ok());
        let error = render(&many(most + 1), format, &ToolFilter::default()).unwrap_err();
        assert!(error.detail.contains(&format!("at most {most} tools")), "{}", error.detail);
        let narrowed = ToolFilter { limit: Some(most as u32), ..ToolFilter::default() };
        assert!(render(&many(most + 1), format, &narrowed).is_ok());
    }
}

#[test]
fn a_tool_without_a_description_is_listed_with_its_title() {
    let plan = acme();
    let rendered = |format| -> Value {
        serde_json::from_slice(&render(&plan, format, &filter(&["create"], &[])).unwrap()).unwrap()
    };
    assert_eq!(rendered(ToolFormat::Default)["result"][0]["description"], Value::Null);
    let described = &rendered(ToolFormat::OpenAi)[0]["function"]["description"];
    assert_eq!(described, "Users: create. No tool undoes this.");
}

#[test]
fn a_write_that_nothing_undoes_says_so_however_long_its_description_is() {
    let mut plan = acme();
    let long = "word ".repeat(400);
    plan.resources["users"].methods["create"].description = Some(long);
    let bytes = render(&plan, ToolFormat::OpenAi, &filter(&["create"], &[])).unwrap();
    let tools: Value = serde_json::from_slice(&bytes).unwrap();
    let described = tools[0]["function"]["description"].as_str().unwrap();
    assert!(described.ends_with("word…. No tool undoes this."), "{described}");
    assert!(described.chars().count() <= 1024);
    let bytes = render(&plan, ToolFormat::Default, &filter(&[], &[])).unwrap();
    let tools: Value = serde_json::from_slice(&bytes).unwrap();
    for tool in tools["result"].as_array().unwrap() {
        let method = plan.tool(tool["name"].as_str().unwrap()).unwrap();
        let inverse = method.transition.as_ref().and_then(|transition| transition.undo.as_deref());
        let expected = inverse.map(|inverse| plan.method(&method.resource, inverse).unwrap().tool_name.clone());
        assert_eq!(tool["annotations"]["undone_by"], serde_json::json!(expected), "{}", tool["name"]);
    }
}
