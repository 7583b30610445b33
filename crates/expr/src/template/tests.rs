use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn render(source: &str, arguments: Value, place: Place) -> Result<String, RenderError> {
    let arguments = object(arguments);
    let connection = object(json!({"region": "eu", "depth": {"one": {"two": 2}}, "none": null}));
    let secret = String::from("s3cret");
    let lookup = |name: &str| (name == "api_key").then_some(secret.as_str());
    let roots = [
        ("connection", Root::Object(&connection)),
        ("base_url", Root::Text("https://api.example.com")),
        ("credentials", Root::Lookup(&lookup)),
    ];
    let scope = Scope { roots: &roots, arguments: &arguments };
    Template::parse(source).expect("the template parses").render(&scope, place)
}

fn missing(path: &str) -> Result<String, RenderError> {
    Err(RenderError::Missing { path: path.to_owned() })
}

fn reason(result: Result<String, RenderError>) -> &'static str {
    match result {
        Err(RenderError::Unsuitable { reason, .. }) => reason,
        other => panic!("expected an unsuitable value, got {other:?}"),
    }
}

#[test]
fn values_come_from_roots_and_arguments() {
    let text = "{{base_url}}/{{ connection.region }}/{{ connection.depth.one.two }}/{{ id }}/{{ on }}/{{ credentials.api_key }}";
    let rendered = render(text, json!({"id": "x", "on": true}), Place::Plain);
    assert_eq!(rendered.as_deref(), Ok("https://api.example.com/eu/2/x/true/s3cret"));
}

#[test]
fn numbers_and_booleans_render_and_objects_and_lists_do_not() {
    assert_eq!(
        render("{{ n }} {{ f }} {{ b }}", json!({"n": 10, "f": 1.5, "b": false}), Place::Plain).as_deref(),
        Ok("10 1.5 false")
    );
    assert_eq!(reason(render("{{ o }}", json!({"o": {}}), Place::Plain)), "is an object, not a text");
    assert_eq!(reason(render("{{ o }}", json!({"o": []}), Place::Plain)), "is a list, not a text");
    assert_eq!(reason(render("{{ connection }}", json!({}), Place::Plain)), "is an object, not a text");
}

#[test]
fn what_is_missing_is_an_error_and_never_an_empty_text() {
    assert_eq!(render("{{ id }}", json!({}), Place::Plain), missing("id"));
    assert_eq!(render("{{ id }}", json!({"id": null}), Place::Plain), missing("id"));
    assert_eq!(render("{{ connection.zone }}", json!({}), Place::Plain), missing("connection.zone"));
    assert_eq!(render("{{ connection.none }}", json!({}), Place::Plain), missing("connection.none"));
    assert_eq!(render("{{ base_url.host }}", json!({}), Place::Plain), missing("base_url.host"));
    assert_eq!(render("{{ credentials.other }}", json!({}), Place::Plain), missing("credentials.other"));
    assert_eq!(render("{{ credentials }}", json!({}), Place::Plain), missing("credentials"));
}

#[test]
fn a_root_hides_an_argument_of_its_name() {
    assert_eq!(
        render("{{ base_url }}", json!({"base_url": "x"}), Place::Plain).as_deref(),
        Ok("https://api.example.com")
    );
}

#[test]
fn path_segments_are_encoded_and_dots_refused() {
    let segment = |id: &str| render("/users/{{ id }}:suspend", json!({ "id": id }), Place::PathSegment);
    assert_eq!(segment("a/b?c#d%2e é").as_deref(), Ok("/users/a%2Fb%3Fc%23d%252e%20%C3%A9:suspend"));
    assert_eq!(segment("...").as_deref(), Ok("/users/...:suspend"));
    assert_eq!(reason(segment("")), "is empty, which would change the path");
    assert_eq!(reason(segment(".")), "is `.` or `..`, which would change the path");
    assert_eq!(reason(segment("..")), "is `.` or `..`, which would change the path");
    assert_eq!(reason(segment("a\nb")), "has a control character in it");
    assert_eq!(segment("%2e%2e").as_deref(), Ok("/users/%252e%252e:suspend"));
}

#[test]
fn headers_refuse_what_would_split_them() {
    let header = |value: &str| render("Key {{ v }}", json!({ "v": value }), Place::Header);
    assert_eq!(header("abc ~").as_deref(), Ok("Key abc ~"));
    for value in ["a\r\nx: y", "a\nb", "a\0b", "a\tb", "a\u{7f}", "é"] {
        assert_eq!(reason(header(value)), "has a character that a header cannot carry", "{value:?}");
    }
}

#[test]
fn base_urls_take_only_what_a_host_or_prefix_has() {
    let base = |value: &str| render("https://{{ v }}.example.com", json!({ "v": value }), Place::BaseUrl);
    assert_eq!(base("a-b_c.d:1/x").as_deref(), Ok("https://a-b_c.d:1/x.example.com"));
    let whole = render("{{ v }}/token", json!({"v": "http://[::1]:8080"}), Place::BaseUrl);
    assert_eq!(whole.as_deref(), Ok("http://[::1]:8080/token"));
    for value in ["a@b", "a?b", "a#b", "a b", "a\\b", "a%2fb", "é", "a\n"] {
        assert_eq!(reason(base(value)), "has a character that cannot stand in a base URL", "{value:?}");
    }
    assert_eq!(reason(base("a..b")), "has `..` in it");
    assert_eq!(reason(base("")), "is empty");
}

#[test]
fn queries_are_encoded_and_may_be_empty() {
    assert_eq!(render("a{{ v }}", json!({"v": "x&y=z +"}), Place::Query).as_deref(), Ok("ax%26y%3Dz%20%2B"));
    assert_eq!(render("a{{ v }}", json!({"v": ""}), Place::Query).as_deref(), Ok("a"));
}

#[test]
fn an_error_never_shows_the_value() {
    let error = render("{{ v }}", json!({"v": "top\nsecret"}), Place::Header).expect_err("a line break is refused");
    assert_eq!(error.to_string(), "the value of `v` has a character that a header cannot carry");
}

#[test]
fn syntax_errors_have_their_place() {
    let error = |source: &str| {
        let error = Template::parse(source).expect_err("must not parse");
        (error.span, error.message)
    };
    assert_eq!(error("a {{ b").0, 2..6);
    assert_eq!(error("a }} b").0, 2..4);
    assert_eq!(error("{{ }}").0, 0..5);
    assert_eq!(error("{{ a.. }}").0, 5..5);
    assert_eq!(error("{{ a-b }}").0, 4..5);
    assert_eq!(error("{{ 1a }}").0, 3..4);
    assert!(error("{{ a|upper }}").1.contains("no filters"));
    assert_eq!(error("{{ a | upper }}").0, 5..13);
    assert!(error("{{ a b }}").1.contains("` ` cannot stand in a name"));
    assert_eq!(error("é{{ ü }}").0, 5..7);
}

#[test]
fn single_braces_are_text() {
    assert_eq!(render("{\"a\": {x}", json!({}), Place::Plain).as_deref(), Ok("{\"a\": {x}"));
    assert_eq!(Template::parse("plain").expect("parses").as_literal(), Some("plain"));
    assert_eq!(Template::parse("{{ a }}").expect("parses").as_literal(), None);
}

#[test]
fn paths_are_told_with_their_spans() {
    let template = Template::parse("x{{ connection.region }}{{id}}").expect("parses");
    let names = |path: &[&str]| path.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(template.paths(), vec![(names(&["connection", "region"]), 4..21), (names(&["id"]), 26..28)]);
}

#[test]
fn the_longest_template_parses_and_one_more_byte_does_not() {
    assert!(Template::parse(&"x".repeat(TEMPLATE_MAX_BYTES)).is_ok());
    let error = Template::parse(&"x".repeat(TEMPLATE_MAX_BYTES + 1)).expect_err("too long");
    assert!(error.message.contains("8192"), "{error}");
}

#[test]
fn the_most_parts_parse_and_one_more_does_not() {
    assert!(Template::parse(&"{{ a }}".repeat(TEMPLATE_PARTS_MAX)).is_ok());
    let error = Template::parse(&"{{ a }}".repeat(TEMPLATE_PARTS_MAX + 1)).expect_err("too many parts");
    assert!(error.message.contains("64"), "{error}");
}

#[test]
fn the_longest_text_renders_and_one_more_byte_does_not() {
    for place in [Place::Plain, Place::Query, Place::Header, Place::PathSegment, Place::BaseUrl] {
        let longest = json!({"v": "x".repeat(RENDERED_MAX_BYTES - 1)});
        assert_eq!(render("a{{ v }}", longest, place).map(|text| text.len()), Ok(RENDERED_MAX_BYTES));
        let longer = json!({"v": "x".repeat(RENDERED_MAX_BYTES)});
        assert!(reason(render("a{{ v }}", longer, place)).contains("65536"));
    }
    assert_eq!(RENDERED_MAX_BYTES, 65536, "the message names the limit");
}

proptest! {
    #[test]
    fn parsing_never_panics(source in "(\\{\\{|\\}\\}|[ a-z.|{}é\\n]){0,40}") {
        if let Ok(template) = Template::parse(&source) {
            for (_, span) in template.paths() {
                prop_assert!(source.get(span).is_some());
            }
        }
    }

    #[test]
    fn a_path_value_never_leaves_its_segment(value in "(\\.|/|%2e|%|[?#\\\\@:;é ]|\\PC){0,12}") {
        if let Ok(rendered) = render("/a/{{ v }}/b", json!({ "v": value.clone() }), Place::PathSegment) {
            let inner = rendered.strip_prefix("/a/").and_then(|rest| rest.strip_suffix("/b")).expect("the frame stays");
            prop_assert!(!inner.contains(['/', '?', '#', '\\', '\n']));
            prop_assert!(!inner.is_empty() && inner != "." && inner != "..");
            prop_assert_ne!(inner.to_ascii_lowercase(), "%2e%2e");
            let decoded = percent_encoding::percent_decode_str(inner).decode_utf8().expect("UTF-8");
            prop_assert_eq!(decoded.as_ref(), value.as_str());
        }
    }

    #[test]
    fn a_header_value_never_breaks_the_line(value in "\\PC{0,20}|(a|\r|\n|\u{0}|b){0,5}") {
        if let Ok(rendered) = render("{{ v }}", json!({ "v": value }), Place::Header) {
            prop_assert!(rendered.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
        }
    }

    #[test]
    fn a_base_url_value_keeps_to_the_safe_alphabet(value in "(a|\\.|/|@|:|\\\\|\\?|#|%| |é){0,8}") {
        if let Ok(rendered) = render("{{ v }}", json!({ "v": value }), Place::BaseUrl) {
            prop_assert!(!rendered.contains("..") && !rendered.contains(['@', '?', '#', '%', '\\', ' ']));
        }
    }
}
