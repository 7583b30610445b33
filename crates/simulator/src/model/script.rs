//! What a scripted model says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::conversation::Conversation;
use super::template;

/// The most turns and rules of a script together.
pub(super) const TURNS_MAX: usize = 10_000;

/// A script. A rule whose conditions all hold answers first; else the turn of the conversation's number; else `otherwise`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The first turn of a conversation, the second, and so on.
    #[serde(default)]
    pub turns: Vec<Reply>,
    /// What is said whenever its conditions hold, in this order.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What is said when nothing else is left. Without it the stand-in says that the script is over.
    #[serde(default)]
    pub otherwise: Option<Reply>,
}

/// Conditions and what is said when they hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// When; all of it.
    pub when: When,
    /// What.
    pub say: Reply,
}

/// Conditions on a conversation; all that are given must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// So many messages of the assistant came before.
    pub turn: Option<usize>,
    /// The first words of the user have this in them.
    pub goal_contains: Option<String>,
    /// The last message (results of tools, or words of the user) has this in it.
    pub last_contains: Option<String>,
    /// The last result is of this tool.
    pub last_tool: Option<String>,
    /// A tool of this name is offered.
    pub offers: Option<String>,
    /// No tool of this name is offered.
    pub lacks: Option<String>,
    /// There is something at this place; a path as in a template.
    pub has: Option<String>,
    /// There is nothing at this place.
    pub has_not: Option<String>,
    /// At these places is exactly this.
    #[serde(default)]
    pub equals: BTreeMap<String, Value>,
}

/// One turn.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// What the model says; `{{ templates }}` over the conversation.
    #[serde(default)]
    pub text: Option<String>,
    /// What it thinks aloud.
    #[serde(default)]
    pub reasoning: Option<String>,
    /// What it asks for, several at once for parallel calls.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// `length` or `refusal` for a turn that ends like that.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Tokens that it is said to have read and written; estimated from the sizes when absent.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// What goes wrong the first times that this turn is asked for, one after the other.
    #[serde(default)]
    pub first: Vec<Trouble>,
    /// What goes wrong every time.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Milliseconds before the answer begins.
    #[serde(default)]
    pub delay_ms: u64,
    /// Milliseconds between the events of a stream.
    #[serde(default)]
    pub pause_ms: u64,
    /// A stream is written in pieces of so many bytes, wherever that cuts; whole events when absent.
    #[serde(default)]
    pub piece_bytes: Option<usize>,
}

/// A call that the model asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool's name, whether there is such a tool or not.
    pub tool: String,
    /// Its arguments, with templates in their texts.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// A text instead of them, whatever it is: malformed JSON, for instance.
    #[serde(default)]
    pub raw: Option<String>,
    /// The call's id: absent for one made up as the provider does, `null` for none at all.
    #[serde(default, with = "told")]
    pub id: Option<Option<String>>,
}

/// Tells `null` from nothing.
mod told {
    use serde::{Deserialize, Deserializer};

    #[expect(clippy::option_option, reason = "absent, null and a text are three things")]
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
        Option::<String>::deserialize(deserializer).map(Some)
    }
}

/// How a turn ends otherwise than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Cut at the limit of tokens.
    Length,
    /// The model or its provider refuses.
    Refusal,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Of those read, from the cache.
    #[serde(default)]
    pub cached: u64,
}

/// Something that goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// An error in the provider's form.
    Error {
        /// The HTTP status.
        status: u16,
        /// `type` of the error; what the provider has for the status when absent.
        #[serde(default)]
        kind: Option<String>,
        /// `code` of the error, where the wire format has one.
        #[serde(default)]
        code: Option<String>,
        /// Its words. `{{ key }}` is the key that the request carried.
        #[serde(default)]
        message: Option<String>,
        /// Headers of the answer, `retry-after` for instance.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// An answer as it is, an HTML page for instance.
    Raw {
        /// The HTTP status.
        status: u16,
        /// Its media type; none when empty.
        media_type: String,
        /// Its body.
        body: String,
    },
    /// So many events of a stream (or half the body otherwise), then an error in the provider's form, the status being 200
    /// already.
    ErrorAfter {
        /// Events before it.
        events: usize,
        /// `type` of the error.
        kind: String,
        /// Its words.
        message: String,
    },
    /// So many events of a stream (or half the body otherwise), then the connection ends.
    CutAfter {
        /// Events before it.
        events: usize,
    },
    /// So many events of a stream, then nothing more, though the connection stays.
    SilenceAfter {
        /// Events before it.
        events: usize,
    },
    /// The connection is reset before any answer.
    Reset,
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Not JSON, or not of the form of a script.
    #[error("the script is not as a script is: {0}")]
    Form(#[from] serde_json::Error),
    /// A template or path in it cannot be read.
    #[error("{place}: {reason}")]
    Template {
        /// Which turn or rule.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// More turns and rules than one script may have.
    #[error("the script has {0} turns and rules; at most {TURNS_MAX}")]
    TooLong(usize),
}

impl Script {
    /// From JSON text.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        Self::from_value(serde_json::from_str(text)?)
    }

    /// From a value, wherever it was read from.
    pub fn from_value(value: Value) -> Result<Self, ScriptError> {
        let script: Self = serde_json::from_value(value)?;
        let count = script.turns.len() + script.rules.len();
        if count > TURNS_MAX {
            return Err(ScriptError::TooLong(count));
        }
        let turns = script.turns.iter().enumerate().map(|(number, reply)| (format!("turn {number}"), None, reply));
        let rules = script.rules.iter().enumerate();
        let rules = rules.map(|(number, rule)| (format!("rule {number}"), Some(&rule.when), &rule.say));
        let last = script.otherwise.iter().map(|reply| ("otherwise".to_owned(), None, reply));
        for (place, when, reply) in turns.chain(rules).chain(last) {
            check(when, reply).map_err(|reason| ScriptError::Template { place, reason })?;
        }
        Ok(script)
    }

    /// What is said next, and which turn or rule that is. `None` when the script is over.
    pub(super) fn next(&self, conversation: &Conversation) -> Option<(String, &Reply)> {
        let rule = self.rules.iter().enumerate().find(|(_, rule)| rule.when.holds(conversation));
        if let Some((number, rule)) = rule {
            return Some((format!("rule {number}"), &rule.say));
        }
        let turn = self.turns.get(conversation.turn).map(|reply| (format!("turn {}", conversation.turn), reply));
        turn.or_else(|| self.otherwise.as_ref().map(|reply| ("otherwise".to_owned(), reply)))
    }
}

/// Reads every template once, so that a wrong one is found before anything is served.
fn check(when: Option<&When>, reply: &Reply) -> Result<(), String> {
    for text in [&reply.text, &reply.reasoning].into_iter().flatten() {
        template::check(text)?;
    }
    for call in &reply.calls {
        template::check(&call.tool)?;
        for text in [&call.raw, &call.id.clone().flatten()].into_iter().flatten() {
            template::check(text)?;
        }
        template::check_value(&Value::Object(call.arguments.clone()))?;
    }
    let Some(when) = when else { return Ok(()) };
    for path in when.has.iter().chain(&when.has_not).chain(when.equals.keys()) {
        template::check(&format!("{{{{ {path} }}}}"))?;
    }
    Ok(())
}

impl When {
    fn holds(&self, conversation: &Conversation) -> bool {
        let contains = |whole: &str, part: &Option<String>| part.as_ref().is_none_or(|part| whole.contains(part));
        let at = |path: &String| template::look_up(path, conversation).filter(|value| !value.is_null());
        self.turn.is_none_or(|turn| turn == conversation.turn)
            && contains(&conversation.goal, &self.goal_contains)
            && contains(&conversation.last_text, &self.last_contains)
            && self
                .last_tool
                .as_ref()
                .is_none_or(|name| conversation.results.last().is_some_and(|last| last.tool == *name))
            && self.offers.as_ref().is_none_or(|name| conversation.tools.contains(name))
            && self.lacks.as_ref().is_none_or(|name| !conversation.tools.contains(name))
            && self.has.as_ref().is_none_or(|path| at(path).is_some())
            && self.has_not.as_ref().is_none_or(|path| at(path).is_none())
            && self.equals.iter().all(|(path, value)| template::look_up(path, conversation).as_ref() == Some(value))
    }
}
