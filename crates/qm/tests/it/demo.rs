//! `qm demo`, to its end.

use std::process::{Command, Stdio};

use crate::stage::{Background, command, pause, run};

#[test]
fn the_story_is_told_to_its_end() {
    let output = run(&["demo", "--exit"]).exits(0);
    for part in [
        "list_all_1_password_users",
        "get_single_1_password_user_by_id",
        "1_password_users_suspend",
        "1_password_users_reactivate",
        "Successfully suspended a.miller@company.com",
        "nothing was sent to the vendor",
        "404",
        "429 too many requests",
        "rate limited: everybody waits",
        "Rate limits were waited out",
        "unknown",
        "curl -s -H 'Authorization: Bearer qmt_",
    ] {
        assert!(output.out.contains(part), "{part} is missing in:\n{}\n{}", output.out, output.err);
    }
    assert!(!output.out.contains("report.html"), "nothing that is removed is pointed to: {}", output.out);
    assert!(!output.out.contains('\u{1b}'), "no colours into a pipe");
    assert!(output.err.is_empty(), "{}", output.err);
}

#[test]
fn the_curl_lines_work_while_it_serves() {
    let demo = Background::spawn(command(&["demo"]).stderr(Stdio::null()));
    let mut lines = vec![format!("curl{}", demo.line("curl"))];
    for _ in 0..5 {
        lines.push(format!("curl{}", demo.line("curl")));
    }
    demo.line("Serving on ");
    pause(50);
    for line in lines {
        let answer = Command::new("sh").arg("-c").arg(format!("{line} --fail-with-body")).output().unwrap();
        let text = String::from_utf8_lossy(&answer.stdout);
        assert!(answer.status.success(), "{line}\n{text}");
    }
    demo.signal("INT");
    assert_eq!(demo.wait(), Some(0));
}
