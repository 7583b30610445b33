//! What a token may do: its role and its narrowing. Everything that it may not see looks as if it were not there.

use quartermaster_definition::Method;
use quartermaster_definition::tools::method_matches;
use quartermaster_store_model::{Narrowing, Role};
use quartermaster_types::{AccountId, Code, Problem};

use crate::Actor;

/// Refuses unless the actor has one of `roles`.
pub(crate) fn require_role(actor: &Actor, roles: &[Role], to: &str) -> Result<(), Problem> {
    if roles.contains(&actor.role) {
        return Ok(());
    }
    let needed = roles.iter().map(|role| role_name(*role)).collect::<Vec<_>>().join(" or ");
    Err(Problem::gateway(
        Code::PermissionDenied,
        format!("A token with the role {} may not {to}; that takes the role {needed}.", role_name(actor.role)),
    ))
}

/// Refuses unless the actor is an admin whose token is not narrowed: a narrowed one could otherwise widen itself.
pub(crate) fn require_full_admin(actor: &Actor, to: &str) -> Result<(), Problem> {
    require_role(actor, &[Role::Admin], to)?;
    if is_narrowed(&actor.narrowing) {
        return Err(Problem::gateway(
            Code::PermissionDenied,
            format!("This admin token is narrowed, and a narrowed token may not {to}."),
        )
        .with_hint("Use an admin token that is not narrowed to accounts, tools or methods."));
    }
    Ok(())
}

/// Refuses unless the actor is an operator; `what`: "makes environments".
pub(crate) fn require_operator(actor: &Actor, what: &str) -> Result<(), Problem> {
    if actor.operator && actor.role == Role::Admin {
        return Ok(());
    }
    Err(Problem::gateway(
        Code::PermissionDenied,
        format!("Only an operator token, such as the one that `qm init` printed, {what}."),
    ))
}

pub(crate) fn is_narrowed(narrowing: &Narrowing) -> bool {
    narrowing.accounts.is_some() || narrowing.tools.is_some() || narrowing.methods.is_some()
}

/// Whether the narrowing leaves this account visible.
pub(crate) fn sees_account(actor: &Actor, account: AccountId) -> bool {
    actor.narrowing.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
}

/// Whether the narrowing allows this method: what a token cannot call is not listed to it either.
pub(crate) fn allows_method(narrowing: &Narrowing, method: &Method) -> bool {
    let named =
        |tool: &String| tool.eq_ignore_ascii_case(&method.tool_name) || tool.eq_ignore_ascii_case(&method.tool_alias);
    let by_method = |wanted: &String| method_matches(wanted, method.kind, &method.name);
    narrowing.tools.as_ref().is_none_or(|tools| tools.iter().any(named))
        && narrowing.methods.as_ref().is_none_or(|methods| methods.iter().any(by_method))
}

/// The one answer for an account that is not there, belongs to another environment, or is hidden from this token.
pub(crate) fn no_such_account(id: AccountId) -> Problem {
    Problem::caller(Code::NotFound, format!("There is no integrated account {id}."))
        .with_hint("List the accounts that this token sees with GET /integrated-account.")
}

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Agent => "agent",
        Role::Auditor => "auditor",
    }
}
