//! `qm offboard`.

use crate::stage::{Stage, run};

#[test]
fn somebody_is_suspended_once_and_the_ticket_says_so() {
    let stage = Stage::start(&[]);
    let plan = stage.run(&["offboard", "A.Miller@company.com", "--dry-run", "-o", "json"]).exits(0).json();
    assert_eq!((plan["changed"].clone(), plan["dry_run"].clone()), (true.into(), true.into()));
    assert_eq!(plan["plan"]["request"]["method"], "POST");
    assert_eq!(stage.count("suspend"), 0, "a plan changes nothing");

    let done = stage.run(&["offboard", "a.miller@company.com"]).exits(0);
    assert!(
        done.out.starts_with("✓ Successfully suspended a.miller@company.com (Anna Miller) in 1Password."),
        "{}",
        done.out
    );
    assert!(done.out.contains("ACTIVE → SUSPENDED"));
    assert!(!done.out.contains('\u{1b}'), "no colours into a pipe");
    assert!(done.err.contains("read back"), "{}", done.err);
    assert_eq!(stage.state("a.miller@company.com"), "SUSPENDED");

    let again = stage.run(&["offboard", "a.miller@company.com", "-o", "json"]).exits(0).json();
    assert_eq!(again["changed"], false);
    assert_eq!(stage.count("suspend"), 1, "nothing had to be sent");
    let log = stage.run(&["audit-log", "--action", "users.suspend", "-o", "json"]).exits(0).json();
    assert_eq!(log[0]["outcome"], "ok");
    assert_eq!(log[0]["target"], again["id"]);
}

#[test]
fn nobody_several_and_no_address_are_errors_that_change_nothing() {
    let stage = Stage::start(&["--twins", "1"]);
    let missing = stage.run(&["offboard", "nobody@company.com"]).exits(3);
    assert!(missing.out.is_empty());
    assert!(
        missing.err.contains("nobody in the directory has the e-mail address nobody@company.com"),
        "{}",
        missing.err
    );
    let part = stage.run(&["offboard", "miller@company.com"]).exits(3);
    assert!(part.err.contains("nobody in the directory"), "only exact matches count: {}", part.err);
    let several = stage.run(&["offboard", "twin.0@company.com"]).exits(3);
    assert!(several.err.contains("2 people in the directory have the e-mail address"), "{}", several.err);
    stage.run(&["offboard", "not-an-address"]).exits(2);
    assert_eq!(stage.count("suspend"), 0);
}

#[test]
fn a_vendors_refusal_is_explained() {
    let stage = Stage::start(&[]);
    let owner = stage.run(&["offboard", "owner@company.com"]).exits(4);
    assert!(owner.err.contains("last owner"), "{}", owner.err);
    assert!(owner.err.contains(" hint: "), "{}", owner.err);
    let invited = stage.run(&["offboard", "invited@company.com"]).exits(4);
    assert!(invited.err.contains("STATE_UNSPECIFIED"), "{}", invited.err);
}

#[test]
fn without_a_gateway_or_a_token_it_says_what_to_do() {
    let output = run(&["offboard", "a@x.com", "--url", "http://127.0.0.1:9"]).exits(4);
    assert!(output.err.contains("QM_TOKEN"), "{}", output.err);
    let output = crate::stage::finish(
        crate::stage::command(&["offboard", "a@x.com", "--url", "http://127.0.0.1:9"])
            .env("QM_TOKEN", "qmt_x")
            .spawn()
            .unwrap(),
    )
    .exits(6);
    assert!(output.err.contains("qm serve"), "{}", output.err);
    assert!(!output.err.contains("qmt_x"));
}
