//! API tokens: who calls, and the tokens themselves.

use std::sync::Arc;

use quartermaster_store_model::{Narrowing, Revocable, Revocation, Role, Stale, TokenRow};
use quartermaster_types::{Code, EnvironmentId, FieldError, Problem, RequestId, Timestamp, TokenId};
use quartermaster_vault::ApiToken;
use secrecy::{ExposeSecret, SecretString};

use crate::limits::{EMAIL_MAX_BYTES, NAME_MAX_BYTES, NAMES_IN_HINT_MAX, NARROWING_MAX_ITEMS};
use crate::page::{self, Page, PageQuery};
use crate::{Gateway, rights, storage_problem, vault_problem};

/// Characters of a token's text that are kept in clear, to recognise it by.
const PREFIX_CHARACTERS: usize = 10;

/// Names in a narrowing to methods that stand for several of them.
const METHOD_GROUPS: [&str; 3] = ["read", "write", "custom"];

/// Who calls: a token that was found, not expired, not revoked.
#[derive(Debug)]
pub struct Actor {
    /// The token.
    pub token_id: TokenId,
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Whether it may make environments.
    pub operator: bool,
    /// Its narrowing.
    pub narrowing: Narrowing,
    /// The address of the person behind it.
    pub email: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A token as callers see it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TokenView {
    /// Id.
    pub id: TokenId,
    /// Name.
    pub name: String,
    /// First characters of the text.
    pub prefix: String,
    /// Role.
    pub role: Role,
    /// Whether it makes environments and other tokens that do.
    pub operator: bool,
    /// Narrowing.
    #[serde(flatten)]
    pub narrowing: Narrowing,
    /// The address of the person behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new token.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Narrowing.
    pub narrowing: Narrowing,
    /// The e-mail address of the person behind it, whom `self` in a policy protects; at most
    /// [`EMAIL_MAX_BYTES`].
    pub email: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

impl Gateway {
    /// Finds the actor of a bearer token (`None`: no header).
    ///
    /// A token that is missing, mistyped, unknown, expired or revoked gives the same problem.
    pub async fn authenticate(&self, bearer: Option<&str>) -> Result<Arc<Actor>, Problem> {
        match self.find_actor(bearer).await {
            Ok(Some(actor)) => Ok(actor),
            Ok(None) => {
                self.inner.metrics.unauthenticated.inc();
                Err(Problem::caller(Code::Unauthenticated, "The request carries no valid API token.")
                    .with_hint("Send `Authorization: Bearer <api token>`. A token may have expired or been revoked."))
            }
            Err(problem) => Err(problem),
        }
    }

    async fn find_actor(&self, bearer: Option<&str>) -> Result<Option<Arc<Actor>>, Problem> {
        let Some(hash) = bearer.and_then(ApiToken::hash_presented) else { return Ok(None) };
        let actor = match self.inner.actors.get(&hash) {
            Some(actor) => actor,
            None => {
                let ticket = self.inner.actors.ticket();
                let row = self.inner.store.find_token_by_hash(&hash.0).await.map_err(storage_problem)?;
                let Some(row) = row.filter(|row| row.revoked_at.is_none()) else { return Ok(None) };
                let actor = Arc::new(actor(row));
                self.inner.actors.insert(ticket, hash, Arc::clone(&actor));
                actor
            }
        };
        Ok(self.unless_expired(actor))
    }

    fn unless_expired(&self, actor: Arc<Actor>) -> Option<Arc<Actor>> {
        let expired = actor.expires_at.is_some_and(|at| at <= self.inner.clock.now());
        (!expired).then_some(actor)
    }

    /// The actor of a token as it is now; `None` when it has expired or was revoked.
    pub(crate) async fn actor_of(
        &self,
        environment: EnvironmentId,
        token: TokenId,
    ) -> Result<Option<Arc<Actor>>, Problem> {
        let row = self.inner.store.find_token(environment, token).await.map_err(storage_problem)?;
        let row = row.filter(|row| row.revoked_at.is_none());
        Ok(row.and_then(|row| self.unless_expired(Arc::new(actor(row)))))
    }

    /// Makes a token; its text is returned once.
    pub async fn create_token(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        token: NewToken,
    ) -> Result<(TokenView, SecretString), Problem> {
        self.require_administrator(actor, "make tokens").await?;
        self.check_new_token(actor, &token).await?;
        self.insert_new_token(actor, request_id, token, false).await
    }

    /// Makes another operator token: an admin token that makes environments. Only an operator token may.
    ///
    /// It is not narrowed and does not end, so that whoever revokes the old one knows that the new one stays.
    pub async fn create_operator_token(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        token: NewToken,
    ) -> Result<(TokenView, SecretString), Problem> {
        rights::require_operator(actor, "makes operator tokens")?;
        self.require_switched_on(actor).await?;
        let mut errors = Vec::new();
        if token.role != Role::Admin {
            errors.push(("/role".to_owned(), "an operator token has the role admin".to_owned()));
        }
        if token.expires_at.is_some() {
            errors.push((
                "/expires_at".to_owned(),
                "an operator token does not end: make another one and revoke this one instead".to_owned(),
            ));
        }
        let narrowing = &token.narrowing;
        let narrowed = [
            ("/accounts", narrowing.accounts.is_some()),
            ("/tools", narrowing.tools.is_some()),
            ("/methods", narrowing.methods.is_some()),
        ];
        for (pointer, _) in narrowed.into_iter().filter(|(_, given)| *given) {
            errors.push((pointer.to_owned(), "an operator token cannot be narrowed".to_owned()));
        }
        crate::invalid("The operator token cannot be made.", errors)?;
        self.check_new_token(actor, &token).await?;
        self.insert_new_token(actor, request_id, token, true).await
    }

    async fn insert_new_token(
        &self,
        actor: &Actor,
        request_id: RequestId,
        token: NewToken,
        operator: bool,
    ) -> Result<(TokenView, SecretString), Problem> {
        let (row, text) = self.new_token_row(actor.environment_id, token, operator)?;
        let view = view(&row);
        let audit = self.change(actor, request_id, "token.create").target(row.id).after(&view).row();
        self.inner.store.insert_token(&row, Some(&audit)).await.map_err(storage_problem)?;
        Ok((view, text))
    }

    /// Names in a narrowing that nothing in the environment has at present, each with its place and near ones.
    ///
    /// They are no mistakes: an integration that is added later, or the override of an account, may have them.
    pub async fn unknown_names(&self, actor: &Arc<Actor>, narrowing: &Narrowing) -> Result<Vec<FieldError>, Problem> {
        let mut tools = Vec::new();
        let mut methods: Vec<String> = METHOD_GROUPS.iter().map(|name| (*name).to_owned()).collect();
        for integration in self.inner.plans.names() {
            let choice = self.plan_choice(actor.environment_id, integration, None).await?;
            let Some(plan) = choice.and_then(|choice| self.inner.plans.get(&choice.key).ok()) else { continue };
            for method in plan.plan.methods() {
                tools.extend([method.tool_name.clone(), method.tool_alias.clone()]);
                methods.push(method.name.clone());
            }
        }
        let mut unknown = Vec::new();
        for (pointer, kind, given, known) in
            [("/tools", "tool", &narrowing.tools, &mut tools), ("/methods", "method", &narrowing.methods, &mut methods)]
        {
            known.sort_unstable();
            known.dedup();
            let given = given.iter().flatten().enumerate();
            let foreign = given.filter(|(_, name)| !known.iter().any(|known| known.eq_ignore_ascii_case(name)));
            unknown.extend(foreign.take(NAMES_IN_HINT_MAX).map(|(index, name)| {
                let near = quartermaster_definition::validate::near_names(name, known).unwrap_or_default();
                let detail = format!("no integration here has a {kind} `{name}` at present; {near}");
                FieldError { pointer: format!("{pointer}/{index}"), detail }
            }));
        }
        Ok(unknown)
    }

    async fn check_new_token(&self, actor: &Actor, token: &NewToken) -> Result<(), Problem> {
        let mut errors = Vec::new();
        if let Some(detail) = name_mistake(&token.name) {
            errors.push(("/name".to_owned(), detail));
        }
        if let Some(email) = token.email.as_ref().filter(|email| !is_email(email)) {
            let detail = format!("{} bytes that are no e-mail address of at most {EMAIL_MAX_BYTES}", email.len());
            errors.push(("/email".to_owned(), detail));
        }
        let now = self.inner.clock.now();
        match (token.expires_at, actor.expires_at) {
            (Some(at), _) if at <= now => errors.push(("/expires_at".to_owned(), format!("{at} is not in the future"))),
            (at, Some(own)) if at.is_none_or(|at| at > own) => errors.push((
                "/expires_at".to_owned(),
                format!("a token cannot outlive the one that makes it, which ends at {own}"),
            )),
            _ => {}
        }
        let lists = [
            ("/accounts", token.narrowing.accounts.as_ref().map_or(0, Vec::len)),
            ("/tools", token.narrowing.tools.as_ref().map_or(0, Vec::len)),
            ("/methods", token.narrowing.methods.as_ref().map_or(0, Vec::len)),
        ];
        for (pointer, items) in lists {
            if items > NARROWING_MAX_ITEMS {
                errors.push((pointer.to_owned(), format!("{items} items are more than {NARROWING_MAX_ITEMS}")));
            }
        }
        for (index, id) in token.narrowing.accounts.iter().flatten().take(NARROWING_MAX_ITEMS).enumerate() {
            let found = self.inner.store.find_account(actor.environment_id, *id).await.map_err(storage_problem)?;
            if found.is_none() {
                errors.push((format!("/accounts/{index}"), format!("there is no integrated account {id}")));
            }
        }
        crate::invalid("The token cannot be made.", errors)
    }

    /// A row and the text of a new token.
    pub(crate) fn new_token_row(
        &self,
        environment: EnvironmentId,
        token: NewToken,
        operator: bool,
    ) -> Result<(TokenRow, SecretString), Problem> {
        let made = ApiToken::generate().map_err(vault_problem)?;
        let row = token_row(self.inner.ids.next(), environment, token, operator, &made, self.inner.clock.now());
        Ok((row, made.text))
    }

    /// Tokens (admin and auditor), revoked and expired ones included.
    pub async fn list_tokens(&self, actor: &Arc<Actor>, page: &PageQuery) -> Result<Page<TokenView>, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "list tokens")?;
        if rights::is_narrowed(&actor.narrowing) {
            return Err(Problem::gateway(Code::PermissionDenied, "A narrowed token may not list tokens."));
        }
        let limit = page::limit(page)?;
        let environment = actor.environment_id.to_string();
        let context: [&[u8]; 2] = [environment.as_bytes(), b"tokens"];
        let after = page::open(&self.inner.cursors, &context, page)?.map(TokenId);
        let rows =
            self.inner.store.list_tokens(actor.environment_id, after, limit + 1).await.map_err(storage_problem)?;
        page::of(&self.inner.cursors, &context, limit, rows, |row| row.id.0, |row| view(&row))
    }

    /// Revokes a token; it stops working at once. None revokes itself: the last one could not be replaced. An operator token is
    /// revoked only by another one, so that one is always left.
    pub async fn revoke_token(&self, actor: &Arc<Actor>, request_id: RequestId, id: TokenId) -> Result<(), Problem> {
        self.require_administrator(actor, "revoke tokens").await?;
        if id == actor.token_id {
            return Err(Problem::caller(Code::Conflict, "A token cannot revoke itself; nothing was changed.").with_hint(
                "Make another admin token with POST /token, and revoke this one with that: so an environment always keeps \
                 somebody who can administer it.",
            ));
        }
        let now = self.inner.clock.now();
        let audit = self.change(actor, request_id, "token.revoke").target(id).row();
        let revocable = if actor.operator { Revocable::AllButLastOperator } else { Revocable::Ordinary };
        let revoked = self.inner.store.revoke_token(actor.environment_id, id, now, revocable, &audit).await;
        let revoked = revoked.map_err(storage_problem)?;
        self.forget(actor.environment_id, &Stale::Token(id));
        match revoked {
            Revocation::Done => Ok(()),
            Revocation::Missing => Err(Problem::caller(Code::NotFound, format!("There is no token {id}."))
                .with_hint("List the tokens with GET /token.")),
            Revocation::OfOperator => Err(Problem::gateway(
                Code::PermissionDenied,
                format!("The token {id} is an operator token, and only another operator token revokes it; nothing was changed."),
            )
            .with_hint("Ask whoever runs the gateway.")),
            Revocation::OfLastOperator => Err(Problem::caller(
                Code::Conflict,
                format!("The token {id} is the last operator token; nothing was changed."),
            )
            .with_hint(
                "Make another one first with POST /token and `operator: true`. Where no operator token is at hand any more, \
                 `qm token recover` makes one on the data folder, with the server stopped.",
            )),
        }
    }
}

fn actor(row: TokenRow) -> Actor {
    Actor {
        token_id: row.id,
        environment_id: row.environment_id,
        name: row.name,
        role: row.role,
        operator: row.operator,
        narrowing: row.narrowing,
        email: row.email,
        expires_at: row.expires_at,
    }
}

/// Whether a text can be an e-mail address: something, an `@`, something, without blanks.
fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    let is_blank = |letter: char| letter.is_whitespace() || letter.is_control();
    text.len() <= EMAIL_MAX_BYTES
        && !text.contains(is_blank)
        && parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

/// What is wrong with a name; `None`: nothing.
pub(crate) fn name_mistake(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("a name is needed".to_owned());
    }
    if name.len() > NAME_MAX_BYTES {
        return Some(format!("{} bytes are more than {NAME_MAX_BYTES}", name.len()));
    }
    name.chars().any(char::is_control).then(|| "control characters are not allowed".to_owned())
}

pub(crate) fn token_row(
    id: TokenId,
    environment_id: EnvironmentId,
    token: NewToken,
    operator: bool,
    made: &ApiToken,
    now: Timestamp,
) -> TokenRow {
    TokenRow {
        id,
        environment_id,
        name: token.name,
        hash: made.hash.0,
        prefix: made.text.expose_secret().chars().take(PREFIX_CHARACTERS).collect(),
        role: token.role,
        operator,
        narrowing: token.narrowing,
        email: token.email,
        expires_at: token.expires_at,
        revoked_at: None,
        created_at: now,
    }
}

fn view(row: &TokenRow) -> TokenView {
    TokenView {
        id: row.id,
        name: row.name.clone(),
        prefix: row.prefix.clone(),
        role: row.role,
        operator: row.operator,
        narrowing: row.narrowing.clone(),
        email: row.email.clone(),
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        created_at: row.created_at,
    }
}
