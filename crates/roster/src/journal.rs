//! The journal of an audit that writes: one JSON object a line, on the disk before the next step.
//!
//! It answers one question after an interrupt or a crash: whom has this run suspended already? Entries are only ever
//! added. A run that came to its end is closed by a `finished` entry; the next run on the same file starts a new section.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use quartermaster_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The format of the entries.
const VERSION: u32 = 1;

/// The largest journal that is read.
const JOURNAL_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Opening, reading or writing failed.
    #[error("the journal {} cannot be {verb}: {source}", path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// `opened`, `read` or `written`.
        verb: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Another process works with it.
    #[error("the journal {} is in use by another run: wait for it, or stop it", path.display())]
    InUse {
        /// Where it is.
        path: PathBuf,
    },
    /// A line is not an entry.
    #[error("line {line} of the journal {} is damaged: {reason}; move the file away to start anew", path.display())]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It belongs to another list or account.
    #[error("the journal {} belongs to another list or account: give another --journal", path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
    },
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    /// A run begins.
    Run {
        /// Format.
        version: u32,
        /// Names the run; part of its idempotency keys.
        run: String,
        /// What the run works on.
        work: String,
        /// When it began.
        at: Timestamp,
    },
    /// A person is about to be suspended.
    Intent {
        /// The person's id.
        id: String,
        /// The address, for people who read the file.
        email: String,
        /// When.
        at: Timestamp,
    },
    /// A person was suspended.
    Done {
        /// The person's id.
        id: String,
        /// Whether the call changed the state; `null`: it took effect, by whom is not known.
        changed: Option<bool>,
        /// When.
        at: Timestamp,
    },
    /// A person could not be suspended.
    Failed {
        /// The person's id.
        id: String,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// The run came to its end.
    Finished {
        /// When.
        at: Timestamp,
    },
}

/// What the journal knows of one person in the present run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A write was begun; whether it took effect is not known.
    Begun,
    /// Suspended, at this time.
    Done(Timestamp),
    /// Refused or failed.
    Failed,
}

/// An open journal. Locked: one process at a time.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    run: String,
    started_at: Timestamp,
    resumed: bool,
    known: HashMap<String, Known>,
    /// Attempts that came to an answer and failed, by person.
    failures: HashMap<String, u32>,
}

impl Journal {
    /// Opens or makes the journal for `work` (a hash of list and account). Goes on with a run that was not finished.
    pub fn open(path: &Path, work: &str, now: Timestamp) -> Result<Self, JournalError> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|source| io(path, "opened", source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(path, "opened", source)),
        }
        let entries = load(&mut file, path)?;
        let mut journal = Self {
            file,
            path: path.to_owned(),
            run: String::new(),
            started_at: now,
            resumed: false,
            known: HashMap::new(),
            failures: HashMap::new(),
        };
        let mut runs = 0;
        for entry in entries {
            runs += usize::from(matches!(entry, Entry::Run { .. }));
            journal.apply(entry, work)?;
        }
        if journal.run.is_empty() {
            journal.run = format!("{}-{}-{}", &work[..work.len().min(16)], runs + 1, now.unix_ms());
            let run = journal.run.clone();
            journal.write(&Entry::Run { version: VERSION, run, work: work.to_owned(), at: now })?;
        } else {
            journal.resumed = true;
        }
        Ok(journal)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an earlier process began this run.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// When the run began.
    pub(crate) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    pub(crate) fn known(&self, id: &str) -> Option<Known> {
        self.known.get(id).copied()
    }

    /// The idempotency key of a person's next attempt. An attempt that was cut off keeps its key, so that the gateway can tell
    /// what became of it; one that failed gets another, because the gateway would repeat its answer.
    pub(crate) fn key(&self, id: &str) -> String {
        format!("{}-{id}-{}", self.run, self.failures.get(id).copied().unwrap_or(0))
    }

    pub(crate) fn begin(&mut self, id: &str, email: &str, at: Timestamp) -> Result<(), JournalError> {
        self.write(&Entry::Intent { id: id.to_owned(), email: email.to_owned(), at })
    }

    pub(crate) fn done(&mut self, id: &str, changed: Option<bool>, at: Timestamp) -> Result<(), JournalError> {
        self.write(&Entry::Done { id: id.to_owned(), changed, at })
    }

    pub(crate) fn failed(&mut self, id: &str, reason: String, at: Timestamp) -> Result<(), JournalError> {
        self.write(&Entry::Failed { id: id.to_owned(), reason, at })
    }

    pub(crate) fn finish(&mut self, at: Timestamp) -> Result<(), JournalError> {
        self.write(&Entry::Finished { at })
    }

    fn apply(&mut self, entry: Entry, work: &str) -> Result<(), JournalError> {
        match entry {
            Entry::Run { work: its, .. } if its != work => {
                return Err(JournalError::Foreign { path: self.path.clone() });
            }
            Entry::Run { run, at, .. } => {
                self.run = run;
                self.started_at = at;
                self.known.clear();
                self.failures.clear();
            }
            Entry::Intent { id, .. } => {
                self.known.insert(id, Known::Begun);
            }
            Entry::Done { id, at, .. } => {
                self.known.insert(id, Known::Done(at));
            }
            Entry::Failed { id, .. } => {
                *self.failures.entry(id.clone()).or_default() += 1;
                self.known.insert(id, Known::Failed);
            }
            Entry::Finished { .. } => {
                self.run.clear();
                self.known.clear();
            }
        }
        Ok(())
    }

    /// Appends one line and waits until it is on the disk.
    fn write(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|source| io(&self.path, "written", source))
    }
}

/// Reads all entries. A last line without its end was cut off by a crash: it is taken off the file.
fn load(file: &mut File, path: &Path) -> Result<Vec<Entry>, JournalError> {
    let mut text = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(JOURNAL_MAX_BYTES + 1).read_to_end(&mut text));
    read.map_err(|source| io(path, "read", source))?;
    if text.len() as u64 > JOURNAL_MAX_BYTES {
        let reason = format!("the file is larger than {JOURNAL_MAX_BYTES} bytes");
        return Err(JournalError::Damaged { path: path.to_owned(), line: 1, reason });
    }
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < text.len() {
        file.set_len(whole as u64).map_err(|source| io(path, "written", source))?;
    }
    let lines = text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let parse = |(index, line): (usize, &[u8])| {
        let damaged = |reason: String| JournalError::Damaged { path: path.to_owned(), line: index + 1, reason };
        match serde_json::from_slice(line) {
            Ok(Entry::Run { version, .. }) if version != VERSION => {
                Err(damaged(format!("format {version} is unknown")))
            }
            Ok(entry) => Ok(entry),
            Err(error) => Err(damaged(error.to_string())),
        }
    };
    lines.map(parse).collect()
}

fn io(path: &Path, verb: &'static str, source: std::io::Error) -> JournalError {
    JournalError::Io { path: path.to_owned(), verb, source }
}

#[cfg(test)]
mod tests;
