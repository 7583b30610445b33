//! Templates and expressions of any text: they parse or say why not, and a rendered value never leaves its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quartermaster_expr::{Place, Program, Root, Scope, Template};
use serde_json::{Map, Value};

const PLACES: [Place; 5] = [Place::PathSegment, Place::Query, Place::Header, Place::BaseUrl, Place::Plain];

fuzz_target!(|input: (&str, &str)| {
    let (source, value) = input;
    let arguments = Map::from_iter([("id".to_owned(), Value::String(value.to_owned()))]);
    let connection = Map::from_iter([("region".to_owned(), Value::String(value.to_owned()))]);
    let roots = [("connection", Root::Object(&connection)), ("base_url", Root::Text("https://example.test"))];
    let scope = Scope { roots: &roots, arguments: &arguments };

    match Template::parse(source) {
        Ok(template) => {
            for (_, span) in template.paths() {
                assert!(source.get(span).is_some(), "a span is a range of the source");
            }
            for place in PLACES {
                let _ = template.render(&scope, place);
            }
        }
        Err(error) => assert!(source.get(error.span).is_some() || error_is_at_the_end(source)),
    }

    // Whatever the value is, it stays in the segment, the parameter or the header that it was put into.
    let id = Template::parse("{{ id }}").expect("a plain template parses");
    if let Ok(segment) = id.render(&scope, Place::PathSegment) {
        assert!(!segment.contains(['/', '?', '#', '\\', ' ']) && segment != "." && segment != "..", "{segment}");
        assert!(segment.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Ok(query) = id.render(&scope, Place::Query) {
        assert!(!query.contains(['&', '#', '=', ' ', '+']) && query.is_ascii(), "{query}");
    }
    if let Ok(header) = id.render(&scope, Place::Header) {
        assert!(!header.contains(['\r', '\n', '\0']));
    }
    if let Ok(base) =
        Template::parse("https://{{ connection.region }}.example.test").expect("parses").render(&scope, Place::BaseUrl)
    {
        assert!(!base["https://".len()..].contains(['@', '?', '#', '\\']), "{base}");
    }

    if let Ok(program) = Program::compile(source, &["status", "message"]) {
        let (status, message) = (Value::from(404), Value::from(value));
        let _ = program.holds(&[("status", &status), ("message", &message)]);
    }
});

/// An error at the end may point just past the text.
fn error_is_at_the_end(source: &str) -> bool {
    Template::parse(source).is_err_and(|error| error.span.start >= source.len())
}
