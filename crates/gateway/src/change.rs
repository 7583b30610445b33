//! Audit records of configuration changes; the store commits them together with the change.

use quartermaster_store_model::{AuditRow, Outcome};
use quartermaster_types::{AccountId, Code, EnvironmentId, RequestId, TokenId};
use serde::Serialize;

use crate::{Actor, Gateway};

/// An audit record in the making.
pub(crate) struct Change(AuditRow);

impl Gateway {
    /// Begins the record of a configuration change by `actor`.
    pub(crate) fn change(&self, actor: &Actor, request_id: RequestId, action: &str) -> Change {
        self.change_by(actor.environment_id, actor.token_id, request_id, action)
    }

    /// The same for a change that a token brought about, whether or not it still is one.
    pub(crate) fn change_by(
        &self,
        environment_id: EnvironmentId,
        token_id: TokenId,
        request_id: RequestId,
        action: &str,
    ) -> Change {
        Change(AuditRow {
            id: self.inner.ids.next(),
            environment_id,
            at: self.inner.clock.now(),
            request_id,
            token_id,
            session: None,
            door: "api",
            action: action.to_owned(),
            account_id: None,
            target: None,
            arguments: None,
            before: None,
            after: None,
            decision: None,
            outcome: Outcome::Ok,
            code: None,
            upstream_calls: 0,
            duration_ms: 0,
        })
    }
}

impl Change {
    /// Through which door, when it is not the API: `hook`, `schedule`.
    pub(crate) fn door(mut self, door: &'static str) -> Self {
        self.0.door = door;
        self
    }

    /// With what; must hold no secret.
    pub(crate) fn arguments(mut self, arguments: &impl Serialize) -> Self {
        self.0.arguments = serde_json::to_string(arguments).ok();
        self
    }

    /// On which account.
    pub(crate) fn account(mut self, id: AccountId) -> Self {
        self.0.account_id = Some(id);
        self
    }

    /// On what.
    pub(crate) fn target(mut self, target: impl std::fmt::Display) -> Self {
        self.0.target = Some(target.to_string());
        self
    }

    /// State before; must hold no secret.
    pub(crate) fn before(mut self, state: &impl Serialize) -> Self {
        self.0.before = serde_json::to_string(state).ok();
        self
    }

    /// State after; must hold no secret.
    pub(crate) fn after(mut self, state: &impl Serialize) -> Self {
        self.0.after = serde_json::to_string(state).ok();
        self
    }

    /// How it ended, when it is not simply done.
    pub(crate) fn outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// In which session.
    pub(crate) fn session(mut self, session: String) -> Self {
        self.0.session = Some(session);
        self
    }

    /// How many calls to the vendor it took.
    pub(crate) fn upstream_calls(mut self, calls: u32) -> Self {
        self.0.upstream_calls = calls;
        self
    }

    /// The problem's code, when it did not end well.
    pub(crate) fn code(mut self, code: Option<Code>) -> Self {
        self.0.code = code.map(Code::as_str);
        self
    }

    /// The record.
    pub(crate) fn row(self) -> AuditRow {
        self.0
    }
}
