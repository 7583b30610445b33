//! Overrides in layers.

use quartermaster_definition::{Definition, Layer, Rule, compile_with_overrides, effective, explain, load};
use serde_json::{Value, json};

use crate::cases::BASE;

fn base() -> Definition {
    load("acme.yaml", BASE).0.expect("the base loads")
}

fn refused(patch: &Value) -> Vec<(Rule, String, Option<Layer>)> {
    let diagnostics = compile_with_overrides(&base(), &[(Layer::Account, patch)]).expect_err("it must be refused");
    let errors = diagnostics.iter().filter(|item| item.level == quartermaster_definition::diagnostics::Level::Error);
    errors.map(|item| (item.rule, item.pointer.clone(), item.layer)).collect()
}

#[test]
fn an_account_can_go_to_another_base_url() {
    let patch = json!({"base_url": "http://127.0.0.1:8123"});
    let plan = compile_with_overrides(&base(), &[(Layer::Account, &patch)]).expect("it compiles");
    assert_eq!(plan.base_url.source(), "http://127.0.0.1:8123");
    assert_ne!(plan.version, base().compile().expect("it compiles").version);
}

#[test]
fn the_shipped_definition_of_1password_can_go_to_a_simulator() {
    let integration = quartermaster_integrations::find("1password").expect("1Password ships");
    let definition = load(integration.file, integration.definition).0.expect("it loads");
    let patch = json!({"base_url": "http://127.0.0.1:40001"});
    let plan = compile_with_overrides(&definition, &[(Layer::Account, &patch)]).expect("it compiles");
    assert_eq!(plan.base_url.source(), "http://127.0.0.1:40001");
}

#[test]
fn later_layers_win_and_null_takes_out() {
    let environment = json!({"label": "Environment", "headers": {"x-env": "1", "x-both": "environment"}});
    let account = json!({"label": "Account", "headers": {"user-agent": null, "x-both": "account"}});
    let layers = [(Layer::Environment, &environment), (Layer::Account, &account)];
    let value = effective(&base(), &layers);
    assert_eq!(
        (value["label"].as_str(), &value["headers"]),
        (Some("Account"), &json!({"x-env": "1", "x-both": "account"}))
    );
    let plan = compile_with_overrides(&base(), &layers).expect("it compiles");
    assert_eq!(plan.label, "Account");
    assert_eq!(plan.effective, value);
}

#[test]
fn explain_says_which_layer_each_value_came_from() {
    let environment = json!({"label": "Environment", "headers": {"x-env": "1"}});
    let account = json!({"label": "Account", "pagination": {"size": {"default": 50}}});
    let layers = [(Layer::Environment, &environment), (Layer::Account, &account)];
    let origins = |pointer: &str| -> Vec<(String, Layer, Value)> {
        explain(&base(), &layers, pointer)
            .into_iter()
            .map(|origin| (origin.pointer, origin.layer, origin.value))
            .collect()
    };
    assert_eq!(origins("/label"), [("/label".to_owned(), Layer::Account, json!("Account"))]);
    assert_eq!(
        origins("/headers"),
        [
            ("/headers/user-agent".to_owned(), Layer::Base, json!("Quartermaster")),
            ("/headers/x-env".to_owned(), Layer::Environment, json!("1")),
        ]
    );
    assert_eq!(
        origins("/pagination/size"),
        [
            ("/pagination/size/send".to_owned(), Layer::Base, json!("size")),
            ("/pagination/size/default".to_owned(), Layer::Account, json!(50)),
            ("/pagination/size/max".to_owned(), Layer::Base, json!(100)),
        ]
    );
    assert_eq!(origins("/nothing"), []);
    assert!(origins("").len() > 30);
}

#[test]
fn a_method_s_description_can_be_changed_and_a_method_added_and_removed() {
    let patch = json!({"resources": {"users": {"methods": {
        "get": {"description": "Ours."},
        "create": null,
        "wave": {"post": "/users/{{ id }}/wave", "description": "Waves."}
    }}}});
    let plan = compile_with_overrides(&base(), &[(Layer::Environment, &patch)]).expect("it compiles");
    assert_eq!(plan.method("users", "get").and_then(|method| method.description.as_deref()), Some("Ours."));
    assert!(plan.method("users", "create").is_none());
    assert_eq!(plan.tool("acme_users_wave").map(|method| method.takes_id), Some(true));
}

#[test]
fn a_wrong_override_is_told_by_pointer_and_layer() {
    assert_eq!(
        refused(&json!({"resources": {"users": {"methods": {"get": {"gett": "/x"}}}}})),
        [(Rule::UnknownKey, "/resources/users/methods/get/gett".to_owned(), Some(Layer::Account))]
    );
    assert_eq!(refused(&json!({"base_url": 7})), [(Rule::WrongType, "/base_url".to_owned(), Some(Layer::Account))]);
    assert_eq!(refused(&json!({"base_url": null})), [(Rule::MissingKey, String::new(), Some(Layer::Base))]);
    assert_eq!(
        refused(&json!({"resources": {"users": {"methods": {"get": null}}}})),
        [(Rule::UnknownMethod, "/lifecycle/resource".to_owned(), Some(Layer::Base))]
    );
    assert_eq!(refused(&json!({"name": "other"})), [(Rule::BadName, "/name".to_owned(), Some(Layer::Account))]);
    assert_eq!(refused(&json!([1])), [(Rule::WrongType, String::new(), Some(Layer::Account))]);
    let slashed = json!({"headers": {"a/b~c": "x\ny"}});
    assert!(refused(&slashed).iter().all(|(_, pointer, _)| pointer == "/headers/a~1b~0c"));
}

#[test]
fn an_override_has_no_line_and_says_so_in_words() {
    let diagnostics =
        compile_with_overrides(&base(), &[(Layer::Account, &json!({"base_url": 7}))]).expect_err("it must be refused");
    assert_eq!(
        diagnostics.render(false),
        "error[wrong-type]: expected a text, in which `{{ … }}` stands for a value, found a number\n\
         --> acme.yaml: /base_url (account)\n\nacme.yaml: 1 error, 0 warnings\n"
    );
}

#[test]
fn an_override_cannot_make_a_definition_too_large_or_too_deep() {
    let wide = json!({"headers": (0..60_000).map(|index| (format!("h{index}"), json!("x"))).collect::<serde_json::Map<_, _>>()});
    assert_eq!(refused(&wide), [(Rule::Limit, String::new(), None)]);
    let deep = (0..60).fold(json!(1), |value, _| json!([value]));
    assert_eq!(
        refused(&json!({"resources": {"users": {"record": {"examples": deep}}}})).first().map(|error| error.0),
        Some(Rule::Limit)
    );
}

#[test]
fn an_override_cannot_smuggle_in_another_host() {
    let patch = json!({"resources": {"users": {"methods": {"get": {"get": "https://evil.example/{{ id }}"}}}}});
    assert_eq!(
        refused(&patch),
        [(Rule::UnknownHost, "/resources/users/methods/get/get".to_owned(), Some(Layer::Account))]
    );
}
