//! Whether an `expect` can be compared at all; the comparison itself is a guard.

use quartermaster_definition::plan::Effect;
use quartermaster_definition::validate::unknown_fields;
use quartermaster_definition::{Method, Plan};
use quartermaster_types::{Code, Problem};
use serde_json::{Map, Value};

use crate::limits::{EXPECT_MAX_BYTES, EXPECT_MEMBERS_MAX};
use crate::policy::reader_of;

/// Members that the definition places, wherever a record has them.
const PLACED: [&str; 4] = ["id", "email", "display_name", "state"];

/// Refuses an `expect` that nothing could be compared with: it must not look as if the record had been checked.
pub(super) fn check(plan: &Plan, method: &Method, expect: &Map<String, Value>) -> Result<(), Problem> {
    if method.effect == Effect::Read || !method.takes_id {
        let detail =
            format!("{} writes to no record by its id, so there is nothing to expect of one.", method.tool_name);
        return Err(Problem::caller(Code::InvalidArgument, detail)
            .with_hint("Leave `expect` out, or read the record and look at it.")
            .with_error("/expect", "goes only with a write to a record by its id"));
    }
    if reader_of(plan, method).is_none() {
        let detail =
            format!("{} cannot read one record of {}, so `expect` cannot be checked.", plan.label, method.resource);
        return Err(Problem::gateway(Code::Unsupported, detail).with_hint("Call without `expect`; nothing was sent."));
    }
    let mut mistakes = Vec::new();
    let bytes = Value::Object(expect.clone()).to_string().len();
    if expect.is_empty() {
        mistakes.push(("/expect".to_owned(), "names no member; give at least one, for instance `email`".to_owned()));
    }
    if expect.len() > EXPECT_MEMBERS_MAX {
        let detail = format!("has {} members; at most {EXPECT_MEMBERS_MAX} are compared", expect.len());
        mistakes.push(("/expect".to_owned(), detail));
    }
    if bytes > EXPECT_MAX_BYTES {
        mistakes.push(("/expect".to_owned(), format!("{bytes} bytes of JSON are more than {EXPECT_MAX_BYTES}")));
    }
    let members = expect.keys().take(EXPECT_MEMBERS_MAX);
    for name in members.filter(|name| !name.starts_with('/') && !PLACED.contains(&name.as_str())) {
        let unknown = unknown_fields(plan, method, std::slice::from_ref(name));
        let pointer = format!("/expect/{}", name.replace('~', "~0").replace('/', "~1"));
        mistakes.extend(unknown.into_iter().map(|error| (pointer.clone(), error.detail)));
    }
    crate::invalid("What is expected of the record cannot be compared.", mistakes)
}
