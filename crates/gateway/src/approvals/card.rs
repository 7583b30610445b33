//! The card of an approval: what approvers are shown, row by row. No secret is on it.

use quartermaster_definition::Method;
use quartermaster_types::{Code, Problem};
use quartermaster_vault::Scrubber;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::accounts::AccountEntry;
use crate::call::Prepared;
use crate::limits::{CARD_MAX_BYTES, CARD_ROWS_MAX, CARD_TEXT_MAX_CHARACTERS, CARD_VALUE_MAX_BYTES};

/// What approvers are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// What is to be done, in a sentence.
    pub title: String,
    /// What there is to know besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What is to be done, one by one; at most [`CARD_ROWS_MAX`].
    pub rows: Vec<CardRow>,
}

/// One thing that is to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CardRow {
    /// From 1; a veto names it.
    pub number: u32,
    /// To whom or what: a name or e-mail address, else the id.
    pub who: String,
    /// What is done.
    pub what: String,
    /// The method, `users.suspend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The arguments, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// What there is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is different afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The method that undoes it; `None` when nothing is known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

impl Card {
    /// The stored form; a card that is too large cannot be looked at by anybody and is refused.
    pub(crate) fn text(&self) -> Result<String, Problem> {
        let text = serde_json::to_string(self).unwrap_or_default();
        if self.rows.is_empty() || self.rows.len() > CARD_ROWS_MAX || text.len() > CARD_MAX_BYTES {
            return Err(Problem::caller(
                Code::InvalidArgument,
                format!(
                    "An approval shows 1 to {CARD_ROWS_MAX} rows and at most {CARD_MAX_BYTES} bytes, not {} rows and {} bytes; \
                     nobody was asked.",
                    self.rows.len(),
                    text.len()
                ),
            )
            .with_hint("Divide it into several."));
        }
        Ok(text)
    }

    /// The same without the account's secrets, should a record or an argument repeat one.
    pub(super) fn scrubbed(&self, entry: &AccountEntry) -> Result<Self, Problem> {
        let text = Scrubber::new(&entry.credentials()?).scrub(&serde_json::to_string(self).unwrap_or_default());
        serde_json::from_str(&text).map_err(|_| {
            tracing::error!("a card is no card any more without the secrets");
            Problem::gateway(Code::Internal, "The card of the approval could not be made; nobody was asked.")
        })
    }
}

/// The card of one call. `record`: as it was read just now; null where the call names none.
pub(super) fn of_call(prepared: &Prepared, record: &Value) -> Result<Card, Problem> {
    let method = prepared.method();
    let title = format!("{} ({})", method.title, prepared.entry.tenant_id());
    let card = Card { title: cut(&title), note: None, rows: vec![row(prepared, method, record)] };
    card.scrubbed(&prepared.entry)
}

fn row(prepared: &Prepared, method: &Method, record: &Value) -> CardRow {
    let arguments = Value::Object(prepared.arguments.clone());
    let shown = shown_of(prepared, record);
    let who = ["display_name", "email"].iter().filter_map(|name| shown.get(*name)?.as_str());
    let who: Vec<&str> = who.filter(|text| !text.is_empty()).collect();
    let who = match (who.as_slice(), prepared.id()) {
        ([name, email], _) => format!("{name} <{email}>"),
        ([one], _) => (*one).to_owned(),
        (_, Some(id)) => id.to_owned(),
        _ => prepared.entry.tenant_id().to_owned(),
    };
    let transition = method.transition.as_ref();
    let after = transition
        .map(|transition| Value::Object(Map::from_iter([("state".to_owned(), transition.to.as_str().into())])));
    CardRow {
        number: 1,
        who: cut(&who),
        what: cut(&method.title),
        method: Some(method.full_name()),
        arguments: Some(bounded(arguments)),
        before: (!record.is_null()).then(|| bounded(Value::Object(shown))),
        after,
        undo: transition.and_then(|transition| transition.undo.clone()),
    }
}

/// The members of a record that tell a person whom it is about: those that the definition places, else all of it.
fn shown_of(prepared: &Prepared, record: &Value) -> Map<String, Value> {
    let plan = &prepared.entry.plan.plan;
    let resource = &prepared.method().resource;
    let mut shown = Map::new();
    let mut show = |name: &str, pointer: &str| {
        if let Some(value) = record.pointer(pointer) {
            shown.insert(name.to_owned(), value.clone());
        }
    };
    if let Some(rule) = plan.resources.get(resource) {
        show("id", &rule.id.at);
        if let Some(lifecycle) = plan.lifecycle.as_ref().filter(|lifecycle| lifecycle.resource == *resource) {
            show("email", &lifecycle.email);
            if let Some(pointer) = &lifecycle.display_name {
                show("display_name", pointer);
            }
        }
        if let Some(state) = &rule.state {
            show("state", &state.at);
        }
    }
    if shown.len() <= 1
        && let Value::Object(members) = record
    {
        return members.clone();
    }
    shown
}

/// A value that is not too long to be looked at.
pub(crate) fn bounded(value: Value) -> Value {
    let bytes = value.to_string().len();
    if bytes > CARD_VALUE_MAX_BYTES { serde_json::json!({"omitted_bytes": bytes}) } else { value }
}

/// A text that is not too long to be looked at, on one line.
pub(crate) fn cut(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let letters = text.chars().count();
    let kept = if letters > CARD_TEXT_MAX_CHARACTERS { CARD_TEXT_MAX_CHARACTERS - 1 } else { letters };
    let mut cut: String = text.chars().take(kept).map(plain).collect();
    if kept < letters {
        cut.push('…');
    }
    cut
}

/// A digest of a record: the same for the same members with the same values.
pub(super) fn digest_of(record: &Value) -> Option<[u8; 32]> {
    (!record.is_null()).then(|| quartermaster_vault::sha256(&[crate::plans::canonical(record).as_bytes()]))
}

/// The card as it is stored.
pub(super) fn read(text: &str) -> Result<Card, Problem> {
    serde_json::from_str(text).map_err(|error| {
        tracing::error!(%error, "a stored card cannot be read");
        unreadable()
    })
}

pub(super) fn unreadable() -> Problem {
    Problem::gateway(Code::Internal, "The stored approval cannot be read.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(rows: usize, what: &str) -> Card {
        let row = |number: usize| CardRow { number: number as u32, what: what.to_owned(), ..CardRow::default() };
        Card { title: "t".to_owned(), note: None, rows: (1..=rows).map(row).collect() }
    }

    #[test]
    fn a_card_has_limits() {
        assert!(card(CARD_ROWS_MAX, "x").text().is_ok());
        for refused in [card(0, "x"), card(CARD_ROWS_MAX + 1, "x")] {
            assert_eq!(refused.text().unwrap_err().code(), Code::InvalidArgument);
        }
        let fixed = card(1, "").text().unwrap().len();
        assert!(card(1, &"x".repeat(CARD_MAX_BYTES - fixed)).text().is_ok());
        assert!(card(1, &"x".repeat(CARD_MAX_BYTES - fixed + 1)).text().is_err());
        let at = "x".repeat(CARD_TEXT_MAX_CHARACTERS);
        assert_eq!(cut(&at), at);
        assert_eq!(cut(&format!("{at}y")).chars().count(), CARD_TEXT_MAX_CHARACTERS);
        assert!(cut(&format!("{at}y")).ends_with('…'));
        assert_eq!(cut("a\nb"), "a b");
        let value = |bytes: usize| Value::String("x".repeat(bytes - 2));
        assert_eq!(bounded(value(CARD_VALUE_MAX_BYTES)), value(CARD_VALUE_MAX_BYTES));
        assert_eq!(bounded(value(CARD_VALUE_MAX_BYTES + 1))["omitted_bytes"], CARD_VALUE_MAX_BYTES + 1);
    }

    #[test]
    fn a_digest_tells_values_and_not_the_order_of_members() {
        let of = |text: &str| digest_of(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"a":1,"b":2}"#), of(r#"{"b":2,"a":1}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_eq!(of("null"), None);
    }
}
