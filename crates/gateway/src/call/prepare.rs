//! The first stages: which account, which method, which arguments.

use std::sync::Arc;
use std::time::Duration;

use quartermaster_definition::Method;
use quartermaster_engine::ListOptions;
use quartermaster_store_model::Narrowing;
use quartermaster_types::{Code, Problem, RequestId, Timestamp};
use serde_json::{Map, Value};

use super::arguments::{self, CursorContext};
use super::expecting;
use super::guarding::may_call;
use super::record::Record;
use super::{CallRequest, Door, Target};
use crate::accounts::AccountEntry;
use crate::limits::{IDEMPOTENCY_KEY_MAX_CHARACTERS, SESSION_MAX_CHARACTERS};
use crate::plans::{MethodPlace, PlanEntry};
use crate::{Actor, Gateway, rights};

/// A call whose account, method and arguments are known to be good.
pub(crate) struct Prepared {
    pub(crate) request_id: RequestId,
    pub(crate) door: Door,
    pub(crate) session: Option<String>,
    /// Who it is, of those who share the account's rate budget.
    pub(crate) holder: u64,
    /// What the budget let go for the reads of the guards and the call itself together.
    pub(crate) pass: quartermaster_engine::budget::Pass,
    pub(crate) entry: Arc<AccountEntry>,
    pub(crate) place: MethodPlace,
    /// Without list options.
    pub(crate) arguments: Map<String, Value>,
    pub(crate) list: ListOptions,
    pub(crate) cursor: CursorContext,
    pub(crate) wait: Option<Duration>,
    pub(crate) idempotency_key: Option<String>,
    /// Claims on the key from before this moment are cut off.
    pub(crate) takes_over: Option<Timestamp>,
    /// What the record must be like right before the write.
    pub(crate) expect: Option<Map<String, Value>>,
}

impl Prepared {
    /// The method.
    pub(crate) fn method(&self) -> &Method {
        self.entry.plan.method(self.place)
    }

    /// The id that the method is called with.
    pub(crate) fn id(&self) -> Option<&str> {
        if self.method().takes_id { self.arguments.get("id").and_then(Value::as_str) } else { None }
    }
}

impl Gateway {
    /// Resolves and validates. What becomes known on the way goes into the record, so that a refusal tells it too.
    pub(crate) async fn prepare(
        &self,
        actor: &Actor,
        request: CallRequest,
        record: &mut Record,
    ) -> Result<Prepared, Problem> {
        check_texts(&request)?;
        let entry = self.account(actor, request.account).await?;
        record.account(&entry);
        let place = find(&entry.plan, &request.target, &actor.narrowing)?;
        record.method(&entry.plan, place);
        let method = entry.plan.method(place);
        may_call(actor, request.door, entry.id, method)?;
        let mut arguments = arguments::validated(&entry.plan.plan, method, request.arguments)?;
        record.arguments(&entry, method, &arguments)?;
        let (list, cursor) =
            arguments::list_options(&self.inner.cursors, actor.environment_id, entry.id, method, &mut arguments)?;
        if let Some(expect) = &request.expect {
            expecting::check(&entry.plan.plan, method, expect)?;
        }
        if let Some(fields) = &list.fields {
            arguments::known_fields(&entry.plan.plan, method, fields)?;
        }
        Ok(Prepared {
            request_id: request.request_id,
            door: request.door,
            pass: quartermaster_engine::budget::Pass::default(),
            holder: crate::budget::holder(actor.token_id, request.session.as_deref()),
            session: request.session,
            place,
            arguments,
            list,
            cursor,
            wait: request.wait,
            idempotency_key: request.idempotency_key,
            takes_over: request.takes_over,
            expect: request.expect,
            entry,
        })
    }
}

/// The caller's own texts that come in headers.
fn check_texts(request: &CallRequest) -> Result<(), Problem> {
    let mut mistakes = Vec::new();
    if let Some(session) = &request.session {
        let bad = session.is_empty()
            || session.chars().count() > SESSION_MAX_CHARACTERS
            || session.chars().any(|character| character.is_control() || character.is_whitespace());
        if bad {
            mistakes.push((
                "/quartermaster-session".to_owned(),
                format!("1 to {SESSION_MAX_CHARACTERS} visible characters are expected"),
            ));
        }
    }
    if let Some(key) = &request.idempotency_key {
        let bad = key.is_empty()
            || key.len() > IDEMPOTENCY_KEY_MAX_CHARACTERS
            || !key.bytes().all(|byte| byte.is_ascii_graphic());
        if bad {
            mistakes.push((
                "/idempotency-key".to_owned(),
                format!("1 to {IDEMPOTENCY_KEY_MAX_CHARACTERS} visible ASCII characters are expected"),
            ));
        }
    }
    crate::invalid("A header of the call is not as it should be.", mistakes)
}

/// The method that is meant. What is named instead are only methods that the token may call.
fn find(plan: &PlanEntry, target: &Target, narrowing: &Narrowing) -> Result<MethodPlace, Problem> {
    let allowed = |method: &&Method| rights::allows_method(narrowing, method);
    match target {
        Target::Tool(name) => plan.find_tool(name).ok_or_else(|| {
            let known = crate::some_names(plan.plan.methods().filter(allowed).map(|method| method.tool_name.as_str()));
            Problem::caller(Code::NotFound, format!("{} has no tool {name:?}.", plan.plan.label))
                .with_hint(format!("Its tools are {known}."))
        }),
        Target::Method { resource, method } => {
            plan.find(resource, method).ok_or_else(|| match plan.plan.resources.get(resource) {
                None => {
                    let known = crate::some_names(plan.plan.resources.keys().map(String::as_str));
                    Problem::caller(Code::Unsupported, format!("{} has no resource {resource:?}.", plan.plan.label))
                        .with_hint(format!("Its resources are {known}."))
                }
                Some(found) => {
                    let known =
                        crate::some_names(found.methods.values().filter(allowed).map(|method| method.name.as_str()));
                    Problem::caller(
                        Code::Unsupported,
                        format!("{resource} of {} has no method {method:?}.", plan.plan.label),
                    )
                    .with_hint(format!("Its methods are {known}."))
                }
            })
        }
    }
}
