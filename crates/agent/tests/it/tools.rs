//! Which tools a model sees, and how it finds the others.

use quartermaster_agent::limits::{TOOLS_PRELOADED, TOOLS_UNSEARCHED_MAX};
use quartermaster_agent::{Account, Setting, Tool};
use serde_json::json;

use crate::world::*;

/// A setting with so many tools besides those of the integration.
fn many(more: usize) -> Setting {
    let mut setting = setting("Find and suspend the user a.miller@company.com");
    let list: Tool = setting.accounts[0].tools[0].clone();
    for n in 0..more {
        setting.accounts[0].tools.push(Tool {
            name: format!("list_all_invoices_{n}"),
            title: format!("Invoices {n}"),
            description: format!("Reads the invoices of year {n}, for book-keeping."),
            input_schema: json!({"type": "object", "properties": {}}),
            ..list.clone()
        });
    }
    setting
}

fn names(prompt: &quartermaster_agent::Prompt) -> Vec<&str> {
    prompt.tools.iter().map(|tool| tool.name.as_str()).collect()
}

#[test]
fn few_tools_are_shown_at_once_and_many_are_searched() {
    let own = setting("x").accounts[0].tools.len();
    let mut world = World::new(1);
    world.run(many(TOOLS_UNSEARCHED_MAX - own), vec![finishes("done", "Nothing to do.")]);
    let shown = names(&world.prompts[0]);
    assert_eq!(shown.len(), TOOLS_UNSEARCHED_MAX + 1, "all of them, and the one that ends");
    assert!(!shown.contains(&"search_tools"));

    let mut world = World::new(1);
    let model = vec![
        calls(&[("search_tools", json!({"query": "invoices of the year 17"}))]),
        calls(&[("list_all_invoices_17", json!({}))]),
        calls(&[("search_tools", json!({"query": " "}))]),
        finishes("done", "Read."),
    ];
    world.run(many(TOOLS_UNSEARCHED_MAX - own + 1), model);
    let shown = names(&world.prompts[0]);
    assert_eq!(shown.len(), TOOLS_PRELOADED + 2);
    assert!(shown.contains(&SUSPEND) && shown.contains(&"search_tools"), "the best for the goal: {shown:?}");
    assert!(!shown.contains(&"list_all_invoices_17"));
    assert_eq!(last(&world.prompts[1])["found"][0]["name"], "list_all_invoices_17");
    assert!(names(&world.prompts[1]).contains(&"list_all_invoices_17"), "what was found is shown from now on");
    assert_eq!(world.made.len(), 1);
    assert_eq!(last(&world.prompts[3])["failed"]["errors"][0]["pointer"], "/query");
}

#[test]
fn ids_are_asked_for_as_handles_where_there_are_handles() {
    for handles in [true, false] {
        let mut world = World::new(1);
        let mut setting = setting("x");
        setting.handles = handles;
        world.run(setting, vec![finishes("done", "Nothing.")]);
        let suspend = world.prompts[0].tools.iter().find(|tool| tool.name == SUSPEND).unwrap();
        let id = &suspend.input_schema["properties"]["id"];
        assert_eq!(id["pattern"].is_null(), handles, "{id}");
        assert_eq!(id["description"].as_str().unwrap().contains("user:1"), handles, "{id}");
    }
}

#[test]
fn several_accounts_have_tools_of_their_own() {
    let mut two = setting("Suspend the user in both");
    two.accounts.push(Account::of(&plan(), "account-2".to_owned(), "tenant \u{202e}2".to_owned(), |_| true));
    let other = format!("{SUSPEND}_a2");
    let list = format!("{LIST}_a2");
    let mut world = World::new(2);
    let (find, act) = (list.clone(), other.clone());
    let model: Vec<Turn> = vec![
        Box::new(move |_| Ok(reply("", &[(&find, json!({"email": MILLER}))]))),
        Box::new(move |_| Ok(reply("", &[(SUSPEND, json!({"id": "user:1"})), (&act, json!({"id": "user:1"}))]))),
        finishes("partly_done", "One of two."),
    ];
    let (state, journal) = world.run(two, model);
    let shown = names(&world.prompts[0]);
    assert!(shown.contains(&SUSPEND) && shown.contains(&other.as_str()) && shown.contains(&list.as_str()));
    let accounts: Vec<_> = journal
        .iter()
        .filter_map(|entry| match entry {
            quartermaster_types::run::Entry::Begun { call, .. } => Some(call.account.as_deref()),
            _ => None,
        })
        .collect();
    assert_eq!(accounts, [Some("account-2"), Some("account-2")], "a handle is of one account");
    let told = results(&world.prompts[2]);
    assert_eq!(told[0]["failed"]["code"], "ungrounded_id");
    assert!(told[1]["from"].as_str().unwrap().starts_with("a2: 1Password users.suspend"), "{told:?}");
    assert_eq!(done(&state).1.members["done"][0]["account"], "account-2");
    let serde_json::Value::String(goal) = serde_json::to_value(&world.prompts[0].messages[0]).unwrap()["text"].clone()
    else {
        panic!()
    };
    assert!(goal.contains("Account a2: 1Password, tenant \"tenant \\u202e2\"."), "{goal}");
}
