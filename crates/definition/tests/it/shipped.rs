//! The definitions that ship with the program.

use quartermaster_definition::plan::{ArgumentPlace, Auth, BodyRule, ClientAuth, Effect, PageStyle};
use quartermaster_definition::{Plan, load};
use serde_json::{Value, json};

fn one_password() -> Plan {
    let integration = quartermaster_integrations::find("1password").expect("1Password ships");
    let (definition, diagnostics) = load(integration.file, integration.definition);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    definition.expect("it loads").compile().expect("it compiles")
}

#[test]
fn every_shipped_definition_loads_without_a_warning_under_its_own_name() {
    for integration in quartermaster_integrations::all() {
        let (definition, diagnostics) = load(integration.file, integration.definition);
        assert!(diagnostics.is_empty(), "{diagnostics}");
        let definition = definition.expect("no problems, so it is there");
        assert_eq!(definition.name(), integration.name);
        assert_eq!(definition.compile().expect("it compiles").name, integration.name);
    }
}

#[test]
fn descriptions_of_shipped_tools_give_the_model_no_orders() {
    for integration in quartermaster_integrations::all() {
        let (definition, _) = load(integration.file, integration.definition);
        let plan = definition.expect("it loads").compile().expect("it compiles");
        for method in plan.methods() {
            let description = method.description.as_deref().unwrap_or_default();
            let words = description.to_lowercase();
            let words: Vec<&str> = words.split(|character: char| !character.is_alphabetic()).collect();
            for order in ["always", "never", "must", "should", "first", "ensure"] {
                assert!(!words.contains(&order), "{}: {order:?} in {description:?}", method.tool_name);
            }
        }
    }
}

#[test]
fn the_plan_of_1password_has_the_four_tools() {
    let plan = one_password();
    let names: Vec<&str> = plan.methods().map(|method| method.tool_name.as_str()).collect();
    assert_eq!(
        names,
        [
            "list_all_1_password_users",
            "get_single_1_password_user_by_id",
            "1_password_users_suspend",
            "1_password_users_reactivate"
        ]
    );
    assert_eq!(plan.tool("T_1_password_users_suspend").map(|method| method.name.as_str()), Some("suspend"));
    assert_eq!(plan.tool("list_all_1_password_users").map(|method| method.name.as_str()), Some("list"));
    assert!(plan.tool("suspend").is_none());
    assert_eq!(plan.version.len(), 32);
    assert_eq!(plan.version, one_password().version, "the same text gives the same version");
}

#[test]
fn the_list_of_1password_is_as_its_definition_says() {
    let plan = one_password();
    let list = plan.method("users", "list").expect("there is a list");
    assert_eq!((list.http_method.as_str(), list.effect, list.takes_id), ("GET", Effect::Read, false));
    assert_eq!((list.result.as_str(), list.body), ("/results", BodyRule::None));
    let cursor = PageStyle::CursorQuery { send: "page_token".into(), read: "/next_page_token".into() };
    assert_eq!(list.pagination.style, cursor);
    assert_eq!(list.pagination.size_parameter.as_deref(), Some("max_page_size"));
    assert_eq!((list.pagination.size_default, list.pagination.size_max), (25, 1000));
    let arguments: Vec<&str> = list.arguments.iter().map(|argument| argument.name.as_str()).collect();
    assert_eq!(
        arguments,
        ["state", "email", "email_ends_with", "display_name_contains", "limit", "next_cursor", "fields"]
    );
    assert_eq!(list.arguments[0].place, ArgumentPlace::Query("filter".into()));
    let mapped = [(json!("ACTIVE"), json!("user.isActive()")), (json!("SUSPENDED"), json!("user.isSuspended()"))];
    assert_eq!(list.arguments[0].values, mapped);
    assert_eq!(list.input_schema["additionalProperties"], json!(false));
}

#[test]
fn suspending_takes_an_id_has_a_transition_and_reads_before() {
    let plan = one_password();
    let suspend = plan.method("users", "suspend").expect("there is suspend");
    assert_eq!((suspend.effect, suspend.takes_id, suspend.idempotent), (Effect::Destructive, true, true));
    assert_eq!(suspend.read_before.as_deref(), Some("get"));
    let transition = suspend.transition.as_ref().expect("it changes the state");
    assert_eq!((transition.at.as_str(), transition.to.as_str()), ("/state", "SUSPENDED"));
    assert_eq!(
        (transition.from.as_slice(), transition.undo.as_deref()),
        (&["ACTIVE".to_owned()][..], Some("reactivate"))
    );
    assert_eq!(suspend.arguments[0].name, "id");
    assert!(suspend.arguments[0].required);
    assert_eq!(suspend.arguments[0].schema["pattern"], json!("^[A-Z2-7]{26}$"));
    let id_rule = &plan.resources["users"].id;
    assert_eq!(id_rule.at, "/id");
    assert_eq!(id_rule.find.as_ref().map(|find| find.arguments["email"].clone()), Some(json!("{value}")));
}

#[test]
fn the_connection_of_1password_is_as_its_definition_says() {
    let plan = one_password();
    assert_eq!(plan.connection_schema["required"], json!(["account_id"]));
    assert_eq!(plan.connection_fields[0].default, Some(json!("com")));
    assert_eq!(plan.credential_fields.iter().filter(|field| field.required).count(), 2);
    let Auth::ClientCredentials(auth) = &plan.auth else { panic!("client credentials, not {:?}", plan.auth) };
    assert_eq!(auth.token_url.source(), "{{ base_url }}/v1beta1/users/oauth2/token");
    assert_eq!((auth.client_auth, auth.lifetime_seconds), (ClientAuth::Basic, 900));
    assert_eq!(auth.scopes, ["openid"]);
    let verify = plan.verify.as_ref().expect("there is a call that verifies");
    assert_eq!((verify.resource.as_str(), verify.method.as_str()), ("users", "list"));
    assert_eq!(Value::Object(verify.arguments.clone()), json!({"limit": 1}));
    assert_eq!(plan.lifecycle.as_ref().map(|lifecycle| lifecycle.find_by_email.as_str()), Some("email"));
    assert_eq!(plan.errors.explain.len(), 5);
    assert_eq!(plan.rate_limits.sources.len(), 3);
}
