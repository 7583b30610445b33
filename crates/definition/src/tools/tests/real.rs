//! The definition that ships, in every format.

use super::*;

fn one_password() -> Plan {
    let shipped = quartermaster_integrations::find("1password").unwrap();
    let (definition, problems) = crate::load(shipped.file, shipped.definition);
    definition
        .unwrap_or_else(|| panic!("{}", problems.render(false)))
        .compile()
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

fn rendered(format: ToolFormat) -> Value {
    serde_json::from_slice(&render(&one_password(), format, &ToolFilter::default()).unwrap()).unwrap()
}

#[test]
fn every_format_keeps_its_providers_rules() {
    for format in ToolFormat::ALL {
        rules::check(format, &rendered(format));
    }
}

#[test]
fn every_format_is_as_it_was() {
    for format in ToolFormat::ALL {
        insta::assert_json_snapshot!(format.as_str(), rendered(format));
    }
}

#[test]
fn every_integration_that_ships_keeps_every_providers_rules() {
    for shipped in quartermaster_integrations::all() {
        let (definition, _) = crate::load(shipped.file, shipped.definition);
        let plan = definition.unwrap().compile().unwrap();
        for format in ToolFormat::ALL {
            rules::check(
                format,
                &serde_json::from_slice(&render(&plan, format, &ToolFilter::default()).unwrap()).unwrap(),
            );
        }
    }
}

#[test]
fn the_names_are_those_that_users_know_and_aliases_lead_to_the_same_method() {
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
    for method in plan.methods() {
        for name in [&method.tool_name, &method.tool_alias, &method.tool_name.to_uppercase()] {
            assert_eq!(plan.tool(name).unwrap().full_name(), method.full_name());
        }
        assert_eq!(canonical_of_alias(&method.tool_alias), method.tool_name);
    }
}

#[test]
fn strict_needs_every_member_and_takes_null_for_the_optional_ones() {
    let plan = one_password();
    for tool in rendered(ToolFormat::OpenAiStrict).as_array().unwrap() {
        let function = &tool["function"];
        assert_eq!(function["strict"], true);
        let method = plan.tool(function["name"].as_str().unwrap()).unwrap();
        let required = method.input_schema["required"].as_array().unwrap();
        for (name, member) in function["parameters"]["properties"].as_object().unwrap() {
            let takes_null = jsonschema::is_valid(member, &Value::Null);
            assert_eq!(takes_null, !required.contains(&json!(name)), "{name}");
        }
    }
}

#[test]
fn an_email_given_as_an_id_leads_to_the_list() {
    let plan = one_password();
    let get = plan.method("users", "get").unwrap();
    let given = json!({"id": "a.miller@company.com"}).as_object().unwrap().clone();
    let problem = crate::validate::invalid_arguments(&plan, get, &given, get.validate(given.clone()).unwrap_err());
    insta::assert_json_snapshot!("email_as_id", problem);
}
