//! How the demo looks: scenes, words, and a line for every call to the vendor.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quartermaster_engine::Exchange;
use quartermaster_roster::{Event, Progress, WaitSource};

use crate::failure::printable;
use crate::output::styled;
use crate::style::{BAD, CALL, DIM, GOOD, STRONG, WARN};

/// A pause in which a person can read; scripts do not need it.
const BEAT: Duration = Duration::from_millis(110);

/// Where long lines are broken.
const WRAP_AT: usize = 100;

/// Letters of an id that a line shows.
const ID_SHOWN: usize = 6;

/// Segments of a path that are longer than this are ids, and cut.
const SEGMENT_MAX: usize = 20;

/// Standard output, as a stage. Clones share the counters.
#[derive(Clone)]
pub(super) struct Screen {
    paced: bool,
    scenes: Arc<AtomicU32>,
    exchanges: Arc<AtomicU32>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { paced: io::stdout().is_terminal(), scenes: Arc::default(), exchanges: Arc::default() }
    }

    /// A line. When standard output is gone, the story goes on for whoever serves on.
    #[expect(clippy::unused_self, reason = "lines go to the screen, which happens to be the standard output")]
    pub(super) fn line(&self, text: &str) {
        let _ = styled(&format!("{text}\n"));
    }

    /// Begins a scene: a number, a title, some words.
    pub(super) async fn scene(&self, title: &str, say: &str) {
        self.beat(2).await;
        let number = self.scenes.fetch_add(1, Ordering::Relaxed);
        let number = if number == 0 { String::new() } else { format!("{number}. ") };
        self.line("");
        self.line(&format!("{STRONG}{number}{}{STRONG:#}", printable(title)));
        for line in say.trim_end().lines() {
            self.line(&format!("   {DIM}{}{DIM:#}", printable(line)));
        }
        self.beat(2).await;
    }

    /// Something went as it should.
    pub(super) fn good(&self, text: &str) {
        self.line(&format!("   {GOOD}✓{GOOD:#} {text}"));
    }

    /// Something was refused, as it should be.
    pub(super) fn refused(&self, text: &str) {
        self.line(&format!("   {WARN}✋{WARN:#} {text}"));
    }

    /// A command or request of ours.
    pub(super) fn asks(&self, text: &str) {
        self.line(&format!("   {CALL}${CALL:#} {STRONG}{text}{STRONG:#}"));
    }

    /// A text of long lines, indented and wrapped.
    pub(super) fn text(&self, text: &str) {
        for line in text.trim_end().lines() {
            for (number, part) in wrap(line).into_iter().enumerate() {
                let indent = if number == 0 { "     " } else { "            " };
                self.line(&format!("{indent}{part}"));
            }
        }
    }

    /// Several lines, indented.
    pub(super) fn block(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.line(&format!("     {line}"));
        }
    }

    /// A call of the gateway to the vendor, as it happened.
    pub(super) fn exchange(&self, exchange: &Exchange) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        let (style, status) = match exchange.status {
            Some(status @ 200..=299) => (GOOD, status.to_string()),
            Some(status @ 429) => (WARN, format!("{status} too many requests")),
            Some(status) => (BAD, status.to_string()),
            None => (BAD, "no answer".to_owned()),
        };
        let (method, path) = (&exchange.method, printable(&shorten(&exchange.path)));
        let call = format!("{method:<4} {path:<52}");
        self.line(&format!(
            "     {DIM}→{DIM:#} {call} {style}{status}{style:#} {DIM}{} ms{DIM:#}",
            exchange.duration_ms
        ));
    }

    /// Calls to the vendor so far.
    pub(super) fn exchanges(&self) -> u32 {
        self.exchanges.load(Ordering::Relaxed)
    }

    /// The sink for a playbook's events.
    pub(super) fn progress(&self) -> Progress {
        let screen = self.clone();
        Progress::new(move |event| screen.event(&event))
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Waiting { seconds, told_by } => {
                let why = match told_by {
                    WaitSource::Headers => "as the answer's retry-after says",
                    WaitSource::Backoff => "no header says how long",
                };
                self.line(&format!("   {WARN}⏳ rate limited: everybody waits {seconds} s, {why}{WARN:#}"));
            }
            Event::CallFailed { method, reason } => {
                self.line(&format!("   {WARN}{}: {}{WARN:#}", printable(method), printable(reason)));
            }
            Event::ConnectionLost { seconds, reason } => {
                self.line(&format!("   {WARN}not connected, again in {seconds} s: {}{WARN:#}", printable(reason)));
            }
            Event::PersonDone { email, outcome, ok } => {
                let sign = if *ok { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") };
                self.line(&format!("   {sign} {} {}", printable(email), printable(outcome)));
            }
            Event::Suspending { total } => self.line(&format!("   {total} people are still active")),
            Event::Step { what } => self.line(&format!("   {DIM}·{DIM:#} {}", printable(what))),
            Event::PageRead { .. } | Event::Saying { .. } | Event::Said => {}
        }
    }

    /// Pauses for a person; not for a script.
    pub(super) async fn beat(&self, beats: u32) {
        if self.paced {
            tokio::time::sleep(BEAT * beats).await;
        }
    }
}

/// Breaks a line between words. Lengths count colours too, which only makes a coloured line break a little earlier.
fn wrap(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let full = parts.last().is_some_and(|part| part.chars().count() + word.trim_end().chars().count() > WRAP_AT);
        if full {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(word);
        }
    }
    parts.into_iter().map(|part| part.trim_end().to_owned()).collect()
}

/// A path with its ids cut short: `/v1/accounts/ABCDEF…/users/GHIJKL…:suspend?limit=5`.
fn shorten(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let segments = path.split('/').map(|segment| {
        let (id, verb) = segment.find(':').map_or((segment, ""), |colon| segment.split_at(colon));
        if id.len() <= SEGMENT_MAX || !id.is_ascii() {
            return segment.to_owned();
        }
        format!("{}…{verb}", &id[..ID_SHOWN])
    });
    let mut text = segments.collect::<Vec<_>>().join("/");
    if let Some(query) = query {
        let parameters = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) if value.len() > SEGMENT_MAX && value.is_ascii() => {
                format!("{name}={}…", &value[..ID_SHOWN])
            }
            _ => pair.to_owned(),
        });
        text.push('?');
        text.push_str(&parameters.collect::<Vec<_>>().join("&"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_between_words() {
        let line = "word ".repeat(50);
        let parts = wrap(line.trim_end());
        assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= WRAP_AT));
        assert_eq!(parts.join(" "), line.trim_end());
        assert_eq!(wrap("   indented"), ["   indented"]);
    }

    #[test]
    fn ids_are_cut_and_verbs_stay() {
        for (path, expected) in [
            ("/v1/users", "/v1/users"),
            ("/v1/accounts/ABCDEFGHIJKLMNOPQRSTUVWXYZ/users", "/v1/accounts/ABCDEF…/users"),
            ("/users/IR7VJHJ36JHINBFAD7V2T5MP3E:suspend", "/users/IR7VJH…:suspend"),
            ("/users?size=5&page=IR7VJHJ36JHINBFAD7V2T5MP3E", "/users?size=5&page=IR7VJH…"),
        ] {
            assert_eq!(shorten(path), expected);
        }
    }
}
