//! The machine: ask the model, make the calls that it asks for, tell it what came of them, until the end.

mod round;

use std::sync::Arc;

use quartermaster_types::run::{Action, Ask, Entry, Mismatch, Outcome, Reply, Stop, Waits};
use quartermaster_types::{Code, Origin, Problem, Timestamp};
use serde_json::Value;

use crate::attempts::{Attempts, Patience};
use crate::breaker::Breaker;
use crate::conversation::{Conversation, Prompt};
use crate::handles::Handles;
use crate::limits::{ASK_ATTEMPTS_MAX, BYTES_PER_TOKEN, EMPTY_REPLIES_MAX, REMINDERS_MAX};
use crate::outcome::{self, EndedBy, LastWords, Tally};
use crate::setting::Setting;
use crate::toolbox::{FINISH, Toolbox};
use round::Round;

/// A run at some point of its journal.
#[derive(Clone, Debug)]
pub struct State {
    setting: Arc<Setting>,
    toolbox: Toolbox,
    conversation: Conversation,
    handles: Handles,
    breaker: Breaker,
    tally: Tally,
    patience: Patience,
    /// The time of the last entry.
    now: Timestamp,
    /// Turns that were begun.
    turn: u32,
    /// How often a model that only talked was asked to go on.
    reminders: u32,
    /// Turns in a row without text or call.
    empty: u32,
    /// Whether a call was refused because the run has made all that it may.
    out_of_calls: bool,
    words: LastWords,
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
    /// The model is asked.
    Asking { attempts: Attempts, ask: Ask },
    /// Its calls are made.
    Calling(Box<Round>),
    /// Nothing more comes.
    Ended(Box<Action>),
}

impl State {
    /// A run at its beginning.
    pub fn new(setting: Setting) -> Self {
        let toolbox = Toolbox::new(&setting);
        let deadline = setting.started_at.plus_ms(i64::try_from(setting.limits.seconds * 1000).unwrap_or(i64::MAX));
        let patience = Patience { waits: Waits::default(), seconds: setting.limits.wait_seconds, deadline };
        let now = setting.started_at;
        let ask = Ask { key: String::new(), model: String::new(), prompt: String::new() };
        let mut state = Self {
            setting: Arc::new(setting),
            toolbox,
            conversation: Conversation::default(),
            handles: Handles::default(),
            breaker: Breaker::default(),
            tally: Tally::default(),
            patience,
            now,
            turn: 0,
            reminders: 0,
            empty: 0,
            out_of_calls: false,
            words: LastWords::default(),
            phase: Phase::Asking { attempts: Attempts::new(String::new()), ask },
        };
        state.ask();
        state
    }

    /// What the run was started with.
    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    /// What is needed next. Asking does not change anything.
    pub fn next(&self) -> Action {
        let (mut calls, mut waits, mut asks) = (Vec::new(), Vec::new(), Vec::new());
        match &self.phase {
            Phase::Ended(action) => return Action::clone(action),
            Phase::Asking { attempts, ask } => match &attempts.pause {
                Some(pause) => waits.push(pause.clone()),
                None => asks.push(ask.clone()),
            },
            Phase::Calling(round) => round.gather(&mut calls, &mut waits),
        }
        Action::Proceed { calls, waits, asks }
    }

    /// The prompt of the question that is open, by its key.
    pub fn prompt(&self, key: &str) -> Option<Prompt> {
        match &self.phase {
            Phase::Asking { attempts, ask } if attempts.pause.is_none() && ask.key == key => Some(self.render()),
            _ => None,
        }
    }

    /// What of an answer has to be kept in the journal: the rest is never looked at. Keeping everything gives the same run.
    pub fn reduce(&self, key: &str, answer: Value) -> Value {
        match &self.phase {
            Phase::Calling(round) if round.has_key(key) => crate::cut::keep(answer, self.setting.limits.result_bytes()),
            _ => answer,
        }
    }

    /// Goes on by one entry.
    ///
    /// # Errors
    /// [`Mismatch`] when this run cannot have the entry; the run stays as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        let key = entry.key();
        match &mut self.phase {
            Phase::Ended(_) => return Err(Mismatch::AfterEnd { key: key.to_owned() }),
            Phase::Asking { .. } => self.apply_to_ask(entry)?,
            Phase::Calling(round) => {
                let bytes = self.setting.limits.result_bytes();
                round.apply(entry, bytes, &mut self.patience)?;
                self.now = self.now.max(entry.at());
                if self.now >= self.patience.deadline {
                    round.drop_what_is_not_begun();
                }
                if round.is_over() {
                    self.conclude();
                }
            }
        }
        self.now = self.now.max(entry.at());
        Ok(())
    }

    fn apply_to_ask(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        let Phase::Asking { attempts, ask } = &mut self.phase else { return Ok(()) };
        let key = entry.key();
        let unexpected = || Err(Mismatch::Unexpected { key: key.to_owned() });
        match (entry, &attempts.pause) {
            (Entry::Woken { at, .. }, Some(pause)) if pause.key == key => {
                if *at < pause.until {
                    return Err(Mismatch::TooEarly { key: key.to_owned() });
                }
                attempts.again();
                self.now = self.now.max(*at);
                self.ask_again();
            }
            _ if attempts.pause.is_some() || ask.key != key => return unexpected(),
            (Entry::Asked { ask: asked, .. }, _) if asked == ask => {}
            (Entry::Asked { .. }, _) => return Err(Mismatch::OtherCall { key: key.to_owned() }),
            (Entry::Answered { reply, at, .. }, _) => {
                self.now = self.now.max(*at);
                self.answered(reply.clone());
            }
            (Entry::Failed { problem, at, .. }, _) => {
                self.now = self.now.max(*at);
                self.not_answered(problem.clone(), *at);
            }
            _ => return unexpected(),
        }
        Ok(())
    }

    /// Asks the model for its next turn, unless a limit is reached.
    fn ask(&mut self) {
        if let Some(ended_by) = self.limit() {
            self.end(ended_by);
            return;
        }
        self.turn += 1;
        let attempts = Attempts::new(format!("turn-{}", self.turn));
        self.conversation.fit(self.room());
        let ask = self.question(&attempts);
        self.phase = Phase::Asking { attempts, ask };
    }

    /// Asks for the same turn once more.
    fn ask_again(&mut self) {
        if let Some(ended_by) = self.limit() {
            self.end(ended_by);
            return;
        }
        let Phase::Asking { attempts, .. } = &self.phase else { return };
        let attempts = attempts.clone();
        let ask = self.question(&attempts);
        self.phase = Phase::Asking { attempts, ask };
    }

    fn question(&self, attempts: &Attempts) -> Ask {
        Ask { key: attempts.key(), model: self.setting.model.clone(), prompt: self.render().digest() }
    }

    fn render(&self) -> Prompt {
        self.conversation.prompt(&self.setting, self.toolbox.specs(&self.setting))
    }

    /// Bytes that the conversation may have beside everything else in the prompt.
    fn room(&self) -> usize {
        let fixed =
            serde_json::to_string(&Conversation::default().prompt(&self.setting, self.toolbox.specs(&self.setting)));
        let answer = self.setting.limits.output_tokens as usize * BYTES_PER_TOKEN;
        self.setting.limits.context_bytes().saturating_sub(fixed.map_or(0, |text| text.len()) + answer)
    }

    /// What the model is told when its next turn is the last one.
    fn last_turn(&self) -> Option<String> {
        let is_last = self.tally.iterations + 1 == self.setting.limits.iterations;
        is_last.then(|| format!("This is your last turn. Call {FINISH} now, and say how far you came."))
    }

    /// The limit that the run has reached.
    fn limit(&self) -> Option<EndedBy> {
        let limits = &self.setting.limits;
        let usage = &self.tally.usage;
        let costs_too_much =
            limits.cost_micros().is_some_and(|most| usage.cost_micros.is_some_and(|cost| cost >= most));
        if self.now >= self.patience.deadline {
            Some(EndedBy::Time)
        } else if self.tally.iterations >= limits.iterations {
            Some(EndedBy::Iterations)
        } else if usage.input_tokens + usage.output_tokens >= limits.tokens {
            Some(EndedBy::Tokens)
        } else if costs_too_much {
            Some(EndedBy::Cost)
        } else if self.out_of_calls {
            Some(EndedBy::Calls)
        } else {
            None
        }
    }

    fn answered(&mut self, mut reply: Reply) {
        self.tally.answered(&reply.usage);
        name_calls(&mut reply, self.turn);
        if !reply.text.trim().is_empty() {
            self.words.summary.clone_from(&reply.text);
        }
        if reply.calls.is_empty() {
            self.talked(reply);
            return;
        }
        self.empty = 0;
        let round = self.plan(reply);
        let is_over = round.is_over();
        self.phase = Phase::Calling(Box::new(round));
        if is_over {
            self.conclude();
        }
    }

    /// The model said something and called nothing.
    fn talked(&mut self, reply: Reply) {
        let is_empty = reply.text.trim().is_empty();
        self.empty = if is_empty { self.empty + 1 } else { 0 };
        let note = if reply.stop == Stop::Refused {
            self.end(EndedBy::Refusal);
            return;
        } else if is_empty {
            if self.empty >= EMPTY_REPLIES_MAX {
                self.end(EndedBy::EmptyReplies);
                return;
            }
            format!("Your reply was empty. Go on with the goal, or call {FINISH} and say how far you came.")
        } else if reply.stop == Stop::Length && self.reminders < REMINDERS_MAX {
            self.reminders += 1;
            let most = self.setting.limits.output_tokens;
            format!("Your reply was cut off at {most} tokens. Go on, in fewer words.")
        } else if self.tally.worked == 0 && self.reminders < REMINDERS_MAX {
            self.reminders += 1;
            format!(
                "No call has worked yet. Saying that you will do something does nothing: call the tool now. If the goal \
                 cannot be reached, call {FINISH} and say why."
            )
        } else {
            let only_talk = self.tally.worked == 0 && self.tally.calls == 0;
            self.end(if only_talk { EndedBy::OnlyTalk } else { EndedBy::Reply });
            return;
        };
        self.conversation.push(reply, Vec::new(), Some(note));
        self.ask();
    }

    /// The model did not answer.
    fn not_answered(&mut self, problem: Problem, at: Timestamp) {
        let Phase::Asking { attempts, .. } = &mut self.phase else { return };
        let is_too_long = problem.code() == Code::PayloadTooLarge && problem.body().origin == Origin::Model;
        if is_too_long && attempts.failed() + 1 < ASK_ATTEMPTS_MAX && self.conversation.shorten() {
            attempts.count();
            attempts.again();
            self.ask_again();
            return;
        }
        if let Some(problem) = attempts.wait(problem, at, ASK_ATTEMPTS_MAX, &mut self.patience) {
            self.fail(EndedBy::Fault, problem);
        }
    }

    /// Comes to the end that the model or a limit made.
    fn end(&mut self, ended_by: EndedBy) {
        let settled = self.settle(ended_by);
        let reached = match ended_by {
            EndedBy::FinishRun => self.words.outcome.as_deref() == Some("done"),
            EndedBy::Reply => self.tally.worked > 0,
            _ => false,
        };
        let whole = reached && settled.all_borne_out && !self.tally.has_open();
        let outcome = if whole { Outcome::Complete } else { Outcome::Partial };
        self.phase = Phase::Ended(Box::new(Action::Done { outcome, report: Some(settled.report) }));
    }

    /// Ends because it cannot go on.
    fn fail(&mut self, ended_by: EndedBy, problem: Problem) {
        let report = Some(self.settle(ended_by).report);
        let step = Some(format!("turn-{}", self.turn));
        self.phase = Phase::Ended(Box::new(Action::Failed { step, problem, report }));
    }

    fn settle(&self, ended_by: EndedBy) -> outcome::Settled {
        let waits = self.patience.waits;
        outcome::settle(&self.setting, &self.toolbox, &self.handles, &self.tally, waits, ended_by, &self.words)
    }
}

/// Gives every call of a reply an id that no other of the reply has.
fn name_calls(reply: &mut Reply, turn: u32) {
    let mut names: Vec<String> = Vec::with_capacity(reply.calls.len());
    for (place, call) in (1..).zip(&mut reply.calls) {
        if call.id.is_empty() || names.contains(&call.id) {
            call.id = format!("call_{turn}_{place}");
        }
        names.push(call.id.clone());
    }
}
