use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAMES: &[&str] = &["status", "body", "message"];

fn compile(source: &str) -> Program {
    Program::compile(source, NAMES).expect("the expression compiles")
}

fn holds(source: &str, body: Value) -> Result<bool, EvaluationError> {
    let (status, message) = (json!(404), json!("automated provisioning is on"));
    compile(source).holds(&[("status", &status), ("body", &body), ("message", &message)])
}

#[test]
fn conditions_hold_or_do_not() {
    assert_eq!(holds("status == 404", json!(null)), Ok(true));
    assert_eq!(holds("status in [400, 409, 412] && message.contains('provisioning')", json!(null)), Ok(false));
    assert_eq!(holds("status > 400 && message.contains('provisioning')", json!(null)), Ok(true));
    assert_eq!(holds("has(body.ok) && body.ok == false", json!({"ok": false})), Ok(true));
    assert_eq!(holds("has(body.ok) && body.ok == false", json!({})), Ok(false));
    assert_eq!(holds("body.errors.exists(e, e.code == 'x')", json!({"errors": [{"code": "x"}]})), Ok(true));
    assert_eq!(holds("message.matches('^auto.*on$')", json!(null)), Ok(true));
    assert_eq!(holds("body == null", json!(null)), Ok(true));
    assert_eq!(holds("body.n == 1.0 && body.big > 9u", json!({"n": 1, "big": u64::MAX})), Ok(true));
    assert_eq!(holds("type(body) == map", json!({})), Ok(true));
    assert_eq!(holds("int(body.code) == 7", json!({"code": "7"})), Ok(true));
}

#[test]
fn a_missing_key_is_an_error_so_that_a_condition_fails_closed() {
    let error = holds("body.ok == false", json!({})).expect_err("a missing key");
    assert_eq!(error.to_string(), "`body.ok == false`: there is no member `ok`");
    let error = holds("body.a.b", json!({"a": 1})).expect_err("a member of a number");
    assert!(!error.message.is_empty());
}

#[test]
fn anything_but_a_truth_value_is_an_error() {
    let error = holds("status", json!(null)).expect_err("a number is no condition");
    assert_eq!(error.message, "gives a value of type int, not true or false");
}

#[test]
fn a_variable_that_was_not_given_is_an_error() {
    let error = compile("status == 1").holds(&[]).expect_err("status is missing");
    assert_eq!(error.message, "`status` was not given");
}

#[test]
fn values_come_back_as_json() {
    let body = json!({"a": [1, 2.5, "x", null, true]});
    assert_eq!(compile("body").evaluate(&[("body", &body)]), Ok(body.clone()));
    assert_eq!(compile("{'n': size(body.a)}").evaluate(&[("body", &body)]), Ok(json!({"n": 5})));
}

#[test]
fn uses_tells_the_variables_and_nothing_else() {
    let program = compile("body.status == 'x' && [1].all(message, message > 0)");
    assert!(program.uses("body"));
    assert!(!program.uses("status"), "a member of that name is not the variable");
    assert!(!program.uses("message"), "the comprehension's own variable hides it");
    assert_eq!(program.source(), "body.status == 'x' && [1].all(message, message > 0)");
}

fn error(source: &str) -> (Range<usize>, String) {
    let error = Program::compile(source, NAMES).expect_err("must not compile");
    (error.span, error.message)
}

#[test]
fn syntax_errors_have_their_place() {
    assert_eq!(error("status == ").0.start, 10);
    assert_eq!(error("status === 1").0.start, 9);
    assert_eq!(error("status == 1 &&\n  )").0, 17..18);
    assert!(error("").1.len() > 3);
    assert!(error("body.?a").1.contains("nsupported"), "{:?}", error("body.?a"));
}

#[test]
fn unknown_names_are_refused_when_compiling() {
    let (span, message) = error("1 == 1 && stauts == 404");
    assert_eq!(span, 10..16);
    assert_eq!(message, "there is no variable `stauts` here; there are `status`, `body`, `message`");
    assert!(error("message.lowercase() == 'x'").1.starts_with("there is no function `lowercase`"));
    assert!(error("env('HOME') == 'x'").1.starts_with("there is no function `env`"));
    assert!(error("Message{a: 1}").1.contains("cannot be made here"));
}

#[test]
fn the_longest_source_compiles_and_one_more_byte_does_not() {
    let source = |length: usize| format!("'{}' == message", "x".repeat(length - 13));
    assert_eq!(source(PROGRAM_MAX_BYTES).len(), PROGRAM_MAX_BYTES);
    assert!(Program::compile(&source(PROGRAM_MAX_BYTES), NAMES).is_ok());
    assert!(error(&source(PROGRAM_MAX_BYTES + 1)).1.contains("4096"));
}

#[test]
fn comprehensions_nest_twice_and_not_three_times() {
    assert!(Program::compile("body.exists(a, a.exists(b, b == 1))", NAMES).is_ok());
    assert!(error("body.exists(a, a.exists(b, b.exists(c, c == 1)))").1.contains("at most 2 deep"));
}

#[test]
fn the_longest_list_is_looked_at_and_one_more_item_is_not() {
    let list = |length: usize| json!(vec![1; length]);
    assert_eq!(holds("body.all(x, x == 1)", list(LIST_MAX)), Ok(true));
    assert!(holds("body.all(x, x == 1)", list(LIST_MAX + 1)).expect_err("too long").message.contains("1000"));
    assert_eq!(
        holds("size(body) == 1001", list(LIST_MAX + 1)),
        Ok(true),
        "without a comprehension the length is harmless"
    );
}

#[test]
fn the_longest_text_is_looked_at_and_one_more_byte_is_not() {
    let text = |length: usize| json!("x".repeat(length));
    assert_eq!(holds("body.startsWith('x')", text(TEXT_MAX_BYTES)), Ok(true));
    assert!(holds("body.startsWith('x')", text(TEXT_MAX_BYTES + 1)).expect_err("too long").message.contains("65536"));
    assert_eq!(holds("status == 404", text(TEXT_MAX_BYTES + 1)), Ok(true), "a variable that is not used costs nothing");
}

#[test]
fn the_most_values_are_looked_at_and_one_more_is_not() {
    let values = |count: usize| json!(vec![0; count - 1]);
    assert_eq!(holds("size(body) > 0", values(VALUES_MAX)), Ok(true));
    assert!(holds("size(body) > 0", values(VALUES_MAX + 1)).expect_err("too many").message.contains("100000"));
}

#[test]
fn the_most_brackets_compile_and_one_more_does_not() {
    let nested = |depth: usize, open: &str, close: &str| format!("{}1{} == 1", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("(", ")"), ("[", "]"), ("int(", ")"), ("{1:", "}")] {
        let source = nested(PROGRAM_BRACKETS_MAX + 1, open, close);
        assert!(error(&source).1.contains("at most 32 opening brackets"), "{open}");
        assert!(Program::compile(&nested(PROGRAM_BRACKETS_MAX / 2, open, close), NAMES).is_ok(), "{open}");
    }
    let flat = vec!["(true)"; PROGRAM_BRACKETS_MAX].join(" && ");
    assert_eq!(holds(&flat, json!(null)), Ok(true));
    assert!(error(&format!("{flat} && (true)")).1.contains("at most 32 opening brackets"));
}

#[test]
fn the_most_operators_compile_and_one_more_does_not() {
    for (repeated, last) in
        [("!", "true"), ("- ", "1"), ("1 ? 2 : ", "3"), ("1 + ", "1"), ("true && ", "true"), ("body.", "body")]
    {
        let per = repeated.bytes().filter(u8::is_ascii_punctuation).count();
        let most = format!("{}{last}", repeated.repeat(PROGRAM_OPERATORS_MAX / per));
        if let Ok(program) = Program::compile(&most, NAMES) {
            let _ = program.evaluate(&[("body", &json!({}))]);
        }
        let more = format!("{}{last}", repeated.repeat(PROGRAM_OPERATORS_MAX / per + 1));
        assert!(error(&more).1.contains("at most 256 operators"), "{repeated}");
    }
    assert_eq!(holds(&vec!["true"; PROGRAM_OPERATORS_MAX / 2].join(" && "), json!(null)), Ok(true));
}

#[test]
fn the_deepest_expression_evaluates_and_one_level_more_does_not_compile() {
    let chain = |length: usize| format!("body == {}1", "1 + ".repeat(length - 1));
    // The sum is one level below `==`, and its last operand one below the innermost sum.
    assert_eq!(holds(&chain(PROGRAM_DEPTH_MAX - 1), json!(PROGRAM_DEPTH_MAX - 1)), Ok(true));
    assert!(error(&chain(PROGRAM_DEPTH_MAX)).1.contains("at most 48 deep"));
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Program>();
}

proptest! {
    #[test]
    fn compiling_never_panics(source in "(status|body|message|==|&&|\\|\\||!|\\(|\\)|\\[|\\]|\\{|\\}|\\.|,|'|\"|1|é|\\?|:| |\\n|exists|x){0,24}") {
        if let Err(error) = Program::compile(&source, NAMES) {
            prop_assert!(source.get(error.span).is_some());
        }
    }
}

#[test]
fn an_expression_tells_which_members_it_looks_at() {
    let tree = |paths: &[&[&str]]| {
        let mut members = Members::default();
        for path in paths {
            members.add(path.iter().copied());
        }
        members
    };
    let cases: [(&str, &[&[&str]]); 9] = [
        ("body.ok == false", &[&["ok"]]),
        ("has(body.error) && body.error.code == 'x'", &[&["error"]]),
        ("has(body.a.b) || body['c d'].e", &[&["a", "b"], &["c d", "e"]]),
        ("body.errors.exists(e, e.code == 'x')", &[&["errors"]]),
        ("body.errors[0].code == 'x'", &[&["errors"]]),
        ("size(body.errors) > 0 && 'x' in body.b", &[&["errors"], &["b"]]),
        ("[1].exists(body, body.x == 1) || body.y", &[&["y"]]),
        ("body[message] == 1 || body.a", &[&[]]),
        ("body == null || body.a.b == 1", &[&[]]),
    ];
    for (source, paths) in cases {
        assert_eq!(compile(source).members("body"), Some(&tree(paths)), "{source}");
    }
    assert_eq!(compile("status == 404").members("body"), None);
}
