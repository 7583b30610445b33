//! The other commands: forms of output, exit codes, pipes, completions, definitions.

use std::io::Read;

use crate::stage::{Stage, finish, run};

#[test]
fn the_command_line_answers_for_itself() {
    assert!(run(&["--help"]).exits(0).out.contains("qm demo"));
    assert!(run(&["audit", "--help"]).exits(0).out.contains("Exit codes:"));
    assert!(run(&["--version"]).exits(0).out.starts_with("qm "));
    run(&[]).exits(2);
    let wrong = run(&["offbord", "a@x.com"]).exits(2);
    assert!(wrong.err.contains("offboard"), "{}", wrong.err);
    run(&["simulate", "nobody"]).exits(2);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(run(&["completions", shell]).exits(0).out.contains("offboard"), "{shell}");
    }
}

#[test]
fn tools_are_listed_in_every_form() {
    let stage = Stage::start(&[]);
    let table = stage.run(&["tools"]).exits(0).out;
    assert!(table.contains("1_password_users_suspend") && table.contains("destructive"), "{table}");
    assert_eq!(table.lines().count(), 5, "a header and four tools: {table}");
    let json = stage.run(&["tools", "-o", "json", "--account", &stage.account]).exits(0).json();
    assert_eq!(json["result"].as_array().unwrap().len(), 4);
    let read = stage.run(&["tools", "--methods", "read", "--output", "csv"]).exits(0).out;
    assert_eq!(read.lines().count(), 3, "{read}");
    assert!(stage.run(&["tools", "-o", "yaml"]).exits(0).out.contains("list_all_1_password_users"));
    let gemini = stage.run(&["tools", "--format", "gemini"]).exits(0).json();
    assert!(!gemini.to_string().contains("\"name\":\"1_"), "{gemini}");
    let wrong = stage.run(&["tools", "--format", "nonsense"]);
    assert!(wrong.code != 0 && wrong.err.starts_with("error: "), "{wrong:?}");
}

#[test]
fn calls_take_arguments_as_the_schema_wants_and_errors_teach() {
    let stage = Stage::start(&[]);
    let five = stage.run(&["call", "list_all_1_password_users", "limit=5", "-o", "json"]).exits(0).json();
    assert_eq!(five["result"].as_array().unwrap().len(), 5);
    let table = stage.run(&["call", "list_all_1_password_users", "email=a.miller@company.com"]).exits(0);
    assert!(table.out.starts_with("ID "), "{}", table.out);
    let id = five["result"][0]["id"].as_str().unwrap();
    let email = stage.run(&["call", "get_single_1_password_user_by_id", "id=a.miller@company.com"]);
    assert!(email.code == 1 && email.err.contains("try: qm call list_all_1_password_users"), "{email:?}");
    let invented = if id.ends_with('A') { "B" } else { "A" };
    let invented = format!("id={}{invented}", &id[..25]);
    let refused = stage.run(&["call", "1_password_users_suspend", &invented]).exits(4);
    assert!(refused.err.contains("docs/problems.md#ungrounded-id"), "{}", refused.err);
    let refused = stage.run(&["call", "1_password_users_suspend", &invented, "--session", "leaver-1"]).exits(4);
    let find = "try: qm call list_all_1_password_users --session leaver-1\n";
    assert!(refused.err.contains(find), "the read has to be in the same session: {}", refused.err);
    assert_eq!(stage.count("suspend"), 0);
    let plan =
        stage.run(&["call", "1_password_users_suspend", &format!("id={id}"), "--dry-run", "-o", "json"]).exits(0);
    assert_eq!(plan.json()["dry_run"], true);
    stage.run(&["call", "no_such_tool"]).exits(3);
}

#[test]
fn accounts_and_tokens_are_managed() {
    let stage = Stage::start(&[]);
    let listed = stage.run(&["account", "list", "-o", "json"]).exits(0).json();
    assert_eq!(listed[0]["id"], stage.account.as_str());
    assert!(!listed.to_string().contains("client_secret\":"), "names of credentials, no values");
    let stale = stage.run(&["account", "update", &stage.account, "--tenant", "x", "--if-version", "99"]);
    assert_eq!(stale.code, 4, "{stale:?}");
    stage.run(&["account", "update", &stage.account, "--tenant", "umbrella"]).exits(0);
    assert!(stage.run(&["account", "get", &stage.account]).exits(0).out.contains("umbrella"));
    stage.run(&["account", "update", &stage.account]).exits(2);

    let made = stage.run(&["token", "create", "--name", "reader", "--role", "agent", "--methods", "read"]).exits(0);
    let token = made.out.trim().to_owned();
    assert!(token.starts_with("qmt_") && made.out.lines().count() == 1);
    let file = stage.file("token", &token);
    let read = stage.run(&["tools", "--token-file", &file, "-o", "json"]).exits(0).json();
    assert_eq!(read["result"].as_array().unwrap().len(), 2, "narrowed to reads: {read}");
    let tokens = stage.run(&["token", "list", "-o", "json"]).exits(0).json();
    let id = tokens.as_array().unwrap().iter().find(|token| token["name"] == "reader").unwrap()["id"].clone();
    stage.run(&["token", "revoke", id.as_str().unwrap()]).exits(0);
    stage.run(&["tools", "--token-file", &file]).exits(4);
    let other = stage.run(&["environment", "create", "staging"]).exits(0);
    assert!(other.out.starts_with("qmt_"));

    stage.run(&["account", "delete", &stage.account]).exits(0);
    stage.run(&["account", "get", &stage.account]).exits(3);
}

#[test]
fn wrong_credentials_are_refused_and_never_shown() {
    let stage = Stage::start(&[]);
    let file = stage.file("credentials", r#"{"client_id": "somebody", "client_secret": "hunter2-and-more"}"#);
    let over = format!("{{\"base_url\":\"{}\"}}", stage.simulator_url);
    let create = [
        "account",
        "create",
        "--integration",
        "1password",
        "--tenant",
        "t",
        "-c",
        "account_id=ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "--override",
        &over,
        "--credentials-file",
        &file,
    ];
    let refused = stage.run(&create);
    assert!(refused.code != 0 && !refused.err.contains("hunter2"), "{refused:?}");
    assert_eq!(stage.run(&["account", "list", "-o", "json"]).exits(0).json().as_array().unwrap().len(), 1);
    let missing = stage.run(&create[..create.len() - 2]).exits(2);
    assert!(missing.err.contains("QM_CREDENTIAL_CLIENT_ID"), "{}", missing.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let stage = Stage::start(&["--users", "900"]);
    let mut child = stage.command(&["call", "list_all_1_password_users", "limit=900", "-o", "json"]).spawn().unwrap();
    let mut start = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = finish(child).exits(0);
    assert!(!output.err.contains("panicked"), "{}", output.err);
}

#[test]
fn definitions_are_checked_with_every_problem_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    run(&["definition", "check", &format!("{root}/integrations")]).exits(0);
    let good = std::fs::read_to_string(format!("{root}/integrations/1password/definition.yaml")).unwrap();
    let broken = good.replace("category: identity", "categroy: identity").replace("label: Region", "lable: Region");
    let file = folder.path().join("definition.yaml");
    std::fs::write(&file, broken).unwrap();
    let output = run(&["definition", "check", folder.path().to_str().unwrap()]).exits(1);
    for word in ["categroy", "category", "lable", "definition.yaml:"] {
        assert!(output.err.contains(word), "{word}: {}", output.err);
    }
    assert!(output.out.contains("wrong"), "{}", output.out);
    let json = run(&["definition", "check", file.to_str().unwrap(), "-o", "json"]).exits(1).json();
    assert!(json[0]["problems"].as_array().unwrap().len() >= 2, "{json}");
    assert_eq!(run(&["definition", "schema"]).exits(0).json()["type"], "object");
    assert!(run(&["definition", "show", "1password"]).exits(0).out.contains("name: 1password"));
    assert!(run(&["definition", "show"]).exits(0).out.contains("1password\n"));
    run(&["definition", "show", "nobody"]).exits(3);
}

#[test]
fn a_token_that_nobody_got_is_revoked_again() {
    let stage = Stage::start(&[]);
    for output in ["table", "json"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut create = stage.command(&["token", "create", "--name", "lost", "--role", "agent", "-o", output]);
        let refused = finish(create.stdout(full).spawn().unwrap()).exits(1);
        assert!(refused.err.contains("revoked again"), "{}", refused.err);
    }
    let tokens = stage.run(&["token", "list", "-o", "json"]).exits(0).json();
    let lost: Vec<_> = tokens.as_array().unwrap().iter().filter(|token| token["name"] == "lost").collect();
    assert!(lost.len() == 2 && lost.iter().all(|token| token["revoked_at"].is_string()), "{tokens}");
}

#[test]
fn names_that_nothing_has_are_warned_of() {
    let stage = Stage::start(&[]);
    let create = ["token", "create", "--name", "x", "--role", "agent", "--methods", "read,bogus", "--tools", "bogus"];
    let made = stage.run(&create).exits(0);
    assert!(made.err.contains("warning: /methods/1: ") && made.err.contains("warning: /tools/0: "), "{}", made.err);
    assert_eq!(made.out.lines().count(), 1, "{}", made.out);
    let long = ["token", "create", "--name", "x", "--role", "agent", "--expires-in", "1000000y"];
    let refused = stage.run(&long).exits(2);
    assert!(refused.err.contains("100 years"), "{}", refused.err);
}

#[test]
fn an_operator_token_is_recovered_on_the_data_folder() {
    let mut stage = Stage::start(&[]);
    let data = stage.path("data");
    let recover = ["token", "recover", "--revoke-others", "--data-dir", data.to_str().unwrap()];
    let refused = stage.run(&recover).exits(1);
    assert!(refused.err.contains("another process"), "the gateway must not run: {}", refused.err);
    stage.gateway = None;
    let made = stage.run(&recover).exits(0);
    let token = made.out.trim().to_owned();
    assert!(token.starts_with("qmt_") && made.out.lines().count() == 1, "{}", made.out);
    assert!(made.err.contains("revoked other operator tokens: 1"), "{}", made.err);
    stage.serve();
    stage.run(&["token", "list"]).exits(4);
    let file = stage.file("recovered", &token);
    let listed = stage.run(&["token", "list", "-o", "json", "--token-file", &file]).exits(0).json();
    let working = listed.as_array().unwrap().iter().filter(|token| token["operator"] == true);
    assert_eq!(working.filter(|token| token["revoked_at"].is_null()).count(), 1, "{listed}");
    assert!(stage.run(&["environment", "create", "staging", "--token-file", &file]).exits(0).out.starts_with("qmt_"));
    let log = stage.run(&["audit-log", "--action", "token.revoke", "-o", "json", "--token-file", &file]).exits(0);
    assert!(log.out.contains("\"local\""), "{}", log.out);
}

#[test]
fn playbooks_are_listed_shown_and_checked_with_every_problem_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let listed = run(&["playbook", "list", "-o", "json"]).exits(0).json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["audit", "offboard"]);
    assert!(run(&["playbook", "list"]).exits(0).out.contains("email* dry_run"));
    let text = run(&["playbook", "show", "offboard"]).exits(0).out;
    let file = folder.path().join("mine.yaml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, &text).unwrap();
    run(&["playbook", "check", path, "--integration", "1password"]).exits(0);
    std::fs::write(&file, text.replace("method: lifecycle.get", "method: users.gett")).unwrap();
    run(&["playbook", "check", path]).exits(0);
    let output = run(&["playbook", "check", path, "--integration", "1password"]).exits(1);
    assert!(output.err.contains("did you mean `users.get`?"), "{}", output.err);
    std::fs::write(&file, text.replace("input.email", "input.emial").replace("go_to: plan}", "go_to: plna}")).unwrap();
    let json = run(&["playbook", "check", path, "-o", "json"]).exits(1).json();
    assert!(json[0]["problems"].as_array().unwrap().len() >= 4, "{json}");
    assert_eq!(run(&["playbook", "schema"]).exits(0).json()["title"], "Quartermaster playbook");
    run(&["playbook", "show", "nobody"]).exits(3);
    run(&["playbook", "check", path, "--integration", "nobody"]).exits(3);
}

#[test]
fn a_policy_is_checked_set_tested_explained_and_restored() {
    let stage = Stage::start(&[]);
    let none = stage.run(&["policy", "show"]).exits(0);
    assert!(none.out.is_empty() && none.err.contains("has no policy"), "{none:?}");
    let wrong = stage.file("wrong.yaml", "version: 1\nrules:\n  - name: x\n    effekt: deny\n");
    let checked = stage.run(&["policy", "check", &wrong]).exits(1);
    assert!(checked.err.contains("wrong.yaml:4:5") && checked.err.contains("did you mean `effect`?"), "{checked:?}");
    stage.run(&["policy", "set", &wrong]).exits(1);
    let text = "version: 1\nrules:\n  - name: freeze\n    effect: deny\n    match: {methods: [users.suspend]}\n    \
                because: ask Ops first\n";
    let good = stage.file("policy.yaml", text);
    stage.run(&["policy", "check", &good]).exits(0);
    let set = stage.run(&["policy", "set", &good, "--if-version", "0"]).exits(0);
    assert!(set.err.contains("version 1"), "{set:?}");
    assert_eq!(stage.run(&["policy", "show"]).exits(0).out, text);
    stage.run(&["policy", "set", &good, "--if-version", "0"]).exits(4);

    let cases = "cases:\n  - name: suspend\n    call: {method: users.suspend, effect: destructive}\n    expect: deny\n";
    let cases = stage.file("cases.yaml", cases);
    assert!(stage.run(&["policy", "test", &cases]).exits(0).out.contains("freeze"));
    let lenient = stage.file("lenient.yaml", "version: 1\n");
    let tested = stage.run(&["policy", "test", &cases, "--policy", &lenient]).exits(1);
    assert!(tested.out.contains("expected deny, found allow"), "{tested:?}");

    let found = stage.run(&["call", "list_all_1_password_users", "email=a.miller@company.com", "-o", "json"]);
    let id = format!("id={}", found.exits(0).json()["result"][0]["id"].as_str().unwrap());
    let explained = stage.run(&["policy", "explain", "1_password_users_suspend", &id]).exits(4);
    assert!(explained.out.contains("freeze") && explained.err.contains("ask Ops first"), "{explained:?}");
    stage.run(&["policy", "explain", "get_single_1_password_user_by_id", &id]).exits(0);
    let refused = stage.run(&["call", "1_password_users_suspend", &id]).exits(4);
    assert!(refused.err.contains("docs/problems.md#denied-by-policy"), "{refused:?}");
    assert_eq!(stage.count("suspend"), 0);

    stage.run(&["policy", "set", &lenient]).exits(0);
    stage.run(&["policy", "restore", "1", "--if-version", "2"]).exits(0);
    let versions = stage.run(&["policy", "versions", "-o", "json"]).exits(0).json();
    assert_eq!(
        (&versions[0]["version"], &versions[0]["restored_from"]),
        (&serde_json::json!(3), &serde_json::json!(1))
    );
    stage.run(&["policy", "show", "9"]).exits(3);
}
