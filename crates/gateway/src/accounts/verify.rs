//! Trying a connection against the vendor before it is kept.

use quartermaster_engine::{Call, Failure, ListOptions};
use quartermaster_types::{AccountId, Code, Origin, Problem};

use super::AccountEntry;
use crate::Gateway;
use crate::limits::CALL_DEADLINE;

impl Gateway {
    /// Makes the call that the definition names for this; a definition that names none is taken at its word.
    ///
    /// A refusal by the vendor becomes 422 `account_rejected`. Faults that say nothing about the credentials (no
    /// answer, a rate limit) keep their own code: the same account may work later.
    ///
    /// Access tokens that it fetches are kept under `access_account`.
    pub(crate) async fn verify(&self, entry: &AccountEntry, access_account: AccountId) -> Result<(), Problem> {
        let plan = &entry.plan.plan;
        let Some(verify) = &plan.verify else { return Ok(()) };
        let Some(method) = plan.method(&verify.resource, &verify.method) else {
            return Err(Problem::gateway(
                Code::Internal,
                format!("The definition verifies with {}.{}, which it does not have.", verify.resource, verify.method),
            ));
        };
        let mut arguments = verify.arguments.clone();
        let limit =
            arguments.shift_remove("limit").and_then(|limit| limit.as_u64()).and_then(|limit| limit.try_into().ok());
        let connection = entry.connection()?;
        let credentials = || entry.credentials();
        let call = Call {
            account: access_account,
            credential_version: entry.access_version,
            holder: None,
            pass: None,
            then: 0,
            plan,
            method,
            connection: &connection,
            credentials: &credentials,
            arguments: &arguments,
            list: ListOptions { limit, cursor: None, fields: None },
            deadline: CALL_DEADLINE,
            before: None,
            wait: None,
        };
        match self.inner.engine.execute(call).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(rejection(&plan.label, failure)),
        }
    }
}

fn rejection(label: &str, failure: Failure) -> Problem {
    let mut problem = failure.problem;
    let refused = match problem.code() {
        Code::AccountNeedsReauth
        | Code::PermissionDenied
        | Code::NotFound
        | Code::UpstreamRejected
        | Code::PreconditionFailed
        | Code::InvalidArgument
        | Code::Conflict => problem.body().origin == Origin::Upstream,
        _ => false,
    };
    if !refused {
        let body = problem.body_mut();
        body.detail = format!("The connection could not be tried, and nothing was kept. {}", body.detail);
        body.next_calls.clear();
        return problem;
    }
    let body = problem.body();
    let mut rejected = Problem::upstream(
        Code::AccountRejected,
        format!("{label} refused the connection, and nothing was kept. {}", body.detail),
    );
    let hint = match body.code {
        Code::AccountNeedsReauth => "Check the credentials: the vendor does not accept them.".to_owned(),
        _ => body.hint.clone().unwrap_or_else(|| {
            "Check the credentials, their permissions at the vendor, and the connection fields.".to_owned()
        }),
    };
    rejected = rejected.with_hint(hint);
    if let Some(upstream) = body.upstream.clone() {
        rejected = rejected.with_upstream(upstream);
    }
    rejected
}
