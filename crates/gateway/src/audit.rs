//! The audit log: who did what, before, after, and how it ended.

mod checkpoints;
mod export;
mod retention;
mod writer;

use std::sync::Arc;

use quartermaster_store_model::{AuditQuery, AuditRecord, Role};
use quartermaster_types::{AccountId, AuditId, Code, Problem, RequestId};

pub use export::AuditKeyView;
pub use retention::Pruned;

pub(crate) use checkpoints::keep_signing;
pub(crate) use writer::{AuditLog, NotCommitted, Sink};

use crate::page::{self, Page, PageQuery};
use crate::{Actor, Gateway, rights};

/// Which audit records.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Account.
    pub account_id: Option<AccountId>,
    /// Action.
    pub action: Option<String>,
    /// Request.
    pub request_id: Option<RequestId>,
}

/// The newest audit record that a page starts before; opaque to callers.
pub type AuditCursor = AuditId;

/// What came of an audit record, re-exported for callers.
pub type AuditOutcome = quartermaster_store_model::Outcome;

/// A key was made and is not there.
fn no_key() -> Problem {
    Problem::gateway(Code::Internal, "The key of the audit log cannot be found where it was just put.")
}

impl Gateway {
    /// Audit records, newest first (admin and auditor).
    ///
    /// A token that is narrowed to accounts has to name one of them. Records of calls appear within a fraction of a
    /// second; those of writes and of configuration changes at once.
    pub async fn list_audit(
        &self,
        actor: &Arc<Actor>,
        page: &PageQuery,
        filter: &AuditFilter,
    ) -> Result<Page<AuditRecord>, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "read the audit log")?;
        match (&actor.narrowing.accounts, filter.account_id) {
            (Some(allowed), Some(account)) if !allowed.contains(&account) => {
                return Err(rights::no_such_account(account));
            }
            (Some(_), None) => {
                return Err(Problem::gateway(
                    Code::PermissionDenied,
                    "This token is narrowed to certain accounts, so it can read the audit log only account by account.",
                )
                .with_hint("Give account_id."));
            }
            _ => {}
        }
        let limit = page::limit(page)?;
        crate::accounts::filters(&[("action", filter.action.as_deref())])?;
        let account = filter.account_id.map(|id| id.to_string()).unwrap_or_default();
        let request = filter.request_id.map(|id| id.to_string()).unwrap_or_default();
        let action = quartermaster_vault::sha256(&[filter.action.as_deref().unwrap_or_default().as_bytes()]);
        let environment = actor.environment_id.to_string();
        let context: [&[u8]; 5] = [environment.as_bytes(), b"audit", account.as_bytes(), &action, request.as_bytes()];
        let query = AuditQuery {
            before: page::open(&self.inner.cursors, &context, page)?.map(AuditId),
            account_id: filter.account_id,
            action: filter.action.clone(),
            request_id: filter.request_id,
            limit: limit + 1,
        };
        let rows = self.inner.store.list_audit(actor.environment_id, &query).await.map_err(crate::storage_problem)?;
        page::of(&self.inner.cursors, &context, limit, rows, |record| record.id.0, |record| record)
    }
}
