//! Kill switches: what is switched off takes no call, from any door, whoever asks.

use std::collections::HashMap;
use std::sync::Arc;

use quartermaster_guard::{SwitchFacts, SwitchedOff, problem_of_switch};
use quartermaster_store_model::{Narrowing, Role, Stale, SwitchKind, SwitchRow};
use quartermaster_types::{AccountId, Code, EnvironmentId, FieldError, Problem, RequestId, Timestamp, TokenId};

use crate::call::Prepared;
use crate::limits::{SWITCH_REASON_MAX_BYTES, SWITCHES_MAX, TOOL_NAME_MAX_BYTES};
use crate::page::Page;
use crate::{Actor, Gateway, rights, storage_problem};

/// What is switched off, or on again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchSubject {
    /// The environment of the token.
    Environment,
    /// An integrated account.
    Account(AccountId),
    /// An API token.
    Token(TokenId),
    /// A tool by name or alias, on whichever account; case does not matter.
    Tool(String),
}

impl SwitchSubject {
    /// What it is about.
    pub const fn kind(&self) -> SwitchKind {
        match self {
            Self::Environment => SwitchKind::Environment,
            Self::Account(_) => SwitchKind::Account,
            Self::Token(_) => SwitchKind::Token,
            Self::Tool(_) => SwitchKind::Tool,
        }
    }

    /// As it is stored.
    fn text(&self) -> String {
        match self {
            Self::Environment => String::new(),
            Self::Account(id) => id.to_string(),
            Self::Token(id) => id.to_string(),
            Self::Tool(name) => name.to_ascii_lowercase(),
        }
    }

    /// `environment`, `account 0190…`: for audit records and messages.
    fn named(&self) -> String {
        format!("{} {}", self.kind().as_str(), self.text()).trim_end().to_owned()
    }
}

/// Something that is switched off.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SwitchView {
    /// What it is about.
    pub kind: SwitchKind,
    /// The id of the account or token, the name of the tool; `None` for the environment.
    pub subject: Option<String>,
    /// Why.
    pub reason: String,
    /// Who switched it off.
    pub token_id: TokenId,
    /// When.
    pub created_at: Timestamp,
    /// What may not be as it was meant: a tool that nothing here has at present.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<FieldError>,
}

/// What is switched off in one environment, for the guards.
#[derive(Default)]
pub(crate) struct Switches {
    environment: Option<Switch>,
    accounts: HashMap<AccountId, Switch>,
    tokens: HashMap<TokenId, Switch>,
    /// By lower-case name.
    tools: HashMap<String, Switch>,
}

struct Switch {
    reason: String,
    since: Timestamp,
}

impl Switches {
    fn of(rows: Vec<SwitchRow>) -> Self {
        let mut switches = Self::default();
        for row in rows {
            let switch = Switch { reason: row.reason, since: row.created_at };
            match row.kind {
                SwitchKind::Environment => switches.environment = Some(switch),
                SwitchKind::Account => {
                    row.subject.parse().ok().map(|id| switches.accounts.insert(id, switch));
                }
                SwitchKind::Token => {
                    row.subject.parse().ok().map(|id| switches.tokens.insert(id, switch));
                }
                SwitchKind::Tool => {
                    switches.tools.insert(row.subject, switch);
                }
            }
        }
        switches
    }

    /// The switch that concerns a call of a method.
    pub(crate) fn of_call(&self, actor: &Actor, prepared: &Prepared) -> Option<SwitchFacts<'_>> {
        let method = prepared.method();
        self.concerning(Some(prepared.entry.id), actor.token_id, &[&method.tool_name, &method.tool_alias])
    }

    /// The switch that concerns a call: the widest first. `tools`: the names of the tool.
    pub(crate) fn concerning(
        &self,
        account: Option<AccountId>,
        token: TokenId,
        tools: &[&str],
    ) -> Option<SwitchFacts<'_>> {
        let tool = || {
            let mut names = tools.iter().filter(|_| !self.tools.is_empty());
            names.find_map(|name| self.tools.get(&name.to_ascii_lowercase()))
        };
        let environment = self.environment.as_ref().map(|switch| (SwitchedOff::Environment, switch));
        let account = || account.and_then(|id| self.accounts.get(&id)).map(|switch| (SwitchedOff::Account, switch));
        let token = || self.tokens.get(&token).map(|switch| (SwitchedOff::Token, switch));
        let (what, switch) =
            environment.or_else(account).or_else(token).or_else(|| tool().map(|switch| (SwitchedOff::Tool, switch)))?;
        Some(SwitchFacts { what, reason: &switch.reason, since: switch.since })
    }
}

impl Gateway {
    /// What is switched off (admin and auditor), in one page.
    pub async fn list_switches(&self, actor: &Arc<Actor>) -> Result<Page<SwitchView>, Problem> {
        rights::require_role(actor, &[Role::Admin, Role::Auditor], "list what is switched off")?;
        let rows = self.inner.store.list_switches(actor.environment_id).await.map_err(storage_problem)?;
        Ok(Page::whole(rows.into_iter().map(|row| view(row, Vec::new())).collect()))
    }

    /// Switches something off: no call that concerns it is made any more, from this moment on. Doing it again changes the
    /// reason. At most [`SWITCHES_MAX`] things of an environment are off at the same time.
    pub async fn switch_off(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        subject: SwitchSubject,
        reason: String,
    ) -> Result<SwitchView, Problem> {
        self.require_administrator(actor, "switch anything off").await?;
        check_reason(&reason)?;
        if subject == SwitchSubject::Token(actor.token_id) {
            return Err(Problem::caller(Code::Conflict, "A token cannot switch itself off; nothing was changed.")
                .with_hint("Do it with another admin token, so that somebody is left who can switch it on again."));
        }
        let warnings = self.check_subject(actor, &subject).await?;
        let row = SwitchRow {
            environment_id: actor.environment_id,
            kind: subject.kind(),
            subject: subject.text(),
            reason,
            token_id: actor.token_id,
            created_at: self.inner.clock.now(),
        };
        let present = self.inner.store.list_switches(actor.environment_id).await.map_err(storage_problem)?;
        let is_new = !present.iter().any(|other| (other.kind, &other.subject) == (row.kind, &row.subject));
        if is_new && present.len() >= SWITCHES_MAX {
            let detail = format!("{} things are switched off, and at most {SWITCHES_MAX} can be.", present.len());
            return Err(Problem::caller(Code::Conflict, detail)
                .with_hint("Switch something on again, or switch off something wider: an account, the environment."));
        }
        let view = view(row.clone(), warnings);
        let audit = self.change(actor, request_id, "switch.off").target(subject.named()).after(&view).row();
        let put = self.inner.store.put_switch(&row, &audit).await;
        self.forget(actor.environment_id, &Stale::Switches);
        put.map_err(storage_problem)?;
        Ok(view)
    }

    /// Switches something on again.
    pub async fn switch_on(
        &self,
        actor: &Arc<Actor>,
        request_id: RequestId,
        subject: SwitchSubject,
    ) -> Result<(), Problem> {
        self.require_administrator(actor, "switch anything on").await?;
        let audit = self.change(actor, request_id, "switch.on").target(subject.named()).row();
        let (environment, kind, text) = (actor.environment_id, subject.kind(), subject.text());
        let deleted = self.inner.store.delete_switch(environment, kind, &text, &audit).await;
        self.forget(environment, &Stale::Switches);
        if deleted.map_err(storage_problem)? {
            return Ok(());
        }
        let detail = format!("The {} is not switched off.", subject.named());
        Err(Problem::caller(Code::NotFound, detail).with_hint("List what is switched off with GET /switch."))
    }

    /// Whether the subject is there, in the words of one that is not; a tool that nothing has is a warning, as an override may
    /// bring it.
    async fn check_subject(&self, actor: &Arc<Actor>, subject: &SwitchSubject) -> Result<Vec<FieldError>, Problem> {
        let environment = actor.environment_id;
        match subject {
            SwitchSubject::Environment => {}
            SwitchSubject::Account(id) => {
                let found = self.inner.store.find_account(environment, *id).await.map_err(storage_problem)?;
                found.ok_or_else(|| rights::no_such_account(*id))?;
            }
            SwitchSubject::Token(id) => {
                let found = self.inner.store.find_token(environment, *id).await.map_err(storage_problem)?;
                found.ok_or_else(|| {
                    Problem::caller(Code::NotFound, format!("There is no token {id}."))
                        .with_hint("List the tokens with GET /token.")
                })?;
            }
            SwitchSubject::Tool(name) => {
                let visible = |byte: u8| byte.is_ascii_graphic();
                if name.is_empty() || name.len() > TOOL_NAME_MAX_BYTES || !name.bytes().all(visible) {
                    let detail = format!("1 to {TOOL_NAME_MAX_BYTES} visible ASCII characters are expected");
                    return Err(crate::mistaken("This is no tool.", vec![("/subject".to_owned(), detail)]));
                }
                let narrowing = Narrowing { tools: Some(vec![name.clone()]), ..Narrowing::default() };
                let unknown = self.unknown_names(actor, &narrowing).await?;
                let at = |error: FieldError| FieldError { pointer: "/subject".to_owned(), ..error };
                return Ok(unknown.into_iter().map(at).collect());
            }
        }
        Ok(Vec::new())
    }

    /// What is switched off in an environment: from memory when it was asked before, without any SQL.
    pub(crate) async fn switches_in_force(&self, environment: EnvironmentId) -> Result<Arc<Switches>, Problem> {
        if let Some(held) = self.inner.switches.get(&environment) {
            return Ok(held);
        }
        let ticket = self.inner.switches.ticket();
        let rows = self.inner.store.list_switches(environment).await.map_err(storage_problem)?;
        let switches = Arc::new(Switches::of(rows));
        self.inner.switches.insert(ticket, environment, Arc::clone(&switches));
        Ok(switches)
    }

    /// Refuses unless the actor is an admin whose token is neither narrowed nor switched off.
    pub(crate) async fn require_administrator(&self, actor: &Actor, to: &str) -> Result<(), Problem> {
        rights::require_full_admin(actor, to)?;
        self.require_switched_on(actor).await
    }

    /// Refuses an actor whose token is switched off: it must not be used to switch itself on, or to make another one.
    pub(crate) async fn require_switched_on(&self, actor: &Actor) -> Result<(), Problem> {
        let switches = self.switches_in_force(actor.environment_id).await?;
        match switches.tokens.get(&actor.token_id) {
            None => Ok(()),
            Some(switch) => {
                let facts = SwitchFacts { what: SwitchedOff::Token, reason: &switch.reason, since: switch.since };
                Err(problem_of_switch(&facts, "The change"))
            }
        }
    }
}

fn check_reason(reason: &str) -> Result<(), Problem> {
    let mistake = if reason.trim().is_empty() {
        Some("say why: whoever is refused reads it".to_owned())
    } else if reason.len() > SWITCH_REASON_MAX_BYTES {
        Some(format!("{} bytes are more than {SWITCH_REASON_MAX_BYTES}", reason.len()))
    } else {
        reason.chars().any(char::is_control).then(|| "control characters are not allowed".to_owned())
    };
    crate::invalid(
        "Nothing was switched off.",
        mistake.map(|detail| ("/reason".to_owned(), detail)).into_iter().collect(),
    )
}

fn view(row: SwitchRow, warnings: Vec<FieldError>) -> SwitchView {
    SwitchView {
        kind: row.kind,
        subject: (row.kind != SwitchKind::Environment).then_some(row.subject),
        reason: row.reason,
        token_id: row.token_id,
        created_at: row.created_at,
        warnings,
    }
}
