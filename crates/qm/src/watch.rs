//! Progress on standard error: a bar when a person looks and it takes longer than a second, plain lines otherwise.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quartermaster_roster::{Event, Progress};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Failure, printable};
use crate::output::{note, piece};
use crate::style::{BAD, DIM, GOOD, WARN};

/// Work shorter than this shows no bar.
const QUIET: Duration = Duration::from_secs(1);

/// Shows events.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Mutex<Shown>>);

struct Shown {
    bar: ProgressBar,
    is_terminal: bool,
    started: Instant,
    /// Until when a rate limit holds the work, for the countdown.
    waiting_until: Option<Instant>,
}

impl Watch {
    /// Shows events on standard error.
    pub(crate) fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::default_spinner());
        Self(Arc::new(Mutex::new(Shown { bar, is_terminal, started: Instant::now(), waiting_until: None })))
    }

    /// The sink for a playbook's events.
    pub(crate) fn progress(&self) -> Progress {
        let watch = self.clone();
        Progress::new(move |event| watch.lock().show(&event))
    }

    /// Moves the bar and the countdown a few times a second, for as long as it runs.
    pub(crate) async fn tick(&self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            self.lock().tick();
        }
    }

    /// Takes the bar off the screen until it next moves, so that something can be asked.
    pub(crate) fn pause(&self) {
        self.lock().bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.lock().bar.finish_and_clear();
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn show(&mut self, event: &Event) {
        match event {
            Event::PageRead { pages, people } => {
                self.bar.set_message(format!("reading the directory: {people} people, {pages} pages"));
            }
            Event::Suspending { total } => {
                self.bar.set_length(*total as u64);
                self.bar.set_position(0);
                let style = ProgressStyle::with_template("{spinner} suspending {bar:30} {pos}/{len} {msg}");
                self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                self.bar.set_message("");
            }
            Event::PersonDone { email, outcome, ok } => {
                self.bar.inc(1);
                let (style, sign) = if *ok { (GOOD, "✓") } else { (BAD, "✗") };
                self.line(&format!("{style}{sign}{style:#} {} {outcome}", printable(email)));
            }
            Event::Waiting { seconds, told_by } => {
                self.waiting_until = Some(Instant::now() + Duration::from_secs(*seconds));
                let why = match told_by {
                    quartermaster_roster::WaitSource::Headers => "as the answer's headers say",
                    quartermaster_roster::WaitSource::Backoff => "no header says how long",
                };
                self.line(&format!("{WARN}rate limited:{WARN:#} waiting {seconds} s, {why}"));
            }
            Event::CallFailed { method, reason } => {
                self.line(&format!("{BAD}✗{BAD:#} {}: {}", printable(method), printable(reason)));
            }
            Event::ConnectionLost { seconds, reason } => {
                let reason = printable(reason);
                self.line(&format!(
                    "{WARN}not connected:{WARN:#} {reason}; the run goes on, looking again in {seconds} s"
                ));
            }
            Event::Saying { text } => {
                let text = printable(text);
                self.bar.suspend(|| piece(&text));
            }
            Event::Said => self.bar.suspend(|| note("")),
            Event::Step { what } => self.line(&format!("{DIM}·{DIM:#} {}", printable(what))),
        }
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| note(text));
    }

    fn tick(&mut self) {
        if !self.is_terminal || self.started.elapsed() < QUIET {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if let Some(until) = self.waiting_until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.waiting_until = None;
                self.bar.set_message("");
            } else {
                self.bar.set_message(format!("rate limited, {} s left", left.as_secs() + 1));
            }
        }
        self.bar.tick();
    }
}

/// SIGINT and SIGTERM, listened to from the moment that this is made: before anybody is told that the program is ready.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Begins to listen; from now on the signals do not end the program by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::io("listening to signals"));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Resolves when one of them comes.
    pub(crate) async fn next(&mut self) {
        self.next_signal().await;
    }

    /// Resolves when one of them comes, and says which.
    pub(crate) async fn next_signal(&mut self) -> Signalled {
        tokio::select! {
            _ = self.interrupt.recv() => Signalled::Interrupt,
            _ = self.terminate.recv() => Signalled::Terminate,
        }
    }
}

/// A signal that asks the program to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signalled {
    /// Somebody pressed Ctrl-C.
    Interrupt,
    /// Another program asks.
    Terminate,
}

/// Ends the program without waiting for anything.
#[expect(clippy::exit, reason = "the user asked twice")]
pub(crate) fn end_at_once() -> ! {
    std::process::exit(i32::from(crate::exit::Exit::Interrupted as u8))
}
