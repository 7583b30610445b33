//! Definitions of any bytes: problems are told, and what loads compiles and shows its tools in every format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quartermaster_definition::load_bytes;
use quartermaster_definition::tools::{ToolFilter, ToolFormat, render};
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let (definition, problems) = load_bytes("definition.yaml", bytes);
    assert_eq!(definition.is_none(), problems.has_errors());
    assert!(!problems.has_errors() || !problems.render(false).is_empty());
    let Some(definition) = definition else { return };
    let plan = definition.compile().expect("what loads compiles");
    for method in plan.methods() {
        assert_eq!(plan.tool(&method.tool_name).map(|found| found.full_name()), Some(method.full_name()));
        let _ = method.validate(Map::new());
        let _ = method
            .validate(Map::from_iter([("id".to_owned(), Value::from("a@b")), ("limit".to_owned(), Value::from(0))]));
        let _ = method.arguments_from_query(&[("limit".to_owned(), "5".to_owned())]);
    }
    for format in ToolFormat::ALL {
        let once = render(&plan, format, &ToolFilter::default());
        assert_eq!(once, render(&plan, format, &ToolFilter::default()), "the same bytes every time");
    }
});
