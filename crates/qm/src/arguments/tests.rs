use super::*;

fn each(command: &clap::Command, visit: &mut dyn FnMut(&clap::Command, &clap::Arg)) {
    for argument in command.get_arguments() {
        visit(command, argument);
    }
    for inner in command.get_subcommands() {
        each(inner, visit);
    }
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn every_flag_is_also_in_the_environment_under_its_own_name() {
    each(&Arguments::command(), &mut |command, argument| {
        let Some(flag) = argument.get_long() else { return };
        let expected = format!("QM_{}", flag.to_uppercase().replace('-', "_"));
        let found = argument.get_env().and_then(|name| name.to_str());
        assert_eq!(found, Some(expected.as_str()), "--{flag} of {}", command.get_name());
    });
}

#[test]
fn every_flag_and_command_says_what_it_is() {
    let mut command = Arguments::command();
    command.build();
    each(&command, &mut |command, argument| {
        if argument.get_id() != "help" && argument.get_id() != "version" {
            assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
        }
    });
    for inner in command.get_subcommands() {
        assert!(inner.get_about().is_some(), "{}", inner.get_name());
    }
}

#[test]
fn no_flag_takes_a_secret() {
    each(&Arguments::command(), &mut |command, argument| {
        let name = argument.get_long().unwrap_or_default();
        let secret = ["secret", "password", "token"].iter().any(|word| name.contains(word));
        assert!(
            !secret || ["token-file", "token-lifetime", "context-tokens", "max-tokens", "secrets-file"].contains(&name),
            "--{name} of {}",
            command.get_name()
        );
    });
}

#[test]
fn an_empty_variable_counts_as_absent_for_every_flag() {
    let mut left = Vec::new();
    each(&without(Arguments::command(), &|name| name != "QM_LIMIT"), &mut |_, argument| {
        left.extend(argument.get_env().and_then(|name| name.to_str()).map(str::to_owned));
    });
    left.dedup();
    assert_eq!(left, ["QM_LIMIT"]);
}

#[test]
fn an_address_to_listen_on_is_an_ip_address_with_a_port() {
    assert!(address("127.0.0.1:0").is_ok() && address("[::1]:8080").is_ok());
    for wrong in ["localhost:8080", "8080", "127.0.0.1", "127.0.0.1:99999", ""] {
        assert!(address(wrong).unwrap_err().contains("127.0.0.1:8080"), "{wrong}");
    }
}

#[test]
fn a_wrong_id_says_where_the_right_ones_are() {
    let wrong = Arguments::try_parse_from(["qm", "tools", "--account", "acme"]).unwrap_err().to_string();
    assert!(wrong.contains("qm account list"), "{wrong}");
    let id = "0190d1f2-0000-7000-8000-000000000001";
    assert!(Arguments::try_parse_from(["qm", "token", "revoke", id]).is_ok());
    assert!(Arguments::try_parse_from(["qm", "account", "get", "acme"]).is_err());
}

#[test]
fn durations_and_pairs_parse() {
    assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("0"), Ok(Duration::ZERO));
    assert!(duration("5").is_err() && duration("soon").is_err());
    assert_eq!(name_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
    assert!(name_value("a").is_err() && name_value("=a").is_err());
}

#[test]
fn a_connection_field_is_taken_whole_and_several_come_as_an_object() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(connection_fields("name=a,b=c").unwrap().0, [pair("name", "a,b=c")]);
    assert_eq!(connection_fields(r#"{"a":"1,2","b":"3"}"#).unwrap().0, [pair("a", "1,2"), pair("b", "3")]);
    assert!(connection_fields("name").is_err() && connection_fields(r#"{"a":1}"#).is_err());
}

#[test]
fn a_life_is_taken_at_the_limit_and_refused_past_it() {
    let seconds = LIFETIME_MAX.as_secs();
    assert_eq!(lifetime(&format!("{seconds}s")), Ok(LIFETIME_MAX));
    for wrong in [format!("{}s", seconds + 1), "1000000y".to_owned()] {
        assert!(lifetime(&wrong).unwrap_err().contains("100 years"), "{wrong}");
    }
    assert!(lifetime("0").is_err() && lifetime("soon").is_err());
}

/// What users rely on has to stand in the documentation, and it has to be this program that it describes.
#[test]
fn the_documentation_lists_every_command_flag_variable_and_exit_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut missing = Vec::new();
    let mut command = Arguments::command();
    command.build();
    each(&command, &mut |_, argument| {
        if let Some(flag) = argument.get_long().filter(|flag| !["help", "version"].contains(flag)) {
            missing.extend((!text.contains(&format!("`--{flag}`"))).then(|| format!("--{flag}")));
        }
    });
    for outer in command.get_subcommands().filter(|outer| outer.get_name() != "help") {
        let has_inner = outer.get_subcommands().next().is_some();
        let names = outer.get_subcommands().map(|inner| format!("qm {} {}", outer.get_name(), inner.get_name()));
        let names: Vec<String> = if has_inner { names.collect() } else { vec![format!("qm {}", outer.get_name())] };
        let names = names.into_iter().filter(|name| !name.ends_with(" help"));
        missing.extend(names.filter(|name| !text.contains(&format!("`{name}"))));
    }
    missing.extend(
        crate::env::WITHOUT_FLAG.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !text.contains(name)),
    );
    for line in crate::exit::TABLE.lines().skip(1) {
        let code = line.split_whitespace().next().unwrap_or_default();
        missing.extend((!text.contains(&format!("| {code} |"))).then(|| format!("exit code {code}")));
    }
    assert!(missing.is_empty(), "docs/cli.md lacks {missing:?}");
}

#[test]
fn what_is_expected_is_a_text_or_json() {
    let read = |text: &str| expected(text).map(|Expected(members)| serde_json::Value::Object(members));
    assert_eq!(read("email=a=b@c.d").unwrap(), serde_json::json!({"email": "a=b@c.d"}));
    assert_eq!(read("n:=5").unwrap(), serde_json::json!({"n": 5}));
    assert_eq!(read(r#"{"a": null, "b": "c"}"#).unwrap(), serde_json::json!({"a": null, "b": "c"}));
    for wrong in ["email", "n:={", "{", "=x"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
