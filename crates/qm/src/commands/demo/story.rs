//! The scenes, one after the other. Everything is done over the HTTP API, as anybody else would do it.

use std::collections::BTreeMap;
use std::time::Duration;

use quartermaster_client::{Account, AuditLogQuery, CallOptions, Lifecycle, NewAccount, Run, ToolsQuery};
use quartermaster_roster::audit::{CONCURRENCY_DEFAULT, Wish};
use quartermaster_roster::roster;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::screen::Screen;
use super::script::{Scene, Script, fill};
use super::stage::Stage;
use crate::commands::audit;
use crate::commands::offboard::{self, ticket};
use crate::commands::tools::first_sentence;
use crate::failure::Failure;
use crate::style::{DIM, STRONG};
use crate::watched;

/// The longest that the demo waits for its own rate limit.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records of the audit log that the end shows.
const LOG_SHOWN: u32 = 6;

/// Tells the whole story. `stays`: the stage is there afterwards, so that it may be pointed to.
pub(super) async fn tell(script: &Script, stage: &Stage, screen: &Screen, stays: bool) -> Result<(), Failure> {
    let mut teller = Teller { script, stage, screen, stays, values: Vec::new() };
    let label = stage.client.integration(script.integration.name).await?.label;
    teller.set("label", &label);
    teller.set("people", &thousands(script.story.people));
    teller.set("email", &script.story.leaver);
    teller.set("file", script.list_name);
    teller.set("limit", &script.story.limit_words());
    let scenes = &script.story.scenes;
    teller.scene(&scenes.opening).await;
    teller.scene(&scenes.connect).await;
    let account = teller.connect().await?;
    let session = teller.session(account).await?;
    teller.scene(&scenes.tools).await;
    teller.tools(&session).await?;
    teller.scene(&scenes.offboard).await;
    let id = teller.offboard(&session).await?;
    teller.set("wrong_id", &one_letter_off(&id));
    teller.scene(&scenes.invented).await;
    teller.invented(&session, &one_letter_off(&id)).await?;
    teller.scene(&scenes.hidden).await;
    teller.hidden(&session).await?;
    teller.scene(&scenes.audit).await;
    teller.audit(&session).await?;
    teller.scene(&scenes.closing).await;
    teller.closing(&session).await
}

/// What the calls of the story are made on.
struct Session {
    account: Account,
    lifecycle: Lifecycle,
}

/// The session in which the story calls tools by itself.
const SESSION: &str = "demo";

struct Teller<'a> {
    script: &'a Script,
    stage: &'a Stage,
    screen: &'a Screen,
    stays: bool,
    /// What the words have in braces.
    values: Vec<(&'static str, String)>,
}

impl Teller<'_> {
    fn set(&mut self, name: &'static str, value: &str) {
        self.values.push((name, value.to_owned()));
    }

    async fn scene(&self, scene: &Scene) {
        let values: Vec<(&str, &str)> = self.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.screen.scene(&fill(&scene.title, &values), &fill(&scene.say, &values)).await;
    }

    async fn connect(&self) -> Result<Account, Failure> {
        let simulator = &self.stage.simulator;
        let values = [
            ("account_id", simulator.account_id()),
            ("client_id", simulator.client_id()),
            ("client_secret", simulator.client_secret()),
        ];
        let filled = |pairs: &BTreeMap<String, String>| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (name.clone(), fill(value, &values))).collect()
        };
        let story = &self.script.story;
        self.screen.asks("POST /integrated-account");
        let account = NewAccount {
            integration: self.script.integration.name.to_owned(),
            tenant_id: story.tenant.clone(),
            connection: filled(&story.connection).into_iter().map(|(name, value)| (name, json!(value))).collect(),
            credentials: filled(&story.credentials)
                .into_iter()
                .map(|(name, value)| (name, SecretString::from(value)))
                .collect(),
            override_patch: Some(json!({"base_url": simulator.base_url()})),
            sandbox: false,
        };
        let account = self.stage.client.create_account(&account).await?;
        self.screen.good(&format!("connected, account {}", account.id));
        Ok(account)
    }

    async fn session(&self, account: Account) -> Result<Session, Failure> {
        let integration = self.stage.client.integration(&account.integration).await?;
        let lifecycle = integration.lifecycle.ok_or_else(|| Failure::failed("the integration has no lifecycle"))?;
        Ok(Session { account, lifecycle })
    }

    async fn tools(&self, session: &Session) -> Result<(), Failure> {
        self.screen.asks(&format!("GET /integrated-account/{}/tools", session.account.id));
        let tools = self.stage.client.tools(session.account.id, &ToolsQuery::default()).await?.value;
        for tool in tools.get("result").and_then(Value::as_array).into_iter().flatten() {
            let text = |pointer: &str| tool.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let first = first_sentence(text("/description"));
            self.screen.line(&format!("     {STRONG}{:<34}{STRONG:#} {DIM}{first}{DIM:#}", text("/name")));
        }
        Ok(())
    }

    /// Scenario 1; the leaver's id.
    async fn offboard(&self, session: &Session) -> Result<String, Failure> {
        let email = &self.script.story.leaver;
        self.screen.asks(&format!("qm offboard {email}"));
        let new = offboard::new_run(session.account.id, email, false, PATIENCE.as_secs());
        let run = watched::quietly(&self.stage.client, &new, self.screen.progress(), offboard::telling).await?;
        let Some(done) = offboard::done(&run)? else { return Err(Failure::failed("the run was stopped")) };
        self.screen.line("");
        for line in ticket(&done).trim_end().lines() {
            self.screen.line(&format!("   {line}"));
        }
        Ok(done.id)
    }

    async fn invented(&self, session: &Session, id: &str) -> Result<(), Failure> {
        let tool = &session.lifecycle.suspend_tool;
        self.screen.asks(&format!("POST …/tools/{tool}/call {{\"arguments\":{{\"id\":\"{id}\"}}}}"));
        let before = self.screen.exchanges();
        let refusal = self.refusal(session, tool, id).await?;
        self.screen.refused("refused");
        self.screen.text(&refusal.render());
        let sent = self.screen.exchanges() - before;
        if sent > 0 {
            return Err(Failure::failed(format!("{sent} calls were made for an id that nobody has read")));
        }
        self.screen.good("nothing was sent to the vendor");
        Ok(())
    }

    async fn hidden(&self, session: &Session) -> Result<(), Failure> {
        let hidden = self.stage.simulator.control().find(&self.script.story.hidden);
        let Some(hidden) = hidden else { return Err(Failure::failed("the simulator has no hidden person")) };
        let tool = &session.lifecycle.get_tool;
        self.screen.asks(&format!("POST …/tools/{tool}/call {{\"arguments\":{{\"id\":\"{}\"}}}}", hidden.id));
        let refusal = self.refusal(session, tool, &hidden.id).await?;
        self.screen.text(&refusal.render());
        Ok(())
    }

    /// Calls a tool that must not work.
    async fn refusal(&self, session: &Session, tool: &str, id: &str) -> Result<Failure, Failure> {
        let options = CallOptions { session: Some(SESSION.to_owned()), ..CallOptions::default() };
        let mut arguments = Map::new();
        arguments.insert("id".to_owned(), json!(id));
        match self.stage.client.call_tool::<Value>(session.account.id, tool, arguments, &options).await {
            Err(error) => Ok(Failure::from(error)),
            Ok(_) => Err(Failure::failed(format!("{tool} answered for {id}, and should not have"))),
        }
    }

    /// Scenario 2.
    async fn audit(&self, session: &Session) -> Result<(), Failure> {
        let control = self.stage.simulator.control();
        control.set_rate_headers(self.script.rate_headers);
        control.set_rate_limit(Some(self.script.rate_limit));
        let bytes = self.script.list.as_bytes();
        let list = roster::read(bytes, None).map_err(|error| Failure::failed(error.to_string()))?;
        self.screen.asks(&format!("qm audit {} --suspend", self.script.list_name));
        let wish = Wish { suspend: true, concurrency: CONCURRENCY_DEFAULT };
        let new = audit::new_run(session.account.id, self.script.list_name, &list, wish, PATIENCE.as_secs());
        let telling = |run: &Run| audit::telling(run, &new, true);
        let run = watched::quietly(&self.stage.client, &new, self.screen.progress(), telling).await;
        control.set_rate_limit(None);
        let Some(report) = audit::report(&run?)? else { return Err(Failure::failed("the run was stopped")) };
        self.screen.beat(2).await;
        self.screen.line("");
        self.screen.block(&audit::table(&report));
        if !self.stays {
            return Ok(());
        }
        let page = self.stage.folder().join("report.html");
        std::fs::write(&page, report.to_html()?).map_err(Failure::io(format!("writing {}", page.display())))?;
        self.screen.good(&format!("the report as a page, for as long as this runs: {}", page.display()));
        Ok(())
    }

    async fn closing(&self, session: &Session) -> Result<(), Failure> {
        let log = AuditLogQuery { limit: Some(LOG_SHOWN), ..AuditLogQuery::default() };
        for entry in self.stage.client.audit_log(&log).await?.result {
            let (target, code) = (entry.target.unwrap_or_default(), entry.code.unwrap_or_default());
            self.screen.line(&format!("     {} {:<16} {target:<28} {} {code}", entry.at, entry.action, entry.outcome));
        }
        self.screen.line("");
        self.screen.line("The same by hand:");
        self.screen.line("");
        let lines = curl_lines(self.stage, session, &self.script.story.leaver);
        for line in lines {
            self.screen.line(&line);
        }
        Ok(())
    }
}

/// What was shown, to be pasted into a shell. Each line stands on its own.
fn curl_lines(stage: &Stage, session: &Session, email: &str) -> Vec<String> {
    let Lifecycle { list_tool, get_tool, find_by_email, .. } = &session.lifecycle;
    let account = format!("{}/integrated-account/{}", stage.url(), session.account.id);
    let authorization = format!("-H 'Authorization: Bearer {}'", stage.token());
    let call = |tool: &str, arguments: Value| {
        let body = json!({ "arguments": arguments });
        format!("curl -s {authorization} -H 'Content-Type: application/json' {account}/tools/{tool}/call -d '{body}'")
    };
    let leaver = stage.simulator.control().find(email).map(|person| person.id).unwrap_or_default();
    let mut lines = vec![
        format!("curl -s {authorization} '{account}/tools?format=openai'"),
        call(list_tool, json!({ find_by_email.as_str(): email })),
        call(get_tool, json!({"id": leaver})),
        call(&session.lifecycle.suspend_tool, json!({"id": leaver})),
    ];
    if let Some(tool) = &session.lifecycle.reactivate_tool {
        lines.push(call(tool, json!({"id": leaver})));
    }
    lines.push(format!("curl -s {authorization} '{}/audit-log?limit=5'", stage.url()));
    lines
}

/// The id with its last letter changed, as a model might remember it.
fn one_letter_off(id: &str) -> String {
    let mut letters: Vec<char> = id.chars().collect();
    if let Some(last) = letters.last_mut() {
        *last = if *last == 'A' { 'B' } else { 'A' };
    }
    letters.into_iter().collect()
}

/// `1200` as `1,200`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_written_for_people() {
        assert_eq!(
            (thousands(7), thousands(1200), thousands(1_000_000)),
            ("7".into(), "1,200".into(), "1,000,000".into())
        );
        assert_eq!(one_letter_off("ABC"), "ABA");
        assert_eq!(one_letter_off("CBA"), "CBB");
    }
}
